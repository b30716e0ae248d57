"""The future of the cluster: when each part of each host is free, and from when on it is reserved.

In: what holds nodes now, until when at the latest; then one reservation after another. Out: where and when the next gang can start.
Method: list scheduling for gangs (Graham 1969) over host slots. A host is a row of equal slots (its accelerators, or its CPUs);
a node takes as many as its largest share of any resource of the host, rounded up. That can only over-state what it needs, so
that a start promised from here can be kept. A reservation has all it takes from now on: gaps before it are for runs that start
now (backfill).
Rule: moments are float64 seconds; -inf stands for "free now", inf for "nobody knows" and for slots that a host does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.cluster import Fabric
from jupyter_aicci.scheduler.fit import Picks, fit

FREE = -np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A start that can be kept."""

    start_s: float  # -inf = now
    picks: Picks


class Plan:
    """Changed by `hold` and `book` only."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        most = int(fabric.slots.max(initial=1))
        # float64[slots, N]: when each host's first, second ... slot is free
        self.until = np.where(np.arange(most)[:, None] < fabric.slots, FREE, np.inf)
        self.reserved_s = np.full(len(fabric.slots), np.inf)  # the first reservation of each host
        self.unbooked = fabric.slots.copy()  # slots that are free now and that nobody has reserved
        self._needs: dict[Shape, np.ndarray] = {}
        self._most: dict[Shape, int] = {}  # nodes that a host takes at most
        self._places: dict[Shape, np.ndarray] = {}  # of the shapes that were asked for
        self._stale: dict[Shape, list[np.ndarray]] = {}  # hosts whose places are to be counted again

    def need(self, shape: Shape) -> np.ndarray:
        """int64[N]: slots that a node of the shape takes of each host."""
        need = self._needs.get(shape)
        if need is None:
            need = self._needs[shape] = _need(self._fabric, shape)
            self._most[shape] = int((self._fabric.slots // need).max(initial=1))
        return need

    def hold_all(self, hosts: np.ndarray, slots: np.ndarray, until_s: np.ndarray) -> None:
        """Entries of what holds nodes now: on that host, so many slots, until then. For a plan in which nothing is held yet."""
        order = np.lexsort((-until_s, hosts))
        hosts, slots, until_s = hosts[order], slots[order], until_s[order]
        upto = slots.cumsum()
        before = upto - slots  # slots of all entries before this one ...
        before -= before[np.searchsorted(hosts, hosts)]  # ... on the same host
        host, until = np.repeat(hosts, slots), np.repeat(until_s, slots)
        nth = np.arange(len(host)) - np.repeat(upto - slots - before, slots)
        column = self._fabric.slots[host] - 1 - nth  # the last to be free stands last
        fits = column >= 0  # a host that holds more than its slots: what ends first is not seen, what ends last is
        self.until[column[fits], host[fits]] = until[fits]
        self.unbooked = (self.until == FREE).sum(axis=0)

    def open(self, shape: Shape, room: np.ndarray, ends_s: float) -> np.ndarray:
        """int64[N]: how many of the `room` nodes may start now and run until `ends_s` without being in a reservation's way."""
        return np.where(self.reserved_s >= ends_s, room, np.minimum(room, self.unbooked // self.need(shape)))

    def earliest(self, shape: Shape, nodes: int, highest_level: int) -> Slot | None:
        """The first moment at which a whole gang can start, and where; None if nobody knows."""
        places = self._places_of(shape)[:nodes]
        moment_s = _kth(places, nodes) if highest_level == 0 else self._first_moment(places, nodes, highest_level)
        if moment_s == np.inf:
            return None
        picks = fit(self._fabric.tree, _by(places, moment_s), nodes, highest_level)
        return Slot(start_s=moment_s, picks=picks) if picks is not None else None

    def when(self, shape: Shape, picks: Picks) -> float:
        """The first moment at which these nodes can start together."""
        last = self.need(shape)[picks.hosts] * picks.counts - 1
        return float(self.until[last, picks.hosts].max())

    def book(self, shape: Shape, picks: Picks, start_s: float, until_s: float) -> None:
        """Reserve the slots from `start_s` until `until_s`."""
        self.hold(shape, picks, until_s)
        self.reserved_s[picks.hosts] = np.minimum(self.reserved_s[picks.hosts], start_s)

    def hold(self, shape: Shape, picks: Picks, until_s: float) -> None:
        """The slots that are free first are taken until then."""
        until = self.until[:, picks.hosts]
        taken = np.arange(len(until))[:, None] < self.need(shape)[picks.hosts] * picks.counts
        until[taken] = np.maximum(until[taken], until_s)  # a start in the gap frees nothing
        until.sort(axis=0)
        self.until[:, picks.hosts] = until
        self.unbooked[picks.hosts] = (until == FREE).sum(axis=0)
        for stale in self._stale.values():
            stale.append(picks.hosts)

    def _places_of(self, shape: Shape) -> np.ndarray:
        """float64[most nodes on a host, N]: when each host can take its first, second ... node of the shape, ascending."""
        places = self._places.get(shape)
        if places is None:
            places = self._places[shape] = self._count_places(shape, np.arange(len(self._fabric.slots)))
            self._stale[shape] = []
        elif stale := self._stale[shape]:
            hosts = stale[0] if len(stale) == 1 else np.concatenate(stale)
            places[:, hosts] = self._count_places(shape, hosts)
            stale.clear()
        return places

    def _count_places(self, shape: Shape, hosts: np.ndarray) -> np.ndarray:
        need, slots = self.need(shape)[hosts], self._fabric.slots[hosts]
        last = need * np.arange(1, self._most[shape] + 1)[:, None] - 1
        places: np.ndarray = self.until[np.minimum(last, len(self.until) - 1), hosts]
        places[(last >= slots) | ~self._fabric.accepting(shape)[hosts]] = np.inf
        return places

    def _first_moment(self, places: np.ndarray, nodes: int, level: int) -> float:
        """The first moment at which the places of one domain of the level suffice; inf if they never do."""
        starts, moments = self._fabric.tree.starts[level], np.sort(places, axis=None)
        low, high = 0, int(moments.searchsorted(np.inf))
        moments = np.append(moments[:high], np.inf)
        while low < high:
            middle = (low + high) // 2
            enough = np.add.reduceat(_by(places, moments[middle]), starts).max() >= nodes
            low, high = (low, middle) if enough else (middle + 1, high)
        return float(moments[low])


def _by(places: np.ndarray, moment_s: float) -> np.ndarray:
    """int64[N]: the places on each host at that moment."""
    found: np.ndarray = np.add.reduce(places <= moment_s, axis=0, dtype=np.int16)  # a quarter of the time of int64
    return found.astype(np.int64)


def _kth(places: np.ndarray, nodes: int) -> float:
    """The moment at which there are `nodes` places; inf if there never are."""
    flat = places.ravel()
    if nodes == 1:
        return float(flat.min(initial=np.inf))
    return float(np.partition(flat, nodes - 1)[nodes - 1]) if nodes <= len(flat) else np.inf


def _need(fabric: Fabric, shape: Shape) -> np.ndarray:
    slots, whole = fabric.slots, fabric.whole
    need = np.ones(len(slots), dtype=np.int64)
    if shape.accelerators:
        need = np.maximum(need, shape.accelerators)
    for asked, has in ((shape.cpu_milli, whole.cpu_milli), (shape.memory_bytes, whole.memory)):
        if asked:
            need = np.maximum(need, -(-asked * slots // np.maximum(has, 1)))
    return need
