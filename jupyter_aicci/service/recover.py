"""Runs that a damaged journal has lost but that still live: recorded anew from their folders, and watched to their end.

In: the home, and what the journal still knows. Out: new rows, and a sentence for each run.
Rule 1: only what lives is taken in. A run that waited or has ended stays as it is; the journal's account names it and its folder.
Rule 2: no rank starts twice: the attempt that lives gets its old number, and the engine finds its plan and its agents there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.identity import alive, read_claim
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.events import Event, Placed, Stepped, Submitted
from jupyter_aicci.model.ids import RUN_ID, RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.model.spec import RunSpec, spec_from_json
from jupyter_aicci.model.states import ExitClass, Step
from jupyter_aicci.pricing.book import PriceBook
from jupyter_aicci.service.loop import Loop
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.paths import Home

UNKNOWN = "the journal was damaged: how this attempt went is not known any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run that lives and that nobody knows; `attempt` is the number of its latest attempt."""

    run_id: RunId
    spec: RunSpec
    attempt: int


def take_in(home: Home, runs: Runs, loop: Loop, prices: PriceBook) -> tuple[str, ...]:
    """Record every run that lives without being known; what was done, in sentences."""
    told = []
    for found in living_strangers(home, runs):
        now_ns = runs.clock.now_ns()
        placement = loop.line.place_for(found.run_id, found.spec)
        if placement is None:
            told.append(
                f"run {found.run_id} still runs and cannot be recorded anew: this host no longer offers what it has."
            )
            continue
        priced = {shape.name: prices.price(shape.name) for shape in loop.line.shapes()}
        runs.record(rows(found, placement, priced, now_ns))
        told.append(f"run {found.run_id} still runs: it is recorded anew from its folder, and paid for from now on.")
    return tuple(told)


def living_strangers(home: Home, runs: Runs) -> Iterator[Found]:
    """Runs that are not in the journal, with a process that lives in their latest attempt."""
    for path in sorted(home.runs_dir.glob("*/spec.json")):
        run_id, attempt = RunId(path.parent.name), _latest_attempt(path.parent)
        if run_id in runs or not RUN_ID.fullmatch(run_id) or not _lives(path.parent / f"attempt-{attempt}"):
            continue
        try:
            spec = spec_from_json(read_json(path) or {})
        except AicciError:
            continue
        yield Found(run_id=run_id, spec=spec, attempt=attempt)


def rows(found: Found, placement: Placement, prices: dict[str, Price], now_ns: int) -> tuple[Event, ...]:
    """The run as waiting for the attempt that lives, those before it lost; the loop's next look places it there."""
    run_id = found.run_id
    submitted = Submitted(
        run_id=run_id,
        time_ns=now_ns,
        spec=found.spec.to_json(),
        prices={name: price.to_json() for name, price in prices.items()},
    )
    before = [event for number in range(1, found.attempt) for event in _lost(run_id, number, placement, now_ns)]
    return (
        submitted,
        _stepped(run_id, Step.ENQUEUE, 0, now_ns, "recorded anew after the journal was damaged"),
        *before,
    )


def _lost(run_id: RunId, number: int, placement: Placement, now_ns: int) -> tuple[Event, ...]:
    placed = Placed(run_id=run_id, time_ns=now_ns, attempt=number, placement=placement.to_json(), port=0)
    steps = (Step.PLACE, Step.LOSE, Step.REQUEUE)
    return (placed, *(_stepped(run_id, step, number, now_ns, UNKNOWN) for step in steps))


def _stepped(run_id: RunId, step: Step, number: int, now_ns: int, reason: str) -> Stepped:
    exit_class = str(ExitClass.NODE_LOST) if step is Step.LOSE else ""
    return Stepped(run_id=run_id, time_ns=now_ns, step=step, attempt=number, reason=reason, exit_class=exit_class)


def _latest_attempt(folder: Path) -> int:
    names = (path.name.removeprefix("attempt-") for path in folder.glob("attempt-*"))
    return max((int(name) for name in names if name.isdigit()), default=0)


def _lives(attempt_dir: Path) -> bool:
    claims = (read_claim(path) for path in attempt_dir.glob("node-*/*.claim"))
    return any(claim is not None and alive(claim) for claim in claims)
