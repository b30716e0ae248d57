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
class LevelBandwidth:
    """What one level of the topology leaves of the ring's bandwidth."""

    level: str  # "leaf"
    where: str  # "leaf-a", "across spine-1"
    bus_bytes_per_s: int
    ratio: float  # of the best that the gang could have, at most 1

    def to_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "where": self.where,
            "bus_bytes_per_s": self.bus_bytes_per_s,
            "ratio": self.ratio,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """The bus bandwidth that a ring all-reduce over the gang gets, from a model of its links: never measured."""

    bus_bytes_per_s: int  # as nccl-tests counts it; 0 = nothing crosses a link
    best_bytes_per_s: int  # the same for this shape and size on the emptied cluster
    best_ratio: float  # bus / best, at most 1
    limited_by: str  # name of the level that the bus bandwidth is from, "" = none
    levels: tuple[LevelBandwidth, ...]  # from "host" upwards, those that something crosses
    estimated: bool = True

    @property
    def text(self) -> str:
        """`leaf-a, leaf-b: 100 %; across spine-1: 46 %`; the inside of hosts only where it is not at its best, or all."""
        worth = [level for level in self.levels if level.level != "host" or level.ratio < 1.0] or self.levels
        return "; ".join(f"{level.where}: {level.ratio * 100:.0f} %" for level in worth) or "nothing crosses a link"

    def to_json(self) -> dict[str, Any]:
        return {
            "bus_bytes_per_s": self.bus_bytes_per_s,
            "best_bytes_per_s": self.best_bytes_per_s,
            "best_ratio": self.best_ratio,
            "limited_by": self.limited_by,
            "levels": [level.to_json() for level in self.levels],
            "estimated": self.estimated,
            "text": self.text,
        }


def bandwidth_from_json(data: dict[str, Any]) -> Bandwidth:
    """The bandwidth that `Bandwidth.to_json` wrote."""
    return Bandwidth(
        bus_bytes_per_s=int(data["bus_bytes_per_s"]),
        best_bytes_per_s=int(data["best_bytes_per_s"]),
        best_ratio=float(data["best_ratio"]),
        limited_by=data["limited_by"],
        levels=tuple(
            LevelBandwidth(
                level=level["level"],
                where=level["where"],
                bus_bytes_per_s=int(level["bus_bytes_per_s"]),
                ratio=float(level["ratio"]),
            )
            for level in data["levels"]
        ),
        estimated=bool(data["estimated"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A whole gang placed at once."""

    shape: Shape
    ranks_per_node: int
    nodes: tuple[NodePlacement, ...]
    why: str = ""  # in words, for the run card
    bandwidth: Bandwidth | None = None  # None = nobody estimated it

    @property
    def world_size(self) -> int:
        return self.ranks_per_node * len(self.nodes)

    def to_json(self) -> dict[str, Any]:
        return {
            "shape": self.shape.to_json(),
            "ranks_per_node": self.ranks_per_node,
            "nodes": [node.to_json() for node in self.nodes],
            "why": self.why,
            "bandwidth": self.bandwidth.to_json() if self.bandwidth else None,
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
        bandwidth=bandwidth_from_json(data["bandwidth"]) if data.get("bandwidth") else None,
    )
