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
        self.until = np.where(np.arange(most) < fabric.slots[:, None], FREE, np.inf)  # ascending in each row
        self.reserved_s = np.full(len(fabric.slots), np.inf)  # the first reservation of each host
        self.unbooked = fabric.slots.copy()  # slots that are free now and that nobody has reserved
        self._needs: dict[Shape, np.ndarray] = {}
        self._most: dict[Shape, int] = {}  # nodes that a host takes at most
        self._places: dict[Shape, np.ndarray] = {}  # of the shapes that were asked for

    def need(self, shape: Shape) -> np.ndarray:
        """int64[N]: slots that a node of the shape takes of each host."""
        need = self._needs.get(shape)
        if need is None:
            need = self._needs[shape] = _need(self._fabric, shape)
            self._most[shape] = int((self._fabric.slots // need).max(initial=1))
        return need

    def hold_all(self, hosts: np.ndarray, slots: np.ndarray, until_s: np.ndarray) -> None:
        """Entries of what holds nodes now: on that host, so many slots, until then. For a plan in which nothing is held yet."""
        host, until = np.repeat(hosts, slots), np.repeat(until_s, slots)
        order = np.lexsort((-until, host))
        host, until = host[order], until[order]
        first = np.searchsorted(host, host)
        column = self._fabric.slots[host] - 1 - (np.arange(len(host)) - first)  # the last to be free stands last
        fits = column >= 0  # a host that holds more than its slots: what ends first is not seen, what ends last is
        self.until[host[fits], column[fits]] = until[fits]
        self.unbooked = (self.until == FREE).sum(axis=1)

    def open(self, shape: Shape, room: np.ndarray, ends_s: float) -> np.ndarray:
        """int64[N]: how many of the `room` nodes may start now and run until `ends_s` without being in a reservation's way."""
        return np.where(self.reserved_s >= ends_s, room, np.minimum(room, self.unbooked // self.need(shape)))

    def earliest(self, shape: Shape, nodes: int, highest_level: int) -> Slot | None:
        """The first moment at which a whole gang can start, and where; None if nobody knows."""
        places = self._places_of(shape)[:, :nodes]
        if highest_level == 0:
            moment_s = _kth(places, nodes)
            picks = self._fitting(places, moment_s, nodes, 0) if moment_s < np.inf else None
            return Slot(start_s=moment_s, picks=picks) if picks is not None else None
        moments = np.unique(places)
        moments = moments[moments < np.inf]
        low, high, found = 0, len(moments) - 1, None
        while low <= high:  # the first moment at which the places of one domain suffice
            middle = (low + high) // 2
            picks = self._fitting(places, float(moments[middle]), nodes, highest_level)
            if picks is None:
                low = middle + 1
            else:
                found, high = Slot(start_s=float(moments[middle]), picks=picks), middle - 1
        return found

    def when(self, shape: Shape, picks: Picks) -> float:
        """The first moment at which these nodes can start together."""
        column = self.need(shape)[picks.hosts] * picks.counts - 1
        return float(self.until[picks.hosts, column].max())

    def book(self, shape: Shape, picks: Picks, start_s: float, until_s: float) -> None:
        """Reserve the slots from `start_s` until `until_s`."""
        self.hold(shape, picks, until_s)
        self.reserved_s[picks.hosts] = np.minimum(self.reserved_s[picks.hosts], start_s)

    def hold(self, shape: Shape, picks: Picks, until_s: float) -> None:
        """The slots that are free first are taken until then."""
        rows = self.until[picks.hosts]
        taken = np.arange(rows.shape[1]) < (self.need(shape)[picks.hosts] * picks.counts)[:, None]
        rows[taken] = np.maximum(rows[taken], until_s)  # what starts now in the gap before a reservation frees nothing
        rows.sort(axis=1)
        self.until[picks.hosts] = rows
        self.unbooked[picks.hosts] = (rows == FREE).sum(axis=1)
        for known, places in self._places.items():
            places[picks.hosts] = self._count_places(known, picks.hosts)

    def _places_of(self, shape: Shape) -> np.ndarray:
        """float64[N, most nodes on a host]: when each host can take its first, second ... node of the shape, ascending."""
        places = self._places.get(shape)
        if places is None:
            places = self._places[shape] = self._count_places(shape, np.arange(len(self._fabric.slots)))
        return places

    def _count_places(self, shape: Shape, hosts: np.ndarray) -> np.ndarray:
        need, slots = self.need(shape)[hosts], self._fabric.slots[hosts]
        column = need[:, None] * np.arange(1, self._most[shape] + 1) - 1
        places = np.take_along_axis(self.until[hosts], np.minimum(column, self.until.shape[1] - 1), axis=1)
        places[column >= slots[:, None]] = np.inf
        places[~self._fabric.accepting(shape)[hosts]] = np.inf
        return places

    def _fitting(self, places: np.ndarray, moment_s: float, nodes: int, highest_level: int) -> Picks | None:
        return fit(self._fabric.tree, (places <= moment_s).sum(axis=1), nodes, highest_level)


def _kth(places: np.ndarray, nodes: int) -> float:
    """The moment at which there are `nodes` places; inf if there never are."""
    flat = places.ravel()
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
