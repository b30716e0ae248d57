"""Victims: whole gangs, the least waste, no one who could stay, and only where the waiting gang then fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.cover import EXACT_GANGS
from jupyter_aicci.scheduler.preempt import (
    TRIES,
    Candidates,
    Victims,
    Want,
    candidates_of,
    room_of,
    victims,
    waste_unit_s,
)
from jupyter_aicci.scheduler.topology import Tree, tree_of

GPU, CPU = 0, 1  # resources of these tests, in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """A running gang as the tests build it: what it holds on which host."""

    name: str
    waste: float
    holds: dict[int, tuple[int, int]]  # host -> (GPUs, CPUs)
    allowed: bool = True


def a_tree(*leaves: int) -> Tree:
    """One spine for every two leaves of so many hosts."""
    paths = [(f"spine-{leaf // 2:03}", f"leaf-{leaf:03}") for leaf, hosts in enumerate(leaves) for _ in range(hosts)]
    return tree_of(paths, [f"host-{number:02}" for number in range(len(paths))])


def a_want(tree: Tree, nodes: int, *, gpus: int = 8, cpus: int = 0, level: str = "cluster") -> Want:
    usable = np.ones(tree.hosts, np.bool_)
    return Want(nodes=nodes, demand=np.array([gpus, cpus]), usable=usable, highest_level=tree.level(level))


def a_gang(name: str, waste: float, *hosts: int, gpus: int = 8, cpus: int = 0, allowed: bool = True) -> Gang:
    return Gang(name=name, waste=waste, holds=dict.fromkeys(hosts, (gpus, cpus)), allowed=allowed)


def candidates(gangs: list[Gang]) -> Candidates:
    rows = [(index, host, *held) for index, gang in enumerate(gangs) for host, held in gang.holds.items()]
    victim, host, gpus, cpus = np.array(rows, np.int64).reshape(-1, 4).T
    return candidates_of(
        [gang.name for gang in gangs],
        np.array([gang.waste for gang in gangs], np.float64),
        np.array([gang.allowed for gang in gangs], np.bool_),
        victim,
        host,
        np.array([gpus, cpus]),
    )


def what_is_free(tree: Tree, gangs: list[Gang], gpus: int = 8, cpus: int = 64) -> np.ndarray:
    free = np.tile(np.array([[gpus], [cpus]], np.int64), tree.hosts)
    for gang in gangs:
        for host, held in gang.holds.items():
            free[:, host] -= held
    return free


def fits(tree: Tree, want: Want, gangs: list[Gang], gone: tuple[str, ...]) -> bool:
    """Whether the gang fits into one allowed domain once these gangs are gone, counted host by host."""
    left = [gang for gang in gangs if gang.name not in gone]
    room = room_of(what_is_free(tree, left), want)
    return bool(np.add.reduceat(room, tree.starts[want.highest_level]).max() >= want.nodes)


def asked(tree: Tree, want: Want, gangs: list[Gang]) -> Victims | None:
    free = what_is_free(tree, gangs)
    return victims(tree, free, want, candidates(gangs), lambda ids: fits(tree, want, gangs, ids))


def least_waste(tree: Tree, want: Want, gangs: list[Gang]) -> float | None:
    """The waste of the best of all subsets, None if no subset does."""
    allowed = [gang for gang in gangs if gang.allowed]
    subsets = chain.from_iterable(combinations(allowed, size) for size in range(len(allowed) + 1))
    wastes = [
        sum(gang.waste for gang in subset)
        for subset in subsets
        if fits(tree, want, gangs, tuple(gang.name for gang in subset))
    ]
    return min(wastes, default=None)


@st.composite
def full_clusters(draw: st.DrawFn, most: int = 9) -> tuple[Tree, Want, list[Gang]]:
    """A small ragged cluster with gangs on it, large and small, and a gang that wants in."""
    tree = a_tree(*draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    gangs: list[Gang] = []
    for number in range(draw(st.integers(0, most))):
        gpus, cpus = draw(st.sampled_from([(8, 8), (4, 4), (2, 30), (1, 1), (0, 40)]))
        free = what_is_free(tree, gangs)
        fitting = np.flatnonzero((free[GPU] >= gpus) & (free[CPU] >= cpus)).tolist()
        if fitting:
            hosts = draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=4, unique=True))
            waste, allowed = draw(st.integers(0, 20)), draw(st.sampled_from([True, True, True, False]))
            gangs.append(a_gang(f"r{number:02}", waste, *hosts, gpus=gpus, cpus=cpus, allowed=allowed))
    gpus, cpus = draw(st.sampled_from([(8, 8), (4, 4), (8, 60), (1, 20), (0, 33)]))
    level = draw(st.sampled_from(tree.levels))
    return tree, a_want(tree, draw(st.integers(1, 6)), gpus=gpus, cpus=cpus, level=level), gangs


@given(full_clusters())
def test_the_victims_of_few_waste_least_of_all_choices(case: tuple[Tree, Want, list[Gang]]) -> None:
    """Up to 12 gangs are tried in all ways, over all domains; there is an answer if and only if some choice does."""
    tree, want, gangs = case
    answer = asked(tree, want, gangs)
    assert (answer and answer.waste) == least_waste(tree, want, gangs)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Tree, Want, list[Gang]]:
    """More gangs than are tried in all ways, on whole hosts, so that what they free adds up."""
    tree = a_tree(*draw(st.lists(st.integers(1, 8), min_size=4, max_size=8)))
    hosts = draw(st.permutations(range(tree.hosts)))
    gangs = []
    while hosts:
        size = draw(st.integers(1, 4))
        gangs.append(a_gang(f"r{len(gangs):02}", draw(st.integers(0, 30)), *hosts[:size]))
        hosts = hosts[size:]
    level = draw(st.sampled_from(["cluster", "spine", "leaf"]))
    return tree, a_want(tree, draw(st.integers(1, 12)), level=level), gangs


def cover_waste(tree: Tree, want: Want, gangs: list[Gang]) -> float:
    """The least waste by dynamic programming over nodes, domain by domain; infinite if it cannot be."""
    wastes = []
    for domain in range(len(tree.starts[want.highest_level])):
        least = [0.0] + [np.inf] * want.nodes
        for gang in gangs:
            freed = sum(tree.domain[want.highest_level][host] == domain for host in gang.holds)
            if freed:
                for nodes in range(want.nodes, 0, -1):
                    least[nodes] = min(least[nodes], least[max(0, nodes - freed)] + gang.waste)
        wastes.append(least[-1])
    return min(wastes)


@given(crowds())
def test_the_victims_of_many_waste_at_most_twice_the_least(case: tuple[Tree, Want, list[Gang]]) -> None:
    """The greedy cover's bound; and there is an answer wherever there can be one."""
    tree, want, gangs = case
    answer, least = asked(tree, want, gangs), cover_waste(tree, want, gangs)
    assert (answer is None) == (least == np.inf)
    assert answer is None or least <= answer.waste <= 2 * least


@given(st.one_of(full_clusters(most=25), crowds()))
def test_whoever_goes_must_go_and_whole(case: tuple[Tree, Want, list[Gang]]) -> None:
    """The gang fits with all of them gone and does not with any one of them back; none goes that may not be asked."""
    tree, want, gangs = case
    answer = asked(tree, want, gangs)
    if answer is None:
        assert not fits(tree, want, gangs, tuple(gang.name for gang in gangs if gang.allowed))
        return
    assert fits(tree, want, gangs, answer.ids)
    for stays in answer.ids:
        assert not fits(tree, want, gangs, tuple(name for name in answer.ids if name != stays))
    gone = [gang for gang in gangs if gang.name in answer.ids]
    assert all(gang.allowed for gang in gone)
    assert answer.waste == sum(gang.waste for gang in gone)
    room = room_of(what_is_free(tree, [gang for gang in gangs if gang not in gone]), want)
    domain = tree.domain[answer.level] == answer.domain
    assert answer.level >= want.highest_level
    assert room[domain].sum() >= want.nodes


@given(st.one_of(full_clusters(most=25), crowds()), st.randoms(use_true_random=False))
def test_the_victims_do_not_depend_on_the_order_of_the_input(case: tuple[Tree, Want, list[Gang]], rng) -> None:  # type: ignore[no-untyped-def]
    """Gangs and rows in any order give the same answer."""
    tree, want, gangs = case
    shuffled = [
        replace(gang, holds=dict(rng.sample(list(gang.holds.items()), len(gang.holds))))
        for gang in rng.sample(gangs, len(gangs))
    ]
    assert asked(tree, want, shuffled) == asked(tree, want, gangs)


def test_rows_of_one_gang_on_one_host_are_added_up() -> None:
    """Two nodes of a gang on one host free what both hold."""
    rows = candidates_of(
        ["b", "a"], np.array([2.0, 1.0]), np.array([True, False]), np.array([0, 1, 0]), np.array([5, 3, 5]),
        np.array([[1, 2, 4]]),
    )  # fmt: skip
    assert (rows.ids, rows.waste.tolist(), rows.allowed.tolist()) == (("a", "b"), [1.0, 2.0], [False, True])
    assert (rows.victim.tolist(), rows.host.tolist(), rows.freed.tolist()) == ([0, 1], [3, 5], [[2, 5]])


def test_a_gang_that_fits_needs_no_victims() -> None:
    """Nobody goes where the nodes are free."""
    tree = a_tree(2, 2)
    gangs = [a_gang("r1", 0, 0), a_gang("r2", 0, 1)]
    answer = asked(tree, a_want(tree, 2, level="leaf"), gangs)
    assert answer == Victims(ids=(), level=tree.level("leaf"), domain=1, waste=0.0)


def test_free_nodes_count_first() -> None:
    """One node is free in the leaf, so one gang goes for a gang of two, not two."""
    tree = a_tree(3)
    gangs = [a_gang("r1", 5, 0), a_gang("r2", 7, 1)]
    answer = asked(tree, a_want(tree, 2), gangs)
    assert answer
    assert answer.ids == ("r1",)


def test_small_runs_scattered_over_hosts_stay_and_those_of_one_host_go() -> None:
    """A run of eight GPUs takes the eight small runs of one host, not the eight cheapest of eight hosts."""
    tree = a_tree(2, 2)
    wastes = [1, 9, 9, 9, 9, 9, 9, 9], [1, 8, 8, 8, 8, 8, 8, 8], [1, 7, 7, 7, 7, 7, 7, 7], [1, 8, 8, 8, 8, 8, 8, 8]
    gangs = [
        a_gang(f"r{host}{n}", waste, host, gpus=1) for host, row in enumerate(wastes) for n, waste in enumerate(row)
    ]
    answer = asked(tree, a_want(tree, 1), gangs)
    assert answer
    assert answer.ids == tuple(f"r2{n}" for n in range(8))
    assert answer.waste == 50


def test_two_hosts_of_one_leaf_are_emptied_for_a_gang_of_two() -> None:
    """Among three hosts of small runs the two cheapest whole hosts go, although each has a run that is cheapest."""
    tree = a_tree(3)
    wastes = [1, 9, 9, 9, 9, 9, 9, 9], [2, 8, 8, 8, 8, 8, 8, 8], [3, 7, 7, 7, 7, 7, 7, 7]
    gangs = [
        a_gang(f"r{host}{n}", waste, host, gpus=1) for host, row in enumerate(wastes) for n, waste in enumerate(row)
    ]
    answer = asked(tree, a_want(tree, 2), gangs)
    assert answer
    assert {name[:2] for name in answer.ids} == {"r1", "r2"}


def test_small_runs_that_lose_the_same_go_host_by_host() -> None:
    """Two of three hosts are emptied, not a part of each."""
    tree = a_tree(3)
    gangs = [a_gang(f"r{n}{host}", 1, host, gpus=1) for n in range(8) for host in range(3)]
    answer = asked(tree, a_want(tree, 2), gangs)
    assert answer
    assert answer.waste == 16


def test_a_gang_over_two_domains_counts_with_its_whole_waste_in_each() -> None:
    """Half of a gang frees half of its nodes in a leaf and costs all of its waste."""
    tree = a_tree(2, 2)
    gangs = [a_gang("wide", 10, 0, 2), a_gang("one", 6, 1), a_gang("two", 7, 3)]
    answer = asked(tree, a_want(tree, 1, level="leaf"), gangs)
    assert answer
    assert answer.ids == ("one",)


def test_a_gang_stays_where_the_others_free_enough_in_another_domain() -> None:
    """Both lose nothing; the wide one alone empties the second leaf, so the other one stays."""
    tree = a_tree(2, 2)
    gangs = [a_gang("narrow", 0, 1), a_gang("wide", 0, 0, 2, 3)]
    answer = asked(tree, a_want(tree, 2, level="leaf"), gangs)
    assert answer == Victims(ids=("wide",), level=tree.level("leaf"), domain=1, waste=0.0)


def test_a_small_gang_is_taken_rather_than_a_large_one_that_is_cheap_for_its_size() -> None:
    """One node is wanted: 64 nodes for 128 unit-seconds are no bargain beside one node for 3."""
    tree = a_tree(70)
    gangs = [a_gang("large", 128, *range(64)), *(a_gang(f"r{host}", 3 + host, host) for host in range(64, 70))]
    gangs += [a_gang(f"s{n}", 500, 69, gpus=0, cpus=1) for n in range(EXACT_GANGS)]
    answer = asked(tree, a_want(tree, 1), gangs)
    assert answer
    assert answer.ids == ("r64",)


def test_hosts_that_may_not_take_the_run_yield_nothing() -> None:
    """Nobody goes from a host that is drained or of another kind."""
    tree = a_tree(2)
    gangs = [a_gang("cheap", 1, 0), a_gang("dear", 5, 1)]
    want = a_want(tree, 1)
    want.usable[0] = False
    answer = victims(tree, what_is_free(tree, gangs), want, candidates(gangs), lambda ids: True)
    assert answer
    assert answer.ids == ("dear",)


def test_a_choice_that_the_simulation_refuses_is_not_answered() -> None:
    """The next domain is taken where the first does not hold the gang after all."""
    tree = a_tree(1, 1, 1)
    gangs = [a_gang("r0", 1, 0), a_gang("r1", 2, 1), a_gang("r2", 3, 2)]
    want = a_want(tree, 1)
    answer = victims(tree, what_is_free(tree, gangs), want, candidates(gangs), lambda ids: "r2" in ids)
    assert answer
    assert answer.ids == ("r2",)


def test_more_victims_go_where_the_arrays_were_too_optimistic() -> None:
    """Free shares of two accelerators are no whole one: the simulation says so, and just enough gangs go."""
    tree = a_tree(1)
    gangs = [a_gang(f"r{n}", n, 0, gpus=1) for n in range(8)]
    want = a_want(tree, 1, gpus=1)

    def one_accelerator(ids: tuple[str, ...]) -> bool:
        return {"r3", "r5"} <= set(ids)  # both hold a share of it

    answer = victims(tree, what_is_free(tree, gangs), want, candidates(gangs), one_accelerator)
    assert answer
    assert answer.ids == ("r3", "r5")


@pytest.mark.parametrize("gangs", [3, 200])
def test_the_simulation_is_asked_a_bounded_number_of_times(gangs: int) -> None:
    """A gang that no choice helps is given up."""
    tree = a_tree(*[1] * gangs)
    running = [a_gang(f"r{n:03}", n, n) for n in range(gangs)]
    calls = list[tuple[str, ...]]()

    def never(ids: tuple[str, ...]) -> bool:
        calls.append(ids)
        return False

    assert victims(tree, what_is_free(tree, running), a_want(tree, 1), candidates(running), never) is None
    assert 0 < len(calls) <= TRIES


def test_waste_is_the_work_since_the_last_checkpoint_and_a_restart() -> None:
    """A gang without a checkpoint of this attempt loses all of the attempt; earlier checkpoints do not count twice."""
    waste = waste_unit_s(
        np.array([8, 8, 8]),
        np.array([100.0, 100.0, 100.0]),
        np.array([np.nan, 160.0, 40.0]),
        now_s=200.0,
        restart_s=10.0,
    )
    assert waste.tolist() == [8 * 110.0, 8 * 50.0, 8 * 110.0]
