"""Placements: the nodes and devices an attempt gets, and what that placement costs in bandwidth.

Rule: what `scheduler.decide` hands to an engine; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.shapes import Shape, shape_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlacement:
    """One node of the gang: the host it is on and its devices there."""

    index: int  # node rank within the gang
    host: str
    address: str  # numeric address that the other nodes reach it by
    cpus: tuple[int, ...] = ()  # CPU numbers, empty = not pinned
    devices: tuple[str, ...] = ()  # accelerator indices or UUIDs

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "host": self.host,
            "address": self.address,
            "cpus": list(self.cpus),
            "devices": list(self.devices),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A whole gang placed at once."""

    shape: Shape
    ranks_per_node: int
    nodes: tuple[NodePlacement, ...]
    why: str = ""  # in words, for the run card

    @property
    def world_size(self) -> int:
        return self.ranks_per_node * len(self.nodes)

    def to_json(self) -> dict[str, Any]:
        return {
            "shape": self.shape.to_json(),
            "ranks_per_node": self.ranks_per_node,
            "nodes": [node.to_json() for node in self.nodes],
            "why": self.why,
        }


def placement_from_json(data: dict[str, Any]) -> Placement:
    """The placement that `Placement.to_json` wrote."""
    return Placement(
        shape=shape_from_json(data["shape"]),
        ranks_per_node=int(data["ranks_per_node"]),
        nodes=tuple(
            NodePlacement(
                index=int(node["index"]),
                host=node["host"],
                address=node["address"],
                cpus=tuple(node["cpus"]),
                devices=tuple(node["devices"]),
            )
            for node in data["nodes"]
        ),
        why=data["why"],
    )
