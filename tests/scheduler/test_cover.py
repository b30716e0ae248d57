"""The cheapest gangs of one domain: greedy within its bound, exact where gangs are few, nobody who could stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.cover import EXACT_GANGS, Yard, greedy, whole_nodes


def a_yard(*gains: int, waste: tuple[float, ...], nodes: int) -> Yard:
    """One domain of hosts that are full; gang g frees `gains[g]` nodes on a host of its own."""
    count = len(gains)
    return Yard(
        free=np.zeros((1, count), np.int64),
        domain=np.zeros(count, np.int64),
        room=np.zeros(1, np.int64),
        victim=np.arange(count),
        host=np.arange(count),
        freed=np.array([gains]),
        waste=np.array(waste),
        demand=np.array([1]),
        nodes=nodes,
    )


def test_nodes_are_whole_and_wait_for_the_scarcest_resource() -> None:
    """What is asked for nowhere does not count; a negative rest is no room."""
    free = np.array([[8, 3, -1], [10, 10, 10], [0, 0, 0]])
    assert whole_nodes(free, np.array([2, 3, 0])).tolist() == [3, 1, 0]
    assert whole_nodes(free, np.array([0, 0, 0])).tolist() == [0, 0, 0]


def test_a_gang_that_completes_the_cover_dearly_is_passed_over() -> None:
    """9 nodes for 9, then 10 for 1000 or 1 for 200: the last one."""
    assert greedy([0, 1, 2], [9, 10, 1], [9.0, 1000.0, 200.0], 10) == {0, 2}


def test_few_gangs_are_tried_in_all_ways() -> None:
    """Three nodes are cheapest for their number, but two times two are what is needed."""
    yard = a_yard(3, 2, 2, waste=(3.0, 2.2, 2.2), nodes=4)
    known = greedy([0, 1, 2], [3, 2, 2], [3.0, 2.2, 2.2], 4)
    assert known == {0, 1}
    assert yard.least([0, 1, 2], known) == {1, 2}


def test_many_gangs_are_not_tried_in_all_ways() -> None:
    """The known answer stays, as 2^13 and more subsets cost too much."""
    count = EXACT_GANGS + 1
    yard = a_yard(*[1] * count, waste=(5.0, *[1.0] * (count - 1)), nodes=1)
    assert yard.least(list(range(count)), {0}) == {0}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=9), st.integers(1, 12))
def test_the_least_is_least_and_fewest(gangs: list[tuple[int, int]], nodes: int) -> None:
    """Against all subsets one by one: no other that is enough wastes less, or as little with fewer gangs."""
    gains, waste = [gain for gain, _ in gangs], tuple(float(cost) for _, cost in gangs)
    yard, everybody = a_yard(*gains, waste=waste, nodes=nodes), set(range(len(gangs)))
    assert yard.enough(everybody) == (sum(gains) >= nodes)
    if sum(gains) < nodes:
        return
    subsets = [[at for at in everybody if number >> at & 1] for number in range(1 << len(gangs))]
    enough = [subset for subset in subsets if sum(gains[index] for index in subset) >= nodes]
    best = min((sum(waste[index] for index in subset), len(subset)) for subset in enough)
    found = yard.least(sorted(everybody), everybody)
    assert (sum(waste[index] for index in found), len(found)) == best


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=20), st.integers(1, 12))
def test_those_who_are_needed_are_enough_and_each_of_them_is(gangs: list[tuple[int, int]], nodes: int) -> None:
    """From a set that is enough only those go without whom it is not."""
    gains, waste = [gain for gain, _ in gangs], tuple(float(cost) for _, cost in gangs)
    yard = a_yard(*gains, waste=waste, nodes=nodes)
    if sum(gains) < nodes:
        return
    kept = yard.needed(set(range(len(gangs))))
    freed = sum(gains[index] for index in kept)
    assert freed >= nodes
    assert all(freed - gains[index] < nodes for index in kept)
