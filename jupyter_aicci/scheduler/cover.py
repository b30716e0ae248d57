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


def by_host(host: Ints, freed: Ints, hosts: int) -> Ints:
    """Sums of `freed` [R, M] on each host: [R, N]."""
    sums = [np.bincount(host, row, hosts) for row in freed]  # floats, exact for whole numbers below 2^53
    return np.array(sums).astype(np.int64)


class Yard:
    """Hosts on which gangs could go, in one domain or in several, any one of which may hold the nodes."""

    def __init__(
        self,
        *,
        free: Ints,  # [R, K] of the hosts that rows are on
        domain: Ints,  # [K] index into `room`
        room: Ints,  # [D] nodes that the domain's other hosts hold
        victim: Ints,  # [M]
        host: Ints,  # [M] 0..K-1
        freed: Ints,  # [R, M]
        waste: Floats,  # of every gang, by its index
        demand: Ints,  # [R] of one node
        nodes: int,
    ) -> None:
        self.free, self.domain, self.room, self.demand, self.nodes = free, domain, room, demand, nodes
        self.victim, self.host, self.freed, self.waste = victim, host, freed, waste

    def enough(self, gangs: Collection[int]) -> bool:
        """Whether the nodes fit once these gangs have gone."""
        return bool(self._held(whole_nodes(self._after(self._rows(gangs)), self.demand)).max() >= self.nodes)

    def needed(self, gangs: Collection[int]) -> set[int]:
        """Those that must go: without any one of them the nodes would not fit. The most wasteful stays first."""
        kept = sorted(gangs)
        while kept:
            free = [index for index, held in zip(kept, self._without(kept), strict=True) if held >= self.nodes]
            if not free:
                break
            kept.remove(max(free, key=lambda index: (self.waste[index], index)))
        return set(kept)

    def least(self, gangs: list[int], known: set[int]) -> set[int]:
        """The set of least waste among all subsets of a few gangs of one domain, else `known`, which is enough.

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
        fitting = np.flatnonzero(rooms.sum(axis=1) + self.room[0] >= self.nodes)
        return {index for index, taken in zip(gangs, subsets[order[fitting[0]]], strict=True) if taken}

    def _rows(self, gangs: Collection[int]) -> Ints:
        goes = np.zeros(len(self.waste), np.bool_)
        goes[list(gangs)] = True
        return np.flatnonzero(goes[self.victim])

    def _after(self, rows: Ints) -> Ints:
        return self.free + by_host(self.host[rows], self.freed[:, rows], self.free.shape[1])

    def _held(self, rooms: Ints) -> Ints:
        """The nodes that each domain holds, from its hosts' rooms."""
        return self.room + np.bincount(self.domain, rooms, len(self.room)).astype(np.int64)

    def _without(self, gangs: list[int]) -> list[int]:
        """For each gang the most nodes that a domain holds once all of the others, but not this one, have gone."""
        rows = self._rows(gangs)
        after, host = self._after(rows), self.host[rows]
        rooms = whole_nodes(after, self.demand)
        lost = rooms[host] - whole_nodes(after[:, host] - self.freed[:, rows], self.demand)
        cell = np.searchsorted(gangs, self.victim[rows]) * len(self.room) + self.domain[host]
        losses = np.bincount(cell, lost, len(gangs) * len(self.room)).astype(np.int64)
        most: list[int] = (self._held(rooms) - losses.reshape(len(gangs), -1)).max(axis=1).tolist()
        return most
