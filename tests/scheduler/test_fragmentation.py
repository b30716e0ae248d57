"""Small runs and accelerator shares go where least of what stays free is wasted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler import fragmentation
from jupyter_aicci.scheduler.fragmentation import (
    SCALE,
    TIE_BITS,
    Demand,
    Gradient,
    Typical,
    fragments,
    has_room,
    typical,
    waste,
)

demands = st.one_of(
    st.builds(
        Demand,
        cpu_milli=st.sampled_from([0, 1000, 4000, 11300]),
        memory=st.sampled_from([0, 8, 40]),
        devices=st.just(1),
        milli=st.sampled_from([50, 230, 320, 470, 650, 810, 1000]),
        kinds=st.sampled_from([(), (), (0,), (1,), (0, 1)]),
    ),
    st.builds(
        Demand,
        cpu_milli=st.sampled_from([2000, 8000]),
        memory=st.just(16),
        devices=st.integers(2, 4),
        milli=st.sampled_from([500, 1000]),
    ),
    st.builds(Demand, cpu_milli=st.sampled_from([1000, 12500]), memory=st.just(8)),
)
histories = st.dictionaries(demands, st.integers(1, 50), max_size=12)
shares = st.lists(st.sampled_from([-1, 0, 60, 190, 320, 350, 530, 1000, 1000]), min_size=4, max_size=4)
hosts = st.lists(
    st.tuples(st.integers(0, 64000), st.integers(0, 128), shares, st.integers(0, 1)), min_size=1, max_size=6
)


class Columns:
    """Hosts as the arrays that a Gradient watches."""

    def __init__(self, rows: list[tuple[int, int, list[int], int]]) -> None:
        self.cpu_milli = np.array([row[0] for row in rows], dtype=np.int64)
        self.memory = np.array([row[1] for row in rows], dtype=np.int64)
        self.share = np.array([row[2] for row in rows], dtype=np.int16)
        self.kind = np.array([row[3] for row in rows], dtype=np.int64)

    @property
    def all(self) -> tuple[Any, ...]:
        return self.cpu_milli, self.memory, self.share, self.kind

    def copy(self) -> Columns:
        return Columns(list(zip(*(column.tolist() for column in self.all), strict=True)))

    def take(self, demand: Demand, host: int, devices: tuple[int, ...]) -> None:
        self.cpu_milli[host] -= demand.cpu_milli
        self.memory[host] -= demand.memory
        self.share[host, list(devices)] -= np.int16(demand.milli)


def some_hosts(*rows: tuple[int, list[int]]) -> Columns:
    """Hosts of one kind with memory to spare: (cpu_milli, free milli of each device)."""
    return Columns([(cpu_milli, 1 << 20, share, 0) for cpu_milli, share in rows])


def fragments_as_defined(history: Mapping[Demand, int], usual: list[Demand], columns: Columns, host: int) -> float:
    """FGD's definition, demand by demand and device by device."""
    free = [milli for milli in columns.share[host].tolist() if milli > 0]
    total = 0.0
    for demand in usual:
        runs = (
            demand.devices > 0
            and columns.cpu_milli[host] >= demand.cpu_milli
            and columns.memory[host] >= demand.memory
            and sum(milli >= demand.milli for milli in free) >= demand.devices
            and (not demand.kinds or columns.kind[host] in demand.kinds)
        )
        small = sum(milli for milli in free if milli < demand.milli) if runs else sum(free)
        total += history[demand] * small
    return total / max(1, sum(history[demand] for demand in usual))


@given(histories, hosts)
def test_fragments_are_what_typical_demands_cannot_use(
    history: dict[Demand, int], rows: list[tuple[int, int, list[int], int]]
) -> None:
    """All that is free where a demand does not fit, else what lies on devices with too little; the mean over demands."""
    columns = Columns(rows)
    usual = fragmentation._popular(history)
    found = fragments(typical(history, kinds=2), *columns.all)
    for host in range(len(rows)):
        expected = fragments_as_defined(history, usual, columns, host) if usual else columns.share[host].clip(0).sum()
        assert found[host] == pytest.approx(expected, abs=4000 * len(usual) / SCALE)


def test_the_typical_demands_are_the_popular_ones() -> None:
    """Rare demands are left out once the frequent ones make up 95 % of all."""
    history = {Demand(cpu_milli=cpu_milli): count for cpu_milli, count in ((1, 60), (2, 35), (3, 4), (4, 1))}
    assert [demand.cpu_milli for demand in fragmentation._popular(history)] == [1, 2]


@given(histories, hosts, demands)
def test_growth_is_the_difference_that_the_demand_makes(
    history: dict[Demand, int], rows: list[tuple[int, int, list[int], int]], demand: Demand
) -> None:
    """On each host the waste after the best choice of devices less the waste before, by trying every device."""
    usual, columns = typical(history, kinds=2), Columns(rows)
    growth = Gradient(usual, *columns.all).growth(demand)
    before, fits = waste(usual, *columns.all), has_room(demand, *columns.all)
    for host in range(len(rows)):
        if not fits[host]:
            assert growth[host] == np.inf
            continue
        tried = []
        for devices in choices(columns, demand, host):
            after = columns.copy()
            after.take(demand, host, devices)
            tried.append(int(waste(usual, *after.all)[host] - before[host]))
        assert growth[host] == min(tried) / SCALE


def choices(columns: Columns, demand: Demand, host: int) -> list[tuple[int, ...]]:
    """The devices that a demand may get: any one for a share, the tightest for several or whole ones."""
    if demand.shares_a_device:
        return [(device,) for device, milli in enumerate(columns.share[host].tolist()) if milli >= demand.milli]
    return [fragmentation.tightest(columns.share[host], demand)] if demand.devices else [()]


@given(histories, hosts, st.lists(st.tuples(demands, st.sampled_from(["took", "placed", "ended"])), max_size=12))
def test_what_is_kept_between_questions_changes_no_answer(
    history: dict[Demand, int], rows: list[tuple[int, int, list[int], int]], steps: list[tuple[Demand, str]]
) -> None:
    """After any changes a Gradient answers as one made anew, and never gives out what is not free."""
    usual, columns = typical(history, kinds=2), Columns(rows)
    kept = Gradient(usual, *columns.all)
    for demand, step in steps:
        found = kept.best(demand)
        assert found == Gradient(usual, *columns.copy().all).best(demand)
        assert (found is not None) == bool(has_room(demand, *columns.all).any())
        if found is None:
            continue
        assert len(set(found[1])) == demand.devices
        columns.take(demand, *found)
        if step == "took":
            kept.took(demand, found[0])
        elif step == "placed":
            kept.placed(found[0])
        else:  # something else of that host ended at the same time
            columns.cpu_milli[found[0]] += 1500
            kept.placed(found[0])
        assert min(columns.cpu_milli.min(), columns.memory.min()) >= 0
        assert columns.share.min() >= -1
        assert (columns.share >= 0).sum() == sum(milli >= 0 for row in rows for milli in row[2])


@given(histories, hosts, demands, st.randoms(use_true_random=False))
def test_the_order_of_hosts_changes_no_growth(
    history: dict[Demand, int], rows: list[tuple[int, int, list[int], int]], demand: Demand, random: Any
) -> None:
    """A host's growth is its own: to the last bit the same among other hosts."""
    usual, order = typical(history, kinds=2), list(range(len(rows)))
    random.shuffle(order)
    growth = Gradient(usual, *Columns(rows).all).growth(demand)
    assert (
        Gradient(usual, *Columns([rows[host] for host in order]).all).growth(demand).tolist() == growth[order].tolist()
    )


def test_only_hosts_of_the_mask_are_chosen() -> None:
    """The mask is where the run may go; outside it there is no place, however good."""
    gradient = Gradient(no_history(), *some_hosts((8000, [500]), (8000, [1000]), (100, [500])).all)
    share = Demand(cpu_milli=1000, devices=1, milli=500)
    assert gradient.best(share) == (0, (0,))
    assert gradient.best(share, np.array([False, True, True])) == (1, (0,))
    assert gradient.best(share, np.array([False, False, True])) is None
    assert gradient.best(share, np.zeros(3, dtype=bool)) is None


def no_history() -> Typical:
    return typical({})


def test_without_a_history_the_fuller_host_and_the_tighter_device_win() -> None:
    """Then this is best fit; of equal hosts the lowest."""
    columns = some_hosts((8000, [1000, 1000]), (8000, [1000, 600]), (8000, [1000, 600]))
    assert Gradient(no_history(), *columns.all).best(Demand(devices=1, milli=300)) == (1, (1,))
    assert Gradient(no_history(), *columns.all).best(Demand(devices=1)) == (1, (0,))
    assert Gradient(no_history(), *columns.all).best(Demand(devices=2)) == (0, (0, 1))


def test_no_hosts_are_no_place() -> None:
    """An empty cluster is an answer, no error."""
    empty = Columns([])
    empty.share = np.zeros((0, 1), dtype=np.int16)
    assert Gradient(no_history(), *empty.all).best(Demand(devices=1)) is None


def test_a_share_goes_beside_the_one_that_it_completes() -> None:
    """A 320 beside a 650 leaves a whole device for the next 810, beside another 320 none for a 650."""
    history = {Demand(devices=1, milli=milli): count for milli, count in ((650, 300), (320, 300), (810, 300))}
    columns = some_hosts((64000, [680]), (64000, [350]), (64000, [1000]))
    assert Gradient(typical(history), *columns.all).best(Demand(devices=1, milli=320)) == (1, (0,))


def test_a_share_spares_the_devices_that_a_gang_needs_together() -> None:
    """Of three whole devices one may be shared and a pair remains usable; of two it may not. To the last milli."""
    history = {Demand(devices=2): 1, Demand(devices=1, milli=900): 1}
    columns = some_hosts((64000, [1000, 1000, -1]), (64000, [1000, 1000, 1000]))
    usual = typical(history)
    assert Gradient(usual, *columns.all).best(Demand(devices=1, milli=600)) == (1, (0,))
    before = waste(usual, *columns.all)
    columns.share[:, 0] = 400
    after = waste(usual, *columns.all)
    columns.share[:, 0] = 1000
    assert (Gradient(usual, *columns.all).growth(Demand(devices=1, milli=600)) * SCALE == after - before).all()


def test_a_gap_is_kept_for_the_share_that_fills_it() -> None:
    """Two 320s fill the 680, and the 530 waits for a 470: fragments alone, counting one demand ahead, choose the 530."""
    history = {Demand(devices=1, milli=milli): 100 for milli in (470, 320, 650)}
    columns = some_hosts((64000, [530]), (64000, [680]))
    assert Gradient(typical(history), *columns.all).best(Demand(devices=1, milli=320)) == (1, (0,))


def test_cpus_stay_where_accelerators_need_them() -> None:
    """CPU-only runs go where CPUs are more than the accelerators there can use, long before the others have too few."""
    history = {Demand(cpu_milli=8000, devices=1): 90, Demand(cpu_milli=4000): 10}
    columns = some_hosts((24000, [1000, 1000, -1, -1]), (96000, [1000] * 4))
    assert Gradient(typical(history), *columns.all).best(Demand(cpu_milli=8000)) == (1, ())


def test_of_equal_waste_free_accelerators_count_before_free_cpus() -> None:
    """The host with fewer free accelerators is fuller, then the one with fewer free CPUs."""
    hosts = some_hosts((4000, [1000]), (900_000, [500]), (8000, [500]))
    assert Gradient(no_history(), *hosts.all).best(Demand(devices=1, milli=300)) == (2, (0,))
    assert Gradient(no_history(), *hosts.all).best(Demand(devices=1, milli=300), np.array([True, True, False])) == (
        1,
        (0,),
    )


def test_a_run_with_few_cpus_goes_where_cpus_are_few() -> None:
    """Where a device has less CPU than usual beside it, only a run that wants little can use it."""
    history = {Demand(cpu_milli=12000, devices=1): 50, Demand(cpu_milli=3000, devices=1): 50}
    columns = some_hosts((24000, [1000, 1000]), (7000, [1000, 1000]))
    assert Gradient(typical(history), *columns.all).best(Demand(cpu_milli=3000, devices=1)) == (1, (0,))


def test_kinds_that_will_not_do_are_left_alone() -> None:
    """A demand that names kinds goes to these only; one that names none keeps off the kind that others wait for."""
    history = {Demand(devices=1, kinds=(1,)): 50, Demand(devices=1): 10}
    columns = Columns([(8000, 99, [1000], 1), (8000, 99, [1000], 0)])
    gradient = Gradient(typical(history, kinds=2), *columns.all)
    assert gradient.best(Demand(devices=1)) == (1, (0,))
    assert gradient.best(Demand(devices=1, kinds=(1,))) == (0, (0,))
    assert gradient.best(Demand(devices=1, kinds=(7,))) is None


def test_many_different_demands_keep_few_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; what was forgotten is computed again."""
    monkeypatch.setattr(fragmentation, "MOST_COLUMNS", 4)
    columns = some_hosts((64000, [1000, 400]))
    gradient = Gradient(no_history(), *columns.all)
    for milli in [*range(100, 1000, 100)] * 2:
        found = gradient.best(Demand(devices=1, milli=milli))
        assert found == (0, (1,) if milli <= 400 else (0,))
    assert len(gradient._columns) == 4


def test_hosts_are_computed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many at a time, each host is computed once and none is left out."""
    history = {Demand(cpu_milli=12000, devices=1, milli=470): 3, Demand(cpu_milli=4000, devices=2): 1}
    columns = some_hosts(*[(8000 * host, [1000, 100 * host]) for host in range(1, 8)])
    share = Demand(cpu_milli=4000, devices=1, milli=320)
    at_once = Gradient(typical(history), *columns.all).growth(share)
    monkeypatch.setattr(fragmentation, "CHUNK", 3)
    assert Gradient(typical(history), *columns.all).growth(share).tolist() == at_once.tolist()
    assert np.isfinite(at_once).all()


@given(hosts, demands)
def test_a_tie_break_never_outweighs_waste(rows: list[tuple[int, int, list[int], int]], demand: Demand) -> None:
    """The bits behind the waste are enough for what is left of one host."""
    columns = Columns(rows)
    columns.cpu_milli += 10**7
    gradient = Gradient(typical({demand: 1}, kinds=2), *columns.all)
    gradient.growth(demand)
    key = gradient._columns[demand].key
    before = waste(typical({demand: 1}, kinds=2), *columns.all)
    for host in np.flatnonzero(has_room(demand, *columns.all)):
        assert 0 <= key[host] - ((key[host] >> TIE_BITS) << TIE_BITS) < 1 << TIE_BITS
        assert abs(int(key[host] >> TIE_BITS)) <= 4 * 4000 * SCALE + abs(int(before[host]))


def filled(placement: Any, columns: Columns, arriving: list[Demand]) -> int:
    """Accelerator milli that were given out when all of these came by."""
    given_milli = 0
    for demand in arriving:
        found = placement.best(demand)
        if found is not None:
            columns.take(demand, *found)
            placement.took(demand, found[0])
            given_milli += demand.devices * demand.milli
    return given_milli


def test_a_mixed_cluster_fills_further_than_by_best_fit() -> None:
    """Shares, whole accelerators and CPU-only runs on hosts rich and poor in CPUs."""
    from jupyter_aicci.scheduler.scorers import Best

    sizes = (
        (Demand(cpu_milli=3000, memory=8, devices=1, milli=810), 5),
        (Demand(cpu_milli=11000, memory=8, devices=1, milli=470), 5),
        (Demand(cpu_milli=11000, memory=8, devices=1, milli=1000), 20),
        (Demand(cpu_milli=12000, memory=8, devices=1, milli=650), 3),
        (Demand(cpu_milli=4000, memory=8, devices=1, milli=320), 3),
        (Demand(cpu_milli=16000, memory=8), 5),
    )
    history = dict(sizes)
    pool = [demand for demand, count in sizes for _ in range(count)]
    rows = [(96000, 1 << 20, [1000] * 8, 0)] * 12 + [(104000, 1 << 20, [1000] * 2 + [-1] * 6, 0)] * 8
    rows += [(16000, 1 << 20, [1000] * 2 + [-1] * 6, 0)] * 6
    for seed in range(3):
        arriving = [pool[i] for i in np.random.default_rng(seed).integers(len(pool), size=260)]
        ours, theirs = Columns(rows), Columns(rows)
        by_gradient = filled(Gradient(typical(history), *ours.all), ours, arriving)
        assert by_gradient > filled(Best(*theirs.all), theirs, arriving)
