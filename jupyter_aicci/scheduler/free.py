"""What is free on every host, as arrays that one decision works on.

Rule 1: a `Free` is changed by `take`, `give` and `place` only; whoever wants to try something copies it first.
Rule 2: what does not belong to a known host (it left the cluster while something ran there) is passed over.
Room for a shape is remembered, and set right where something was taken or given; there are few shapes and many hosts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.devices import pick

if TYPE_CHECKING:
    from jupyter_aicci.scheduler.cluster import Fabric
    from jupyter_aicci.scheduler.fit import Picks

MILLI = 1000  # a whole accelerator, a whole CPU
MOST_ROOMS = 16  # shapes whose room is kept; with more of them it is cheaper to count again


class Free:
    """Free CPUs, memory and accelerators of N hosts. Arrays are int64[N]; `share` is int16[N, most devices of a host]."""

    __slots__ = ("_rooms", "cpu_milli", "cpus", "fabric", "memory", "share", "whole")

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

    def copy(self) -> Free:
        """The same, to be changed."""
        new = object.__new__(Free)
        new.fabric, new.cpus = self.fabric, self.cpus.copy()
        new.cpu_milli, new.memory = self.cpu_milli.copy(), self.memory.copy()
        new.share, new.whole = self.share.copy(), self.whole.copy()
        new._rooms = {shape: room.copy() for shape, room in self._rooms.items()}
        return new

    def room(self, shape: Shape) -> np.ndarray:
        """int64[N]: how many nodes of the shape each host takes now. Not to be changed."""
        room = self._rooms.get(shape)
        if room is None:
            if len(self._rooms) >= MOST_ROOMS:
                self._rooms.clear()
            room = self._count(shape, slice(None))
            room[~self.fabric.accepting(shape)] = 0
            self._rooms[shape] = room
        return room

    def place(self, shape: Shape, picks: Picks, columns: tuple[int, ...] | None = None) -> tuple[NodePlacement, ...]:
        """Take the picked nodes; which CPUs and devices each got. Needs room for them. `columns`: the devices of a single node."""
        nodes: list[NodePlacement] = []
        for at, count in zip(picks.hosts.tolist(), picks.counts.tolist(), strict=True):
            for _ in range(count):
                nodes.append(self._place_node(shape, at, len(nodes), columns))
        self._touched(picks.hosts)
        return tuple(nodes)

    def take(self, placement: Placement) -> None:
        """These nodes are held."""
        self._move(placement, -1)

    def give(self, placement: Placement) -> None:
        """These nodes are free again."""
        self._move(placement, 1)

    def _place_node(self, shape: Shape, at: int, index: int, columns: tuple[int, ...] | None) -> NodePlacement:
        host = self.fabric.hosts[at]
        cpus: tuple[int, ...] = ()
        if host.cpus and shape.cpus:
            mine = self.cpus.get(at, host.cpus)
            cpus, self.cpus[at] = mine[: shape.cpus], mine[shape.cpus :]
        if shape.accelerators:
            row = self.share[at].tolist()
            columns = columns or _columns(shape, row, host.numa, host.nvlink)
            for column in columns:
                self.share[at, column] -= shape.accelerator_milli
                self.whole[at] -= row[column] == MILLI
        self.cpu_milli[at] -= shape.cpu_milli
        self.memory[at] -= shape.memory_bytes
        return NodePlacement(
            index=index,
            host=host.name,
            address=host.address,
            cpus=cpus,
            devices=tuple(host.devices[column] for column in columns or ()),
        )

    def _move(self, placement: Placement, sign: int) -> None:
        shape, touched = placement.shape, []
        for node in placement.nodes:
            at = self.fabric.index.get(node.host)
            if at is None:
                continue
            touched.append(at)
            host = self.fabric.hosts[at]
            self.cpu_milli[at] += sign * shape.cpu_milli
            self.memory[at] += sign * shape.memory_bytes
            if node.cpus:
                mine = self.cpus.get(at, host.cpus)
                kept = set(mine) | set(node.cpus) if sign > 0 else set(mine) - set(node.cpus)
                self.cpus[at] = tuple(sorted(kept))
            for device in node.devices:
                if device in host.devices:
                    self._move_device(at, host.devices.index(device), sign * shape.accelerator_milli)
        if touched:
            self._touched(np.array(touched, dtype=np.int64))

    def _move_device(self, at: int, column: int, milli: int) -> None:
        was = int(self.share[at, column])
        self.share[at, column] = was + milli
        self.whole[at] += (was + milli == MILLI) - (was == MILLI)

    def _touched(self, hosts: np.ndarray) -> None:
        for shape, room in self._rooms.items():
            room[hosts] = self._count(shape, hosts) * self.fabric.accepting(shape)[hosts]

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


def _columns(shape: Shape, row: list[int], numa: tuple[int, ...], nvlink: tuple[int, ...]) -> tuple[int, ...]:
    """Which devices of a host a node gets; a share goes to the device that it leaves least of."""
    if shape.accelerator_milli == MILLI:
        free = tuple(column for column, milli in enumerate(row) if milli == MILLI)
        return free if len(free) == shape.accelerators else pick(free, shape.accelerators, numa=numa, nvlink=nvlink)
    fitting = [(milli, column) for column, milli in enumerate(row) if milli >= shape.accelerator_milli]
    return tuple(sorted(column for _, column in sorted(fitting)[: shape.accelerators]))


def free_of(fabric: Fabric) -> Free:
    """What is free when nothing runs."""
    hosts = fabric.hosts
    most = max((len(host.devices) for host in hosts), default=0)
    share = np.array([_row(len(host.devices), most) for host in hosts], dtype=np.int16).reshape(len(hosts), most)
    cpu_milli = np.array([host.all_cpu_milli for host in hosts], dtype=np.int64)
    memory = np.array([host.memory_bytes for host in hosts], dtype=np.int64)
    return Free(fabric, cpu_milli, memory, share, {})


def _row(devices: int, most: int) -> Iterable[int]:
    return [MILLI] * devices + [-1] * (most - devices)
