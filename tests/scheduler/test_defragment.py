"""Gangs move so that another fits: all of them have a place, or nobody moves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.defragment import Moves, defragmented
from jupyter_aicci.scheduler.preempt import Candidates, Want, candidates_of, room_of
from jupyter_aicci.scheduler.topology import Tree, tree_of

GPUS = 8


def a_tree(*leaves: int) -> Tree:
    paths = [(f"leaf-{leaf}",) for leaf, hosts in enumerate(leaves) for _ in range(hosts)]
    return tree_of(paths, [f"host-{number:02}" for number in range(len(paths))])


def a_want(tree: Tree, nodes: int, *, gpus: int = GPUS, level: str = "cluster") -> Want:
    return Want(
        nodes=nodes, demand=np.array([gpus]), usable=np.ones(tree.hosts, np.bool_), highest_level=tree.level(level)
    )


def gangs(tree: Tree, *rows: tuple[str, float, int, tuple[int, ...]]) -> tuple[np.ndarray, Candidates, dict[str, Want]]:
    """(free, candidates, wants) of gangs given as (name, waste, GPUs of a node, hosts of its nodes)."""
    victim = np.repeat(np.arange(len(rows)), [len(row[3]) for row in rows])
    host = np.array([host for *_, hosts in rows for host in hosts], np.int64)
    freed = np.array([[gpus for _, _, gpus, hosts in rows for _ in hosts]], np.int64).reshape(1, -1)
    candidates = candidates_of(
        [row[0] for row in rows], np.array([row[1] for row in rows], np.float64), np.ones(len(rows), np.bool_),
        victim, host, freed,
    )  # fmt: skip
    free = np.full((1, tree.hosts), GPUS)
    np.subtract.at(free[0], host, freed[0])
    wants = {name: a_want(tree, len(hosts), gpus=gpus) for name, _, gpus, hosts in rows}
    return free, candidates, wants


def places(moves: Moves) -> dict[str, list[int]]:
    return {move.id: move.picks.hosts.tolist() for move in moves.moves}


def test_the_cheapest_gang_moves_to_the_hole_of_another_leaf() -> None:
    """Each leaf has one free host; the gang of two under one leaf gets the leaf whose run loses least."""
    tree = a_tree(2, 2)
    free, candidates, wants = gangs(tree, ("a", 5.0, 8, (0,)), ("b", 3.0, 8, (2,)))
    moves = defragmented(tree, free, a_want(tree, 2, level="leaf"), candidates, wants, gain=100)
    assert moves is not None
    assert moves.picks.hosts.tolist() == [2, 3]
    assert (places(moves), moves.waste) == ({"b": [1]}, 3.0)


def test_small_runs_move_together_into_what_is_left_of_other_hosts() -> None:
    """Two runs of four GPUs on two hosts become neighbours, and a whole host is free."""
    tree = a_tree(2)
    free, candidates, wants = gangs(tree, ("a", 1.0, 4, (0,)), ("b", 2.0, 4, (1,)))
    moves = defragmented(tree, free, a_want(tree, 1), candidates, wants, gain=100)
    assert moves is not None
    assert (moves.picks.hosts.tolist(), places(moves)) == ([0], {"a": [1]})


def test_a_gang_with_no_other_place_stays_and_the_next_one_moves() -> None:
    """The cheapest gang needs two hosts under one leaf, which only its own leaf has; a dearer run moves instead."""
    tree = a_tree(2, 2, 1)
    free, candidates, wants = gangs(tree, ("pair", 1.0, 8, (0, 1)), ("one", 9.0, 8, (2,)))
    wants["pair"] = a_want(tree, 2, level="leaf")
    moves = defragmented(tree, free, a_want(tree, 2, level="leaf"), candidates, wants, gain=100)
    assert moves is not None
    assert (moves.picks.hosts.tolist(), places(moves), moves.waste) == ([2, 3], {"one": [4]}, 9.0)


def test_nobody_moves_for_less_than_it_wastes() -> None:
    """The gain is the bound, itself excluded."""
    tree = a_tree(2, 2)
    free, candidates, wants = gangs(tree, ("a", 5.0, 8, (0,)), ("b", 3.0, 8, (2,)))
    want = a_want(tree, 2, level="leaf")
    assert defragmented(tree, free, want, candidates, wants, gain=3) is None
    assert defragmented(tree, free, want, candidates, wants, gain=3.5) is not None


def test_nobody_moves_where_too_little_is_free() -> None:
    """A full cluster has nowhere to move to: that is preemption, and another's decision."""
    tree = a_tree(2, 2)
    free, candidates, wants = gangs(tree, *((name, 1.0, 8, (host,)) for host, name in enumerate("abcd")))
    assert defragmented(tree, free, a_want(tree, 2), candidates, wants, gain=100) is None


def test_nobody_moves_for_a_gang_that_fits() -> None:
    """It is placed, and that is all."""
    tree = a_tree(2, 2)
    free, candidates, wants = gangs(tree, ("a", 0.0, 8, (0,)))
    moves = defragmented(tree, free, a_want(tree, 2, level="leaf"), candidates, wants, gain=0)
    assert moves is not None
    assert (moves.picks.hosts.tolist(), moves.moves, moves.waste) == ([2, 3], (), 0.0)


def test_who_has_no_want_does_not_move() -> None:
    """Only gangs of which the caller says what they want may be moved."""
    tree = a_tree(2, 2)
    free, candidates, wants = gangs(tree, ("a", 5.0, 8, (0,)), ("b", 3.0, 8, (2,)))
    del wants["b"]
    moves = defragmented(tree, free, a_want(tree, 2, level="leaf"), candidates, wants, gain=100)
    assert moves is not None
    assert places(moves) == {"a": [3]}


@st.composite
def holes(draw: st.DrawFn) -> tuple[Tree, list[tuple[str, float, int, tuple[int, ...]]], Want]:
    """A ragged cluster with small gangs and holes between them, and a gang that wants whole hosts."""
    tree = a_tree(*draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    free, rows = [GPUS] * tree.hosts, []
    for number in range(draw(st.integers(0, 10))):
        gpus = draw(st.sampled_from([1, 2, 4, 8]))
        fitting = [host for host in range(tree.hosts) if free[host] >= gpus]
        if fitting:
            hosts = tuple(draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3, unique=True)))
            rows.append((f"r{number}", float(draw(st.integers(0, 9))), gpus, hosts))
            for host in hosts:
                free[host] -= gpus
    level = draw(st.sampled_from(tree.levels))
    return tree, rows, a_want(tree, draw(st.integers(1, 3)), level=level)


@given(holes(), st.integers(0, 30))
def test_after_the_moves_everybody_has_a_place(
    case: tuple[Tree, list[tuple[str, float, int, tuple[int, ...]]], Want], gain: int
) -> None:
    """Nothing is oversubscribed, every mover keeps its size, and the whole waste is below the gain."""
    tree, rows, want = case
    free, candidates, wants = gangs(tree, *rows)
    moves = defragmented(tree, free, want, candidates, wants, gain=gain)
    if moves is None:
        assert np.add.reduceat(room_of(free, want), tree.starts[want.highest_level]).max() < want.nodes
        return
    by_name = {row[0]: row for row in rows}
    after = free.copy()
    for move in moves.moves:
        _, _, gpus, hosts = by_name[move.id]
        after[0, list(hosts)] += gpus
        after[0, move.picks.hosts] -= gpus * move.picks.counts
        assert move.picks.counts.sum() == len(hosts)
    after[0, moves.picks.hosts] -= GPUS * moves.picks.counts
    assert (after >= 0).all()
    assert len(set(tree.domain[want.highest_level][moves.picks.hosts].tolist())) == 1
    assert moves.waste == sum(by_name[move.id][1] for move in moves.moves)
    assert not moves.moves or moves.waste < gain
