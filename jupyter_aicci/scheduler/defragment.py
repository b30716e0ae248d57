"""Which running gangs move elsewhere so that a gang fits that has room in all, but not together.

In: what `preempt.victims` takes, what each running gang wants, and how much waste the move is worth. Out: `Moves`.
Method: the gangs that would go for the least waste (`preempt`); then, on what is free once they are gone and the
waiting gang stands, each is fitted anew, the largest first. One that fits nowhere stays, and the search begins again
without it. A move is a stop and a start: each mover loses its work since its last checkpoint, and no more.
Rule: nobody moves unless all of them and the waiting gang have a place, and the whole waste is below the gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from jupyter_aicci.scheduler.cover import Ints, by_host
from jupyter_aicci.scheduler.fit import Picks, fit
from jupyter_aicci.scheduler.preempt import Candidates, Search, Want, room_of
from jupyter_aicci.scheduler.topology import Tree

ROUNDS = 16  # searches, each without the gang for which the one before found no other place


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A running gang stops and starts again there."""

    id: str
    picks: Picks


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Where the waiting gang goes, and who moves for it; nobody if it fits as it is."""

    picks: Picks
    moves: tuple[Move, ...]
    waste: float  # unit-seconds of those who move


def defragmented(
    tree: Tree, free: Ints, want: Want, candidates: Candidates, wants: Mapping[str, Want], gain: float
) -> Moves | None:
    """The moves of least waste found that make room for `want`, None if none waste less than `gain` (unit-seconds).

    `wants`: for the id of each candidate that may move what it wants; the others stay.
    """
    movable = np.array([name in wants for name in candidates.ids], np.bool_)
    allowed = candidates.allowed & movable & (candidates.waste < gain)
    if not tree.hosts:
        return None
    for _ in range(ROUNDS):
        search = Search(tree, free, want, replace(candidates, allowed=allowed))
        cover = next(search.covers(), None)
        if cover is None or (cover.gangs and cover.waste >= gain):
            return None
        answer = search.answer(cover.gangs)
        found = _placed(tree, _without(free, candidates, answer.ids), want, answer.ids, wants)
        if isinstance(found, Moves):
            return replace(found, waste=answer.waste)
        allowed = allowed.copy()
        allowed[candidates.ids.index(found)] = False
    return None


def _without(free: Ints, candidates: Candidates, gone: tuple[str, ...]) -> Ints:
    """What is free once these have stopped."""
    rows = np.isin(candidates.victim, [candidates.ids.index(name) for name in gone])
    return free + by_host(candidates.host[rows], candidates.freed[:, rows], free.shape[1])


def _placed(tree: Tree, free: Ints, want: Want, movers: tuple[str, ...], wants: Mapping[str, Want]) -> Moves | str:
    """All of them placed, or the id of the one that fits nowhere once the waiting gang stands."""
    picks = fit(tree, room_of(free, want), want.nodes, want.highest_level)
    if picks is None:
        raise ValueError("what the candidates free is not what makes room")
    free = _taken(free, want, picks)
    moves = []
    for name in sorted(movers, key=lambda name: (-wants[name].nodes, name)):
        wanted = wants[name]
        place = fit(tree, room_of(free, wanted), wanted.nodes, wanted.highest_level)
        if place is None:
            return name
        moves.append(Move(id=name, picks=place))
        free = _taken(free, wanted, place)
    return Moves(picks=picks, moves=tuple(moves), waste=0.0)


def _taken(free: Ints, want: Want, picks: Picks) -> Ints:
    after = free.copy()
    after[:, picks.hosts] -= np.outer(want.demand, picks.counts)
    return after
