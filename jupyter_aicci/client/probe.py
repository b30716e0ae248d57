"""`--probe`: the program itself, run for a few steps at a few small sizes before the real run.

In: the spec and the program of the run to come. Out: what each size showed; the service keeps it with the program's fingerprint,
so that every later forecast has it, and a size that was probed before is not run again.
Rule 1: a probe is a run like any other, on the bill and in the journal, named `probe-…`; all together may cost 2 % of the budget.
Rule 2: a size that fails, has no room or may not cost so much is told and skipped: the real run is never held up by it.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jupyter_aicci.client.fingerprint import fingerprint
from jupyter_aicci.client.program import Program
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import new_run_id
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import TERMINAL, State
from jupyter_aicci.model.text import duration
from jupyter_aicci.speedup.sizes import Size, budget_micro, sizes

if TYPE_CHECKING:
    from jupyter_aicci.client.api import Client
    from jupyter_aicci.client.run import Run

LIMIT_S = 120.0  # of one size, from the moment it has its nodes
LOOK_S = 0.25
STEADY = 50  # steps after the warm-up: `speedup.measure`
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What one size showed."""

    size: Size
    speed: Json | None  # the answer of GET /v1/runs/REF/speed
    why: str = ""  # it showed nothing
    known: bool = False  # from an earlier probe

    @property
    def text(self) -> str:
        """`probe 2 × 2 ranks: 84 ms a step (60 steps)`"""
        if self.speed is None or not self.speed["measured"]:
            return f"probe {self.size.text}: nothing measured: {self.why}"
        measured = self.speed["measured"]
        few = "" if measured["steady"] else ", fewer than it takes for a steady state"
        kept = ", measured before" if self.known else ""
        return f"probe {self.size.text}: {duration(measured['step_s'])} a step ({measured['steps']} steps{few}{kept})"


def probe(client: Client, spec: RunSpec, program: Program, say: Callable[[str], None]) -> tuple[Probed, ...]:
    """Run every size that there is room for, one after the other. Raises `UserError` where the real run can never run."""
    answer = client.forecast(spec)
    room = next((int(row["total"]) for row in client.shapes() if row["name"] == answer["shape"]), 1)
    wanted = sizes(ranks_per_node=int(answer["world_size"]) // int(answer["nodes"]), room=room)
    done = []
    for size in wanted:
        done.append(_probe_one(client, _spec_of(spec, program, answer["shape"], size, len(wanted)), program, size))
        say(done[-1].text)
    for line in _outcome(client, done, int(answer["nodes"])):
        say(line)
    return tuple(done)


def _spec_of(spec: RunSpec, program: Program, shape: str, size: Size, count: int) -> RunSpec:
    mark = fingerprint(spec, program)
    return replace(
        spec,
        shape=(shape,),
        nodes=size.nodes,
        min_nodes=0,
        ranks_per_node=size.ranks_per_node,
        name=f"probe-{mark[:8]}-{shape}-{size.nodes}x{size.ranks_per_node}",
        budget=budget_micro(spec.budget, count),
        time_limit=LIMIT_S,
        retries=0,
        pull=(),
        fingerprint=mark,
    )


def _probe_one(client: Client, spec: RunSpec, program: Program, size: Size) -> Probed:
    try:
        for row in client.runs():
            if row["name"] == spec.name and row["state"] in TERMINAL:
                speed = client.speed(row["id"])
                if speed["measured"] and speed["measured"]["steady"]:
                    return Probed(size=size, speed=speed, known=True)
        foreseen = client.forecast(spec)
        if foreseen["starts"] != "now":
            return Probed(size=size, speed=None, why=f"it would have to wait: {foreseen['reason']}")
        return _run_one(client, spec, program, size)
    except AicciError as error:
        return Probed(size=size, speed=None, why=error.message)


def _run_one(client: Client, spec: RunSpec, program: Program, size: Size) -> Probed:
    run_id = new_run_id(secrets.randbelow)  # known before it is there: whenever Stop comes, the probe can be ended
    try:
        summary = _seen_enough(client.submit(spec, program, run_id=run_id), client)
    except KeyboardInterrupt:
        with contextlib.suppress(AicciError):
            client.stop(run_id, grace_s=1.0, reason="the probe was stopped")
        raise
    speed = client.speed(run_id)
    failed = "" if summary["state"] == State.SUCCEEDED else summary["reason"]
    return Probed(size=size, speed=speed, why=failed or speed["why"])


def _seen_enough(run: Run, client: Client) -> Json:
    """The summary of its end, which comes as soon as it has shown enough steps."""
    while True:
        summary, speed = run.summary(), client.speed(run.id)
        if summary["state"] in TERMINAL:
            return summary
        if speed["measured"] and speed["measured"]["steps"] >= STEADY:
            with contextlib.suppress(AicciError):  # it ended just now
                run.stop(reason="the probe has seen enough steps")
            return run.wait()
        time.sleep(LOOK_S)


def _outcome(client: Client, done: list[Probed], nodes: int) -> tuple[str, ...]:
    """Forecasts for the run to come and for two and four times its nodes, or why there is none."""
    told = [one.speed for one in done if one.speed and one.speed["measured"]]
    if not told:
        return ("no speed-up is forecast: no probe was measured",)
    speed = client.speed(told[-1]["id"], nodes=(nodes, 2 * nodes, 4 * nodes))
    if speed["forecast_refused"]:
        return (str(speed["forecast_refused"]),)
    return tuple(_forecast_text(found) for found in speed["forecasts"] if found["ranks"] > found["baseline_ranks"])


def _forecast_text(found: Json) -> str:
    """`forecast 0.86 (0.79–0.93) speed-up on 16 ranks against 1, weak, estimated`"""
    head = f"forecast {found['ratio']:.2f} ({found['lo']:.2f}–{found['hi']:.2f}) speed-up on {found['ranks']} ranks"
    note = f"; {found['note']}" if found["note"] else ""
    return f"{head} against {found['baseline_ranks']}, {found['kind']}, estimated{note}"
