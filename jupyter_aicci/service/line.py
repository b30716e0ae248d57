"""The line of waiting runs: the scheduler asked about this host, and what follows from its latest answer.

In: the journal's runs, the engine's inventory, the user's queues. Out: decisions for the loop to carry out, and for people why
each run waits, its place in line, and when and where it is expected to start.
Rule 1: what people are told is worked out when somebody asks, once for each answer; a change that nobody watches costs nothing.
Rule 2: records of runs are made anew only where the run has changed, so that a long line costs little.
Rule 3: nothing is carried out here. The scheduler, and numpy with it, comes in with this module: import it through `lazy`.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from typing import Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import (
    Cluster,
    Forecast,
    Outlook,
    Queues,
    Waiting,
    cluster_of,
    decide,
    domain_of,
    outlook,
    policy_named,
    promise_of,
    refusal,
    runs_of,
)
from jupyter_aicci.scheduler import Runs as Asks
from jupyter_aicci.scheduler.policies import Backfill, Takes
from jupyter_aicci.scheduler.queues import DEFAULT
from jupyter_aicci.service.answer import Answer
from jupyter_aicci.service.asks import promise_of_run, request_of, running_of, waiting_of
from jupyter_aicci.service.checkpoints import Checkpoints
from jupyter_aicci.service.engine import Engine
from jupyter_aicci.service.history import History
from jupyter_aicci.service.limits import moment_ns
from jupyter_aicci.service.neighbours import Around, Neighbours, notice_of
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.use import Use
from jupyter_aicci.store.board import Board
from jupyter_aicci.store.paths import Home
from jupyter_aicci.timeline.summary import bandwidth_words

AGAIN_S = 10.0  # while runs wait: estimates move although nothing happens
LEAST_AGAIN_S = 0.1  # however soon an order changes by itself
TAKES_AGAIN_S = 1.0  # where runs may take places: checkpoints are written, and shortest stays end
OUTLOOK_SHARE = 10  # an outlook is kept for that many times as long as it took
NOBODY = RunId("r0000000")  # stands for a run that was not sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What would happen to a run that was not sent; `why` "" = it would start now."""

    placement: Placement  # where it would start: now, or if it had this host to itself
    expected: Forecast
    text: str
    why: str = ""
    change: str = ""  # the cheapest change that would start it now, as options to type


class Line:
    """The scheduler as the service asks it."""

    def __init__(self, home: Home, runs: Runs, engine: Engine, queues: Queues, board: Board | None = None) -> None:
        self.queues = queues
        self._runs, self._engine = runs, engine
        self._history, self._checkpoints = History(home, runs), Checkpoints(home, runs.clock)
        self._policy = policy_named(queues.policy)
        self.neighbours = Neighbours(board, runs.clock, queues)
        self._whole: Cluster | None = None
        self._use: Use | None = None
        self._asks = runs_of()
        self._made: dict[RunId, tuple[object, ...]] = {}  # what each record was made from
        self._answer: Answer | None = None
        self._outlook: Outlook | None = None
        self._outlook_of: Answer | None = None
        self._outlook_until_s = 0.0
        self._told: dict[RunId, dict[str, Any]] = {}

    # ---- what the scheduler is asked about ----

    def cluster(self) -> Cluster:
        """What there is, less what runs hold, other users' included."""
        return self._less_held(self._around())

    def _around(self) -> Around:
        return self.neighbours.around(self._everything(), self._held())

    def _held(self) -> list[Placement]:
        return [run.attempts[-1].placement for run in self._runs.holding()]

    def _less_held(self, around: Around) -> Cluster:
        return self._everything().without([*self._held(), *(running.placement for running in around.held)])

    def _everything(self) -> Cluster:
        if self._whole is None:
            with self.neighbours.turn():  # a part of the host is chosen and told before anybody else chooses
                self._whole = cluster_of([self._engine.inventory()])
                self._use = Use(self._whole, self.queues.half_life_s, self._runs.newest_first())
                self.announce()
        return self._whole

    def asks(self) -> Asks:
        """The runs that have not ended, as the scheduler sees them."""
        now = {run.id: self._sources(run) for run in self._runs.unfinished() if run.holds_nodes or not run.stop}
        changed = {run_id for run_id, made in now.items() if not _same(made, self._made.get(run_id))}
        stale = [run_id for run_id in self._made if run_id in changed or run_id not in now]
        if changed or stale:
            fresh = [self._runs[run_id] for run_id in now if run_id in changed]
            waiting = [self._waiting(run) for run in fresh if not run.holds_nodes]
            running = [self._running(run) for run in fresh if run.holds_nodes]
            told = {run.id: promise for run in fresh if (promise := promise_of_run(run)) and not run.holds_nodes}
            self._asks = self._asks.ended(*stale).submitted(*waiting).started(*running).promised(told)
            self._made = now
            self._checkpoints.keep(run_id for run_id in now if self._runs[run_id].holds_nodes)
        return self._asks.knowing(self._history.for_policies, recent=self._lately())

    def released(self, run: Run) -> None:
        """A run holds nothing any more: what it had counts, and how long it took if it has ended."""
        if self._use is not None:
            self._use.learn(run, self._runs.clock.now_ns() / NS)
        if run.ended:
            self._history.learn(run)

    def _lately(self) -> dict[tuple[str, str], float]:
        self._everything()
        assert self._use is not None
        return self._use.lately(self._runs.holding(), self._runs.clock.now_ns() / NS)

    def _sources(self, run: Run) -> tuple[object, ...]:
        if run.holds_nodes:
            return run, self._history.total_s(run), self._checkpoints.written_ns(run)
        return run, self._history.total_s(run), self._runs.closed_until_ns(run)

    def _waiting(self, run: Run) -> Waiting:
        waiting, closed_ns = waiting_of(run, total_s=self._history.total_s(run)), self._runs.closed_until_ns(run)
        return replace(waiting, not_before_ns=max(waiting.not_before_ns, closed_ns)) if closed_ns else waiting

    def _running(self, run: Run) -> Any:
        checkpoint_ns = self._checkpoints.written_ns(run)
        return running_of(run, total_s=self._history.total_s(run), checkpoint_ns=checkpoint_ns)

    # ---- what it answers ----

    def decide(self) -> Answer:
        """Ask anew; the answer is what people are told from now on, and the neighbours that room is left for them."""
        around = self._around()
        self._answer = self._ask(self.asks(), around)
        self.neighbours.decided(around, self._answer.could_start)
        self._told = {}
        return self._answer

    def rest(self) -> None:
        """No run is left to decide about: nothing that was answered holds any more, and nobody has to ask again."""
        self._answer, self._told = None, {}
        self.announce()

    def announce(self) -> None:
        """Say on the host's board what our runs hold, those that start by the latest answer included, and which lack room."""
        asks, host, waits = self.asks(), self._everything().hosts[0], tuple[RunId, ...]()
        now_s, answer = self._runs.clock.now_ns() / NS, self._answer
        if answer is not None:
            starting = {start.run_id: start.placement for start in answer.decisions.starts if not start.after}
            asks, waits = asks.begun(starting, now_s), answer.lacks_room
        lately = sum(self._lately().values())
        part = host.cpus if set(host.cpus) < os.sched_getaffinity(0) else ()
        self.neighbours.tell(notice_of(asks, waits=waits, clock=self._runs.clock, part_cpus=part, lately=lately))

    def refusal(self, spec: RunSpec) -> UserError | None:
        """The error for a run that could never start."""
        return refusal(self.cluster(), self.queues, request_of(NOBODY, spec, 0))

    def foresee(self, spec: RunSpec) -> Foreseen:
        """What would happen to one more run. It is one that `refusal` lets pass."""
        now_ns = self._runs.clock.now_ns()
        request = request_of(NOBODY, spec, now_ns, total_s=self._history.usual_s(spec))
        answer = self._ask(self.asks().submitted(request), self._around())
        start = answer.starts.get(NOBODY)
        if start is not None and not start.after:
            now_s, found = now_ns / NS, start.placement
            domain = domain_of(answer.cluster.fabric, found)
            expected = Forecast(
                run_id=NOBODY, place=0, start_s=now_s, latest_s=now_s, shape=found.shape.name, domain=domain,
                bandwidth=found.bandwidth,
            )  # fmt: skip
            return Foreseen(placement=found, expected=expected, text=found.why)
        expected, line = self._recent_outlook().would(request), (*self._whole_line(), NOBODY)
        if expected.start_s <= now_ns / NS:  # room there is, but it is not the run's
            expected = replace(expected, start_s=math.inf, latest_s=math.inf)
        expected, wait = replace(expected, place=len(line)), answer.why(NOBODY, line)
        placement = self.place_for(NOBODY, spec)
        assert placement is not None, "a run that could never start was refused"
        return Foreseen(
            placement=placement,
            expected=expected,
            text=wait.text,
            why=str(wait.why_class),
            change=answer.change(NOBODY),
        )

    def place_for(self, run_id: RunId, spec: RunSpec) -> Placement | None:
        """Where a run of which only the spec is known can be: beside the others, or on the empty host; None = nowhere."""
        cluster, now_ns = self.cluster(), self._runs.clock.now_ns()
        asks = runs_of([replace(request_of(run_id, spec, now_ns), queue=DEFAULT)])
        starts = (
            start for each in (cluster, cluster.emptied()) for start in decide(each, Queues(), asks, now_ns).starts
        )
        return next((start.placement for start in starts), None)

    def shapes(self) -> tuple[Shape, ...]:
        """What a node can be here."""
        return self.cluster().shapes

    def again_ns(self) -> int:
        """When it has to be asked again although nothing happened; 0 = not by itself."""
        answer = self._answer
        if answer is None or not answer.waiting:
            return 0
        takes = self._policy.takes is not Takes.NOBODY or any(
            queue.guarantee or queue.deserved for queue in self.queues.queues
        )
        due_ns = answer.now_ns + int((TAKES_AGAIN_S if takes else AGAIN_S) * NS)
        next_s = answer.decisions.next_s
        soon_ns = answer.now_ns + int(LEAST_AGAIN_S * NS)
        return min(due_ns, max(soon_ns, int(next_s * NS))) if math.isfinite(next_s) else due_ns

    def look_ns(self) -> int:
        """When the host's board is to be looked at, 0 = never: nothing waits, or nobody else is on it."""
        return self.neighbours.look_ns() if self._answer is not None and self._answer.waiting else 0

    def news(self) -> bool:
        """Whether that time has come and other users have told something since."""
        return 0 < self.look_ns() <= self._runs.clock.now_ns() and self.neighbours.moved()

    def promises(self) -> dict[RunId, dict[str, Any]]:
        """Reservations that are promises, as the journal keeps them: where the policy keeps a place for every run."""
        if self._answer is None or self._policy.backfill is not Backfill.CONSERVATIVE:
            return {}
        told = dict(promise_of(reserve) for reserve in self._answer.decisions.reserves)
        return {
            run_id: {
                "start_s": promise.start_s,
                "hosts": list(promise.hosts),
                "counts": list(promise.counts),
                "shape": promise.shape,
            }
            for run_id, promise in told.items()
        }

    # ---- what people are told ----

    def told(self, run: Run) -> dict[str, Any]:
        """Why the run waits and what is expected of it, as its JSON has it; {} for a run that does not wait."""
        answer = self._answer
        if answer is None or run.holds_nodes or run.ended or run.id not in self._made:
            return {}
        if run.id not in self._told and run.id in answer.waiting:
            self._told[run.id] = self._tell(answer, run.id)
        return self._told.get(run.id, {})

    def outlook(self) -> Outlook:
        """The future as the latest answer has it; one that took long to work out is kept for a while."""
        answer = self._answer or self.decide()
        if self._outlook is None or (self._outlook_of is not answer and time.monotonic() >= self._outlook_until_s):
            began_s = time.monotonic()
            self._outlook = outlook(answer.cluster, answer.queues, answer.asks, answer.now_ns)
            self._outlook_of = answer
            self._outlook_until_s = time.monotonic() + OUTLOOK_SHARE * (time.monotonic() - began_s)
        return self._outlook

    def _recent_outlook(self) -> Outlook:
        """The outlook of an answer that is not old: nobody asks again while nobody waits, and its starts have begun since."""
        answer = self._answer
        if answer is None or not answer.waiting or self._runs.clock.now_ns() - answer.now_ns > AGAIN_S * NS:
            self.decide()
        return self.outlook()

    def in_line(self) -> tuple[RunId, ...]:
        """Our runs that wait, first in line first."""
        return tuple(run_id for run_id in self._whole_line() if run_id in self._made)

    def _whole_line(self) -> tuple[RunId, ...]:
        """All that wait on this host, other users' runs included, first in line first."""
        answer = self._answer or self.decide()
        waiting = dict.fromkeys(answer.all_waiting)
        known = dict.fromkeys(run_id for run_id in self.outlook().line if run_id in waiting)
        return tuple(known | waiting)

    def _tell(self, answer: Answer, run_id: RunId) -> dict[str, Any]:
        line = self._whole_line()
        wait = answer.why(run_id, line)
        place = line.index(run_id) + 1
        expected = self.outlook().of(run_id) if run_id in self.outlook().line else None
        return {
            "waiting": wait.text,
            "why": str(wait.why_class),
            "place": place,
            "start_ns": moment_ns(expected.start_s) if expected else None,
            "latest_ns": moment_ns(expected.latest_s) if expected else None,
            "domain": expected.domain if expected else "",
            "bandwidth": bandwidth_text(expected),
        }

    def _ask(self, asks: Asks, around: Around) -> Answer:
        cluster, now_ns = self._less_held(around), self._runs.clock.now_ns()
        if not around.ids:
            return Answer(cluster, self.queues, asks, now_ns)
        asks = self.neighbours.join(asks, around)
        return Answer(cluster, self.neighbours.queues, asks, now_ns, theirs=around.ids, beside=around.text)


def bandwidth_text(expected: Forecast | None) -> str:
    """`leaf-a: 100 %; across spine-1: 46 %`; "" where there is nothing to choose: inside hosts at their best."""
    return bandwidth_words(expected.bandwidth) if expected and expected.bandwidth else ""


def _same(made: tuple[object, ...], before: tuple[object, ...] | None) -> bool:
    """Whether the record is still right: the same `Run` value, and equal numbers beside it."""
    return before is not None and made[0] is before[0] and made[1:] == before[1:]
