"""Time against cost as a PNG: what a notebook keeps; the same marks as `figure.py`.

Drawn with matplotlib's Agg canvas and no pyplot, so that nobody's figures are touched.
In: points. Out: PNG bytes; equal points give equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jupyter_aicci.speedup.frontier import WORK, Point
from jupyter_aicci.speedup.looks import looks, steps
from jupyter_aicci.speedup.words import MEASURES, amount, measure_title, short, things
from jupyter_aicci.timeline.colours import THEMES

MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "star": "*"}
THEME = THEMES["light"]
WIDTH_IN, SCATTER_IN, BAR_IN, DPI = 8.4, 2.9, 0.28, 130


def picture(points: Sequence[Point]) -> bytes:
    """The charts as PNG bytes."""
    priced = [point for point in points if point.cost]
    bars_in = 0.55 + BAR_IN * len(points)
    heights = [SCATTER_IN, bars_in] if priced else [bars_in]
    figure = Figure(figsize=(WIDTH_IN, sum(heights)), dpi=DPI, layout="constrained", facecolor=THEME.background)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(heights), len(MEASURES), height_ratios=heights)
    if priced:
        _scatter(figure.add_subplot(grid[0, :]), priced)
    for place, measure in enumerate(MEASURES):
        _bars(figure.add_subplot(grid[-1, place]), points, measure, named=place == 0)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _scatter(axes: Any, priced: Sequence[Point]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    hours, cost = steps(priced)
    axes.step(hours, cost, where="post", color=THEME.muted, linestyle="--", linewidth=1, label="frontier")
    for kind, (marker, colour) in looks(priced).items():
        for estimated in (False, True):
            some = [one for one in priced if one.accelerator == kind and one.estimated is estimated]
            if not some:
                continue
            axes.scatter(
                [one.time_h for one in some], [one.cost for one in some], marker=MARKERS[marker], s=45,
                facecolor=THEME.background if estimated else colour.light, edgecolor=colour.light, linewidth=1.3, zorder=3,
                label=f"{kind or 'no accelerator'}{', estimated' if estimated else ''}",
            )  # fmt: skip
            for one in some:
                ends = [one.time_h * one.per_s / (per_s or one.per_s) for per_s in (one.lo_per_s, one.hi_per_s)]
                axes.plot(ends, [one.cost, one.cost], color=colour.light, alpha=0.5, linewidth=1)
                axes.annotate(one.label, (one.time_h, one.cost), xytext=(7, 3), textcoords="offset points", fontsize=7)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: short(value))
        axis.set_minor_formatter(lambda value, _: short(value))
    axes.margins(x=0.12, y=0.12)
    axes.set_title(f"{WORK:,} {things(priced[0])}: time and cost", fontsize=9, loc="left", color=THEME.text)
    axes.set_xlabel("hours", fontsize=8)
    axes.set_ylabel(priced[0].currency, fontsize=8)
    axes.grid(color=THEME.grid, which="both", linewidth=0.5)
    axes.tick_params(labelsize=7, which="both")
    axes.legend(fontsize=7, frameon=False)


def _bars(axes: Any, points: Sequence[Point], measure: str, *, named: bool) -> None:
    kinds, places = looks(points), range(len(points))
    values = [getattr(point, measure) or 0.0 for point in points]
    axes.barh(
        places, values, height=0.6, edgecolor=[kinds[point.accelerator][1].light for point in points],
        color=[THEME.background if point.estimated else kinds[point.accelerator][1].light for point in points],
    )  # fmt: skip
    for place, point in enumerate(points):
        axes.annotate(
            amount(point, measure),
            (values[place], place),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=7,
            va="center",
        )
    axes.set_yticks(list(places), [f"{point.label}{' est.' * point.estimated}" for point in points] if named else [])
    axes.set_xlim(0, 1.35 * max(values, default=0.0) or 1.0)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.tick_params(labelsize=7)
    axes.set_title(measure_title(measure, points), fontsize=8, loc="left", color=THEME.text)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
