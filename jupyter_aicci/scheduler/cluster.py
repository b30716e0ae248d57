"""The cluster as the scheduler sees it: hosts, what they have, and what of it is free.

In: what an engine offers, and the placements that are held. Out: a `Cluster` that `decide` reads.
Rule: frozen; taking something gives a new cluster, so that trying costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine: all that runs may use of it, and what is free now."""

    name: str
    address: str  # numeric address that the other nodes reach it by
    cpus: tuple[int, ...]  # CPU numbers
    memory_bytes: int
    accelerator: str = ""  # "" = none, else "h100"
    devices: tuple[str, ...] = ()  # accelerator indices or UUIDs
    shapes: tuple[Shape, ...] = ()  # what it offers
    held_cpus: frozenset[int] = frozenset()
    held_devices: frozenset[str] = frozenset()
    held_bytes: int = 0

    @property
    def free_cpus(self) -> tuple[int, ...]:
        return tuple(cpu for cpu in self.cpus if cpu not in self.held_cpus)

    @property
    def free_devices(self) -> tuple[str, ...]:
        return tuple(device for device in self.devices if device not in self.held_devices)

    @property
    def free_bytes(self) -> int:
        return max(0, self.memory_bytes - self.held_bytes)

    def offers(self, name: str) -> bool:
        return any(shape.name == name for shape in self.shapes)

    def room(self, shape: Shape) -> int:
        """How many nodes of the shape fit into what is free."""
        if not self.offers(shape.name) or (shape.accelerators and shape.accelerator != self.accelerator):
            return 0
        rooms = [len(self.free_cpus) // shape.cpus] if shape.cpus else []
        rooms += [len(self.free_devices) // shape.accelerators] if shape.accelerators else []
        rooms += [self.free_bytes // shape.memory_bytes] if shape.memory_bytes else []
        return min(rooms, default=0)  # a shape that asks for nothing is none

    def take(self, shape: Shape, index: int) -> tuple[Host, NodePlacement]:
        """One node of the shape, as node `index` of its gang: the lowest free CPUs and devices. Needs `room`."""
        cpus, devices = self.free_cpus[: shape.cpus], self.free_devices[: shape.accelerators]
        node = NodePlacement(index=index, host=self.name, address=self.address, cpus=cpus, devices=devices)
        return self.without(node, shape), node

    def without(self, node: NodePlacement, shape: Shape) -> Host:
        """This host while `node` is held."""
        return replace(
            self,
            held_cpus=self.held_cpus | set(node.cpus),
            held_devices=self.held_devices | set(node.devices),
            held_bytes=self.held_bytes + shape.memory_bytes,
        )

    def emptied(self) -> Host:
        """This host with nothing held."""
        return replace(self, held_cpus=frozenset(), held_devices=frozenset(), held_bytes=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """All hosts that one engine can place nodes on."""

    hosts: tuple[Host, ...]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Every shape on offer, once; accelerators first, then the smallest first."""
        known = {shape.name: shape for host in self.hosts for shape in host.shapes}
        return tuple(sorted(known.values(), key=lambda shape: (not shape.accelerators, shape.slots, shape.name)))

    def without(self, placements: Iterable[Placement]) -> Cluster:
        """The cluster while these placements are held."""
        hosts = {host.name: host for host in self.hosts}
        for placement in placements:
            for node in placement.nodes:
                if node.host in hosts:
                    hosts[node.host] = hosts[node.host].without(node, placement.shape)
        return Cluster(hosts=tuple(hosts[host.name] for host in self.hosts))

    def emptied(self) -> Cluster:
        """The cluster as it is when nothing runs: what fits here fits some day."""
        return Cluster(hosts=tuple(host.emptied() for host in self.hosts))

    def room(self, shape: Shape) -> int:
        """How many nodes of the shape fit into what is free."""
        return sum(host.room(shape) for host in self.hosts)

    def place(self, shape: Shape, nodes: int) -> tuple[NodePlacement, ...]:
        """A whole gang on the fewest hosts, or () if it does not fit."""
        if self.room(shape) < nodes:
            return ()
        placed: list[NodePlacement] = []
        # A host that takes the rest whole and has least to spare comes first, else the roomiest.
        rooms = [(host.room(shape), host) for host in self.hosts]
        while len(placed) < nodes:
            rest = nodes - len(placed)
            rooms.sort(key=lambda item: (item[0] < rest, item[0] if item[0] >= rest else -item[0], item[1].name))
            room, host = rooms.pop(0)
            for _ in range(min(room, rest)):
                host, node = host.take(shape, len(placed))
                placed.append(node)
        return tuple(placed)
