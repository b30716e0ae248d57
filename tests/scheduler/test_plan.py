"""The plan's starts against every second of the future counted one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler import Cluster, Host, cluster_of
from jupyter_aicci.scheduler.fit import Picks
from jupyter_aicci.scheduler.plan import Plan

HORIZON_S = 400
SHAPES = tuple(Shape(name=f"g{n}", accelerator="gpu", accelerators=n, cpus=0) for n in (1, 2, 4))
LEVELS = 3  # cluster, leaf, host


def a_cluster(sizes: list[int]) -> Cluster:
    """Hosts of so many accelerators, two on a leaf."""
    return cluster_of(
        [
            Host(name=f"h{n}", accelerator="gpu", devices=tuple(map(str, range(size))), path=(f"l{n // 2}",))
            for n, size in enumerate(sizes)
        ],
        shapes=SHAPES,
    )


@dataclass
class Seconds:
    """What is free on each host in each second: the plan's promise, written out."""

    cluster: Cluster
    free: np.ndarray  # [N, HORIZON_S]

    def room(self, shape: Shape, start_s: int, lasts_s: int) -> np.ndarray:
        """Nodes that each host takes from then on for so long."""
        least = self.free[:, start_s : start_s + lasts_s].min(axis=1)
        return np.maximum(least, 0) // shape.accelerators

    def earliest_s(self, shape: Shape, nodes: int, level: int, lasts_s: int) -> int | None:
        starts = self.cluster.fabric.tree.starts[level]
        for moment_s in range(HORIZON_S - lasts_s):
            if np.add.reduceat(self.room(shape, moment_s, lasts_s), starts).max() >= nodes:
                return moment_s
        return None

    def take(self, shape: Shape, picks: Picks, start_s: int, lasts_s: int) -> None:
        for host, count in zip(picks.hosts.tolist(), picks.counts.tolist(), strict=True):
            self.free[host, start_s : start_s + lasts_s] -= count * shape.accelerators
        assert (self.free >= 0).all(), "more is reserved than there is"


@st.composite
def futures(draw: st.DrawFn) -> tuple[Cluster, Plan, Seconds]:
    """A plan in which something holds nodes, and its seconds."""
    sizes = draw(st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=5))
    cluster = a_cluster(sizes)
    free = np.repeat(np.array(sizes)[:, None], HORIZON_S, axis=1)
    plan, held = Plan(cluster.fabric, 0.0), []
    for host, size in enumerate(sizes):
        for _ in range(draw(st.integers(0, size))):
            until_s = draw(st.integers(1, 9))
            held.append((host, 1, float(until_s)))
            free[host, :until_s] -= 1
    hosts, slots, until = zip(*held, strict=True) if held else ((), (), ())
    plan.hold_all(np.array(hosts, dtype=np.int64), np.array(slots, dtype=np.int64), np.array(until))
    return cluster, plan, Seconds(cluster, free)


ASKS = st.lists(
    st.tuples(st.sampled_from(SHAPES), st.integers(1, 4), st.integers(0, LEVELS - 1), st.integers(1, 12)), max_size=12
)


@given(futures(), ASKS, st.data())
@settings(deadline=None)
def test_each_reservation_is_the_earliest_that_fits_and_none_overlap(
    future: tuple[Cluster, Plan, Seconds], asks: list[tuple[Shape, int, int, int]], data: st.DataObject
) -> None:
    """Whatever holds nodes and whoever has a place already; some places are given back on the way."""
    _, plan, seconds = future
    booked: dict[int, tuple[Shape, Picks, int, int]] = {}
    for number, (shape, nodes, level, lasts_s) in enumerate(asks):
        if booked and data.draw(st.integers(0, 3)) == 0:
            gone = data.draw(st.sampled_from(sorted(booked)))
            was, picks, start_s, took_s = booked.pop(gone)
            plan.unbook(gone, picks.hosts)
            for host, count in zip(picks.hosts.tolist(), picks.counts.tolist(), strict=True):
                seconds.free[host, start_s : start_s + took_s] += count * was.accelerators
        slot = plan.earliest(shape, nodes, level, float(lasts_s))
        expected = seconds.earliest_s(shape, nodes, level, lasts_s)
        assert (slot.start_s if slot else None) == expected
        if slot is not None:
            start_s = int(slot.start_s)
            assert int(slot.picks.counts.sum()) == nodes
            seconds.take(shape, slot.picks, start_s, lasts_s)
            plan.book(number, shape, slot.picks, slot.start_s, slot.start_s + lasts_s)
            booked[number] = shape, slot.picks, start_s, lasts_s


@given(futures(), ASKS, st.sampled_from(SHAPES), st.integers(1, 30))
@settings(deadline=None)
def test_what_may_start_now_delays_no_reservation(
    future: tuple[Cluster, Plan, Seconds], asks: list[tuple[Shape, int, int, int]], shape: Shape, lasts_s: int
) -> None:
    """The room that is open is what every second until the end leaves, and a place of one's own is no hindrance."""
    _, plan, seconds = future
    own: tuple[int, Shape, Picks, int, int] | None = None
    for number, (asked, nodes, level, took_s) in enumerate(asks):
        slot = plan.earliest(asked, nodes, level, float(took_s))
        if slot is not None:
            seconds.take(asked, slot.picks, int(slot.start_s), took_s)
            plan.book(number, asked, slot.picks, slot.start_s, slot.start_s + took_s)
            own = number, asked, slot.picks, int(slot.start_s), took_s
    room = seconds.room(shape, 0, 1)
    assert (plan.open(shape, room, float(lasts_s)) == seconds.room(shape, 0, lasts_s)).all()
    if own is not None:
        number, asked, picks, start_s, took_s = own
        seconds.free[picks.hosts, start_s : start_s + took_s] += (picks.counts * asked.accelerators)[:, None]
        if start_s > 0:
            assert (plan.open(shape, room, float(lasts_s), number) == seconds.room(shape, 0, lasts_s)).all()


def test_a_run_without_a_limit_stands_behind_all_reservations() -> None:
    """It would never leave a gap again."""
    cluster = a_cluster([1])
    plan, one = Plan(cluster.fabric, 0.0), Picks(hosts=np.array([0]), counts=np.array([1]))
    plan.book(0, SHAPES[0], one, 10.0, 20.0)
    short, endless = (plan.earliest(SHAPES[0], 1, 0, lasts_s) for lasts_s in (5.0, np.inf))
    assert short is not None
    assert endless is not None
    assert (short.start_s, endless.start_s) == (0.0, 20.0)
