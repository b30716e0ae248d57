"""The cluster as the scheduler sees it: hosts, the tree they hang on, and what of it is free.

In: what an engine offers, and the placements that are held. Out: a `Cluster` that `decide` reads.
Rule: a cluster is a value. Taking something gives a new one, so that trying costs nothing; `Fabric`, all that does not change
while runs come and go, is shared between them.
Imports `model` and the tree; knows no queues and no runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.fabric import Fabric, Host
from jupyter_aicci.scheduler.free import Free, whole_of
from jupyter_aicci.scheduler.topology import Link


@dataclass(frozen=True, slots=True)
class Cluster:
    """All hosts that one engine can place nodes on, and what of them is free."""

    fabric: Fabric
    free: Free = field(compare=False)

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.fabric.hosts

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self.fabric.shapes

    def without(self, placements: Iterable[Placement]) -> Cluster:
        """The cluster while these placements are held, too."""
        free = self.free.copy()
        for placement in placements:
            free.take(placement)
        return Cluster(self.fabric, free)

    def released(self, placements: Iterable[Placement]) -> Cluster:
        """The cluster after these placements are given back."""
        free = self.free.copy()
        for placement in placements:
            free.give(placement)
        return Cluster(self.fabric, free)

    def emptied(self) -> Cluster:
        """The cluster as it is when nothing runs: what fits here fits some day."""
        return Cluster(self.fabric, whole_of(self.fabric))

    def room(self, shape: Shape) -> int:
        """How many nodes of the shape fit into what is free."""
        return int(self.free.room(shape).sum())

    def node(self, placement: NodePlacement) -> Host | None:
        """The host that a placed node is on, None where it is gone."""
        at = self.fabric.index.get(placement.host)
        return None if at is None else self.fabric.hosts[at]


def cluster_of(
    hosts: Sequence[Host], *, levels: Sequence[str] = (), links: Sequence[Link] = (), shapes: Sequence[Shape] = ()
) -> Cluster:
    """The cluster of these hosts with nothing held; `shapes` are on offer beside those that hosts name themselves.

    `levels` names the elements of the hosts' paths, `links` says what each level carries.
    """
    fabric = Fabric(hosts, levels, links, shapes)
    return Cluster(fabric, whole_of(fabric))
