"""A gang of whole accelerators goes to the leaf that the other usual gangs miss least."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.leaf_gradient import Gang, histogram, leaf_gradient

gangs = st.builds(Gang, nodes=st.integers(1, 5), accelerators=st.integers(1, 8))
leaves = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=6), min_size=1, max_size=5)


def arrays(by_leaf: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Free accelerators per host, and where each leaf begins."""
    starts = np.cumsum([0, *(len(leaf) for leaf in by_leaf)])[:-1]
    return np.array([free for leaf in by_leaf for free in leaf], dtype=np.int16), starts.astype(np.int64)


def wasted(leaf: list[int], gang: Gang) -> int:
    """Free accelerators of one leaf that the gang cannot use, by the definition."""
    nodes = sum(free // gang.accelerators for free in leaf)
    return sum(leaf) - (nodes * gang.accelerators if nodes >= gang.nodes else 0)


def with_gang(leaf: list[int], gang: Gang) -> list[int] | None:
    """The leaf after the gang, node by node to the tightest hosts; None where it does not fit."""
    left, after = gang.nodes, list(leaf)
    for host in sorted(range(len(leaf)), key=lambda host: leaf[host]):
        taken = min(left, leaf[host] // gang.accelerators)
        after[host] -= taken * gang.accelerators
        left -= taken
    return None if left else after


@given(leaves, st.dictionaries(gangs, st.integers(1, 20), min_size=1, max_size=5), gangs)
def test_growth_is_what_the_usual_gangs_lose(by_leaf: list[list[int]], usual: dict[Gang, int], gang: Gang) -> None:
    """The mean over the usual gangs of what they could use before and cannot use after; infinite without room."""
    found = leaf_gradient(*arrays(by_leaf), usual, gang)
    for leaf, growth in zip(by_leaf, found.tolist(), strict=True):
        after = with_gang(leaf, gang)
        if after is None:
            assert growth == np.inf
        else:
            lost = sum(count * (wasted(after, other) - wasted(leaf, other)) for other, count in usual.items())
            assert growth == lost / sum(usual.values())


@given(leaves)
def test_the_histogram_counts_every_host_once(by_leaf: list[list[int]]) -> None:
    """Leaf by leaf, host by host."""
    counted = histogram(*arrays(by_leaf))
    assert counted.tolist() == [[leaf.count(free) for free in range(counted.shape[1])] for leaf in by_leaf]


def test_a_small_gang_leaves_the_large_leaf_whole() -> None:
    """Two nodes go to the leaf of three that no gang of four can use, though it has more over than the leaf of two."""
    usual = {Gang(nodes=4, accelerators=8): 5, Gang(nodes=2, accelerators=8): 5}
    growth = leaf_gradient(*arrays([[8] * 4, [8] * 3, [8, 0]]), usual, Gang(nodes=2, accelerators=8))
    assert growth.argmin() == 1
    assert growth[2] == np.inf


def test_without_usual_gangs_the_leaf_that_keeps_least_is_first() -> None:
    """Then this is best fit over leaves."""
    growth = leaf_gradient(*arrays([[8] * 4, [8] * 2, [8] * 3]), {}, Gang(nodes=2, accelerators=8))
    assert growth.tolist() == [16.0, 0.0, 8.0]
