"""The cheapest whole gangs in one domain whose going frees enough nodes.

In: the rows of one domain (which gang would free what on which host) and how many nodes are wanted there. Out: a set of
gangs. Method: greedy cover (Csirik, Frenk, Labbe, Zhang, Acta Cybernetica 10, 1991: at most twice the least waste where
what each gang frees adds up), all subsets where gangs are few, and nobody in the answer who could as well stay.
Rule: rooms are computed anew for every set, as they do not add up over resources and parts of nodes. Imports numpy only.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

EXACT_GANGS = 12  # 4096 subsets: about a millisecond
EXACT_CELLS = 1 << 20  # subsets x hosts x resources that one exact search may lay out: 8 MiB
_SUBSETS = (np.arange(1 << EXACT_GANGS)[:, None] >> np.arange(EXACT_GANGS)) & 1  # [4096, 12]
_SIZES = _SUBSETS.sum(axis=1)


def whole_nodes(free: npt.NDArray[np.generic], demand: Ints) -> Ints:
    """How many nodes of `demand` [R] fit into `free` [R, ...]; a demand for nothing fits nowhere."""
    rooms = [free[index] // int(demand[index]) for index in range(len(demand)) if demand[index] > 0]
    return np.maximum(np.minimum.reduce(rooms), 0) if rooms else np.zeros(free.shape[1:], np.int64)


def greedy(ranked: list[int], gain: list[int], waste: list[float], need: int) -> set[int]:
    """The cover of `need` nodes by gangs ranked by waste per node, from what each gains in that order.

    Each gang that completes the cover makes one answer and is then passed over; the cheapest answer wins.
    The gains must add up to `need` at least.
    """
    least, head, last = float("inf"), 0, -1
    small: list[int] = []
    nodes, spent = 0, 0.0
    for index, more, cost in zip(ranked, gain, waste, strict=True):
        if nodes + more < need:
            small.append(index)
            nodes, spent = nodes + more, spent + cost
            if spent >= least:
                break
        elif spent + cost < least:
            least, head, last = spent + cost, len(small), index
    return {*small[:head], last}


class Yard:
    """The hosts of one domain on which gangs could go."""

    def __init__(
        self, *, free: Ints, demand: Ints, victim: Ints, host: Ints, freed: Ints, waste: Floats, nodes: int
    ) -> None:
        """`free` [R, K] of hosts with rows, `host` [M] index into them, `nodes` what they must hold together."""
        self.free, self.demand, self.nodes = free, demand, nodes
        self.victim, self.host, self.freed = victim, host, freed
        self.waste = waste  # of every gang, by its index

    def enough(self, gangs: Collection[int]) -> bool:
        """Whether the nodes fit once these gangs have gone."""
        rows = self._rows(gangs)
        return int(self._rooms(rows).sum()) >= self.nodes

    def needed(self, gangs: Collection[int]) -> set[int]:
        """Those that must go: without any one of them the nodes would not fit. The most wasteful stays first."""
        kept = set(gangs)
        while kept:
            loss, spare = self._losses(kept)
            free = [index for index, nodes in loss.items() if nodes <= spare]
            if not free:
                break
            kept.remove(max(free, key=lambda index: (self.waste[index], index)))
        return kept

    def least(self, gangs: list[int], known: set[int]) -> set[int]:
        """The set of least waste among all subsets of a few gangs, `known` if none is better or they are too many.

        Equal wastes: fewer gangs, then the ones that stand first.
        """
        if len(gangs) > EXACT_GANGS:
            return known
        count = 1 << len(gangs)
        subsets, sizes = _SUBSETS[:count, : len(gangs)], _SIZES[:count]
        waste = (subsets * self.waste[gangs]).sum(axis=1)
        limit = waste[sum(1 << at for at, index in enumerate(gangs) if index in known)]
        order = np.flatnonzero(waste <= limit)
        if len(order) * self.free.size > EXACT_CELLS:
            return known
        order = order[np.lexsort((order, sizes[order], waste[order]))]
        freed = np.zeros((len(gangs), *self.free.shape))
        place = {index: at for at, index in enumerate(gangs)}
        for row, index in enumerate(self.victim.tolist()):
            freed[place[index], :, self.host[row]] += self.freed[:, row]
        # Products of floats are fast and exact here: whole numbers below 2^53.
        after = (subsets[order].astype(np.float64) @ freed.reshape(len(gangs), -1)).reshape(-1, *self.free.shape)
        rooms = whole_nodes(np.moveaxis(after + self.free, 1, 0), self.demand)
        fitting = np.flatnonzero(rooms.sum(axis=1) >= self.nodes)
        return {index for index, taken in zip(gangs, subsets[order[fitting[0]]], strict=True) if taken}

    def _rows(self, gangs: Collection[int]) -> Ints:
        goes = np.zeros(len(self.waste), np.bool_)
        goes[list(gangs)] = True
        return np.flatnonzero(goes[self.victim])

    def _after(self, rows: Ints) -> Ints:
        freed = [np.bincount(self.host[rows], part[rows], self.free.shape[1]) for part in self.freed]
        return self.free + np.array(freed).astype(np.int64)

    def _rooms(self, rows: Ints) -> Ints:
        return whole_nodes(self._after(rows), self.demand)

    def _losses(self, gangs: Collection[int]) -> tuple[dict[int, int], int]:
        """(nodes that are lost if this one gang of them stays, for each; nodes more than are wanted)"""
        rows = self._rows(gangs)
        after = self._after(rows)
        rooms = whole_nodes(after, self.demand)
        host = self.host[rows]
        lost = rooms[host] - whole_nodes(after[:, host] - self.freed[:, rows], self.demand)
        by_gang = np.bincount(self.victim[rows], lost, len(self.waste)).astype(np.int64)
        return {index: int(by_gang[index]) for index in gangs}, int(rooms.sum()) - self.nodes
