"""Which shape a run gets, and with how many ranks: its own names tried in order, or the smallest that does for `auto`.

In: the fabric of a cluster and the kind of a run. Out: `Choice`s in the order in which they are tried.
Rule: what is chosen does not depend on what is free, so that a run's shape is known while it waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.fabric import Fabric
from jupyter_aicci.scheduler.fit import fit
from jupyter_aicci.scheduler.free import whole_of
from jupyter_aicci.scheduler.runs import Kind

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One shape that the run may get."""

    shape: Shape
    ranks_per_node: int
    why: str


def choices(fabric: Fabric, kind: Kind) -> tuple[Choice, ...]:
    """The shapes that take the run's ranks and of which the emptied cluster holds a whole gang, best first."""
    found: tuple[Choice, ...] | None = fabric.chosen.get(kind)
    if found is None:
        found = fabric.chosen[kind] = tuple(_choices(fabric, kind))
    return found


def _choices(fabric: Fabric, kind: Kind) -> list[Choice]:
    found: list[Choice] = []
    for name in kind.shapes:
        fitting = [choice for choice in candidates(fabric, kind, name) if fits_ever(fabric, kind, choice.shape)]
        found += fitting[:1] if name == AUTO else fitting
    return found


def fits_ever(fabric: Fabric, kind: Kind, shape: Shape) -> bool:
    """Whether the smallest gang that the run may be fits when nothing runs."""
    level = highest_level(fabric, kind)
    return level is not None and fit(fabric.tree, whole_of(fabric).room(shape), kind.sizes[-1], level) is not None


def fits_now(cluster: Cluster, kind: Kind) -> bool:
    """Whether the smallest gang that the run may be fits into what is free."""
    fabric, level = cluster.fabric, highest_level(cluster.fabric, kind) or 0
    rooms = (cluster.free.room(choice.shape) for choice in choices(fabric, kind))
    return any(fit(fabric.tree, room, kind.sizes[-1], level) is not None for room in rooms)


def highest_level(fabric: Fabric, kind: Kind) -> int | None:
    """The level of the tree under one domain of which the gang must be; 0 = the whole cluster, None = there is no such level."""
    if not kind.hard_level:
        return 0
    levels = fabric.tree.levels
    return levels.index(kind.hard_level) if kind.hard_level in levels else None


def candidates(fabric: Fabric, kind: Kind, name: str) -> tuple[Choice, ...]:
    """The shapes that one name of `--shape` may mean and that take the run's ranks on a node, best first."""
    shapes = [shape for shape in fabric.shapes if name in (AUTO, shape.name)]
    return tuple(
        Choice(shape=shape, ranks_per_node=ranks_on(shape, kind), why=_why(shape, kind, name))
        for shape in shapes
        if ranks_on(shape, kind) <= shape.slots
    )


def ranks_on(shape: Shape, kind: Kind) -> int:
    """Ranks on each node of the shape: as asked, else one per accelerator, else one."""
    return kind.ranks_per_node or shape.accelerators or 1


def _why(shape: Shape, kind: Kind, name: str) -> str:
    if name != AUTO:
        return "as asked"
    ranks = ranks_on(shape, kind)
    return f"the smallest shape that takes {ranks} rank{'s' if ranks > 1 else ''} a node"
