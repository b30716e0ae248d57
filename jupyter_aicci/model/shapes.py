"""Shapes: what one node of a run gets, and at which price.

Rule: a shape is data; which shapes a host offers is the engine's answer, what they cost the price book's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BOUNDARIES = ("start", "clock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """How a provider rounds the time of one allocation (a node of an attempt) when it closes."""

    increment_s: int = 0  # billed in whole increments, each that has begun; 0 = to the nanosecond
    minimum_s: int = 0  # billed at least, once an allocation
    boundary: str = "start"  # increments count from the allocation's start, or from the clock (UTC): each one touched

    def to_json(self) -> dict[str, Any]:
        return {"increment_s": self.increment_s, "minimum_s": self.minimum_s, "boundary": self.boundary}


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one node of a shape costs, copied into the run when it is submitted and never looked up again.

    A price that nobody has set is not zero: `known` is false, and whatever adds it up says so.
    """

    micro_per_h: int  # integer micro-units of `currency` per node and hour; 0 where it is not known
    currency: str = "USD"
    source: str = "this machine's own shapes are free unless a price is set"
    dated: str = ""  # ISO date of the price book
    known: bool = True
    # "set" by the user; "catalogue" or "imported" = a list price that nobody here was charged; "" = this machine's own
    confidence: str = ""
    billing: Billing = Billing()

    @property
    def listed(self) -> bool:
        """Whether it is what a provider asks of everybody, and not what somebody here said that it costs."""
        return self.confidence in ("catalogue", "imported")

    def to_json(self) -> dict[str, Any]:
        return {
            "micro_per_h": self.micro_per_h if self.known else None,
            "currency": self.currency,
            "source": self.source,
            "dated": self.dated,
            "confidence": self.confidence,
            "billing": self.billing.to_json(),
        }


def price_from_json(data: dict[str, Any]) -> Price:
    """The price that `Price.to_json` wrote."""
    amount = data["micro_per_h"]
    return Price(
        micro_per_h=int(amount or 0),
        currency=data["currency"],
        source=data["source"],
        dated=data["dated"],
        known=amount is not None,
        confidence=data["confidence"],
        billing=Billing(**data["billing"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One node's share of a host: accelerators, CPUs, memory."""

    name: str  # "cpux2", "h100x8"
    accelerator: str = ""  # "h100", "ascend910b"; "" = none, or with `accelerators` any kind
    accelerators: int = 0
    accelerator_milli: int = 1000  # share of each accelerator, in thousandths
    cpus: int = 1
    cpu_share_milli: int = 0  # CPU time beside whole CPUs, in thousandths of a CPU
    memory_bytes: int = 0
    nvlink: bool = False
    rdma_nics: int = 0
    price: Price = Price(micro_per_h=0)

    def __hash__(self) -> int:
        return hash(self.name)  # asked for thousands of times in one scheduling decision

    @property
    def slots(self) -> int:
        """Most ranks that a node of this shape takes: one per accelerator, else one per CPU."""
        return self.accelerators or self.cpus or 1

    @property
    def cpu_milli(self) -> int:
        """All CPU time of a node, in thousandths of a CPU."""
        return 1000 * self.cpus + self.cpu_share_milli

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "accelerator": self.accelerator,
            "accelerators": self.accelerators,
            "accelerator_milli": self.accelerator_milli,
            "cpus": self.cpus,
            "cpu_share_milli": self.cpu_share_milli,
            "memory_bytes": self.memory_bytes,
            "nvlink": self.nvlink,
            "rdma_nics": self.rdma_nics,
            "price": self.price.to_json(),
        }


def shape_from_json(data: dict[str, Any]) -> Shape:
    """The shape that `Shape.to_json` wrote."""
    return Shape(
        name=data["name"],
        accelerator=data["accelerator"],
        accelerators=int(data["accelerators"]),
        accelerator_milli=int(data.get("accelerator_milli", 1000)),
        cpus=int(data["cpus"]),
        cpu_share_milli=int(data.get("cpu_share_milli", 0)),
        memory_bytes=int(data["memory_bytes"]),
        nvlink=bool(data["nvlink"]),
        rdma_nics=int(data["rdma_nics"]),
        price=price_from_json(data["price"]),
    )
