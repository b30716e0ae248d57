"""What is free on every host, as arrays that one decision works on.

Rule 1: a `Free` is changed by `take`, `give` and `place` only; whoever wants to try something copies it first.
Rule 2: what does not belong to a known host (it left the cluster while something ran there) is passed over.
Room for a shape is remembered, and counted again where something was taken or given when it is next asked for; there are
few shapes and many hosts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.devices import pick
from jupyter_aicci.scheduler.fabric import Fabric, Host
from jupyter_aicci.scheduler.fit import Picks

MILLI = 1000  # a whole accelerator, a whole CPU
MOST_ROOMS = 16  # shapes whose room is kept; with more of them it is cheaper to count again


class Free:
    """Free CPUs, memory and accelerators of N hosts. Arrays are int64[N]; `share` is int16[N, most devices of a host]."""

    __slots__ = ("_rooms", "_stale", "cpu_milli", "cpus", "fabric", "memory", "share", "whole")

    def __init__(
        self,
        fabric: Fabric,
        cpu_milli: np.ndarray,
        memory: np.ndarray,
        share: np.ndarray,
        cpus: dict[int, tuple[int, ...]],
    ) -> None:
        self.fabric, self.cpu_milli, self.memory, self.share = fabric, cpu_milli, memory, share
        self.whole = (share == MILLI).sum(axis=1) if share.size else np.zeros(len(cpu_milli), dtype=np.int64)
        self.cpus = cpus  # host -> free CPU numbers, of hosts that have lent some
        self._rooms: dict[Shape, np.ndarray] = {}
        self._stale: dict[Shape, list[np.ndarray]] = {}  # hosts whose room is to be counted again

    def copy(self) -> Free:
        """The same, to be changed."""
        new = object.__new__(Free)
        new.fabric, new.cpus = self.fabric, self.cpus.copy()
        new.cpu_milli, new.memory = self.cpu_milli.copy(), self.memory.copy()
        new.share, new.whole = self.share.copy(), self.whole.copy()
        new._rooms = {shape: self.room(shape).copy() for shape in self._rooms}
        new._stale = {shape: [] for shape in self._rooms}
        return new

    def room(self, shape: Shape) -> np.ndarray:
        """int64[N]: how many nodes of the shape each host takes now. Not to be changed, and true until something is taken."""
        room = self._rooms.get(shape)
        if room is None:
            if len(self._rooms) >= MOST_ROOMS:
                self._rooms.clear()
                self._stale.clear()
            room = self._rooms[shape] = self._count(shape, slice(None))
            room[~self.fabric.accepting(shape)] = 0
            self._stale[shape] = []
        elif stale := self._stale[shape]:
            hosts = stale[0] if len(stale) == 1 else np.concatenate(stale)
            room[hosts] = self._count(shape, hosts) * self.fabric.accepting(shape)[hosts]
            stale.clear()
        return room

    def place(self, shape: Shape, picks: Picks, columns: tuple[int, ...] | None = None) -> tuple[NodePlacement, ...]:
        """Take the picked nodes; which CPUs and devices each got. Needs room for them. `columns`: the devices of a single node."""
        nodes: list[NodePlacement] = []
        rows = self.share[picks.hosts].tolist()
        for at, count, row in zip(picks.hosts.tolist(), picks.counts.tolist(), rows, strict=True):
            host = self.fabric.hosts[at]
            for _ in range(count):
                devices = self._lend_devices(shape, host, row, columns) if shape.accelerators else ()
                cpus = self._lend_cpus(shape, host, at) if host.cpus and shape.cpus else ()
                nodes.append(
                    NodePlacement(index=len(nodes), host=host.name, address=host.address, cpus=cpus, devices=devices)
                )
        self.cpu_milli[picks.hosts] -= picks.counts * shape.cpu_milli
        self.memory[picks.hosts] -= picks.counts * shape.memory_bytes
        if shape.accelerators:
            self.share[picks.hosts] = rows
        self._touched(picks.hosts, devices=shape.accelerators > 0)
        return tuple(nodes)

    def take(self, placement: Placement) -> None:
        """These nodes are held."""
        self._move(placement, -1)

    def give(self, placement: Placement) -> None:
        """These nodes are free again."""
        self._move(placement, 1)

    def _lend_devices(
        self, shape: Shape, host: Host, row: list[int], columns: tuple[int, ...] | None
    ) -> tuple[str, ...]:
        """The devices that a node gets; `row`: the free milli of each, from which its part is taken."""
        taken = columns or _columns(shape, row, host)
        for column in taken:
            row[column] -= shape.accelerator_milli
        return host.devices if len(taken) == len(host.devices) else tuple([host.devices[column] for column in taken])

    def _lend_cpus(self, shape: Shape, host: Host, at: int) -> tuple[int, ...]:
        mine = self.cpus.get(at, host.cpus)
        self.cpus[at] = mine[shape.cpus :]
        return mine[: shape.cpus]

    def _move(self, placement: Placement, sign: int) -> None:
        shape, touched = placement.shape, list[int]()
        rows, columns = list[int](), list[int]()
        for node in placement.nodes:
            at = self.fabric.index.get(node.host)
            if at is None:
                continue
            touched.append(at)
            host = self.fabric.hosts[at]
            if node.cpus:
                mine = self.cpus.get(at, host.cpus)
                kept = set(mine) | set(node.cpus) if sign > 0 else set(mine) - set(node.cpus)
                self.cpus[at] = tuple(sorted(kept))
            if node.devices:
                mine_too = _columns_of(host.devices, node.devices)
                rows += [at] * len(mine_too)
                columns += mine_too
        if not touched:
            return
        hosts = np.array(touched, dtype=np.int64)
        np.add.at(self.cpu_milli, hosts, sign * shape.cpu_milli)
        np.add.at(self.memory, hosts, sign * shape.memory_bytes)
        if rows:
            np.add.at(self.share, (rows, columns), sign * shape.accelerator_milli)
        self._touched(hosts, devices=bool(rows))

    def _touched(self, hosts: np.ndarray, *, devices: bool) -> None:
        """Something changed on these hosts; `devices`: not only in CPUs and memory."""
        if devices:
            self.whole[hosts] = (self.share[hosts] == MILLI).sum(axis=1)
        for stale in self._stale.values():
            stale.append(hosts)

    def _count(self, shape: Shape, at: slice | np.ndarray) -> np.ndarray:
        """Nodes of the shape that fit on these hosts, accepted there or not; a shape that asks for nothing is none."""
        rooms: list[np.ndarray] = []
        if shape.accelerators:
            rooms.append(self._count_devices(shape, at))
        if shape.cpu_milli:
            rooms.append(self.cpu_milli[at] // shape.cpu_milli)
        if shape.memory_bytes:
            rooms.append(self.memory[at] // shape.memory_bytes)
        if not rooms:
            return np.zeros_like(self.cpu_milli[at])
        least = rooms[0]
        for room in rooms[1:]:
            least = np.minimum(least, room)
        rooms_left: np.ndarray = np.maximum(least, 0)
        return rooms_left

    def _count_devices(self, shape: Shape, at: slice | np.ndarray) -> np.ndarray:
        rooms: np.ndarray
        if shape.accelerator_milli == MILLI:
            rooms = self.whole[at] // shape.accelerators
        elif shape.accelerators == 1:  # several nodes may share a device
            rooms = (np.maximum(self.share[at], 0) // shape.accelerator_milli).sum(axis=1)
        else:
            rooms = (self.share[at] >= shape.accelerator_milli).sum(axis=1) // shape.accelerators
        return rooms


def _columns(shape: Shape, row: list[int], host: Host) -> tuple[int, ...]:
    """Which devices of a host a node gets; a share goes to the device that it leaves least of."""
    if shape.accelerator_milli == MILLI:
        free = tuple([column for column, milli in enumerate(row) if milli == MILLI])
        return free if len(free) == shape.accelerators else _picked(free, shape.accelerators, host.numa, host.nvlink)
    fitting = [(milli, column) for column, milli in enumerate(row) if milli >= shape.accelerator_milli]
    return tuple(sorted(column for _, column in sorted(fitting)[: shape.accelerators]))


@lru_cache(maxsize=4096)  # hosts that are alike come in few states
def _picked(free: tuple[int, ...], count: int, numa: tuple[int, ...], nvlink: tuple[int, ...]) -> tuple[int, ...]:
    return pick(free, count, numa=numa, nvlink=nvlink)


def _columns_of(devices: tuple[str, ...], names: tuple[str, ...]) -> list[int]:
    """Where these devices stand among those of their host; one that is not there any more is passed over."""
    if names == devices:
        return list(range(len(devices)))
    return [devices.index(name) for name in names if name in devices]


def whole_of(fabric: Fabric) -> Free:
    """What is free when nothing runs. Not to be changed: it is made once."""
    if fabric.untaken is None:
        fabric.untaken = _whole(fabric)
    whole: Free = fabric.untaken
    return whole


def _whole(fabric: Fabric) -> Free:
    hosts = fabric.hosts
    most = max((len(host.devices) for host in hosts), default=0)
    share = np.array([_row(len(host.devices), most) for host in hosts], dtype=np.int16).reshape(len(hosts), most)
    cpu_milli = np.array([host.all_cpu_milli for host in hosts], dtype=np.int64)
    memory = np.array([host.memory_bytes for host in hosts], dtype=np.int64)
    return Free(fabric, cpu_milli, memory, share, {})


def _row(devices: int, most: int) -> Iterable[int]:
    return [MILLI] * devices + [-1] * (most - devices)
