"""Hosts and the tree they hang on: all of a cluster that does not change while runs come and go.

Rule: hosts stand in the order of their topology paths, so that each domain of each level is a slice of every array.
Others keep beside it what they work out from it alone; what of it is free is in `free`, which this module does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.bandwidth import links_of
from jupyter_aicci.scheduler.topology import Link, Tree, tree_of


class NodeState(StrEnum):
    """Whether something may start on a host."""

    READY = "ready"
    DRAINING = "draining"  # what runs there may end there; nothing new starts
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine: all that runs may use of it."""

    name: str
    address: str = ""  # numeric address that the other nodes reach it by
    cpus: tuple[int, ...] = ()  # numbers of CPUs that nodes are pinned to
    cpu_milli: int = 0  # CPUs that are counted instead of pinned, in thousandths
    memory_bytes: int = 0
    accelerator: str = ""  # "" = none, else "h100"
    devices: tuple[str, ...] = ()  # accelerator indices or UUIDs
    shapes: tuple[Shape, ...] = ()  # what it offers; () = any shape that fits
    path: tuple[str, ...] = ()  # domains from the root downwards: ("zone-1", "spine-2", "leaf-07")
    state: NodeState = NodeState.READY
    only_shapes: frozenset[str] = frozenset()  # taint: keeps itself for these; empty = any
    numa: tuple[int, ...] = ()  # NUMA node of each device; () = not known
    nvlink: tuple[int, ...] = ()  # NVLink domain of each device; () = one for all

    @property
    def all_cpu_milli(self) -> int:
        return self.cpu_milli or 1000 * len(self.cpus)

    @property
    def slots(self) -> int:
        """Parts of equal size that it is divided into where the future is planned: its accelerators, else its CPUs."""
        return len(self.devices) or max(1, self.all_cpu_milli // 1000)

    def accepts(self, shape: Shape) -> bool:
        """Whether nodes of the shape may start here, room or not."""
        if self.state is not NodeState.READY or (self.only_shapes and shape.name not in self.only_shapes):
            return False
        if shape.accelerators and shape.accelerator not in ("", self.accelerator):
            return False
        return not self.shapes or any(shape.name == offered.name for offered in self.shapes)


class Fabric:
    """What stays as it is while runs come and go: hosts in tree order, their capacities, the shapes on offer."""

    def __init__(
        self, hosts: Sequence[Host], levels: Sequence[str], links: Sequence[Link], shapes: Sequence[Shape]
    ) -> None:
        self.hosts = tuple(sorted(hosts, key=lambda host: (host.path, host.name)))
        self.index = {host.name: at for at, host in enumerate(self.hosts)}
        self.tree: Tree = tree_of([host.path for host in self.hosts], [host.name for host in self.hosts], levels)
        self.links = links_of(self.tree.levels, links)
        self.slots = np.array([host.slots for host in self.hosts], dtype=np.int64)
        alike = {_likeness(host): host for host in self.hosts}
        self._alike = tuple(alike.values())  # one host of each kind
        number = {key: at for at, key in enumerate(alike)}
        self._group = np.array([number[_likeness(host)] for host in self.hosts], dtype=np.int64)
        self._known = {shape.name: shape for host in self._alike for shape in host.shapes}
        self._known |= {shape.name: shape for shape in shapes}
        self._accepting: dict[Shape, np.ndarray] = {}
        self.chosen: dict[Any, Any] = {}  # kind of run -> the shapes that it may get, kept by choose.choices
        self.lowest: dict[tuple[Shape, int], int] = {}  # (shape, nodes) -> the lowest level that can hold the gang
        self.quotas: dict[Any, Any] = {}  # queues -> the tree of them over all that there is, kept by turns.quota_tree
        self.untaken: Any = None  # what is free when nothing runs, kept by free.whole_of
        self.best: dict[tuple[Shape, int], int] = {}  # (shape, nodes) -> the best bandwidth that such a gang can have

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Every shape on offer, once; accelerators first, then the smallest first."""
        return tuple(sorted(self._known.values(), key=lambda shape: (not shape.accelerators, shape.slots, shape.name)))

    def accepting(self, shape: Shape) -> np.ndarray:
        """bool[N]: hosts where nodes of the shape may start, room or not."""
        found = self._accepting.get(shape)
        if found is None:
            found = np.array([host.accepts(shape) for host in self._alike], dtype=bool)[self._group]
            self._accepting[shape] = found
        return found


def _likeness(host: Host) -> tuple[object, ...]:
    """All that `Host.accepts` looks at; hosts of a cluster have few kinds, and their shapes are one object."""
    return id(host.shapes), host.state, host.only_shapes, host.accelerator
