"""Time against cost: which sizes and shapes are worth their money, on one axis whatever the chip.

In: points, measured or forecast. Out: those that no other beats in both time and cost. NVIDIA and Ascend meet in samples a second,
samples for one unit of currency, and samples for one kWh. Rule: a price or a power that is not known stays unknown, never 0.
Pure; imports nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MICRO = 1_000_000
J_PER_KWH = 3_600_000.0
S_PER_H = 3_600.0
WORK = 1_000_000  # samples (or steps) whose time and cost are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One size of one shape."""

    label: str  # "h100x8 ×2"
    accelerator: str
    nodes: int
    ranks: int
    per_s: float  # samples a second, or steps where the batch is not known
    unit: str  # "samples/s", "steps/s"
    per_h_micro: int | None  # None = not known
    currency: str
    power_w: float | None = None
    estimated: bool = False
    lo_per_s: float | None = None
    hi_per_s: float | None = None

    @property
    def time_h(self) -> float:
        """Hours for `WORK`."""
        return WORK / self.per_s / S_PER_H

    @property
    def cost(self) -> float | None:
        """Currency units for `WORK`."""
        return None if self.per_h_micro is None else self.time_h * self.per_h_micro / MICRO

    @property
    def per_currency(self) -> float | None:
        """Samples (or steps) for one unit of currency; None where it is free or the price is not known."""
        return self.per_s * S_PER_H * MICRO / self.per_h_micro if self.per_h_micro else None

    @property
    def per_kwh(self) -> float | None:
        """Samples (or steps) for one kWh of the accelerators; None where their power was not measured."""
        return self.per_s * J_PER_KWH / self.power_w if self.power_w else None

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "accelerator": self.accelerator,
            "nodes": self.nodes,
            "ranks": self.ranks,
            "per_s": self.per_s,
            "lo_per_s": self.lo_per_s,
            "hi_per_s": self.hi_per_s,
            "unit": self.unit,
            "per_h_micro": self.per_h_micro,
            "currency": self.currency,
            "per_currency": self.per_currency,
            "per_kwh": self.per_kwh,
            "estimated": self.estimated,
        }


def point_from_json(data: dict[str, Any]) -> Point:
    """The point that `Point.to_json` wrote; its power follows from what it does for a kWh."""
    power_w = data["per_s"] * J_PER_KWH / data["per_kwh"] if data["per_kwh"] else None
    kept = {key: value for key, value in data.items() if key not in ("per_currency", "per_kwh", "best")}
    return Point(**kept, power_w=power_w)


def frontier(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those that no other point beats: as fast or faster and as cheap or cheaper, and better in one. Fastest first.

    Points of different units or currencies are not compared, and without a price there is no place on it.
    """
    return tuple(
        sorted(
            (one for one in points if one.cost is not None and not any(_beats(other, one) for other in points)),
            key=lambda one: (-one.per_s, one.cost or 0.0, one.label),
        )
    )


def _beats(one: Point, other: Point) -> bool:
    if one.cost is None or other.cost is None or (one.unit, one.currency) != (other.unit, other.currency):
        return False
    better = one.per_s > other.per_s or one.cost < other.cost
    return better and one.per_s >= other.per_s and one.cost <= other.cost
