"""Who gives way: runs of lower priority, runs of queues that hold more than they are entitled to, runs that fit elsewhere."""

from __future__ import annotations

import pytest

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler import Cluster, Host, Queue, Queues, Running, Runs, Waiting, cluster_of, decide, runs_of
from jupyter_aicci.scheduler.queues import amounts

NS = 1_000_000_000
SHAPES = tuple(Shape(name=f"h100x{n}", accelerator="h100", accelerators=n, cpus=n) for n in (1, 2, 4, 8))
TAKES_LOWER = Queues(policy="priority")
HOUR_NS = 3600 * NS


def a_cluster(hosts: int = 2) -> Cluster:
    """Hosts with eight accelerators each, all free."""
    devices = tuple(map(str, range(8)))
    return cluster_of(
        [
            Host(name=f"host-{n}", cpu_milli=96_000, accelerator="h100", devices=devices, shapes=SHAPES)
            for n in range(hosts)
        ]
    )


def a_run(number: int, **changes: object) -> Waiting:
    return Waiting(run_id=RunId(f"r{number:07}"), submitted_ns=number, **changes)  # type: ignore[arg-type]


def held(run: Waiting, host: str, first: int, *, preemptible: bool = True, checkpoint_ns: int = 0) -> Running:
    """The run on devices `first`... of one host, since the epoch."""
    shape = next(shape for shape in SHAPES if shape.name == run.shapes[0])
    devices = tuple(map(str, range(first, first + shape.accelerators)))
    node = NodePlacement(index=0, host=host, address="", devices=devices)
    placement = Placement(shape=shape, ranks_per_node=shape.accelerators, nodes=(node,))
    return Running(run=run, placement=placement, started_ns=0, preemptible=preemptible, checkpoint_ns=checkpoint_ns)


def asked(waiting: Waiting, *running: Running, hosts: int = 2) -> tuple[Cluster, Runs]:
    """What `decide` is asked while these hold their places."""
    return a_cluster(hosts).without([run.placement for run in running]), runs_of([waiting], running)


def test_a_higher_priority_takes_the_place_of_a_lower_one() -> None:
    """The start is told together with who goes first."""
    low = held(a_run(1, shapes=("h100x8",)), "host-0", 0)
    cluster, runs = asked(a_run(2, shapes=("h100x8",), priority=1), low, hosts=1)
    decisions = decide(cluster, TAKES_LOWER, runs, HOUR_NS)
    assert [(preempt.run_id, preempt.for_run) for preempt in decisions.preempts] == [("r0000001", "r0000002")]
    assert [(start.run_id, start.after) for start in decisions.starts] == [("r0000002", ("r0000001",))]


@pytest.mark.parametrize(("preemptible", "priority"), [(False, 1), (True, 0)])
def test_nobody_goes_who_cannot_go_on_or_whose_right_is_as_good(preemptible: bool, priority: int) -> None:
    """A run without a checkpoint keeps its place, and so does one of equal priority."""
    low = held(a_run(1, shapes=("h100x8",)), "host-0", 0, preemptible=preemptible)
    cluster, runs = asked(a_run(2, shapes=("h100x8",), priority=priority), low, hosts=1)
    decisions = decide(cluster, TAKES_LOWER, runs, HOUR_NS)
    assert (decisions.preempts, decisions.starts) == ((), ())


def test_the_run_that_wastes_least_goes() -> None:
    """Of two that would do, the one that has just saved its work."""
    old = held(a_run(1, shapes=("h100x8",)), "host-0", 0, checkpoint_ns=HOUR_NS // 10)
    fresh = held(a_run(2, shapes=("h100x8",)), "host-1", 0, checkpoint_ns=HOUR_NS - NS)
    cluster, runs = asked(a_run(3, shapes=("h100x8",), priority=1), old, fresh)
    assert [preempt.run_id for preempt in decide(cluster, TAKES_LOWER, runs, HOUR_NS).preempts] == ["r0000002"]


def test_who_has_been_told_to_go_is_not_joined_by_another() -> None:
    """While a run leaves, its place is waited for, and nobody else is asked."""
    leaving = held(a_run(1, shapes=("h100x8",)), "host-0", 0)
    leaving = Running(
        run=leaving.run, placement=leaving.placement, started_ns=0, preemptible=True, leaving=True, checkpoint_ns=1
    )
    other = held(a_run(2, shapes=("h100x8",)), "host-1", 0)
    cluster, runs = asked(a_run(3, shapes=("h100x8",), priority=1), leaving, other)
    decisions = decide(cluster, TAKES_LOWER, runs, HOUR_NS)
    assert decisions.preempts == ()
    assert [(start.run_id, start.after) for start in decisions.starts] == [("r0000003", ("r0000001",))]


def test_a_queue_takes_back_what_it_deserves() -> None:
    """Whoever borrows gives way, without any priority, as far as the other queue is entitled to."""
    queues = Queues(
        queues=(Queue(name="default"), Queue(name="vision", deserved=amounts(h100=8), guarantee=amounts(h100=8))),
        policy="priority",
    )
    borrowers = [held(a_run(n, shapes=("h100x8",)), f"host-{n}", 0) for n in range(2)]
    cluster, runs = asked(a_run(5, shapes=("h100x8",), queue="vision"), *borrowers)
    decisions = decide(cluster, queues, runs, HOUR_NS)
    assert len(decisions.preempts) == 1
    assert decisions.preempts[0].reason == "queue vision takes back its share"
    assert [start.run_id for start in decisions.starts] == ["r0000005"]


def test_a_small_run_moves_so_that_a_whole_host_is_free() -> None:
    """Two hosts with half of each free take no run of eight; one of the halves moves to the other."""
    halves = [
        held(a_run(n, shapes=("h100x4",), limit_s=36_000.0), f"host-{n}", 0, checkpoint_ns=HOUR_NS) for n in range(2)
    ]
    cluster, runs = asked(a_run(5, shapes=("h100x8",), limit_s=3600.0), *halves)
    decisions = decide(cluster, TAKES_LOWER, runs, HOUR_NS)
    assert len(decisions.preempts) == 1
    assert decisions.preempts[0].reason == "goes on elsewhere, so that r0000005 fits"
    assert [start.run_id for start in decisions.starts] == ["r0000005"]


def test_nobody_moves_for_a_run_that_would_soon_have_its_place() -> None:
    """A move that wastes more than the wait that it saves is not made."""
    halves = [held(a_run(n, shapes=("h100x4",), limit_s=3601.0), f"host-{n}", 0) for n in range(2)]
    cluster, runs = asked(a_run(5, shapes=("h100x8",), limit_s=3600.0), *halves)
    assert decide(cluster, TAKES_LOWER, runs, HOUR_NS).preempts == ()
