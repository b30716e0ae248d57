"""Victims: whole gangs, the least waste, no one who could stay, and only where the waiting gang then fits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.preempt import Candidates, Victims, Want, candidates_of, room_of, victims
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
    paths = [(f"spine-{leaf // 2}", f"leaf-{leaf}") for leaf, hosts in enumerate(leaves) for _ in range(hosts)]
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
