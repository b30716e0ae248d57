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
from jupyter_aicci.speedup.looks import bounds, ends_h, groups, looks, steps, ticks
from jupyter_aicci.speedup.words import MEASURES, amount, bar_name, measure_title, short, things
from jupyter_aicci.timeline.colours import THEMES

MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "star": "*"}
THEME = THEMES["light"]
WIDTH_IN, SCATTER_IN, BAR_IN, DPI = 8.4, 2.9, 0.28, 130


def picture(points: Sequence[Point]) -> bytes:
    """The charts as PNG bytes."""
    rows = [(kind, some) for some in groups(points) for kind in ("scatter", "bars") if kind == "bars" or _priced(some)]
    heights = [SCATTER_IN if kind == "scatter" else 0.55 + BAR_IN * len(some) for kind, some in rows]
    figure = Figure(figsize=(WIDTH_IN, sum(heights)), dpi=DPI, layout="constrained", facecolor=THEME.background)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), len(MEASURES), height_ratios=heights)
    for place, (kind, some) in enumerate(rows):
        if kind == "scatter":
            _scatter(figure.add_subplot(grid[place, :]), some)
        else:
            for column, measure in enumerate(MEASURES):
                _bars(figure.add_subplot(grid[place, column]), some, measure, named=column == 0)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _priced(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.cost]


def _scatter(axes: Any, points: Sequence[Point]) -> None:
    priced = _priced(points)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.step(*steps(points), where="post", color=THEME.muted, linestyle="--", linewidth=1, label="frontier")
    for kind, (marker, colour) in looks(points).items():
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
                axes.plot(ends_h(one), [one.cost, one.cost], color=colour.light, alpha=0.5, linewidth=1)
                axes.annotate(one.label, (one.time_h, one.cost), xytext=(7, 3), textcoords="offset points", fontsize=7)
    _scale(axes.xaxis, axes.set_xlim, bounds([end for one in priced for end in ends_h(one)], after=0.14))
    _scale(axes.yaxis, axes.set_ylim, bounds([one.cost or 0.0 for one in priced], after=0.1))
    axes.set_title(f"{WORK:,} {things(priced[0])}: time and cost", fontsize=9, loc="left", color=THEME.text)
    axes.set_xlabel("hours", fontsize=8)
    axes.set_ylabel(priced[0].currency, fontsize=8)
    axes.grid(color=THEME.grid, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _scale(axis: Any, limit: Any, ends: tuple[float, float]) -> None:
    """Ends and ticks of a logarithmic axis."""
    limit(*ends)
    marks = ticks(*ends)
    axis.set_ticks(marks, [short(mark) for mark in marks])
    axis.set_ticks([], minor=True)


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
    axes.set_yticks(list(places), list(map(bar_name, points)) if named else [])
    axes.set_xlim(0, 1.35 * max(values, default=0.0) or 1.0)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.tick_params(labelsize=7)
    axes.set_title(measure_title(measure, points), fontsize=8, loc="left", color=THEME.text)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
