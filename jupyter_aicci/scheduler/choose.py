"""Which shape a run gets, and with how many ranks: its own names tried in order, or the smallest that does for `auto`.

In: a cluster and a waiting run. Out: `Choice`s in the order in which they are tried.
Rule: what is chosen does not depend on what is free, so that a run's shape is known while it waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Waiting

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One shape that the run may get."""

    shape: Shape
    ranks_per_node: int
    why: str


def choices(cluster: Cluster, run: Waiting) -> tuple[Choice, ...]:
    """The shapes that take the run's ranks and of which the emptied cluster holds enough, best first."""
    empty, found = cluster.emptied(), []
    for name in run.shapes:
        fitting = [choice for choice in candidates(cluster, run, name) if empty.room(choice.shape) >= run.sizes[-1]]
        found += fitting[:1] if name == AUTO else fitting
    return tuple(found)


def candidates(cluster: Cluster, run: Waiting, name: str) -> tuple[Choice, ...]:
    """The shapes that one name of `--shape` may mean and that take the run's ranks on a node, best first."""
    shapes = [shape for shape in cluster.shapes if name in (AUTO, shape.name)]
    return tuple(
        Choice(shape=shape, ranks_per_node=ranks_on(shape, run), why=_why(shape, run, name))
        for shape in shapes
        if ranks_on(shape, run) <= shape.slots
    )


def ranks_on(shape: Shape, run: Waiting) -> int:
    """Ranks on each node of the shape: as asked, else one per accelerator, else one."""
    return run.ranks_per_node or shape.accelerators or 1


def _why(shape: Shape, run: Waiting, name: str) -> str:
    if name != AUTO:
        return "as asked"
    ranks = ranks_on(shape, run)
    return f"the smallest shape that takes {ranks} rank{'s' if ranks > 1 else ''} a node"


def place(cluster: Cluster, run: Waiting, choices: tuple[Choice, ...]) -> Placement | None:
    """The best placement that what is free allows: most nodes first, then the order of the choices."""
    most = max((cluster.room(choice.shape) for choice in choices), default=0)  # a typed count may be absurd
    for nodes in range(min(run.nodes, most), run.sizes[-1] - 1, -1):
        for choice in choices:
            placed = cluster.place(choice.shape, nodes)
            if placed:
                fewer = f"; {nodes} of {run.nodes} nodes, what is free now" if nodes < run.nodes else ""
                return Placement(
                    shape=choice.shape, ranks_per_node=choice.ranks_per_node, nodes=placed, why=choice.why + fewer
                )
    return None
