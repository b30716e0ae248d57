"""Bills with what they paid for: each run's time by phase, from its frames while it lives, from the journal when it has ended.

In: the runs, what is gathered from their frames. Out: the answer of GET /v1/runs/REF/cost, reports over all runs, FOCUS rows, and
the numbers that a --stop-if asks for.
Rule 1: of a run that has ended the journal's row "bill" is the truth: the report on day 90 is the report on day 1, whatever later
versions would make of its frames.
Rule 2: who asks for a bill waits until the run's frames are read; a --stop-if asks again instead.
Rule 3: a mistake in here costs the breakdown, never the ledger and never the run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.pricing.focus import focus_rows
from jupyter_aicci.pricing.meter import Ledger, cost_micro, rate_micro_per_h
from jupyter_aicci.pricing.report import Bill, report
from jupyter_aicci.pricing.waste import Breakdown, breakdown, breakdown_from_json, headline
from jupyter_aicci.service.gathering import Gathering
from jupyter_aicci.service.limits import running_s
from jupyter_aicci.service.runs import Runs

if TYPE_CHECKING:
    from jupyter_aicci.timeline.gather import Gathered
    from jupyter_aicci.timeline.logged import Logged
    from jupyter_aicci.timeline.partition import Part

TOPIC = "bill"
WINDOW_NS = 60 * NS  # what "now" means for shares and step times
MJ_PER_KWH = 3.6e9

LOG = logging.getLogger("aicci.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The last minute of a held node, as the partition takes it."""

    attempt: int
    node: int
    from_ns: int
    to_ns: int
    amount_micro: int = 0


class Bills:
    """The bills of every run."""

    def __init__(self, runs: Runs, gathering: Gathering) -> None:
        self._runs, self._gathering = runs, gathering
        self._final: dict[RunId, Breakdown] = {}

    async def bill(self, run: Run) -> Bill:
        """The run's ledger, and what its time was as far as its frames tell; where they cannot be read, the ledger alone."""
        there = bool(run.attempts)
        if there and not run.settled:
            try:
                await self._gathering.complete(run)
            except AicciError:
                there = False
        run = self._runs[run.id]  # that was a while, perhaps
        ledger = self._runs.ledger(run)
        return Bill(run=run, ledger=ledger, breakdown=self._breakdown(run, ledger) if there else None)

    async def answer(self, run: Run) -> dict[str, Any]:
        """The answer of GET /v1/runs/REF/cost."""
        bill = await self.bill(run)
        known = bill.breakdown or Breakdown(phases=())
        told = known.to_json() if bill.ledger.known else _without_money(known.to_json())
        return (
            bill.ledger.to_json()
            | told
            | {"headline": headline(known, bill.ledger.currency, priced=not bill.ledger.unpriced)}
        )

    async def report(self, by: str) -> dict[str, Any]:
        """The answer of GET /v1/costs?by=…: every run that has held a node."""
        lines = report(await self._all(), by)
        totals: dict[str, int] = {}
        for line in lines:
            totals[line.currency] = totals.get(line.currency, 0) + line.amount_micro
        return {
            "by": by,
            "lines": [line.to_json() for line in lines],
            "totals": [{"currency": currency, "total_micro": total} for currency, total in sorted(totals.items())],
            "unpriced": any(line.unpriced for line in lines),
        }

    async def focus(self) -> dict[str, Any]:
        """The answer of GET /v1/costs/focus."""
        return {"version": "1.2", "rows": list(focus_rows(await self._all()))}

    def settle(self, run: Run) -> None:
        """The run has ended and its frames are read: what its time was goes into its journal, once."""
        try:
            if run.attempts and self._from_journal(run) is None:
                found = self._gather(run, self._runs.ledger(run))
                text = headline(found, run.price.currency, priced=not run.unpriced)
                row = Noted(run_id=run.id, time_ns=run.ended_ns, topic=TOPIC, text=text, data=found.to_json())
                self._runs.record((row,))
        except Exception:
            LOG.exception("what the time of run %s was is not written down", run.id)

    def values(self, run: Run, names: Iterable[str]) -> dict[str, float] | None:
        """The numbers of a --stop-if as of now; those that are not known are not in it. None while its frames are being read."""
        names, now_ns = set(names), self._runs.clock.now_ns()
        cost = cost_micro(run, now_ns) if run.cost_known else None
        found: dict[str, float | None] = {
            "cost": None if cost is None else cost / 1e6,
            "cost_per_h": rate_micro_per_h(run) / 1e6 if run.price.known else None,
            "budget_used": cost / run.spec.budget if run.spec.budget and cost is not None else None,
            "elapsed": (now_ns - run.submitted_ns) / NS,
            "running": running_s(run, now_ns),
        }
        if names - found.keys():
            if not self._gathering.ready(run):
                self._gathering.read(run)
                return None
            found |= self._from_frames(run, names, now_ns)
        return {name: value for name, value in found.items() if name in names and value is not None}

    # ---- from the frames ----

    async def _all(self) -> list[Bill]:
        return [await self.bill(run) for run in self._runs.newest_first() if run.attempts or run.corrections]

    def _breakdown(self, run: Run, ledger: Ledger) -> Breakdown | None:
        try:
            return self._from_journal(run) or self._gather(run, ledger)
        except Exception:
            LOG.exception("what the time of run %s was", run.id)
            return None

    def _from_journal(self, run: Run) -> Breakdown | None:
        """What the row "bill" says, None where there is none."""
        if run.id not in self._final and self._runs[run.id].settled:
            rows = (event for _, event in self._runs.journal.rows(run.id))
            written = (event for event in rows if isinstance(event, Noted) and event.topic == TOPIC)
            self._final[run.id] = breakdown_from_json(next(written).data)
        return self._final.get(run.id)

    def _gather(self, run: Run, ledger: Ledger) -> Breakdown:
        gathered = self._gathering.of(run).gathered
        return breakdown(
            gathered.parts(run, ledger.entries),
            steps=_first_steps(gathered),
            epoch_micro=_epoch_micro(run, gathered.logged.by_name.get("epoch")),
            energy_kwh=_energy_kwh(gathered),
        )

    def _from_frames(self, run: Run, names: set[str], now_ns: int) -> dict[str, float | None]:
        gathered = self._gathering.of(run).gathered
        found: dict[str, float | None] = {
            f"log.{name}": logged.value for name, logged in gathered.logged.by_name.items()
        }
        if "steps" in names:
            found["steps"] = float(_first_steps(gathered))
        if "wasted_cost" in names and run.cost_known:
            found["wasted_cost"] = self._gather(run, self._runs.ledger(run)).micro("waste") / 1e6
        spans = _last_minute(run, now_ns)
        if spans and names & {"useful", "waste", "data_wait", "straggler_wait", "step_time"}:
            found |= _shares(gathered.parts(run, spans))
            found["step_time"] = _step_s(gathered, run, now_ns)
        return found


def _without_money(body: dict[str, Any]) -> dict[str, Any]:
    """Of a run without a price: the time alone, since no cost is not zero cost."""
    phases = [row | {"amount_micro": None} for row in body["phases"]]
    money = {key: None for key in body if key.endswith("_micro")}
    return body | money | {"phases": phases}


def _last_minute(run: Run, now_ns: int) -> list[_Span]:
    """What the nodes were held for in it, once the program runs."""
    attempt = run.attempt
    if attempt is None or not attempt.running_ns or not run.holds_nodes:
        return []
    begin_ns = max(now_ns - WINDOW_NS, attempt.running_ns)
    nodes = [node for node in attempt.held if node not in attempt.released]
    return [
        _Span(attempt=attempt.number, node=node, from_ns=begin_ns, to_ns=now_ns) for node in nodes if begin_ns < now_ns
    ]


def _shares(parts: Iterable[Part]) -> dict[str, float | None]:
    found = breakdown(parts)
    total = sum(phase.ns for phase in found.phases)
    of = {phase.phase: phase.ns / total for phase in found.phases} if total else {}
    return {
        "useful": found.ratio("useful"),
        "waste": found.ratio("waste"),
        "data_wait": of.get("data_wait", 0.0) if total else None,
        "straggler_wait": of.get("straggler", 0.0) if total else None,
    }


def _step_s(gathered: Gathered, run: Run, now_ns: int) -> float | None:
    """Mean seconds of a step of any rank that ended within the last minute."""
    steps = gathered.steps()
    last = steps.to_s >= (now_ns - WINDOW_NS - run.submitted_ns) / NS
    count = int(steps.count[last].sum())
    return float((steps.to_s - steps.from_s)[last].sum()) / count if count else None


def _first_steps(gathered: Gathered) -> int:
    """Steps of the lowest rank that were not done before."""
    steps = gathered.steps()
    if not len(steps.rank):
        return 0
    return int(steps.count[(steps.rank == steps.rank.min()) & ~steps.redone].sum())


def _epoch_micro(run: Run, epoch: Logged | None) -> int | None:
    """What an epoch came to, where the program logs `epoch` and it has grown: the bill between its first and latest value."""
    if epoch is None or epoch.value <= epoch.first:
        return None
    spent = cost_micro(run, epoch.changed_ns) - cost_micro(run, epoch.first_ns)
    return round(spent / (epoch.value - epoch.first))


def _energy_kwh(gathered: Gathered) -> float | None:
    """From the accelerators' counters; what was not seen is not in it. None where no accelerator counts."""
    import numpy as np

    columns = [gathered.samples.column("energy", owner) for owner in gathered.samples.owners.get("energy", ())]
    grown = [np.diff(column.readings) for column in columns if column is not None]
    if not any(map(len, grown)):
        return None
    return float(sum(each[each > 0].sum() for each in grown)) / MJ_PER_KWH  # over a reset or a break nothing is known
