"""One trace played both ways: by the replay, and by the live service's own loop and journal with an engine of the test's.

In both, time is virtual and nothing but programs takes any: the service's clock is set, its margins for starting and
clearing a node are zero, and every run has a checkpoint at all times, as the replay assumes it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_builders import PRICES, Scripted, Unplanned, close

from jupyter_aicci.model.events import Placed
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement, placement_from_json
from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.book import parse_book
from jupyter_aicci.scheduler import Cluster, Decisions, Host, Queues, Runs, cluster_of, decide
from jupyter_aicci.service import asks
from jupyter_aicci.service.checkpoints import Checkpoints
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.runs import Runs as LiveRuns
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.config import Scheduling
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare
from jupyter_aicci.traces.gangs import flat_hosts, gangs, shape_of
from jupyter_aicci.traces.progress import FreeRestarts
from jupyter_aicci.traces.simulate import ALWAYS_NS, Stage, job_of, simulate
from jupyter_aicci.traces.trace import Trace, parse_trace

GPUS = 8
S = 1_000_000_000
BASE_NS = 1_800_000_000 * S  # the service's time when the trace begins
POLICIES = ("fifo", "fifo-skip", "easy", "conservative", "priority", "balanced")
HEAD = "id,submit_s,duration_s,nodes,gpus_per_node,limit_s,priority\n"

Start = tuple[int, int, tuple[tuple[str, tuple[str, ...]], ...]]  # (moment in ns, job, (host, devices) of each node)


@dataclass(slots=True, kw_only=True)
class Machine(Scripted):
    """One host with accelerators, whose agents are there as soon as they are started."""

    home: Home

    def start(self, run: Run) -> None:
        attempt = run.attempts[-1]
        for node in attempt.placement.nodes:
            folder = self.home.node_dir(run.id, attempt.number, node.index)
            folder.mkdir(parents=True)
            (folder / "agent.claim").write_text("{}")

    def inventory(self) -> Host:
        (host,) = flat_hosts(1, GPUS)
        shapes = tuple(shape_of(size) for size in (1, 2, 4, 8))
        return Host(name=host.name, accelerator=host.accelerator, devices=host.devices, shapes=shapes)


@dataclass(slots=True)
class Live:
    """The service while a trace is played on it."""

    trace: Trace
    home: Home
    engine: Machine = field(init=False)
    now_ns: int = BASE_NS
    left_ns: dict[int, int] = field(default_factory=dict)
    ends: list[tuple[int, int, int]] = field(default_factory=list)  # heap of (end, job, attempt)

    def play(self, policy: str) -> list[Start]:
        home, self.engine = self.home, Machine(home=self.home)
        prepare(home)
        journal = Journal(home.journal)
        clock = Clock(journal, boot="a-boot", monotonic_ns=lambda: self.now_ns, wall_ns=lambda: self.now_ns)
        runs = LiveRuns(journal, clock)
        loop = Unplanned(home, runs, self.engine, Scheduling(policy=policy))
        desk = Desk(home, runs, loop, self.engine, parse_book(PRICES))
        try:
            self._play(desk)
            return self._starts(desk)
        finally:
            close(desk)

    def _play(self, desk: Desk) -> None:
        submit_ns, arrived = (self.trace.submit_ns + BASE_NS).tolist(), 0
        self.left_ns = dict(enumerate(self.trace.work_ns.tolist()))
        while self.left_ns:
            due = [submit_ns[arrived]] if arrived < len(submit_ns) else []
            due += [self.ends[0][0]] if self.ends else []
            answer = desk.loop.line._answer
            if answer is not None and answer.waiting and isfinite(answer.decisions.next_s):
                due.append(max(round(answer.decisions.next_s * S), self.now_ns + 1))
            self.now_ns = min(due)
            self._end_programs(desk)
            while arrived < len(submit_ns) and submit_ns[arrived] == self.now_ns:
                submit(desk, self.trace, arrived)
                arrived += 1
            desk.loop._changed = True
            self._settle(desk)

    def _end_programs(self, desk: Desk) -> None:
        while self.ends and self.ends[0][0] == self.now_ns:
            _, job, attempt = heapq.heappop(self.ends)
            run = desk.runs[run_id(job)]
            if run.holds_nodes and run.attempts[-1].number == attempt:
                del self.left_ns[job]
                self._leave(run, code=0)

    def _settle(self, desk: Desk) -> None:
        """Look until nothing more follows at this moment: who starts runs at once, who is asked to go has gone at once."""
        known = -1
        while known != (known := sum(desk.runs.seq(run.id) for run in desk.runs.newest_first())):
            desk.loop.tick()
            for run in desk.runs.holding():
                attempt, job = run.attempts[-1], job_of_run(run)
                if not attempt.running_ns:
                    for node in attempt.placement.nodes:
                        self.engine.say(run, node.index, k="started", rank=node.index, pid=1, t=self.now_ns)
                    heapq.heappush(self.ends, (self.now_ns + self.left_ns[job], job, attempt.number))
                elif attempt.preempt is not None and not attempt.exits:
                    self.left_ns[job] -= self.now_ns - attempt.placed_ns
                    self._leave(run, code=143, by_us=True)

    def _leave(self, run: Run, **how: Any) -> None:
        for node in run.attempts[-1].placement.nodes:
            self.engine.say_exit(run, node.index, node.index, t=self.now_ns, **how)
            self.engine.say(run, node.index, k="done", leftover=0, t=self.now_ns)

    def _starts(self, desk: Desk) -> list[Start]:
        rows = [
            (event.time_ns - BASE_NS, job_of_run(run), where(placement_from_json(event.placement)))
            for run in desk.runs.newest_first()
            for _, event in desk.runs.journal.rows(run.id)
            if isinstance(event, Placed)
        ]
        return sorted(rows)


def submit(desk: Desk, trace: Trace, job: int) -> None:
    src = desk.home.src_dir(run_id(job))
    src.mkdir(parents=True)
    (src / "cell.py").write_text(f"job = {job}\n")
    limit_ns = int(trace.limit_ns[job])
    spec: dict[str, Any] = {
        "shape": shape_of(int(trace.gpus[job]) // max(1, int(trace.nodes[job]))).name,
        "nodes": max(1, int(trace.nodes[job])),
        "ranks_per_node": 1,
        "priority": int(trace.priority[job]),
        "grace": 0.0,
    }
    desk.submit({"id": run_id(job), "spec": spec | ({"time_limit": limit_ns / S} if limit_ns else {})})


def run_id(job: int) -> RunId:
    return RunId(f"r{job:07}")


def job_of_run(run: Run) -> int:
    return int(run.id[1:])


def where(placement: Placement) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((node.host, node.devices) for node in placement.nodes)


def replayed(trace: Trace, policy: str) -> list[Start]:
    """Every start of the replay."""
    found: list[Start] = []

    def watched(cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Decisions:
        decisions = decide(cluster, queues, runs, now_ns)
        found.extend((now_ns, job_of(start.run_id), where(start.placement)) for start in decisions.starts)
        return decisions

    hosts = flat_hosts(1, GPUS)
    each = gangs(trace, hosts=1, per_host=GPUS)
    shapes = tuple(shape_of(size) for size in (1, 2, 4, 8))
    stage = Stage(
        cluster=cluster_of(hosts, shapes=shapes), queues=Queues(policy=policy), knows_durations=False, decide=watched
    )
    simulate(trace, each, FreeRestarts(trace.work_ns), stage)
    return sorted(found)


@pytest.fixture(scope="module", autouse=True)
def nothing_takes_time() -> Iterator[None]:
    """Starting and clearing a node take no time, and everybody has just written a checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asks, "START_S", 0.0)
        patch.setattr(asks, "CLEAR_S", 0.0)
        patch.setattr(Checkpoints, "written_ns", lambda self, run: ALWAYS_NS)
        yield


Job = tuple[
    int, int, int, int, int, int
]  # seconds after the one before, work in s, nodes, devices of each, limit / work, priority

JOBS: st.SearchStrategy[Job] = st.tuples(
    st.sampled_from([0, 1, 5, 30, 100]), st.sampled_from([5, 20, 60, 300, 2000]), st.sampled_from([1, 1, 1, 2]),
    st.sampled_from([1, 2, 4]), st.sampled_from([2, 3]), st.sampled_from([0, 0, 0, 5]),
)  # fmt: skip


def a_trace(jobs: list[Job]) -> Trace:
    rows, at_s = [], 0
    for number, (after_s, work_s, nodes, devices, slack, priority) in enumerate(jobs):
        at_s += after_s
        rows.append(f"j{number},{at_s},{work_s},{nodes},{devices},{work_s * slack},{priority}\n")
    return parse_trace(HEAD + "".join(rows), "csv", "t.csv")


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=10)
@given(jobs=st.lists(JOBS, min_size=1, max_size=25))
def test_replay_and_live_service_start_the_same_runs_at_the_same_moments_on_the_same_devices(
    policy: str, jobs: list[Job]
) -> None:
    """First starts, starts after a preemption and moves alike."""
    trace = a_trace(jobs)
    with TemporaryDirectory() as folder:
        home = Home(Path(folder, "home"), Path(folder, "runtime"))
        assert Live(trace, home).play(policy) == replayed(trace, policy)
