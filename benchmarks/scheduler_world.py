"""The synthetic cluster and runs that the scheduler's benchmarks ask about; everything is drawn from one seed.

A cluster of n hosts hangs on about n / 32 leaves of 1 to 64 hosts (uniform: real fabrics are as ragged), 16 leaves on a spine,
five spines in a zone. Each host has 8 accelerators, 96 CPUs that are counted and 2 TB of memory.
Rule: nothing here is timed, and sizes are drawn before anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from jupyter_aicci.model.ids import ALPHABET, RunId
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import Cluster, Host, Queues, Running, Runs, Waiting, cluster_of, decide, runs_of

SEED = 7
LEAF_MOST, LEAF_MEAN, LEAVES_A_SPINE, SPINES_A_ZONE = 64, 32.05, 16, 5
GPUS = 8
GB = 10**9
NOW_NS = 1_800_000_000 * NS
HOUR_S = 3600.0
SHAPES = tuple(
    Shape(name=f"h100x{n}", accelerator="h100", accelerators=n, cpus=12 * n, memory_bytes=250 * GB * n, nvlink=n > 1, rdma_nics=n)
    for n in (1, 2, 4, 8)
)  # fmt: skip
LEVELS = ("zone", "spine", "leaf")
QUEUES = Queues()


def hosts(count: int) -> list[Host]:
    """So many hosts on ragged leaves."""
    found = []
    for leaf, size in enumerate(leaf_sizes(count)):
        spine = leaf // LEAVES_A_SPINE
        path = (f"zone-{spine // SPINES_A_ZONE}", f"spine-{spine:03}", f"leaf-{leaf:04}")
        for _ in range(size):
            number = len(found)
            found.append(
                Host(
                    name=f"gpu-{number:05}", address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
                    cpu_milli=96_000, memory_bytes=2000 * GB, accelerator="h100",
                    devices=DEVICES, shapes=SHAPES, path=path,
                )
            )  # fmt: skip
    return found


DEVICES = tuple(map(str, range(GPUS)))


def leaf_sizes(count: int) -> list[int]:
    """Hosts of each leaf: uniform in 1..64, then single hosts moved until they add up."""
    rng = np.random.default_rng(SEED)
    leaves = max(1, round(count / LEAF_MEAN))
    sizes = rng.integers(1, LEAF_MOST, size=leaves, endpoint=True)
    while (over := int(sizes.sum()) - count) != 0:
        step = 1 if over < 0 else -1
        able = np.flatnonzero((sizes + step >= 1) & (sizes + step <= LEAF_MOST))
        sizes[rng.choice(able, size=min(abs(over), len(able)), replace=False)] += step
    return [int(size) for size in sizes]


def cluster(count: int) -> Cluster:
    """All of it free."""
    return cluster_of(hosts(count), levels=LEVELS, shapes=SHAPES)


def run_id(number: int) -> RunId:
    """The run of a number, in the form that ids have."""
    digits = [ALPHABET[number >> shift & 31] for shift in range(30, -1, -5)]
    return RunId("r" + "".join(digits))


def requests(count: int, first: int = 0, *, nodes: tuple[int, ...] = (1,), shape: str = "") -> list[Waiting]:
    """Runs that wait, a second after each other: of one size or of several, of one shape or of all."""
    rng = np.random.default_rng(SEED + 1 + first)
    sizes = rng.choice(nodes, size=count).tolist()
    shapes = [shape] * count if shape else [SHAPES[at].name for at in rng.integers(0, len(SHAPES), size=count).tolist()]
    limits_s = (rng.integers(1, 48, size=count, endpoint=True) * HOUR_S).tolist()
    return [
        Waiting(
            run_id=run_id(first + at), shapes=(shapes[at],), nodes=sizes[at], limit_s=limits_s[at],
            submitted_ns=NOW_NS - (count - at) * NS, user="ada",
        )
        for at in range(count)
    ]  # fmt: skip


def filled(empty: Cluster, nodes_in_all: int, first: int = 10_000_000) -> tuple[Cluster, Runs]:
    """The cluster with gangs of whole hosts on about so many of its nodes, and these runs; five nodes each in the mean."""
    gangs = requests(round(nodes_in_all / 5), first, nodes=(1, 2, 4, 8, 10), shape="h100x8")
    starts = decide(empty, QUEUES, runs_of(gangs), NOW_NS).starts
    by_id = {gang.run_id: gang for gang in gangs}
    rng = np.random.default_rng(SEED)
    ran_s = rng.uniform(0, HOUR_S, size=len(starts)).tolist()
    held = [
        Running(run=by_id[start.run_id], placement=start.placement, started_ns=NOW_NS - int(ran * NS))
        for start, ran in zip(starts, ran_s, strict=True)
    ]
    return empty.without([start.placement for start in starts]), runs_of((), held)


def full(empty: Cluster) -> tuple[Cluster, Runs]:
    """The cluster without a free host: gangs as in `filled`, and single nodes on what they leave."""
    taken, runs = filled(empty, len(empty.hosts))
    rest = requests(len(empty.hosts), 11_000_000, shape="h100x8")
    starts = decide(taken, QUEUES, runs_of(rest), NOW_NS).starts
    by_id = {single.run_id: single for single in rest}
    held = [Running(run=by_id[each.run_id], placement=each.placement, started_ns=NOW_NS) for each in starts]
    return taken.without([each.placement for each in starts]), runs.started(*held)


def batches(runs: list[Waiting], size: int) -> Iterator[list[Waiting]]:
    """The runs in the order of submission, so many at a time."""
    for first in range(0, len(runs), size):
        yield runs[first : first + size]


def gang(number: int, nodes: int, **changes: object) -> Waiting:
    """A gang of whole hosts, submitted now, with a limit of a day."""
    run = Waiting(
        run_id=run_id(number), shapes=("h100x8",), nodes=nodes, limit_s=24 * HOUR_S, submitted_ns=NOW_NS, user="ada"
    )
    return replace(run, **changes)  # type: ignore[arg-type]
