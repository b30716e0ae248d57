"""Fair shares: water filling, claims in order, trees of queues, past use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jupyter_aicci.scheduler.shares import (
    Floats,
    Forest,
    divided,
    dominant,
    entitled,
    faded,
    filled,
    forest,
    recent,
    summed,
    wanted,
)

CLOSE = 1e-6


def a_forest(
    parent: list[int],
    *,
    weight: list[float] | None = None,
    priority: list[int] | None = None,
    guarantee: Floats | None = None,
    deserved: Floats | None = None,
    along: Floats | None = None,
    limit: Floats | None = None,
    resources: int = 1,
) -> Forest:
    """Rows in order; no claims and no limits unless given."""
    none = np.zeros((len(parent), resources))
    return forest(
        parent=np.array(parent),
        priority=np.array(priority or [0] * len(parent)),
        weight=np.array(weight or [1.0] * len(parent)),
        guarantee=none if guarantee is None else guarantee,
        deserved=none if deserved is None else deserved,
        along=none if along is None else along,
        limit=none + np.inf if limit is None else limit,
    )


def column(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)[:, None]


def shares_of(grown: Forest, capacity: float, want: Floats) -> list[float]:
    """What rows are entitled to in the one resource there is."""
    return [float(share) for share in entitled(grown, np.array([capacity]), want, np.zeros_like(want))[:, 0]]


@dataclass(frozen=True)
class Case:
    """A tree of two levels, its capacity and what its leaves want."""

    grown: Forest
    capacity: Floats
    want: Floats
    leaf: np.ndarray  # [Q] bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Trees in which no guarantee is above the parent's and all together fit the capacity, or nearly."""
    tops, resources = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    children = draw(st.lists(st.integers(0, 3), min_size=tops, max_size=tops))
    parent = [-1] * tops + [top for top, count in enumerate(children) for _ in range(count)]
    rows = len(parent)
    family = np.array(parent)
    order = draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows))
    priority = np.array(order)[np.lexsort((-np.array(order), family))]  # falls within each family
    amounts = hnp.arrays(np.float64, (rows, resources), elements=st.integers(0, 20).map(float))
    guarantee, more, room = draw(amounts), draw(amounts), draw(amounts)
    leaf = ~np.isin(np.arange(rows), family)
    for top in range(tops):
        under = family == top
        if under.any():
            guarantee[top] = np.maximum(guarantee[top], guarantee[under].sum(axis=0))
    limit = np.where(draw(hnp.arrays(np.bool_, (rows, resources))), guarantee + more + room, np.inf)
    grown = a_forest(
        parent,
        priority=[int(one) for one in priority],
        weight=draw(st.lists(st.floats(0.1, 10), min_size=rows, max_size=rows)),
        guarantee=guarantee,
        deserved=guarantee + more,
        along=guarantee + more,
        limit=limit,
    )
    capacity = draw(hnp.arrays(np.float64, (resources,), elements=st.integers(0, 150).map(float)))
    want = draw(hnp.arrays(np.float64, (rows, resources), elements=st.integers(0, 60).map(float)))
    return Case(grown=grown, capacity=capacity, want=want * leaf[:, None], leaf=leaf)


def share(case: Case) -> Floats:
    return entitled(case.grown, case.capacity, case.want, np.zeros_like(case.want))


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.1, 10), st.integers(0, 3)), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
)
def test_water_rises_to_one_level_in_each_group(rows: list[tuple[float, float, int]], part: float) -> None:
    """Weighted max-min: who has less than he wants stands at the level of his group, nobody stands above it."""
    rows.sort(key=lambda row: row[2])
    want, weight = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    group = np.array([row[2] for row in rows])
    budget = np.bincount(group, want, minlength=5) * part

    got = filled(want, weight, group, budget)

    assert np.bincount(group, got, minlength=5) == pytest.approx(budget)
    assert (got <= want + CLOSE).all()
    for one in set(group):
        level = got[group == one] / weight[group == one]
        thirsty = got[group == one] < want[group == one] - CLOSE
        assert level[thirsty] == pytest.approx(np.full(int(thirsty.sum()), level.max()), rel=1e-6)


@given(cases())
def test_nobody_gets_more_than_there_is_or_than_he_wants(case: Case) -> None:
    """Siblings together get at most what their parent gets, the top at most the capacity; limits hold on every row."""
    got, want = share(case), wanted(case.grown, case.want, np.zeros_like(case.want))

    assert (got >= 0).all()
    assert (got <= want + CLOSE).all()
    assert (got <= case.grown.limit + CLOSE).all()
    for level in case.grown.levels:
        have = np.add.reduceat(got[level.rows], level.family_starts, axis=0)
        budget = np.array([got[row] if row >= 0 else case.capacity for row in level.family_parent])
        assert (have <= budget + CLOSE).all()


@given(cases())
def test_nothing_is_left_over_while_somebody_wants_it(case: Case) -> None:
    """Each family gets all that its parent has, or all that it wants."""
    got, want = share(case), wanted(case.grown, case.want, np.zeros_like(case.want))

    for level in case.grown.levels:
        have = np.add.reduceat(got[level.rows], level.family_starts, axis=0)
        wish = np.add.reduceat(want[level.rows], level.family_starts, axis=0)
        budget = np.array([got[row] if row >= 0 else case.capacity for row in level.family_parent])
        assert have == pytest.approx(np.minimum(wish, budget), abs=CLOSE)


@given(cases())
def test_guarantees_hold_while_demand_exists(case: Case) -> None:
    """Who wants his guarantee is entitled to it, wherever the guarantees of the top fit the cluster."""
    tops = case.grown.levels[0].rows
    capacity = np.maximum(case.capacity, case.grown.guarantee[tops].sum(axis=0))
    want = wanted(case.grown, case.want, np.zeros_like(case.want))

    got = divided(case.grown, capacity, want)

    assert (got >= np.minimum(case.grown.guarantee, want) - CLOSE)[case.leaf].all()


@given(cases())
def test_a_larger_cluster_takes_nothing_from_anybody(case: Case) -> None:
    """More capacity never lowers a share."""
    larger = Case(grown=case.grown, capacity=case.capacity + 7, want=case.want, leaf=case.leaf)

    assert (share(larger) >= share(case) - CLOSE).all()


@given(cases(), st.data())
def test_wanting_more_never_gives_less(case: Case, data: st.DataObject) -> None:
    """A queue that has more runs waiting is entitled to at least as much as before."""
    row = data.draw(st.sampled_from([int(one) for one in np.flatnonzero(case.leaf)]))
    more = case.want.copy()
    more[row] += 5

    after = entitled(case.grown, case.capacity, more, np.zeros_like(more))

    assert (after[row] >= share(case)[row] - CLOSE).all()


@given(cases(), st.floats(0, 1))
def test_starting_a_run_moves_no_share(case: Case, part: float) -> None:
    """Shares depend on used and waiting together."""
    used = np.floor(case.want * part)

    assert (entitled(case.grown, case.capacity, case.want - used, used) == share(case)).all()


@given(cases())
def test_siblings_of_the_highest_priority_are_served_first(case: Case) -> None:
    """Beyond what is claimed, a lower sibling gets something only where every higher one has all it wants."""
    got, want = share(case), wanted(case.grown, case.want, np.zeros_like(case.want))
    beyond = got > case.grown.along + CLOSE
    for level in case.grown.levels:
        rows = np.arange(level.rows.start, level.rows.stop)
        for low in rows:
            at = low - level.rows.start
            same = rows[(level.family_of == level.family_of[at]) & (level.class_of < level.class_of[at])]
            assert all((got[high] >= want[high] - CLOSE)[beyond[low]].all() for high in same)


def test_what_one_queue_does_not_want_goes_to_the_others_by_weight() -> None:
    """Weights 1, 1, 2 on 64: the first wants 4 only."""
    grown = a_forest([-1, -1, -1], weight=[1.0, 1.0, 2.0])

    assert shares_of(grown, 64, column(4, 100, 100)) == pytest.approx([4, 20, 40])


def test_what_is_deserved_comes_before_weights() -> None:
    """A deserves 30 and B nothing; the rest is divided equally on top."""
    grown = a_forest([-1, -1], deserved=column(30, 0))

    assert shares_of(grown, 64, column(100, 100)) == pytest.approx([47, 17])


def test_guarantees_come_before_what_is_deserved() -> None:
    """The cluster shrank to 20: the guarantee of 10 is met, the rest goes to what is deserved."""
    grown = a_forest([-1, -1], guarantee=column(10, 0), deserved=column(10, 30))

    assert shares_of(grown, 20, column(100, 100)) == pytest.approx([10, 10])


def test_guarantees_that_no_longer_fit_are_met_in_the_same_part() -> None:
    """12 of 24 guaranteed are there: each gets half."""
    grown = a_forest([-1, -1], guarantee=column(16, 8))

    assert shares_of(grown, 12, column(100, 100)) == pytest.approx([8, 4])


def test_a_branch_divides_what_the_branch_gets() -> None:
    """Two branches of equal weight; the one with three queues gets no more than the other."""
    grown = a_forest([-1, -1, 0, 1, 1, 1])

    assert shares_of(grown, 60, column(0, 0, 90, 90, 90, 90)) == pytest.approx([30, 30, 30, 10, 10, 10])


def test_sums_run_up_the_tree() -> None:
    """Whatever stands at the leaves is counted on every row above."""
    grown = a_forest([-1, -1, 0, 0, 3])

    assert summed(grown, np.array([0, 5, 1, 0, 2])).tolist() == [3, 5, 1, 2, 2]


def test_the_dominant_share_is_the_largest_part_of_any_resource() -> None:
    """A resource that the cluster has none of does not count."""
    used = np.array([[8.0, 96.0, 0.0], [1.0, 400.0, 3.0]])

    assert dominant(used, np.array([64.0, 800.0, 0.0])).tolist() == [0.125, 0.5]


def test_steady_use_is_remembered_as_what_it_is() -> None:
    """A quarter of the cluster since ever counts a quarter, one that began a half-life ago an eighth."""
    ago = np.array([1e9, 3600.0])

    got = recent(np.array([0.25, 0.25]), 0 - ago, np.array([10.0, 10.0]), 0.0, 3600.0)

    assert got == pytest.approx([0.25, 0.125])


def test_a_half_life_of_zero_remembers_nothing() -> None:
    """Past use may be left out of account."""
    use = np.array([0.25])

    assert recent(use, np.array([-9.0]), np.array([0.0]), 0.0, 0.0).tolist() == [0.0]
    assert faded(use, 1.0, 0.0).tolist() == [0.0]


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e5), st.floats(1, 1e5))
def test_past_use_fades_by_half_with_each_half_life(
    started_s: float, ran_s: float, later_s: float, half: float
) -> None:
    """Fading what was remembered equals remembering it later."""
    one, end = np.array([0.5]), np.array([started_s + ran_s])

    then = recent(one, np.array([started_s]), end, float(end[0]), half)
    now = recent(one, np.array([started_s]), end, float(end[0]) + later_s, half)

    assert now == pytest.approx(faded(then, later_s, half), rel=1e-6, abs=1e-12)
    assert faded(then, half, half) == pytest.approx(then / 2)
