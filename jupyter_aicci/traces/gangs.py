"""A trace on a cluster: how many nodes of which shape each job takes, and the hosts that offer these shapes.

In: a `Trace`, and a number of hosts or a topology, with so many accelerators on each. Out: `Gangs` and `Host`s.
Rule 1: a trace that only counts accelerators is divided evenly over as few nodes as can be, so that 12 on hosts of 8 are
two nodes of 6. Rule 2: a job that the emptied cluster could not hold is an error of the trace, told with its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.fabric import Host, NodeState
from jupyter_aicci.scheduler.topology import Place, Topology
from jupyter_aicci.traces.table import Ints, bad_trace
from jupyter_aicci.traces.trace import Trace

ACCELERATOR = "gpu"
MOST_HOSTS = 65_536
MOST_PER_HOST = 1_024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gangs:
    """Nodes of each job, and accelerators of each of them."""

    nodes: Ints
    per_node: Ints

    @property
    def units(self) -> Ints:
        return self.nodes * self.per_node

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Every shape that is asked for, the smallest first."""
        return tuple(shape_of(int(count)) for count in np.unique(self.per_node))


def gangs(trace: Trace, *, hosts: int, per_host: int) -> Gangs:
    """The gangs of a trace on so many hosts. Raises `UserError` (bad_trace) for jobs that these could never hold."""
    per_node = np.where(trace.nodes > 0, trace.gpus // np.maximum(trace.nodes, 1), 0)
    open_ones = np.flatnonzero(trace.nodes == 0)
    asked, where = np.unique(trace.gpus[open_ones], return_inverse=True)
    per_node[open_ones] = np.array([_per_node(int(count), per_host) for count in asked], dtype=np.int64)[where]
    nodes = trace.gpus // per_node
    too_large = np.flatnonzero((per_node > per_host) | (nodes > hosts * (per_host // per_node)))
    if len(too_large):
        defects = [
            f"row {trace.rows[i]}, {trace.field}: {trace.gpus[i]} accelerators ({nodes[i]} x {per_node[i]}) "
            f"do not fit into {hosts} host{'s' if hosts > 1 else ''} with {per_host} each"
            for i in too_large.tolist()
        ]
        raise bad_trace(trace.source, defects, hint="A larger --nodes or --gpus would hold them.")
    return Gangs(nodes=nodes, per_node=per_node)


def _per_node(count: int, per_host: int) -> int:
    """The most accelerators on a node that divide `count` evenly."""
    return next(size for size in range(min(count, per_host), 0, -1) if count % size == 0)


def shape_of(per_node: int) -> Shape:
    """The shape with so many accelerators; CPUs and memory are not in a trace, so it asks for none."""
    return Shape(name=f"{ACCELERATOR}x{per_node}", accelerator=ACCELERATOR, accelerators=per_node, cpus=0)


def flat_hosts(count: int, per_host: int) -> tuple[Host, ...]:
    """So many hosts that are alike, named by number, each with so many accelerators."""
    _check("nodes", count, MOST_HOSTS)
    width = len(str(count - 1))
    return _hosts({f"host-{index:0{width}}": Place() for index in range(count)}, per_host)


def mapped_hosts(topology: Topology, per_host: int) -> tuple[Host, ...]:
    """The hosts of a topology file, each with so many accelerators."""
    return _hosts(topology.places, per_host)


def _hosts(places: Mapping[str, Place], per_host: int) -> tuple[Host, ...]:
    _check("gpus", per_host, MOST_PER_HOST)
    devices = tuple(map(str, range(per_host)))
    return tuple(
        Host(
            name=name, path=place.path, state=NodeState(place.state), only_shapes=place.only_shapes,
            accelerator=ACCELERATOR, devices=devices,
        )
        for name, place in places.items()
    )  # fmt: skip


def _check(field: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise UserError("bad_cluster", f"--{field} {count}: expected 1 to {most}. Nothing was played.", field=field)
