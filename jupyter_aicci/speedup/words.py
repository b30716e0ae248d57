"""The frontier in words: what figure and picture show, for who cannot see them, and what stands beside each point.

In: points. Out: lines of text. Pure; imports model and this room only.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_aicci.model.text import NOT_SET, duration, money, number
from jupyter_aicci.speedup.frontier import MICRO, WORK, Point, frontier

MEASURES = ("per_s", "per_currency", "per_kwh")


def things(point: Point) -> str:
    """`samples`, or `steps` where the batch is not known."""
    return point.unit.removesuffix("/s")


def bar_name(point: Point) -> str:
    """`h100x8 ×4 est.`"""
    return f"{point.label}{' est.' * point.estimated}"


def measure_title(measure: str, points: Sequence[Point]) -> str:
    """`samples for one USD`"""
    what = things(points[0]) if points else "samples"
    currency = points[0].currency if points else "unit of currency"
    ends = {"per_s": "a second", "per_currency": f"for one {currency}", "per_kwh": "for one kWh"}
    return f"{what} {ends[measure]}"


def short(value: float) -> str:
    """Three significant places: `0.091`, `20.5k`, `2.22M`."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if 9.995 * 1e3 <= abs(value) < 1e9 and abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return number(float(f"{value:.3g}"))


def amount(point: Point, measure: str) -> str:
    """`1,240`, `free`, `price not set`, `–`"""
    value = getattr(point, measure)
    if value is not None:
        return short(value)
    if measure == "per_currency":
        return NOT_SET if point.per_h_micro is None else "free"
    return "–"


def point_text(point: Point, *, best: bool = False) -> str:
    """One line of one point."""
    parts = [f"{amount(point, 'per_s')} {point.unit}"]
    if point.cost is not None:
        parts.append(f"{WORK:,} {things(point)} in {duration(point.time_h * 3_600)} for {_money(point)}")
    else:
        parts.append(NOT_SET)
    if point.per_kwh is not None:
        parts.append(f"{amount(point, 'per_kwh')} {things(point)} for one kWh")
    marks = [mark for mark, is_so in (("estimated", point.estimated), ("on the frontier", best)) if is_so]
    return f"{point.label}, {point.ranks} ranks: {', '.join(parts)}" + (f" ({', '.join(marks)})" if marks else "")


def frontier_text(points: Sequence[Point]) -> str:
    """Every point, a line each, fastest first."""
    best = {id(point) for point in frontier(points)}
    lines = [
        point_text(point, best=id(point) in best) for point in sorted(points, key=lambda one: (-one.per_s, one.label))
    ]
    return (
        "\n".join(["Time against cost", *lines]) if lines else "Nothing was measured, so there is nothing to compare."
    )


def _money(point: Point) -> str:
    return money(round((point.cost or 0.0) * MICRO), point.currency) if point.cost else "nothing"
