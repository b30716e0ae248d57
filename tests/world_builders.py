"""A small cluster over virtual time: what `decide` says is done, and every promise of the scheduler is checked by hand.

The ledger here knows nothing of the scheduler's arrays: it counts devices, CPUs and bytes host by host.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler import (
    Cluster,
    Decisions,
    Host,
    NodeState,
    Queues,
    Running,
    Runs,
    Waiting,
    cluster_of,
    decide,
    policy_named,
    promise_of,
    refusal,
    runs_of,
)

NS = 1_000_000_000
GB = 1_000_000_000
SHAPES = (
    Shape(name="g1", accelerator="h100", accelerators=1, cpus=1, memory_bytes=8 * GB),
    Shape(name="g2", accelerator="h100", accelerators=2, cpus=2, memory_bytes=16 * GB),
    Shape(name="g4", accelerator="h100", accelerators=4, cpus=4, memory_bytes=32 * GB),
    Shape(name="half", accelerator="h100", accelerators=1, accelerator_milli=500, cpus=0, cpu_share_milli=500, memory_bytes=GB),
    Shape(name="fat", accelerator="h100", accelerators=1, cpus=1, memory_bytes=40 * GB),
    Shape(name="c1", cpus=1, memory_bytes=4 * GB),
    Shape(name="c3", cpus=3, memory_bytes=4 * GB),
)  # fmt: skip
WHOLE = tuple(
    shape for shape in SHAPES if shape.name in ("g1", "g2", "g4")
)  # each takes the same part of all resources


def a_host(name: str, *path: str, gpus: int = 4, pinned: bool = True, state: NodeState = NodeState.READY) -> Host:
    return Host(
        name=name,
        address="127.0.0.1",
        cpus=tuple(range(gpus or 4)) if pinned else (),
        cpu_milli=0 if pinned else 1000 * (gpus or 4),
        memory_bytes=8 * GB * (gpus or 4),
        accelerator="h100" if gpus else "",
        devices=tuple(str(device) for device in range(gpus)),
        path=path,
        state=state,
    )


def a_run(number: int, **changes: object) -> Waiting:
    run = Waiting(run_id=RunId(f"r{number:03}"), shapes=("g1",), submitted_ns=number * NS)
    return replace(run, **changes)  # type: ignore[arg-type]


@st.composite
def clusters(draw: st.DrawFn, shapes: tuple[Shape, ...] = SHAPES, *, most: int = 5, plain: bool = False) -> Cluster:
    """One to five hosts of different sizes in ragged leaves; `plain`: all of them take runs."""
    hosts = []
    for number in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from([("s0", "l0"), ("s0", "l1"), ("s1", "l2")]))
        gpus = draw(st.sampled_from([4, 4, 2] if plain else [4, 4, 2, 0]))
        state = NodeState.READY if plain else draw(st.sampled_from([*[NodeState.READY] * 5, NodeState.DRAINING]))
        hosts.append(a_host(f"h{number}", *path, gpus=gpus, pinned=draw(st.booleans()), state=state))
    return cluster_of(hosts, shapes=shapes)


@dataclass
class World:
    """What runs where and what waits, from one event to the next. Every decision is checked before it is done."""

    cluster: Cluster
    queues: Queues
    takes_s: dict[RunId, int]  # how long each run really takes
    now_s: int = 0
    preemptible: bool = True
    keeps_promises: bool = False
    runs: Runs = field(default_factory=runs_of)
    waiting: dict[RunId, Waiting] = field(default_factory=dict)
    running: dict[RunId, Running] = field(default_factory=dict)
    had_s: Counter[RunId] = field(default_factory=Counter)
    started_s: dict[RunId, int] = field(default_factory=dict)  # the first start of each
    preempted: set[RunId] = field(default_factory=set)

    @property
    def now_ns(self) -> int:
        return self.now_s * NS

    @property
    def held(self) -> Cluster:
        return self.cluster.without([held.placement for held in self.running.values()])

    def submit(self, *runs: Waiting) -> None:
        """As the service does: what can never start is refused and does not come in."""
        runs = tuple(run for run in runs if refusal(self.cluster, self.queues, run) is None)
        self.runs = self.runs.submitted(*runs)
        self.waiting |= {run.run_id: run for run in runs}

    def decide(self) -> Decisions:
        """What the scheduler says now, checked and done."""
        decisions = decide(self.held, self.queues, self.runs, self.now_ns)
        self._check(decisions)
        assert not decisions.never, "it was told that it could start"
        for preempt in decisions.preempts:
            self._stop(preempt.run_id)
        starts = [
            Running(
                run=self.waiting.pop(start.run_id),
                placement=start.placement,
                started_ns=self.now_ns,
                preemptible=self.preemptible,
            )
            for start in decisions.starts
        ]
        self.runs = self.runs.started(*starts)
        for held in starts:
            self.running[held.run_id] = held
            self.started_s.setdefault(held.run_id, self.now_s)
        if self.keeps_promises:
            told = dict(map(promise_of, decisions.reserves))
            self.runs = self.runs.promised({run_id: told[run_id] for run_id in told if run_id in self.waiting})
        nothing_is_given_twice(self.cluster, [held.placement for held in self.running.values()])
        return decisions

    def next_end_s(self) -> int | None:
        """When the first running run ends by itself."""
        return min((self._ends_s(held) for held in self.running.values()), default=None)

    def pass_until(self, moment_s: int) -> None:
        """Time passes; runs that are done by then are gone."""
        self.now_s = moment_s
        done = [held.run_id for held in self.running.values() if self._ends_s(held) <= moment_s]
        self.runs = self.runs.ended(*done)
        for run_id in done:
            del self.running[run_id]

    def _ends_s(self, held: Running) -> int:
        return held.started_ns // NS + self.takes_s[held.run_id] - self.had_s[held.run_id]

    def _stop(self, run_id: RunId) -> None:
        held = self.running.pop(run_id)
        self.preempted.add(run_id)
        ran_s = self.now_s - held.started_ns // NS
        self.had_s[run_id] += ran_s
        units = held.placement.shape.slots * len(held.placement.nodes)
        run = replace(
            held.run,
            wait_since_ns=self.now_ns,
            ran_s=held.run.ran_s + ran_s,
            attained_s=held.run.attained_s + units * ran_s,
            limit_s=held.run.limit_s and max(held.run.limit_s - ran_s, 1.0),
            expected_s=held.run.expected_s and max(held.run.expected_s - ran_s, 1.0),
        )
        self.runs = self.runs.requeued(run)
        self.waiting[run_id] = run

    def _check(self, decisions: Decisions) -> None:
        """Whole gangs, each run answered once, and nobody goes for a run that then does not start."""
        starts = {start.run_id: start for start in decisions.starts}
        gone = {preempt.run_id: preempt for preempt in decisions.preempts}
        assert len(starts) == len(decisions.starts), "a run starts twice"
        assert len(gone) == len(decisions.preempts), "a run is sent away twice"
        moved = gone.keys() & starts.keys()
        assert starts.keys() - moved <= self.waiting.keys()
        assert gone.keys() <= self.running.keys()
        assert all(self.running[run_id].preemptible for run_id in gone)
        anew = policy_named(
            self.queues.policy
        ).anew  # where all is laid out anew, a run may find no place for its own part
        for run_id, preempt in gone.items():
            assert preempt.for_run in starts or (anew and preempt.for_run == run_id), (
                f"{run_id} goes for {preempt.for_run}, which does not start"
            )
        for start in decisions.starts:
            assert set(start.after) <= gone.keys(), "a start waits for a run that stays"
            run = self.waiting.get(start.run_id) or self.running[start.run_id].run
            gang_is_whole(self.cluster, run, start.placement)


def gang_is_whole(cluster: Cluster, run: Waiting, placement: Placement) -> None:
    """As many nodes as it asked for, of a shape that it named, under one domain of the level, on hosts that take it."""
    assert run.kind.sizes[-1] <= len(placement.nodes) <= run.nodes
    assert [node.index for node in placement.nodes] == list(range(len(placement.nodes)))
    assert placement.shape.name in run.shapes or "auto" in run.shapes
    hosts = {host.name: host for host in cluster.hosts}
    for node in placement.nodes:
        assert hosts[node.host].accepts(placement.shape)
        assert len(node.devices) == placement.shape.accelerators
        assert len(node.cpus) == (placement.shape.cpus if hosts[node.host].cpus else 0)
    if run.hard_level:
        depth = cluster.fabric.tree.levels.index(run.hard_level)
        assert len({(*hosts[node.host].path, node.host)[:depth] for node in placement.nodes}) == 1


def nothing_is_given_twice(cluster: Cluster, placements: list[Placement]) -> None:
    """No CPU twice, no more of a device, of CPU time and of memory than there is."""
    cpus = Counter[tuple[str, int]]()
    devices, cpu_milli, memory = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    for placement in placements:
        shape = placement.shape
        for node in placement.nodes:
            cpus.update((node.host, cpu) for cpu in node.cpus)
            for device in node.devices:
                devices[node.host, device] += shape.accelerator_milli
            cpu_milli[node.host] += shape.cpu_milli
            memory[node.host] += shape.memory_bytes
    assert max(cpus.values(), default=1) == 1, "a CPU is given twice"
    assert max(devices.values(), default=0) <= 1000, "a device is given twice"
    for host in cluster.hosts:
        assert cpu_milli[host.name] <= host.all_cpu_milli, f"{host.name} has not that many CPUs"
        assert memory[host.name] <= host.memory_bytes, f"{host.name} has not that much memory"
