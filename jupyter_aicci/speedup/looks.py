"""How kinds of accelerators, axes and the frontier are drawn, alike in figure and picture.

In: points. Out: marker and colour by kind, ticks, corners of a line. Rule: needs no drawing library; what cannot stand on one
axis (samples beside steps, dollars beside yuan) is drawn apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jupyter_aicci.speedup.frontier import Point, frontier
from jupyter_aicci.timeline.colours import AMBER, BLUE, GREEN, RED, VIOLET, Colour

MARKERS = ("circle", "square", "triangle", "diamond", "star")
COLOURS = (BLUE, AMBER, GREEN, VIOLET, RED)
LEFT, RIGHT = 0.06, 0.22  # of an axis's length, kept free: names stand to the right of their points
FEWEST_TICKS = 3


def looks(points: Sequence[Point]) -> dict[str, tuple[str, Colour]]:
    """Marker and colour of each kind of accelerator, in order of appearance."""
    kinds = list(dict.fromkeys(point.accelerator for point in points))
    return {kind: (MARKERS[place % len(MARKERS)], COLOURS[place % len(COLOURS)]) for place, kind in enumerate(kinds)}


def groups(points: Sequence[Point]) -> list[list[Point]]:
    """Points that stand on the same axes: of one unit and one currency, in order of appearance."""
    keys = dict.fromkeys((point.unit, point.currency) for point in points)
    return [[point for point in points if (point.unit, point.currency) == key] for key in keys]


def steps(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Corners of the frontier: (hours, cost) from the fastest to the cheapest."""
    best = [point for point in frontier(points) if point.cost]
    return [point.time_h for point in best], [point.cost or 0.0 for point in best]


def ends_h(point: Point) -> tuple[float, float]:
    """Hours at the fast and at the slow end of its interval."""
    return tuple(point.time_h * point.per_s / (per_s or point.per_s) for per_s in (point.hi_per_s, point.lo_per_s))  # type: ignore[return-value]


def bounds(values: Sequence[float], *, before: float = LEFT, after: float = RIGHT) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds `values` with room beside them."""
    least, most = min(values), max(values)
    span = math.log(most / least) or math.log(4.0)
    whole = span / (1.0 - before - after)
    middle = most if most > least else most * 2.0
    return least * math.exp(-before * whole), middle * math.exp(after * whole)


def ticks(lo: float, hi: float) -> list[float]:
    """Round numbers on a logarithmic axis: 1, 2, 5 of each power of ten, or, where that is too few, even steps."""
    tens = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    found = [n * 10.0**ten for ten in tens for n in (1, 2, 5) if lo <= n * 10.0**ten <= hi]
    if len(found) >= FEWEST_TICKS:
        return found
    size = 10.0 ** math.floor(math.log10((hi - lo) / FEWEST_TICKS))
    step = next(n * size for n in (1, 2, 5, 10) if (hi - lo) / (n * size) <= 2 * FEWEST_TICKS)
    return [n * step for n in range(math.ceil(lo / step), math.floor(hi / step) + 1)]
