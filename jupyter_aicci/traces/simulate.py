"""A trace played in virtual time through the scheduler that the live service calls.

In: a trace and its gangs, an empty cluster, queues with their policy, how restarts cost. Out: `Played`.
An event is a moment at which jobs are submitted or end, or at which the order of those that wait changes by itself; all
that happens at one moment is one event, and each event is one `decide`.
Rule 1: what a job still has to do is known here alone. `decide` sees of it what `knows_durations` lets it: with it, run
times are expectations and limits, both exact; without it, only the limits that stand in the trace.
Rule 2: whole nanoseconds; no clock, no I/O; equal arguments give an equal `Played`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler import (
    Cluster,
    Decisions,
    History,
    Queues,
    Running,
    Runs,
    Start,
    Waiting,
    policy_named,
    promise_of,
)
from jupyter_aicci.scheduler import decide as live_decide
from jupyter_aicci.scheduler.queues import DEFAULT
from jupyter_aicci.traces.gangs import Gangs, shape_of
from jupyter_aicci.traces.progress import FOREVER_NS, Progress
from jupyter_aicci.traces.table import NS, Ints
from jupyter_aicci.traces.trace import Trace
from jupyter_aicci.traces.use import Recorder, Use

Decide = Callable[[Cluster, Queues, Runs, int], Decisions]
Ask = Callable[[Cluster, Queues, Runs, Waiting, int], tuple[int, int]]  # (start, latest start), -1 = cannot tell
Watch = Callable[[int, int], None]  # (jobs that have ended, jobs in all)
WATCH_EVERY = 256  # events
ALWAYS_NS = FOREVER_NS  # a job goes on where it was, so its last checkpoint is always later than now
SIZES = 10_000  # sizes of ended jobs that policies learn from, as many as the service keeps
LEAST_S = 1 / NS  # a run that takes no time at all; 0 would mean that nobody knows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """What became of each job, in the order of the trace."""

    start_ns: Ints  # when it first ran
    end_ns: Ints
    ran_ns: Ints  # over all attempts, what restarts cost included
    preemptions: Ints  # how often it lost its nodes and waited again
    predicted_ns: Ints  # start that it was told when it was submitted; -1 = not asked, or it could not be told
    bound_ns: Ints  # latest start that it was promised then; -1 = none
    use: Use


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a trace is played on, and what is asked meanwhile."""

    cluster: Cluster
    queues: Queues
    knows_durations: bool
    learns: bool = False  # whether the order is made of the sizes of jobs that have ended
    decide: Decide = live_decide
    ask: Ask | None = None  # the start forecast
    asked: frozenset[int] = frozenset()  # jobs that it is asked about, when they are submitted
    watch: Watch | None = None


def simulate(trace: Trace, gangs: Gangs, progress: Progress, stage: Stage) -> Played:
    """The trace played to its end. Raises `UserError` for a job that the scheduler says can never run."""
    return _Play(trace, gangs, progress, stage).play()


class _Play:
    """One replay while it goes on; jobs are numbers, places in the trace."""

    def __init__(self, trace: Trace, gangs: Gangs, progress: Progress, stage: Stage) -> None:
        self._trace, self._progress, self._stage = trace, progress, stage
        self._cluster, self._runs = stage.cluster, Runs()
        self._submit_ns = [*trace.submit_ns.tolist(), FOREVER_NS]
        self._units, self._nodes = gangs.units.tolist(), gangs.nodes.tolist()
        self._shapes = [shape_of(size).name for size in gangs.per_node.tolist()]
        self._priority, self._limit_ns = trace.priority.tolist(), trace.limit_ns.tolist()
        self._leaves = frozenset(stage.queues.leaves)
        self._anew = policy_named(stage.queues.policy).anew
        self._arrived = self._ended = 0
        self._sizes = _Sizes()
        self._waits: dict[int, Waiting] = {}
        self._running: dict[int, Running] = {}
        count = len(trace)
        self._start_ns, self._end_ns = [-1] * count, [-1] * count
        self._ran_ns, self._preemptions = [0] * count, [0] * count  # ran: up to the latest start of those that run
        self._predicted_ns, self._bound_ns = [-1] * count, [-1] * count
        self._change_ns = FOREVER_NS
        self._recorder = Recorder(gangs, stage.cluster)

    def play(self) -> Played:
        events, count = 0, len(self._end_ns)
        while self._ended < count:
            now_ns = min(self._submit_ns[self._arrived], self._progress.next_end_ns(), self._change_ns)
            if now_ns >= FOREVER_NS:
                raise RuntimeError(f"nothing runs, yet {self._arrived - self._ended} jobs wait: the scheduler is stuck")
            self._event(now_ns)
            events += 1
            if self._stage.watch and events % WATCH_EVERY == 0:
                self._stage.watch(self._ended, count)
        return Played(
            start_ns=np.array(self._start_ns, dtype=np.int64), end_ns=np.array(self._end_ns, dtype=np.int64),
            ran_ns=np.array(self._ran_ns, dtype=np.int64), preemptions=np.array(self._preemptions, dtype=np.int64),
            predicted_ns=np.array(self._predicted_ns, dtype=np.int64), bound_ns=np.array(self._bound_ns, dtype=np.int64),
            use=self._recorder.use(),
        )  # fmt: skip

    def _event(self, now_ns: int) -> None:
        """All that happens at one moment."""
        self._end(self._progress.advance(now_ns), now_ns)
        if self._stage.knows_durations and not self._progress.exact:
            self._learn(now_ns)
        self._submit(now_ns)
        if self._waits or not self._progress.exact:  # under Muri's costs a change of the order is an event by itself
            self._decide(now_ns)
        else:
            self._change_ns = FOREVER_NS
        self._recorder.note(now_ns)

    def _decide(self, now_ns: int) -> None:
        """What the scheduler says, carried out; once more when somebody has left, as the live service asks again then."""
        while self._carry_out(now_ns) and not self._anew:
            pass

    def _carry_out(self, now_ns: int) -> bool:
        """One decision; whether somebody lost his place."""
        decisions = self._stage.decide(self._cluster, self._stage.queues, self._runs, now_ns)
        if decisions.never:
            raise decisions.never[0].error()
        goes, comes = {each.run_id for each in decisions.preempts}, {each.run_id for each in decisions.starts}
        self._preempt(self._in_turn(map(job_of, goes - comes)), now_ns)  # they leave at once
        self._move([each for each in decisions.starts if each.run_id in goes])
        self._start([each for each in decisions.starts if each.run_id not in goes], now_ns)
        if decisions.reserves:
            self._runs = self._runs.promised(dict(map(promise_of, decisions.reserves)))
        self._change_ns = max(round(decisions.next_s * NS), now_ns + 1) if decisions.next_s < inf else FOREVER_NS
        return bool(goes - comes)

    def _end(self, jobs: list[int], now_ns: int) -> None:
        if not jobs:
            return
        self._leave(jobs, now_ns)
        for job in jobs:
            self._end_ns[job] = now_ns
        self._runs = self._runs.ended(*map(run_id_of, jobs))
        self._ended += len(jobs)
        if self._stage.learns:
            self._sizes.learn([self._units[job] * self._ran_ns[job] / NS for job in jobs])
            self._runs = self._runs.knowing(History(sizes=self._sizes.ascending))

    def _submit(self, now_ns: int) -> None:
        """Those that arrive now wait."""
        first = self._arrived
        while self._submit_ns[self._arrived] == now_ns:
            self._arrived += 1
        jobs = range(first, self._arrived)
        self._waits.update((job, self._waiting(job)) for job in jobs)
        if self._stage.ask and not self._stage.asked.isdisjoint(jobs):
            self._forecast(self._stage.ask, jobs, now_ns)
        if jobs:
            self._runs = self._runs.submitted(*(self._waits[job] for job in jobs))
            self._recorder.queue(len(jobs), sum(self._units[job] for job in jobs))

    def _forecast(self, ask: Ask, jobs: range, now_ns: int) -> None:
        """What those among them that are asked about are told, each behind the ones before it."""
        runs = self._runs
        for job in jobs:
            if job in self._stage.asked:
                told = ask(self._cluster, self._stage.queues, runs, self._waits[job], now_ns)
                self._predicted_ns[job], self._bound_ns[job] = told
            runs = runs.submitted(self._waits[job])

    def _move(self, moves: list[Start]) -> None:
        """These go on elsewhere at once: they have not stopped, and nobody counts it as a preemption."""
        if not moves:
            return
        old = {each.run_id: self._running[job_of(each.run_id)] for each in moves}
        for each in moves:
            self._recorder.give(old[each.run_id].placement)
        for each in moves:
            self._recorder.take(each.placement)
            self._running[job_of(each.run_id)] = replace(old[each.run_id], placement=each.placement)
        self._cluster = self._cluster.released([running.placement for running in old.values()])
        self._cluster = self._cluster.without([each.placement for each in moves])
        self._runs = self._runs.started(*(self._running[job_of(run_id)] for run_id in old))

    def _in_turn(self, jobs: Iterable[int]) -> list[int]:
        """Running jobs in the order in which they started; ties as they stood in line then."""
        return sorted(jobs, key=lambda job: (self._running[job].started_ns, self._running[job].turn))

    def _preempt(self, jobs: list[int], now_ns: int) -> None:
        if not jobs:
            return
        self._leave(jobs, now_ns)
        for turn, job in enumerate(jobs):
            self._progress.stop(job, now_ns)
            self._preemptions[job] += 1
            self._waits[job] = replace(self._waiting(job), wait_since_ns=now_ns, turn=turn)
            self._recorder.queue(1, self._units[job])
        self._runs = self._runs.requeued(*(self._waits[job] for job in jobs))

    def _start(self, starts: list[Start], now_ns: int) -> None:
        if not starts:
            return
        self._cluster = self._cluster.without([each.placement for each in starts])
        held = []
        for turn, each in enumerate(starts):
            job = job_of(each.run_id)
            running = Running(
                run=self._waits.pop(job), placement=each.placement, started_ns=now_ns,
                checkpoint_ns=ALWAYS_NS, preemptible=True, turn=turn,
            )  # fmt: skip
            self._running[job] = running
            held.append(running)
            self._progress.start(job, now_ns)
            self._recorder.take(each.placement)
            self._recorder.queue(-1, -self._units[job])
            if self._start_ns[job] < 0:
                self._start_ns[job] = now_ns
        self._runs = self._runs.started(*held)

    def _leave(self, jobs: list[int], now_ns: int) -> None:
        """The nodes of running jobs are free again."""
        gone = [(job, self._running.pop(job)) for job in jobs]
        for job, running in gone:
            self._ran_ns[job] += now_ns - running.started_ns
            self._recorder.give(running.placement)
        self._cluster = self._cluster.released([running.placement for _, running in gone])

    def _learn(self, now_ns: int) -> None:
        """What restarts have cost the running jobs up to now makes their run times longer."""
        for job, running in self._running.items():
            known_s = (self._progress.left_ns(job, now_ns) + now_ns - running.started_ns) / NS  # since it started
            limit_s = running.run.limit_s if self._limit_ns[job] else known_s
            self._running[job] = replace(running, run=replace(running.run, limit_s=limit_s, expected_s=known_s))
        self._runs = self._runs.started(*self._running.values())

    def _waiting(self, job: int) -> Waiting:
        """The job as `decide` is to know it while it does not run."""
        trace, units, ran_ns = self._trace, self._units[job], self._ran_ns[job]
        known_s = max(self._progress.left_ns(job, 0) / NS, LEAST_S) if self._stage.knows_durations else 0.0
        limit_s = max((self._limit_ns[job] - ran_ns) / NS, LEAST_S) if self._limit_ns[job] else known_s
        return Waiting(
            run_id=run_id_of(job),
            shapes=(self._shapes[job],),
            nodes=self._nodes[job],
            queue=trace.queue[job] if trace.queue[job] in self._leaves else DEFAULT,
            user=trace.user[job],
            priority=self._priority[job],
            submitted_ns=self._submit_ns[job],
            limit_s=limit_s,
            expected_s=known_s,
            attained_s=units * ran_ns / NS,
            ran_s=ran_ns / NS,
        )


class _Sizes:
    """The unit-seconds of the jobs that ended last, as the service keeps them for its policies."""

    def __init__(self) -> None:
        self.ascending = np.zeros(0)
        self._latest: deque[float] = deque()

    def learn(self, sizes: list[float]) -> None:
        """These have ended."""
        for size in sizes:
            self._latest.append(size)
            if len(self._latest) > SIZES:
                oldest = np.searchsorted(self.ascending, self._latest.popleft())
                self.ascending = np.delete(self.ascending, oldest)
            self.ascending = np.insert(self.ascending, np.searchsorted(self.ascending, size), size)


def run_id_of(job: int) -> RunId:
    """The run of a job: ids in the order of submission, so that ties in the scheduler keep it."""
    return RunId(f"job-{job:07}")


def job_of(run_id: RunId) -> int:
    """The job of a run."""
    return int(run_id[4:])
