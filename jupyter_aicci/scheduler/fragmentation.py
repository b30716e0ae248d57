"""Placement of small runs and accelerator shares so that what stays free can still be used.

In: columns of what is free on each host, and `Typical`, the demands that are usual. Out: the host and devices whose
`waste` grows least. Waste of a host, in thousandths of an accelerator (milli), is the sum of three:

1. fragments, as FGD counts them (Weng et al., USENIX ATC 2023): the mean, over the typical demands, of the free milli
   that a demand could not use here: all of it where the demand does not fit, else what lies on devices with too little;
2. what the free shares of its devices are not worth (`share_prices`): 340 free milli behind a 650 wait for the rare 320;
3. its shortage: how far the scarcer of CPUs and memory falls short of its r free milli: r max(0, 1 - has/(HEADROOM usual r))^2.

FGD alone sees a host without CPUs only when it is too late, 3 sees it coming. Waste is whole numbers, and where it is
equal the fuller host wins, then the lower index, so that no rounding and no earlier decision changes a placement.
The form of 2 and 3 and HEADROOM were chosen on one workload (openb's multigpu20) and are reported on others.
Rule: pure; numpy and `share_prices` only; no loop over hosts. `Gradient` is the working object of one pass over runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.scheduler import share_prices

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Shares = NDArray[np.int16]

MILLI = share_prices.MILLI
POPULAR = 0.95  # typical demands are the most frequent ones that make up this share of all, as in FGD's artifact
SCALE = 1 << 16  # waste is counted in 1/SCALE milli, and the weights of the typical demands sum to SCALE
HEADROOM = 4 / 3  # CPUs and memory per accelerator below which a host counts as short, in multiples of the usual
PRICE_WEIGHT = 2  # of term 2 against term 1
NO_ROOM = np.int64(2**62)
CHUNK = 1024  # hosts
MOST_COLUMNS = 512  # demands that a Gradient keeps a column of
TIE_BITS = 24  # behind the waste: free milli (14 bits), free CPUs (10 bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one node of a small run asks of its host."""

    cpu_milli: int = 0
    memory: int = 0  # in the unit of the hosts' column
    devices: int = 0  # accelerators
    milli: int = MILLI  # of each of them
    kinds: tuple[int, ...] = ()  # accelerator kinds that will do, () = any

    @property
    def shares_a_device(self) -> bool:
        return self.devices == 1 and self.milli < MILLI


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Typical:
    """The usual demands as columns, and what follows from them alone."""

    cpu_milli: Ints
    memory: Ints
    kinds: Flags | None  # [demand, kind]: which kinds will do; None = all of them for all
    weights: Floats  # [demand, column]: columns 0..levels are its weight from its share upwards, then one per gang
    levels: Ints  # [milli]: how many different shares fit into that many free milli
    gang_devices: Ints  # [gang]: how many devices, for demands that want several
    gang_milli: Ints  # [gang]: how much of each
    prices: Ints  # [milli]: worth of a device's free share
    cpu_milli_per_milli: float  # usual CPU per accelerator share over all demands, CPU-only ones included
    memory_per_milli: float


def typical(history: Mapping[Demand, int], kinds: int = 1) -> Typical:
    """The usual demands of a history (how often each was made); `kinds` is how many accelerator kinds there are."""
    popular = _popular(history)
    total = sum(history[demand] for demand in popular)
    rows = [demand for demand in popular if demand.devices]
    rounded = {demand: history[demand] * SCALE // total for demand in popular}
    shares = sorted({demand.milli for demand in rows if demand.devices == 1})
    gangs = tuple(sorted({(demand.devices, demand.milli) for demand in rows if demand.devices > 1}))
    weights = np.zeros((len(rows), len(shares) + 1 + len(gangs)))
    for row, demand in enumerate(rows):
        weight = rounded[demand] + (SCALE - sum(rounded.values()) if demand == popular[0] else 0)
        if demand.devices == 1:
            weights[row, shares.index(demand.milli) + 1 : len(shares) + 1] = weight
        else:
            weights[row, len(shares) + 1 + gangs.index((demand.devices, demand.milli))] = weight
    asked = sum(demand.devices * demand.milli * count for demand, count in history.items())
    return Typical(
        cpu_milli=np.array([demand.cpu_milli for demand in rows], dtype=np.int64),
        memory=np.array([demand.memory for demand in rows], dtype=np.int64),
        kinds=_allowed(rows, kinds),
        weights=weights,
        levels=np.searchsorted(np.array(shares, dtype=np.int64), np.arange(MILLI + 1), side="right"),
        gang_devices=np.array([devices for devices, _ in gangs], dtype=np.int64),
        gang_milli=np.array([milli for _, milli in gangs], dtype=np.int64),
        prices=_prices(history),
        cpu_milli_per_milli=sum(demand.cpu_milli * count for demand, count in history.items()) / max(1, asked),
        memory_per_milli=sum(demand.memory * count for demand, count in history.items()) / max(1, asked),
    )


def fragments(usual: Typical, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints) -> Floats:
    """FGD's fragments of each host in milli: `share` is [host, device] free milli, -1 where there is no such device."""
    free = np.maximum(share, 0).astype(np.int64)
    return np.asarray(free.sum(axis=1) - _usable(usual, _weights(usual, cpu_milli, memory, kind), free) / SCALE)


def waste(usual: Typical, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints) -> Ints:
    """Waste of each host in 1/SCALE milli: the module's three terms. The arguments are those of `fragments`."""
    free = np.maximum(share, 0).astype(np.int64)
    usable = _usable(usual, _weights(usual, cpu_milli, memory, kind), free)
    total = np.add.reduce(free, axis=1)
    unused = SCALE * total - usable.astype(np.int64)
    worth = np.add.reduce(usual.prices[free], axis=1)
    return np.asarray(unused - worth + _shortage(usual, cpu_milli, memory, total))


class Gradient:
    """The working object: it watches columns of what is free and answers where a demand costs least.

    The columns are the caller's; whoever changes a host's row says so with `placed` or `took`, and only that host is computed anew.
    Costs: a demand's first question O(hosts x typical demands), a later one O(changed hosts x typical demands + hosts).
    """

    def __init__(self, usual: Typical, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints | None = None) -> None:
        self._usual, self._cpu_milli, self._memory, self._share = usual, cpu_milli, memory, share
        self._kind = np.zeros(len(cpu_milli), dtype=np.int64) if kind is None else kind
        self._columns: dict[Demand, _Column] = {}
        self._waste = np.zeros(len(cpu_milli), dtype=np.int64)
        self._changed = np.zeros(len(cpu_milli), dtype=np.int64)  # at which tick each host changed last
        self._tick, self._settled = 1, -1

    def placed(self, host: int) -> None:
        """The row of this host has changed, in whichever way."""
        self._tick += 1
        self._changed[host] = self._tick

    def took(self, demand: Demand, host: int) -> None:
        """The row of this host has changed by what `best` has just said, and by nothing else: cheaper than `placed`."""
        settled = self._settled == self._tick
        self.placed(host)
        if settled:
            self._waste[host] += self._columns[demand].key[host] >> TIE_BITS
            self._settled = self._tick

    def best(self, demand: Demand, mask: Flags | None = None) -> tuple[int, tuple[int, ...]] | None:
        """(host, devices) where the demand makes least waste, among the hosts of the mask; None where it fits nowhere."""
        key = self._column(demand).key
        key = key if mask is None else np.where(mask, key, NO_ROOM)
        host = int(key.argmin()) if key.size else 0
        if not key.size or key[host] == NO_ROOM:
            return None
        return host, self._devices(demand, host)

    def growth(self, demand: Demand) -> Floats:
        """By how many milli waste grows on each host if the demand goes there; infinite where it does not fit."""
        key = self._column(demand).key
        return np.where(key == NO_ROOM, np.inf, (key >> TIE_BITS) / SCALE)

    def _column(self, demand: Demand) -> _Column:
        self._settle()
        column = self._columns.get(demand)
        if column is None:
            if len(self._columns) >= MOST_COLUMNS:
                del self._columns[next(iter(self._columns))]  # the oldest
            column = self._columns[demand] = _Column.of(len(self._waste))
        rows = np.flatnonzero(self._changed > column.tick)
        column.tick = self._tick
        for part in _chunks(rows):
            self._update(column, demand, part)
        return column

    def _settle(self) -> None:
        """Bring the waste of changed hosts up to date."""
        if self._settled == self._tick:
            return
        rows = np.flatnonzero(self._changed > self._settled)
        self._settled = self._tick
        for part in _chunks(rows):
            cpu_milli, memory = self._cpu_milli[part], self._memory[part]
            self._waste[part] = waste(self._usual, cpu_milli, memory, self._share[part], self._kind[part])

    def _update(self, column: _Column, demand: Demand, rows: Ints) -> None:
        """Compute the column anew for these hosts."""
        column.key[rows] = NO_ROOM
        rows = rows[has_room(demand, self._cpu_milli[rows], self._memory[rows], self._share[rows], self._kind[rows])]
        if not rows.size:
            return
        cpu_milli, memory = self._cpu_milli[rows] - demand.cpu_milli, self._memory[rows] - demand.memory
        share, kind = self._share[rows], self._kind[rows]
        if demand.shares_a_device:
            after, column.device[rows] = _on_each_device(self._usual, cpu_milli, memory, share, kind, demand.milli)
        else:
            after = waste(self._usual, cpu_milli, memory, _taken(share, demand), kind)
        free_milli = np.add.reduce(np.maximum(share, 0), axis=1, dtype=np.int64) - demand.devices * demand.milli
        tie = (np.minimum(free_milli, (1 << 14) - 1) << 10) + np.minimum(cpu_milli // MILLI, (1 << 10) - 1)
        column.key[rows] = ((after - self._waste[rows]) << TIE_BITS) + tie

    def _devices(self, demand: Demand, host: int) -> tuple[int, ...]:
        if not demand.devices:
            return ()
        if demand.shares_a_device:
            return (int(self._columns[demand].device[host]),)
        return tightest(self._share[host], demand)


@dataclass(slots=True)
class _Column:
    """What is known of one demand: for each host, the growth of waste with its tie-break, and the device it would get."""

    key: Ints
    device: NDArray[np.int16]
    tick: int = field(default=-1)

    @classmethod
    def of(cls, hosts: int) -> _Column:
        return cls(np.full(hosts, NO_ROOM, dtype=np.int64), np.zeros(hosts, dtype=np.int16))


def _chunks(rows: Ints) -> Iterator[Ints]:
    """Rows in parts whose intermediate arrays stay in the processor's cache: more than twice as fast on 10,000 hosts."""
    return (rows[begin : begin + CHUNK] for begin in range(0, rows.size, CHUNK))


def has_room(demand: Demand, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints) -> Flags:
    """Which of these hosts can take the demand."""
    fits = (cpu_milli >= demand.cpu_milli) & (memory >= demand.memory)
    if demand.devices:
        fits &= np.count_nonzero(share >= demand.milli, axis=1) >= demand.devices
    if demand.kinds:
        fits &= np.isin(kind, demand.kinds)
    return np.asarray(fits)


def tightest(share: Shares, demand: Demand) -> tuple[int, ...]:
    """The devices of one host that fit the demand most tightly, ascending; it must have room."""
    return tuple(sorted(_tightest(share[None, :], demand)[0].tolist()))


def _tightest(share: Shares, demand: Demand) -> NDArray[np.intp]:
    """[host, devices] that fit most tightly; of equal ones the lowest."""
    order = np.argsort(np.where(share >= demand.milli, share, MILLI + 1), axis=1, kind="stable")
    return order[:, : demand.devices]


def _taken(share: Shares, demand: Demand) -> Shares:
    """What is free on each host after the tightest devices took the demand."""
    after = share.copy()
    if demand.devices:
        after[np.arange(len(share))[:, None], _tightest(share, demand)] -= np.int16(demand.milli)
    return after


def _on_each_device(
    usual: Typical, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints, milli: int
) -> tuple[Ints, NDArray[np.intp]]:
    """(waste, device) of each host after its best device, among those with as much free, took `milli`."""
    free = np.maximum(share, 0).astype(np.int64)
    rest = np.maximum(free - milli, 0)
    weights = _weights(usual, cpu_milli, memory, kind)
    before = free * _at(weights, usual.levels[free]) + usual.prices[free]
    worth = rest * _at(weights, usual.levels[rest]) + usual.prices[rest] - before
    worth += np.add.reduce(before, axis=1)[:, None] + _gangs_on_each_device(usual, weights, free, rest)
    value = np.where(free >= milli, worth.astype(np.int64) * 2048 - free, -NO_ROOM)  # of equal ones the tightest
    device = value.argmax(axis=1)
    total = np.add.reduce(free, axis=1) - milli
    best = worth[np.arange(len(free)), device].astype(np.int64)
    return SCALE * total - best + _shortage(usual, cpu_milli, memory, total), device


def _gangs_on_each_device(usual: Typical, weights: Floats, free: Ints, rest: Ints) -> Floats:
    """[host, device] milli, times SCALE, that demands for several devices can use where that device keeps its `rest`."""
    usable = np.zeros(free.shape)
    for column, (devices, least) in enumerate(zip(usual.gang_devices, usual.gang_milli, strict=True)):
        had, has = np.where(free >= least, free, 0), np.where(rest >= least, rest, 0)
        count = np.count_nonzero(had, axis=1)[:, None] - (had > 0) + (has > 0)
        amount = np.add.reduce(had, axis=1)[:, None] - had + has
        usable += weights[:, column - usual.gang_milli.size, None] * (count >= devices) * amount
    return usable


def _weights(usual: Typical, cpu_milli: Ints, memory: Ints, kind: Ints) -> Floats:
    """[host, column] of `Typical.weights`, summed over the demands that the host's CPUs, memory and kind would do for.

    Whole numbers in floats: exact in whichever order the product adds them.
    """
    fits = (cpu_milli[:, None] >= usual.cpu_milli) & (memory[:, None] >= usual.memory)
    if usual.kinds is not None:
        fits &= usual.kinds[:, kind].T
    return np.asarray(fits.astype(np.float64) @ usual.weights)


def _usable(usual: Typical, weights: Floats, free: Ints) -> Floats:
    """Mean free milli, times SCALE, that the typical demands can use on each host."""
    usable = np.add.reduce(free * _at(weights, usual.levels[free]), axis=1)
    if usual.gang_milli.size:
        amount = np.where(free[:, None, :] >= usual.gang_milli[:, None], free[:, None, :], 0)
        enough = np.count_nonzero(amount, axis=2) >= usual.gang_devices
        gangs = weights[:, -usual.gang_milli.size :]
        usable += np.add.reduce(gangs * enough * np.add.reduce(amount, axis=2), axis=1)
    return np.asarray(usable)


def _shortage(usual: Typical, cpu_milli: Ints, memory: Ints, total: Ints) -> Ints:
    """How far the scarcer of CPUs and memory falls short of `total` free milli, in 1/SCALE milli."""
    need = HEADROOM * np.maximum(total, 1)
    has = np.minimum(
        cpu_milli / (need * usual.cpu_milli_per_milli) if usual.cpu_milli_per_milli else 1.0,
        memory / (need * usual.memory_per_milli) if usual.memory_per_milli else 1.0,
    )
    return np.asarray(np.rint(SCALE * total * (1.0 - np.minimum(has, 1.0)) ** 2).astype(np.int64))


def _at(table: Floats, index: Ints) -> Floats:
    """table[host, index[host, device]]"""
    return np.asarray(table.ravel().take(index + (np.arange(len(table)) * table.shape[1])[:, None]))


def _popular(history: Mapping[Demand, int]) -> list[Demand]:
    """The most frequent demands that make up POPULAR of all; of equally frequent ones the smaller first."""
    order = sorted(
        history,
        key=lambda demand: (
            -history[demand],
            demand.devices,
            demand.milli,
            demand.cpu_milli,
            demand.memory,
            demand.kinds,
        ),
    )
    upto = np.cumsum([history[demand] for demand in order])
    return order[: int(np.searchsorted(upto, POPULAR * upto[-1])) + 1] if order else []


def _allowed(rows: list[Demand], kinds: int) -> Flags | None:
    if not any(demand.kinds for demand in rows):
        return None
    return np.array([[not demand.kinds or kind in demand.kinds for kind in range(kinds)] for demand in rows])


def _prices(history: Mapping[Demand, int]) -> Ints:
    """Worth of each free share of a device, in 1/SCALE milli."""
    counts: Counter[int] = Counter()
    for demand, count in history.items():
        if demand.devices == 1:
            counts[demand.milli] += count
    return np.rint(PRICE_WEIGHT * SCALE * MILLI * share_prices.share_prices(counts)).astype(np.int64)
