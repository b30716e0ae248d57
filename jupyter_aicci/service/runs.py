"""Every run as the journal has it, in memory; the one way to a new row, and the bell that rings after it.

Rule 1: `record` appends first and folds after, so what is in memory is on disk; a full disk raises and changes nothing.
Rule 2: an answer to anybody is made from here, hence only from rows that are on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from jupyter_aicci.model.errors import ConflictError
from jupyter_aicci.model.events import Event
from jupyter_aicci.model.ids import RunId, resolve
from jupyter_aicci.model.run import Run, apply, fold
from jupyter_aicci.pricing.meter import Ledger, meter
from jupyter_aicci.service.lazy import bring_timeline
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.journal import Journal


class Bell:
    """Wakes everybody who waits for news; who wakes looks for what it waited for and may wait again."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None
        self.rings = 0  # so far: who was busy meanwhile can tell that it rang

    def ring(self) -> None:
        self.rings += 1
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None

    async def wait(self, timeout_s: float) -> None:
        """Return at the next ring, or after `timeout_s`."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._next], timeout=timeout_s)


class Runs:
    """The journal's runs by id."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.journal, self.clock, self.bell = journal, clock, Bell()
        self.closed_until_ns: Callable[[Run], int] = lambda run: 0  # until when its owner's budget lets nobody start
        self.told: Callable[[Run], Mapping[str, Any]] = lambda run: {}  # what the scheduler says of a waiting run
        self._runs: dict[RunId, Run] = journal.load()
        self._unfinished = {run.id for run in self._runs.values() if not run.ended}
        self._seqs: dict[RunId, int] = {}
        self._in_order: list[Run] | None = None  # the unfinished ones; asked for at every tick

    def record(self, events: Sequence[Event]) -> None:
        """Append rows of one run in one transaction, then show them."""
        if not events:
            return
        run_id = events[0].run_id
        self.journal.append(events)
        known = self._runs.get(run_id)
        self._runs[run_id] = reduce(apply, events, known) if known else fold(events)
        (self._unfinished.discard if self._runs[run_id].ended else self._unfinished.add)(run_id)
        self._seqs.pop(run_id, None)
        self._in_order = None
        self.bell.ring()

    def __contains__(self, run_id: RunId) -> bool:
        return run_id in self._runs

    def __getitem__(self, run_id: RunId) -> Run:
        return self._runs[run_id]

    def find(self, ref: str) -> Run:
        """The run meant by an id, a name or a unique start of an id."""
        return self._runs[resolve(ref, [(run.id, run.name) for run in self.newest_first()])]

    def newest_first(self) -> list[Run]:
        return sorted(self._runs.values(), key=lambda run: (run.submitted_ns, run.id), reverse=True)

    def unfinished(self) -> list[Run]:
        """Runs that have not ended, oldest first."""
        if self._in_order is None:
            unfinished = [self._runs[run_id] for run_id in self._unfinished]
            self._in_order = sorted(unfinished, key=lambda run: (run.submitted_ns, run.id))
        return list(self._in_order)

    def holding(self) -> list[Run]:
        return [run for run in self.unfinished() if run.holds_nodes]

    def seq(self, run_id: RunId) -> int:
        """The run's last journal row."""
        if run_id not in self._seqs:
            self._seqs[run_id] = self.journal.last_seq(run_id)
        return self._seqs[run_id]

    def ledger(self, run: Run) -> Ledger:
        return meter(run, self.clock.now_ns())

    def summary(self, run: Run) -> dict[str, Any]:
        """The run as a row of `aicci ps --json` and the keys beside them."""
        cost = self.ledger(run).total_micro
        return dict(bring_timeline().run_summary(run, cost_micro=cost, seq=self.seq(run.id), told=self.told(run)))

    def details(self, run: Run) -> dict[str, Any]:
        """Summary, spec, attempts, verdict, and every row of its journal."""
        rows = self.journal.rows(run.id, 0)
        events = [{"seq": seq, "kind": event.kind, "time_ns": event.time_ns, **event.body()} for seq, event in rows]
        return self.summary(run) | {
            "spec": run.spec.to_json(),
            "attempts": [_attempt_json(run, index) for index in range(len(run.attempts))],
            "verdict": run.verdict or None,
            "stop": run.stop.body() if run.stop else None,
            "events": events,
        }


def same_spec(run: Run, spec: dict[str, Any]) -> None:
    """A submit that is sent twice is one run; another program under the same id is an error."""
    if run.spec.to_json() != spec:
        raise ConflictError(
            "id_taken",
            f"run {run.id} exists already with another spec.",
            hint="Submit again: a new id is drawn.",
            field="id",
        )


def _attempt_json(run: Run, index: int) -> dict[str, Any]:
    attempt = run.attempts[index]
    return {
        "number": attempt.number,
        "placement": attempt.placement.to_json(),
        "port": attempt.port,
        "resume_step": attempt.resume_step,
        "placed_ns": attempt.placed_ns,
        "running_ns": attempt.running_ns,
        "ended_ns": attempt.ended_ns,
        "exits": [exit_.body() for _, exit_ in sorted(attempt.exits.items())],
    }
