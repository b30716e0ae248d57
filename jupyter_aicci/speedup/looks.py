"""How kinds of accelerators and the frontier are drawn, alike in figure and picture.

In: points. Out: marker and colour by kind, corners of a line. Rule: needs no drawing library.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_aicci.speedup.frontier import Point, frontier
from jupyter_aicci.timeline.colours import AMBER, BLUE, GREEN, RED, VIOLET, Colour

MARKERS = ("circle", "square", "triangle", "diamond", "star")
COLOURS = (BLUE, AMBER, GREEN, VIOLET, RED)


def looks(points: Sequence[Point]) -> dict[str, tuple[str, Colour]]:
    """Marker and colour of each kind of accelerator, in order of appearance."""
    kinds = list(dict.fromkeys(point.accelerator for point in points))
    return {kind: (MARKERS[place % len(MARKERS)], COLOURS[place % len(COLOURS)]) for place, kind in enumerate(kinds)}


def steps(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Corners of the frontier: (hours, cost) from the fastest to the cheapest."""
    best = [point for point in frontier(points) if point.cost]
    return [point.time_h for point in best], [point.cost or 0.0 for point in best]
