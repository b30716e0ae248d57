"""A gang gets the tightest place that holds it, and gets one whenever there is one."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler import fit as kernels
from jupyter_aicci.scheduler.fit import Picks, by_level, earliest, first_fit, fit, largest_fit, pool_fit
from jupyter_aicci.scheduler.topology import Tree, tree_of

PATHS = st.lists(st.lists(st.sampled_from("abc"), max_size=3).map(tuple), min_size=1, max_size=14).map(sorted)


@st.composite
def clusters(draw: st.DrawFn, most: int = 4) -> tuple[Tree, np.ndarray]:
    """A ragged tree and the room of its hosts."""
    paths = draw(PATHS)
    room = draw(st.lists(st.integers(0, most), min_size=len(paths), max_size=len(paths)))
    return tree_of(paths, [f"h{at:02}" for at in range(len(paths))]), np.array(room, dtype=np.int64)


def a_tree(**leaves: int) -> Tree:
    """Leaves under spines: `s1_a=3` is a leaf a of three hosts under s1."""
    paths = [tuple(leaf.split("_")) for leaf, hosts in sorted(leaves.items()) for _ in range(hosts)]
    return tree_of(paths, [f"h{at:03}" for at in range(len(paths))])


def room_of(*rooms: int) -> np.ndarray:
    return np.array(rooms, dtype=np.int64)


def taken(picks: Picks | None) -> dict[int, int] | None:
    return picks and dict(zip(picks.hosts.tolist(), picks.counts.tolist(), strict=True))


def per_domain(tree: Tree, level: int, picks: Picks) -> list[int]:
    nodes = np.bincount(tree.domain[level][picks.hosts], weights=picks.counts).astype(int)
    return sorted(nodes[nodes > 0].tolist())


def sums_of(tree: Tree, room: np.ndarray, level: int) -> list[int]:
    return [int(room[tree.domain[level] == domain].sum()) for domain in range(len(tree.starts[level]))]


def lowest_level(tree: Tree, picks: Picks) -> int:
    return max(level for level in range(len(tree.levels)) if len(set(tree.domain[level][picks.hosts].tolist())) == 1)


# ----------------------------------------------------------------------------------------- the best fit


def test_one_node_goes_to_the_tightest_host_of_the_tightest_leaf() -> None:
    """Hosts with room 1 are in both leaves; the second leaf has less over."""
    tree = a_tree(s1_a=3, s1_b=2)

    assert taken(fit(tree, room_of(8, 1, 4, 1, 2), 1)) == {3: 1}


def test_a_gang_stays_inside_the_leaf_with_least_over() -> None:
    """Leaf b has room for exactly 2; a has room for 4."""
    tree = a_tree(s1_a=4, s1_b=3)

    assert taken(fit(tree, room_of(1, 1, 1, 1, 0, 1, 1), 2)) == {5: 1, 6: 1}


def test_at_a_tie_the_leaf_of_the_fuller_spine_is_taken() -> None:
    """Both leaves hold it exactly; spine s2 has less room left beside it."""
    tree = a_tree(s1_a=2, s1_b=2, s2_c=2, s2_d=2)

    assert taken(fit(tree, room_of(1, 1, 1, 1, 1, 1, 1, 0), 2)) == {4: 1, 5: 1}


def test_the_roomiest_hosts_are_filled_and_the_last_one_is_the_tightest() -> None:
    """Kueue's example: free 3, 3, 2, 1 and seven nodes give 3 + 3 + 1."""
    tree = a_tree(s1_a=4)

    assert taken(fit(tree, room_of(3, 3, 2, 1), 7)) == {0: 3, 1: 3, 3: 1}


def test_a_gang_across_leaves_is_in_even_parts() -> None:
    """6 + 6, not 11 + 1."""
    tree = a_tree(s1_a=11, s1_b=8)
    picks = fit(tree, np.ones(19, dtype=np.int64), 12)

    assert picks is not None
    assert per_domain(tree, 2, picks) == [6, 6]


def test_even_parts_go_to_the_tightest_leaves_that_take_them() -> None:
    """Two leaves do; 5 and 4 keep less over than 9 and anything."""
    tree = a_tree(s1_a=9, s1_b=4, s1_c=3, s1_d=5)
    picks = fit(tree, np.ones(21, dtype=np.int64), 8, highest_level=1)
    spread = fit(tree, np.concatenate((room_of(0), np.ones(20, dtype=np.int64))), 9)

    assert picks is not None
    assert spread is not None
    assert set(tree.domain[2][picks.hosts].tolist()) == {0}  # one leaf holds all 8
    assert set(tree.domain[2][spread.hosts].tolist()) == {1, 3}  # 9 = 4 + 5


def test_uneven_leaves_are_filled_from_the_small_one() -> None:
    """Room 4, 8 and 8 for 17: the small one gives all it has, the others share the rest."""
    tree = a_tree(s1_a=8, s1_b=4, s1_c=8)
    picks = fit(tree, np.ones(20, dtype=np.int64), 17)

    assert picks is not None
    assert per_domain(tree, 2, picks) == [4, 6, 7]


def test_hard_topology_is_not_left() -> None:
    """Two leaves of 2 never hold 3 under one leaf."""
    tree = a_tree(s1_a=2, s1_b=2)
    room = np.ones(4, dtype=np.int64)

    assert fit(tree, room, 3, highest_level=tree.level("leaf")) is None
    assert fit(tree, room, 3, highest_level=tree.level("spine")) is not None
    assert fit(tree, room, 2, highest_level=tree.level("host")) is None


def test_a_large_gang_over_many_leaves_takes_whole_leaves() -> None:
    """200 ragged leaves of single-node hosts, some busy: fewest leaves, even parts, all hosts free."""
    rng = np.random.default_rng(5)
    tree = a_tree(**{f"s{at % 7}_{at:03}": int(size) for at, size in enumerate(rng.integers(1, 33, 200))})
    room = (rng.random(tree.hosts) < 0.4).astype(np.int64)
    nodes = int(room.sum()) - 50
    picks = fit(tree, room, nodes)

    assert picks is not None
    assert len(picks.hosts) == nodes
    assert (np.diff(picks.hosts) > 0).all()
    assert room[picks.hosts].tolist() == picks.counts.tolist() == [1] * nodes


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=8, max_size=40), st.integers(0, 60))
def test_many_leaves_at_once_are_as_one_by_one(leaves: list[list[bool]], spare: int) -> None:
    """The pass over all hosts picks what a call per leaf would."""
    tree = a_tree(**{f"s_{at:02}": len(leaf) for at, leaf in enumerate(leaves)})
    room = np.array([free for leaf in leaves for free in leaf], dtype=np.int64)
    nodes = max(1, int(room.sum()) - spare)
    at_once = fit(tree, room, nodes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "MANY_LEAVES", math.inf)
        one_by_one = fit(tree, room, nodes)

    assert taken(at_once) == taken(one_by_one)


@given(clusters(), st.integers(1, 30))
def test_a_gang_fits_exactly_if_one_domain_of_the_level_has_the_room(
    cluster: tuple[Tree, np.ndarray], nodes: int
) -> None:
    """For every level; and what is picked is inside one domain, within the room, and the whole gang."""
    tree, room = cluster
    for highest in range(len(tree.levels)):
        picks = fit(tree, room, nodes, highest)
        holds = [sums_of(tree, room, level) for level in range(highest, len(tree.levels))]

        assert (picks is not None) == (max(holds[0]) >= nodes)
        if picks is None:
            continue
        assert int(picks.counts.sum()) == nodes
        assert (picks.counts >= 1).all()
        assert (picks.counts <= room[picks.hosts]).all()
        assert (np.diff(picks.hosts) > 0).all()
        level = lowest_level(tree, picks)
        lowest = max(at for at, sums in enumerate(holds) if max(sums) >= nodes) + highest
        assert level >= lowest  # a chain of only children may be deeper still
        domain = int(tree.domain[lowest][picks.hosts[0]])
        assert int(room[tree.domain[lowest] == domain].sum()) == min(s for s in holds[lowest - highest] if s >= nodes)


@given(clusters(), st.integers(1, 30))
def test_no_division_needs_fewer_children_or_is_more_even(cluster: tuple[Tree, np.ndarray], nodes: int) -> None:
    """Brute force over all divisions of the gang among the children of the domain that it spans."""
    tree, room = cluster
    picks = fit(tree, room, nodes)
    if picks is None or lowest_level(tree, picks) >= len(tree.levels) - 2:
        return
    level = lowest_level(tree, picks)
    inside = tree.domain[level] == tree.domain[level][picks.hosts[0]]
    rooms = sorted(int(room[inside & (tree.domain[level + 1] == d)].sum()) for d in set(tree.domain[level + 1][inside]))
    parts = per_domain(tree, level + 1, picks)
    fewest = next(n for n in range(1, len(rooms) + 1) if sum(rooms[-n:]) >= nodes)
    even = max(
        list(shares)  # sorted, so that the greatest is the most even one
        for shares in combinations_with_replacement(range(1, nodes + 1), fewest)
        if sum(shares) == nodes and all(share <= has for share, has in zip(shares, rooms[-fewest:], strict=True))
    )

    assert parts == even


@given(clusters(most=9), st.integers(1, 40))
def test_the_fewest_hosts_of_a_leaf_are_taken(cluster: tuple[Tree, np.ndarray], nodes: int) -> None:
    """Within a leaf no host less would do, and the last host could not be a tighter one."""
    tree, room = cluster
    picks = fit(tree, room, nodes, len(tree.levels) - 2)
    if picks is None:
        return
    leaf = room[tree.domain[-2] == tree.domain[-2][picks.hosts[0]]]
    falling = sorted(leaf.tolist(), reverse=True)
    assert sum(falling[: len(picks.hosts) - 1]) < nodes
    left = leaf.sum() - nodes
    over = room[picks.hosts] - picks.counts
    assert (over > 0).sum() <= 1
    rest = nodes - sum(falling[: len(picks.hosts) - 1])
    assert over.max() == min(has for has in falling[len(picks.hosts) - 1 :] if has >= rest) - rest
    assert left >= 0


@given(clusters(), st.integers(1, 30))
def test_fit_is_deterministic_and_leaves_the_room_as_it_was(cluster: tuple[Tree, np.ndarray], nodes: int) -> None:
    """Equal arguments, equal picks."""
    tree, room = cluster
    before = room.copy()

    assert taken(fit(tree, room, nodes)) == taken(fit(tree, room.copy(), nodes))
    assert room.tolist() == before.tolist()


@given(clusters(), st.integers(1, 30))
def test_by_level_is_the_fit_of_each_level(cluster: tuple[Tree, np.ndarray], nodes: int) -> None:
    """Soft topology chooses among these."""
    tree, room = cluster

    assert [taken(picks) for picks in by_level(tree, room, nodes)] == [
        taken(fit(tree, room, nodes, level)) for level in range(len(tree.levels))
    ]


@given(clusters(), st.integers(1, 30), st.integers(1, 30))
def test_an_elastic_gang_is_as_large_as_fits(cluster: tuple[Tree, np.ndarray], one: int, other: int) -> None:
    """One node more would not fit, nothing below the least is started."""
    tree, room = cluster
    least, most = sorted((one, other))
    for level in range(len(tree.levels)):
        fitting = [size for size in range(least, most + 1) if fit(tree, room, size, level)]
        found = largest_fit(tree, room, most, least, level)

        assert (found[0] if found else None) == (fitting[-1] if fitting else None)
        assert found is None or taken(found[1]) == taken(fit(tree, room, found[0], level))


@given(clusters(), st.integers(1, 30))
def test_first_fit_takes_the_first_hosts_and_the_pool_only_counts(cluster: tuple[Tree, np.ndarray], nodes: int) -> None:
    """Both exactly where the room is there at all."""
    _, room = cluster
    wanted, expected = nodes, dict[int, int]()
    for host, has in enumerate(room.tolist()):
        if has and wanted:
            expected[host] = min(has, wanted)
            wanted -= expected[host]

    assert pool_fit(room, nodes) == (wanted == 0)
    assert taken(first_fit(room, nodes)) == (expected if wanted == 0 else None)


def test_an_empty_cluster_and_an_empty_gang_have_no_place() -> None:
    """Nothing to choose from, nothing to choose for."""
    none, tree = tree_of([], []), a_tree(s1_a=2)
    nothing, some = np.zeros(0, dtype=np.int64), np.ones(2, dtype=np.int64)

    assert [fit(none, nothing, 1), first_fit(nothing, 1), largest_fit(none, nothing, 2, 1)] == [None] * 3
    assert [fit(tree, some, 0), first_fit(some, 0), earliest(none, nothing.astype(float), 1)] == [None] * 3
    assert not pool_fit(nothing, 1)


# ------------------------------------------------------------------------------------------ the earliest


@pytest.mark.parametrize(
    ("level", "when", "hosts"), [("cluster", 5.0, [0, 2]), ("leaf", 7.0, [2, 3]), ("host", None, [])]
)
def test_the_earliest_time_of_a_gang_depends_on_how_close_together_it_must_be(
    level: str, when: float | None, hosts: list[int]
) -> None:
    """Across leaves at 5, under one leaf at 7; a host takes one node only."""
    tree = a_tree(s1_a=2, s1_b=2)
    found = earliest(tree, np.array([0.0, 9.0, 5.0, 7.0]), 2, tree.level(level))

    assert (found and (found[0], found[1].tolist())) == (None if when is None else (when, hosts))


@given(clusters(most=6), st.integers(1, 8))
def test_nothing_is_earlier_than_the_earliest(cluster: tuple[Tree, np.ndarray], nodes: int) -> None:
    """Brute force over the domains of every level; a host of room 6 never comes free."""
    tree, room = cluster
    free_at = np.where(room == 6, math.inf, room.astype(float))
    for level in range(len(tree.levels)):
        times = [
            sorted(free_at[tree.domain[level] == domain].tolist())[nodes - 1]
            for domain in set(tree.domain[level].tolist())
            if (tree.domain[level] == domain).sum() >= nodes
        ]
        found = earliest(tree, free_at, nodes, level)
        if min(times, default=math.inf) == math.inf:
            assert found is None
            continue
        assert found is not None
        when, hosts = found
        assert when == min(times)
        assert len(hosts) == nodes
        assert free_at[hosts].max() <= when
        assert len(set(tree.domain[level][hosts].tolist())) == 1
