"""The future of the cluster: when each part of each host is free, and when it is reserved.

In: what holds nodes now, until when at the latest; then one reservation after another. Out: where and when the next gang can start.
Method: conservative backfill's profile (Mu'alem & Feitelson, IEEE TPDS 12(6), 2001), one for each host. A host is a row of equal
slots (its accelerators, or its CPUs); a node takes as many as its largest share of any resource of the host, rounded up. That can
only over-state what it needs, so that a start promised from here can be kept.
A gang stands behind all reservations of its hosts, or in a gap between them that is long enough; the earlier of the two counts.
Rule: moments are float64 seconds, none before now; inf stands for "nobody knows" and for slots that a host does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.fabric import Fabric
from jupyter_aicci.scheduler.fit import Picks, fit
from jupyter_aicci.scheduler.free import whole_of

MANY = np.iinfo(np.int64).max
MOST_S = 1e300  # finite, so that differences are numbers
ROUNDING_S = 1e-5  # moments since 1970 as floats are 0.2 us apart; what overlaps by less than this does not overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A start that can be kept."""

    start_s: float
    picks: Picks


class Plan:
    """Changed by `hold`, `book` and `unbook` only. Reservations are known by numbers that the caller gives."""

    def __init__(self, fabric: Fabric, now_s: float) -> None:
        self._fabric, self._now_s = fabric, now_s
        count, most = len(fabric.slots), int(fabric.slots.max(initial=1))
        # float64[slots, N], ascending: when what holds a host's slots now leaves the first, the second ...
        self._held = np.where(np.arange(most)[:, None] < fabric.slots, now_s, np.inf)
        self._until = self._held.copy()  # the same when all its reservations are over, too
        # [reservations of a host, N]: from when until when, how many slots, whose; inf, inf, 0, -1 where there is none
        self._from_s, self._to_s = np.full((0, count), np.inf), np.full((0, count), np.inf)
        self._taken, self._whose = np.zeros((0, count), dtype=np.int64), np.full((0, count), -1)
        self._first_s, self._last_s = (
            np.full(count, np.inf),
            np.full(count, -np.inf),
        )  # when a host's reservations begin
        # Of hosts with reservations: moments at which something becomes free, ascending, what is free at these, and what is free
        # where each reservation begins. Worked out for hosts that have changed when it is asked for.
        self._at, self._free_at = np.full((1 + most, count), np.inf), np.zeros((1 + most, count), dtype=np.int64)
        self._free_from = np.zeros((0, count), dtype=np.int64)
        self._dirty: list[np.ndarray] = []
        self._needs: dict[Shape, np.ndarray] = {}
        self._most: dict[Shape, int] = {}  # nodes that a host takes at most
        self._places: dict[Shape, np.ndarray] = {}  # of the shapes that were asked for
        self._stale: dict[Shape, list[np.ndarray]] = {}  # hosts whose places are to be counted again
        self._gaps: dict[Shape, np.ndarray] = {}  # the longest of each host, nan = not known
        self._unknown: dict[Shape, list[np.ndarray]] = {}  # hosts whose gaps are not known any more

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
        self._held[column[fits], host[fits]] = until[fits]
        self._until = self._held.copy()

    def hold(self, shape: Shape, picks: Picks, until_s: float) -> None:
        """These nodes start now: the slots that are free first are taken until then."""
        held = self._held[:, picks.hosts]
        taken = np.arange(len(held))[:, None] < self.need(shape)[picks.hosts] * picks.counts
        held[taken] = np.maximum(held[taken], until_s)
        held.sort(axis=0)
        self._held[:, picks.hosts] = held
        self._changed(picks.hosts)
        self._look_again(picks.hosts)

    def book(self, number: int, shape: Shape, picks: Picks, start_s: float, until_s: float) -> None:
        """Reserve the slots from `start_s` until `until_s`."""
        hosts = picks.hosts
        row = (self._whose[:, hosts] >= 0).sum(axis=0)
        if len(row) and row.max() >= len(self._whose):
            self._grow()
        slots = self.need(shape)[hosts] * picks.counts
        self._from_s[row, hosts], self._to_s[row, hosts] = start_s, until_s
        self._taken[row, hosts], self._whose[row, hosts] = slots, number
        self._changed(hosts)
        until = self._until[:, hosts]
        able = np.add.reduce(until <= start_s + ROUNDING_S, axis=0, dtype=np.int64)
        if (able < slots).any():  # in a gap
            self._look_again(hosts)
            return
        rank = np.arange(len(until))[:, None]
        until[(able - slots <= rank) & (rank < able)] = (
            until_s  # those that are free last: the others stay free from sooner on
        )
        until.sort(axis=0)
        self._until[:, hosts] = until

    def unbook(self, number: int, hosts: np.ndarray) -> None:
        """The reservation is gone from its hosts; the last of each comes into its place."""
        row = (self._whose[:, hosts] == number).argmax(axis=0)
        last = (self._whose[:, hosts] >= 0).sum(axis=0) - 1
        for column, blank in ((self._from_s, np.inf), (self._to_s, np.inf), (self._taken, 0), (self._whose, -1)):
            column[row, hosts] = column[last, hosts]
            column[last, hosts] = blank
        self._changed(hosts)
        self._look_again(hosts)

    def open(self, shape: Shape, room: np.ndarray, ends_s: float, own: int = -1) -> np.ndarray:
        """int64[N]: how many of the `room` nodes may start now and run until `ends_s` without being in a reservation's way.

        `own`: the number of a reservation that is not minded.
        """
        hosts = np.flatnonzero((self._first_s < ends_s) & (room > 0))
        if not len(hosts):
            return room
        taken = np.where(self._whose[:, hosts] == own, 0, self._taken[:, hosts])
        moments = self._from_s[:, hosts]
        free = self._free(np.maximum(moments, self._now_s), hosts, taken)
        matters = (moments < ends_s - ROUNDING_S) & (taken > 0)
        least = np.where(matters, free, MANY).min(axis=0)
        opened = room.copy()
        opened[hosts] = np.minimum(room[hosts], np.maximum(least, 0) // self.need(shape)[hosts])
        return opened

    def earliest(self, shape: Shape, nodes: int, highest_level: int, lasts_s: float) -> Slot | None:
        """The first moment at which a whole gang can start that lasts so long at most, and where; None if nobody knows."""
        places = self._places_of(shape)[:nodes]
        moment_s = _kth(places, nodes) if highest_level == 0 else self._first_moment(places, nodes, highest_level)
        hosts = self._with_gaps(shape, lasts_s)
        slot = self._in_gaps(shape, nodes, highest_level, lasts_s, hosts, moment_s) if len(hosts) else None
        if slot is not None or moment_s == np.inf:
            return slot
        picks = fit(self._fabric.tree, _by(places, moment_s), nodes, highest_level)
        return Slot(start_s=moment_s, picks=picks) if picks is not None else None

    def _in_gaps(
        self, shape: Shape, nodes: int, level: int, lasts_s: float, hosts: np.ndarray, before_s: float
    ) -> Slot | None:
        """The same where some of its nodes are in gaps of these hosts, if that is before `before_s`."""
        tree, places = self._fabric.tree, self._places[shape][:nodes].copy()
        places[:, hosts] = np.inf  # their places stand among the windows
        opens_s, closes_s, host = self._windows(shape, nodes, lasts_s, hosts)
        rest, rest_host = (places < before_s).nonzero()
        rest_s = places[rest, rest_host]
        moment_s = _first_with(
            nodes,
            np.concatenate([opens_s, rest_s]),
            np.concatenate([closes_s, np.full(len(rest_s), np.inf)]),
            tree.domain[level][np.concatenate([host, rest_host])],
        )
        if moment_s >= before_s:
            return None
        room = _by(places, moment_s)
        active = (opens_s <= moment_s) & (moment_s <= closes_s)
        room += np.bincount(host[active], minlength=len(room))
        picks = fit(tree, room, nodes, level)
        return Slot(start_s=moment_s, picks=picks) if picks is not None else None

    def _windows(
        self, shape: Shape, nodes: int, lasts_s: float, hosts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """When a node of the shape may start on these hosts: from, to, host; one more entry for a second node there, and so on."""
        at, free = self._at[:, hosts], self._free_at[:, hosts]
        need, found = self.need(shape)[hosts], []
        for count in range(1, min(nodes, self._most[shape]) + 1):
            closes = self._scarce(hosts, need * count) - lasts_s
            able = (free >= need * count) & (at < np.inf)
            first = able.copy()
            first[1:] &= ~(able[:-1] & (closes[:-1] == closes[1:]))  # the same window has begun before
            rows, columns = (first & (closes >= at - ROUNDING_S / 2)).nonzero()
            found.append((at[rows, columns], np.maximum(closes, at)[rows, columns], hosts[columns]))
        opens_s, closes_s, host = (np.concatenate(column) for column in zip(*found, strict=True))
        return opens_s, closes_s, host

    def _free(self, at: np.ndarray, hosts: np.ndarray, taken: np.ndarray | None = None) -> np.ndarray:
        """int64[moments, hosts]: slots that are free at each of the moments; `taken`: what each reservation takes."""
        taken = self._taken[:, hosts] if taken is None else taken
        soon = at + ROUNDING_S
        free = np.add.reduce(self._held[:, hosts][:, None] <= soon, axis=0, dtype=np.int64)
        begun, over = self._from_s[:, hosts][:, None] <= at, self._to_s[:, hosts][:, None] <= soon
        left: np.ndarray = free - np.add.reduce((begun & ~over) * taken[:, None], axis=0)
        return left

    def _scarce(self, hosts: np.ndarray, need: np.ndarray) -> np.ndarray:
        """float64[moments, hosts]: when, after each of them, a reservation first leaves less than `need` slots; inf = never."""
        begins = np.where(self._free_from[:, hosts] < need, self._from_s[:, hosts], np.inf)[:, None]
        scarce: np.ndarray = np.where(begins > self._at[:, hosts], begins, np.inf).min(axis=0)
        return scarce

    def _changed(self, hosts: np.ndarray) -> None:
        """Holds or reservations on these hosts are others now."""
        begins = self._from_s[:, hosts]
        self._first_s[hosts] = begins.min(axis=0, initial=np.inf)
        self._last_s[hosts] = np.where(np.isfinite(begins), begins, -np.inf).max(axis=0, initial=-np.inf)
        self._dirty.append(hosts)
        for stale in (*self._stale.values(), *self._unknown.values()):
            stale.append(hosts)

    def _look_again(self, hosts: np.ndarray) -> None:
        """When these hosts are free for good, from all that holds or reserves them."""
        self._refresh()
        begins, at = self._from_s[:, hosts][:, None], self._at[:, hosts]
        later = np.where(begins > at, self._free_from[:, hosts][:, None], MANY).min(axis=0, initial=MANY)
        enough = np.minimum(self._free_at[:, hosts], later) >= np.arange(1, len(self._until) + 1)[:, None, None]
        self._until[:, hosts] = np.where(enough, at, np.inf).min(axis=1)

    def _refresh(self) -> None:
        """What is free when, of hosts that have changed."""
        if not self._dirty:
            return
        hosts = self._dirty[0] if len(self._dirty) == 1 else np.unique(np.concatenate(self._dirty))
        now = np.full((1, len(hosts)), self._now_s)
        at = np.sort(np.concatenate([now, self._held[:, hosts], self._to_s[:, hosts]]), axis=0)
        free = self._free(np.concatenate([at, self._from_s[:, hosts]]), hosts)
        self._at[:, hosts], self._free_at[:, hosts], self._free_from[:, hosts] = at, free[: len(at)], free[len(at) :]
        self._dirty.clear()

    def _grow(self) -> None:
        """Room for more reservations of one host."""
        more = max(4, len(self._whose))

        def grown(column: np.ndarray, blank: float) -> np.ndarray:
            return np.concatenate([column, np.full((more, column.shape[1]), blank, dtype=column.dtype)])

        self._from_s, self._to_s = grown(self._from_s, np.inf), grown(self._to_s, np.inf)
        self._taken, self._whose = grown(self._taken, 0), grown(self._whose, -1)
        self._at, self._free_at = grown(self._at, np.inf), grown(self._free_at, 0)
        self._free_from = grown(self._free_from, 0)

    def _places_of(self, shape: Shape) -> np.ndarray:
        """float64[most nodes on a host, N]: when each host can take its first, second ... node of the shape for good, ascending."""
        places = self._places.get(shape)
        if places is None:
            places = self._places[shape] = self._count_places(shape, np.arange(len(self._fabric.slots)))
            self._stale[shape] = []
        elif stale := self._stale[shape]:
            hosts = stale[0] if len(stale) == 1 else np.concatenate(stale)
            places[:, hosts] = self._count_places(shape, hosts)
            stale.clear()
        return places

    def _with_gaps(self, shape: Shape, lasts_s: float) -> np.ndarray:
        """int64[hosts]: those where a node of the shape can be for so long before a reservation needs its slots."""
        maybe = np.flatnonzero(self._last_s - self._held[0] >= lasts_s)
        if not len(maybe):
            return maybe
        gaps = self._gaps.setdefault(shape, np.full(len(self._last_s), np.nan))
        if stale := self._unknown.setdefault(shape, []):
            gaps[np.concatenate(stale)] = np.nan
            stale.clear()
        unknown = maybe[np.isnan(gaps[maybe])]
        if len(unknown):
            gaps[unknown] = self._longest_gaps(shape, unknown)
        return maybe[gaps[maybe] >= lasts_s]

    def _count_places(self, shape: Shape, hosts: np.ndarray) -> np.ndarray:
        need, slots = self.need(shape)[hosts], self._fabric.slots[hosts]
        last = need * np.arange(1, self._most[shape] + 1)[:, None] - 1
        places: np.ndarray = self._until[np.minimum(last, len(self._until) - 1), hosts]
        places[(last >= slots) | ~self._fabric.accepting(shape)[hosts]] = np.inf
        return places

    def _longest_gaps(self, shape: Shape, hosts: np.ndarray) -> np.ndarray:
        """float64[hosts]: how long a node of the shape can be on each before a reservation needs its slots; 0 = not at all."""
        self._refresh()
        need = self.need(shape)[hosts]
        ends_s = self._scarce(hosts, need)
        ends_s[(self._free_at[:, hosts] < need) | (ends_s == np.inf)] = -np.inf
        ends_s[:, ~self._fabric.accepting(shape)[hosts]] = -np.inf
        longest: np.ndarray = np.maximum(ends_s - np.minimum(self._at[:, hosts], MOST_S), 0.0).max(axis=0)
        return longest

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


def _first_with(nodes: int, opens_s: np.ndarray, closes_s: np.ndarray, domain: np.ndarray) -> float:
    """The first moment at which so many windows of one domain are open together; inf if there is none."""
    if nodes == 1:
        return float(opens_s.min(initial=np.inf))
    moments, count = np.concatenate([opens_s, closes_s]), len(opens_s)
    closing = np.arange(2 * count) >= count
    order = np.lexsort((closing, moments, np.tile(domain, 2)))  # a window that closes then is open still
    open_now = np.where(closing[order], -1, 1).cumsum()  # every domain begins and ends with none
    enough = moments[order][open_now >= nodes]
    return float(enough.min(initial=np.inf))


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
    slots, whole = fabric.slots, whole_of(fabric)
    need = np.ones(len(slots), dtype=np.int64)
    if shape.accelerators:
        need = np.maximum(need, shape.accelerators)
    for asked, has in ((shape.cpu_milli, whole.cpu_milli), (shape.memory_bytes, whole.memory)):
        if asked:
            need = np.maximum(need, -(-asked * slots // np.maximum(has, 1)))
    return need
