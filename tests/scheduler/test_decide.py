"""Whole gangs on CPUs and devices that nobody else has, and a reason for every run that waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler import (
    Cluster,
    Host,
    Never,
    Queue,
    Queues,
    Running,
    Start,
    Wait,
    Waiting,
    WhyClass,
    cluster_of,
    decide,
    refusal,
    runs_of,
    why,
)

GB = 1_000_000_000
QUEUES = Queues(queues=(Queue(name="default"), Queue(name="night")))
CPU_SHAPES = tuple(Shape(name=f"cpux{n}", cpus=n, memory_bytes=n * 4 * GB) for n in (1, 2, 4))
GPU_SHAPES = tuple(
    Shape(name=f"h100x{n}", accelerator="h100", accelerators=n, cpus=n, memory_bytes=n * 8 * GB) for n in (1, 2)
)


def a_host(cpus: int = 2, *, gpus: int = 0, name: str = "laptop", memory_bytes: int = 64 * GB) -> Host:
    return Host(
        name=name,
        address="127.0.0.1",
        cpus=tuple(range(cpus)),
        memory_bytes=memory_bytes,
        accelerator="h100" if gpus else "",
        devices=tuple(str(index) for index in range(gpus)),
        shapes=tuple(shape for shape in CPU_SHAPES if shape.cpus <= cpus)
        + tuple(shape for shape in GPU_SHAPES if shape.accelerators <= gpus),
    )


def a_cluster(*hosts: Host) -> Cluster:
    return cluster_of(hosts or (a_host(),))


def a_run(number: int = 1, **changes: object) -> Waiting:
    run = Waiting(run_id=RunId(f"r{number:07}"), shapes=("auto",), nodes=1, submitted_ns=number)
    return replace(run, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What became of every run."""

    starts: tuple[Start, ...]
    waits: tuple[Wait, ...]
    never: tuple[Never, ...]


def decided(
    cluster: Cluster,
    runs: Sequence[Waiting],
    now_ns: int = 0,
    *,
    running: Sequence[Running] = (),
    queues: Queues = QUEUES,
) -> Answers:
    """What `decide` says, and of every run that waits, why."""
    asked = runs_of(runs, running)
    decisions = decide(cluster, queues, asked, now_ns)
    out = {answer.run_id for answer in (*decisions.starts, *decisions.never)}
    waiting = sorted(
        (run for run in runs if run.run_id not in out), key=lambda run: (-run.priority, run.submitted_ns, run.run_id)
    )
    line = tuple(run.run_id for run in waiting)
    after = cluster.without([start.placement for start in decisions.starts])
    waits = tuple(why(after, asked, line, decisions, run_id) for run_id in line)
    return Answers(starts=decisions.starts, waits=waits, never=decisions.never)


def the_start(cluster: Cluster, run: Waiting) -> Start:
    decisions = decided(cluster, [run], 0)
    assert [len(decisions.starts), len(decisions.waits), len(decisions.never)] == [1, 0, 0]
    return decisions.starts[0]


def test_two_nodes_on_one_host_get_cpus_of_their_own() -> None:
    """`--nodes 2` on a laptop is two nodes with distinct CPUs, started together."""
    placement = the_start(a_cluster(), a_run(nodes=2)).placement
    assert [(node.index, node.cpus) for node in placement.nodes] == [(0, (0,)), (1, (1,))]
    assert (placement.shape.name, placement.ranks_per_node, placement.world_size) == ("cpux1", 1, 2)


@pytest.mark.parametrize(
    ("ranks", "gpus", "shape", "ranks_per_node"),
    [(0, 0, "cpux1", 1), (2, 0, "cpux2", 2), (3, 0, "cpux4", 3), (0, 2, "h100x1", 1), (2, 2, "h100x2", 2), (3, 2, "cpux4", 3)],
)  # fmt: skip
def test_auto_is_the_smallest_shape_that_takes_the_ranks(
    ranks: int, gpus: int, shape: str, ranks_per_node: int
) -> None:
    """Accelerators come first where the host has enough of them."""
    placement = the_start(a_cluster(a_host(4, gpus=gpus)), a_run(ranks_per_node=ranks)).placement
    assert (placement.shape.name, placement.ranks_per_node) == (shape, ranks_per_node)


def test_auto_falls_back_to_cpus_when_the_accelerators_never_suffice() -> None:
    """Two nodes on a host with one accelerator run on CPUs instead of never."""
    assert the_start(a_cluster(a_host(4, gpus=1)), a_run(nodes=2)).placement.shape.name == "cpux1"


def test_a_named_shape_has_one_rank_for_each_accelerator() -> None:
    """The default of `--ranks-per-node`."""
    start = the_start(a_cluster(a_host(4, gpus=2)), a_run(shapes=("h100x2",)))
    assert (start.placement.ranks_per_node, start.placement.nodes[0].devices) == (2, ("0", "1"))


def test_order_is_priority_then_time_then_id() -> None:
    """Whatever order the runs are given in."""
    runs = [a_run(1), a_run(2, priority=5), a_run(3, submitted_ns=1), a_run(4, submitted_ns=0)]
    cluster = a_cluster(a_host(4))
    for order in (runs, runs[::-1]):
        starts = decided(cluster, order, 0).starts
        assert [start.run_id for start in starts] == ["r0000002", "r0000004", "r0000001", "r0000003"]


def test_the_head_of_the_line_keeps_what_is_free() -> None:
    """A gang of two waits; a single node behind it must not take the CPU that it waits for."""
    running = Running(run=a_run(9), placement=the_start(a_cluster(), a_run(9)).placement, started_ns=0)
    decisions = decided(a_cluster().without([running.placement]), [a_run(1, nodes=2), a_run(2)], 0, running=[running])
    assert decisions.starts == ()
    assert [wait.why_class for wait in decisions.waits] == [WhyClass.BEHIND, WhyClass.RESERVED]
    assert decisions.waits[0].text == (
        "first in line: 2 cpux1 nodes need 2 CPUs, 1 free; the rest is held by 1 running run; --nodes 1 would start now"
    )
    assert decisions.waits[1].text == "what is free is reserved for r0000001, which stands before it"


def test_a_run_that_never_fits_holds_nobody_up() -> None:
    """Only a run that could start some day keeps what is free."""
    decisions = decided(a_cluster(), [a_run(1, nodes=3), a_run(2)], 0)
    assert [never.run_id for never in decisions.never] == ["r0000001"]
    assert [start.run_id for start in decisions.starts] == ["r0000002"]


def test_a_run_in_back_off_waits_and_holds_nobody_up() -> None:
    """`not_before_ns` is respected to the nanosecond."""
    runs = [a_run(1, not_before_ns=100, nodes=2), a_run(2)]
    early = decided(a_cluster(), runs, 99)
    assert [start.run_id for start in early.starts] == ["r0000002"]
    assert [wait.run_id for wait in early.waits] == ["r0000001"]
    assert [start.run_id for start in decided(a_cluster(), runs, 100).starts] == ["r0000001"]


def test_an_elastic_gang_starts_with_what_is_free() -> None:
    """`--nodes 2 --min-nodes 1`: both nodes if they fit, else one."""
    run = a_run(nodes=2, min_nodes=1)
    held = the_start(a_cluster(), a_run(9)).placement
    assert len(the_start(a_cluster(), run).placement.nodes) == 2
    smaller = the_start(a_cluster().without([held]), run).placement
    assert (len(smaller.nodes), smaller.nodes[0].cpus) == (1, (1,))
    assert "1 of 2 nodes" in smaller.why


def test_a_gang_keeps_together_where_it_can() -> None:
    """Two nodes go to the one host that takes both, not one to each."""
    cluster = a_cluster(a_host(1, name="a"), a_host(4, name="b"), a_host(2, name="c"))
    assert {node.host for node in the_start(cluster, a_run(nodes=2)).placement.nodes} == {"c"}


def test_memory_counts() -> None:
    """A node whose memory is taken does not start, although its CPUs are free."""
    cluster = a_cluster(a_host(4, memory_bytes=6 * GB))
    decisions = decided(cluster, [a_run(1), a_run(2)], 0)
    assert (len(decisions.starts), len(decisions.waits)) == (1, 1)
    assert "4.0 GB of memory, 2.0 GB free" in decisions.waits[0].text


def test_fragmentation_is_told_as_such() -> None:
    """Enough CPUs are free, but not on one host."""
    hosts = (a_host(2, name="a"), a_host(2, name="b"))
    held = [the_start(a_cluster(host), a_run(9)).placement for host in hosts]
    wait = decided(a_cluster(*hosts).without(held), [a_run(shapes=("cpux2",))], 0).waits[0]
    assert wait.why_class is WhyClass.FRAGMENTATION
    assert (
        wait.text
        == "1 cpux2 node needs 2 CPUs each, on one host; enough is free in all, but not together; --shape cpux1 would start now"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shapes": ("cpux2",), "nodes": 3},
         ("this run can never start here: it asks for 3 cpux2 nodes (6 CPUs), and this host has 2. "
          "Nothing was submitted. --nodes 1 would start now.")),
        ({"shapes": ("cpux1",), "ranks_per_node": 2},
         ("this run can never start here: it asks for 2 ranks a node, and a cpux1 node takes 1 (one per CPU). "
          "Nothing was submitted. --shape cpux2 would start now.")),
        ({"ranks_per_node": 8},
         ("this run can never start here: it asks for 8 ranks a node, and cpux2, the largest, takes 2 (one per CPU). "
          "Nothing was submitted. --ranks-per-node 2 would start now.")),
        ({"shapes": ("cpu2",)},
         "shape 'cpu2' is not offered here; did you mean cpux2. Nothing was submitted. `%aicci shapes` lists what is."),
        ({"queue": "defalt"},
         ("queue 'defalt' does not exist; did you mean default. "
          "Nothing was submitted. `%aicci queues` lists the queues.")),
    ],
)  # fmt: skip
def test_what_can_never_run_is_told_what_would(changes: dict[str, object], text: str) -> None:
    """Before anything is queued, with the options to type."""
    assert str(refusal(a_cluster(), QUEUES, a_run(**changes))) == text


def test_an_absurd_count_is_answered_like_any_other() -> None:
    """A typo of many digits costs no more than a count that is one too high: nothing counts down from it."""
    absurd = 10**18
    for changes, hint in (({"nodes": absurd}, "--nodes 2"), ({"ranks_per_node": absurd}, "--ranks-per-node 2")):
        error = refusal(a_cluster(), QUEUES, a_run(**changes))
        assert error is not None
        assert error.hint == f"{hint} would start now."
    elastic = the_start(a_cluster(), a_run(nodes=absurd, min_nodes=1))
    assert len(elastic.placement.nodes) == 2


def test_a_hint_says_when_it_would_have_to_wait() -> None:
    """`would start now` is only said of what would."""
    held = the_start(a_cluster(), a_run(9, nodes=2)).placement
    error = refusal(a_cluster().without([held]), QUEUES, a_run(nodes=3))
    assert error is not None
    assert error.hint == "--nodes 2 would run when what is held is free."


def test_a_cluster_without_hosts_refuses_in_words() -> None:
    """Nothing on offer is a sentence, not a crash."""
    error = refusal(cluster_of([]), QUEUES, a_run())
    assert error is not None
    assert "no host offers a shape" in error.message


HOSTS = st.builds(
    lambda cpus, gpus, memory: (cpus, gpus, memory), st.integers(1, 6), st.integers(0, 3), st.integers(1, 48)
)
CLUSTERS = st.lists(HOSTS, min_size=1, max_size=3).map(
    lambda sizes: a_cluster(
        *(a_host(c, gpus=g, name=f"h{i}", memory_bytes=m * GB) for i, (c, g, m) in enumerate(sizes))
    )
)
NAMES = [shape.name for shape in CPU_SHAPES + GPU_SHAPES] + ["auto", "nothing"]
RUNS = st.lists(
    st.builds(
        lambda shapes, nodes, min_nodes, ranks, queue, priority, submitted, not_before: Waiting(
            run_id=RunId(""), shapes=tuple(shapes), nodes=nodes, min_nodes=min(nodes, min_nodes), ranks_per_node=ranks,
            queue=queue, priority=priority, submitted_ns=submitted, not_before_ns=not_before,
        ),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2), st.integers(1, 5), st.integers(0, 3), st.integers(0, 5),
        st.sampled_from(["default", "night", "none"]), st.integers(0, 2), st.integers(0, 3), st.integers(0, 20),
    ),
    max_size=8,
).map(lambda runs: tuple(replace(run, run_id=RunId(f"r{i:07}")) for i, run in enumerate(runs)))  # fmt: skip


def placements(decisions: Answers) -> Sequence[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    return [(n.host, n.cpus, n.devices) for start in decisions.starts for n in start.placement.nodes]


@given(CLUSTERS, RUNS, st.integers(0, 20))
def test_no_cpu_and_no_device_is_given_twice(cluster: Cluster, runs: tuple[Waiting, ...], now_ns: int) -> None:
    """Neither within a gang, nor between runs, nor over what running runs hold."""
    first = decided(cluster, runs[::2], now_ns)
    rest = cluster.without([start.placement for start in first.starts])
    nodes = [*placements(first), *placements(decided(rest, runs[1::2], now_ns))]
    cpus = list(chain.from_iterable([(host, cpu) for cpu in cpus] for host, cpus, _ in nodes))
    devices = list(chain.from_iterable([(host, device) for device in devices] for host, _, devices in nodes))
    assert len(cpus) == len(set(cpus))
    assert len(devices) == len(set(devices))


@given(CLUSTERS, RUNS, st.integers(0, 20))
def test_gangs_are_whole_and_get_what_they_asked_for(cluster: Cluster, runs: tuple[Waiting, ...], now_ns: int) -> None:
    """All nodes (an elastic gang: at least its fewest) with all CPUs and devices of a shape that was asked for."""
    by_id = {run.run_id: run for run in runs}
    for start in decided(cluster, runs, now_ns).starts:
        run, shape, nodes = by_id[start.run_id], start.placement.shape, start.placement.nodes
        assert len(nodes) in run.kind.sizes
        assert [node.index for node in nodes] == list(range(len(nodes)))
        assert all((len(node.cpus), len(node.devices)) == (shape.cpus, shape.accelerators) for node in nodes)
        assert start.placement.ranks_per_node <= shape.slots
        assert shape.name in run.shapes or "auto" in run.shapes


@given(CLUSTERS, RUNS, st.integers(0, 20), st.randoms(use_true_random=False))
def test_equal_arguments_give_equal_decisions_in_any_order(
    cluster: Cluster, runs: tuple[Waiting, ...], now_ns: int, rng: object
) -> None:
    """Every run comes out once, and the order in which runs are given means nothing."""
    shuffled = list(runs)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    decisions = decided(cluster, runs, now_ns)
    assert decided(cluster, shuffled, now_ns) == decisions
    answers = [*decisions.starts, *decisions.waits, *decisions.never]
    assert sorted(answer.run_id for answer in answers) == sorted(run.run_id for run in runs)


@given(CLUSTERS, RUNS)
def test_never_means_never(cluster: Cluster, runs: tuple[Waiting, ...]) -> None:
    """Told `never` is exactly the run that would not start on the empty cluster if it stood there alone."""
    refused = {never.run_id for never in decided(cluster, runs, 0).never}
    for run in runs:
        alone = decided(cluster.emptied(), [replace(run, not_before_ns=0)], 0)
        assert (run.run_id in refused) == (not alone.starts)


@given(CLUSTERS, RUNS)
def test_what_a_refusal_proposes_runs(cluster: Cluster, runs: tuple[Waiting, ...]) -> None:
    """A hint that names options is a run that starts on the empty cluster."""
    for never in decided(cluster, runs, 0).never:
        if not never.hint.startswith("--"):
            continue
        words = never.hint.split(" would ")[0].split()
        options = dict(zip(words[::2], words[1::2], strict=True))
        run = next(run for run in runs if run.run_id == never.run_id)
        tried = replace(
            run,
            min_nodes=0,
            not_before_ns=0,
            nodes=int(options.get("--nodes", run.nodes)),
            ranks_per_node=int(options.get("--ranks-per-node", run.ranks_per_node)),
            shapes=(options["--shape"],) if "--shape" in options else run.shapes,
        )
        assert decided(cluster.emptied(), [tried], 0).starts


@given(CLUSTERS, RUNS, st.integers(0, 20))
def test_no_run_starts_while_one_before_it_waits(cluster: Cluster, runs: tuple[Waiting, ...], now_ns: int) -> None:
    """First come, first served: nobody who is ready overtakes in his queue."""
    runs = tuple(replace(run, queue="default") for run in runs)
    decisions = decided(cluster, runs, now_ns, queues=replace(QUEUES, policy="fifo"))
    line = sorted(runs, key=lambda run: (-run.priority, run.submitted_ns, run.run_id))
    ready = [run.run_id for run in line if run.not_before_ns <= now_ns]
    started = {start.run_id for start in decisions.starts}
    waiting = {wait.run_id for wait in decisions.waits}
    outcomes = [run_id in started for run_id in ready if run_id in started | waiting]
    assert outcomes == sorted(outcomes, reverse=True)
