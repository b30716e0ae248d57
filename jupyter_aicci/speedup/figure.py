"""Time against cost as a page that opens offline, with samples a second, for one unit of currency and for one kWh beside it.

In: points. Out: one HTML text with BokehJS inside. Measured points are full, forecasts hollow with their interval; kinds of
accelerators differ by marker as well as by colour; the frontier is a stepped line. The same in words stands above the charts.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from bokeh.embed import file_html
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d
from bokeh.models.widgets.markups import Div
from bokeh.plotting import figure as bokeh_figure
from bokeh.resources import INLINE

from jupyter_aicci.speedup.frontier import WORK, Point, frontier
from jupyter_aicci.speedup.looks import looks, steps
from jupyter_aicci.speedup.words import MEASURES, amount, frontier_text, measure_title, point_text, things
from jupyter_aicci.timeline.colours import THEMES

HEIGHT_PX, BAR_PX, LEFT_PX = 340, 26, 120
TITLE = "Time against cost"


def page(points: Sequence[Point]) -> str:
    """The whole page."""
    lines = "<br>".join(html.escape(line) for line in frontier_text(points).splitlines()[1:])
    head = Div(text=f"<h2>{TITLE}</h2><p>{lines}</p>")
    charts: list[Any] = [head]
    if any(point.cost for point in points):
        charts.append(_scatter(points))
    if points:
        charts.append(row(*(_bars(points, measure) for measure in MEASURES), sizing_mode="stretch_width"))
    return str(file_html(column(*charts, sizing_mode="stretch_width"), INLINE, TITLE))


def _scatter(points: Sequence[Point]) -> Any:
    theme, priced = THEMES["light"], [point for point in points if point.cost]
    fig: Any = bokeh_figure(
        title=f"{WORK:,} {things(priced[0])}: time and cost", height=HEIGHT_PX, sizing_mode="stretch_width",
        x_axis_type="log", y_axis_type="log", x_axis_label="hours", y_axis_label=priced[0].currency,
        toolbar_location=None, outline_line_color=None, min_border_left=LEFT_PX, tools="pan,wheel_zoom,box_zoom,reset",
    )  # fmt: skip
    best = {id(point) for point in frontier(points)}
    fig.step(*steps(points), mode="after", color=theme.muted, line_dash="dashed", legend_label="frontier")
    for kind, (marker, colour) in looks(priced).items():
        for estimated in (False, True):
            some = [one for one in priced if one.accelerator == kind and one.estimated is estimated]
            if not some:
                continue
            source = ColumnDataSource(
                {
                    "hours": [one.time_h for one in some],
                    "cost": [one.cost for one in some],
                    "text": [point_text(one, best=id(one) in best) for one in some],
                    "fastest": [_hours_at(one, one.hi_per_s) for one in some],
                    "slowest": [_hours_at(one, one.lo_per_s) for one in some],
                    "label": [one.label for one in some],
                }
            )
            fig.segment("fastest", "cost", "slowest", "cost", source=source, color=colour.light, alpha=0.5)
            drawn = fig.scatter(
                "hours", "cost", source=source, marker=marker, size=11, line_color=colour.light, line_width=1.5,
                fill_color=theme.background if estimated else colour.light,
                legend_label=f"{kind or 'no accelerator'}{', estimated' if estimated else ''}",
            )  # fmt: skip
            fig.text("hours", "cost", "label", source=source, x_offset=9, y_offset=4, text_font_size="11px")
            fig.add_tools(HoverTool(renderers=[drawn], tooltips="@text", visible=False))
    fig.grid.grid_line_color = theme.grid
    fig.legend.location = "top_right"
    return fig


def _hours_at(point: Point, per_s: float | None) -> float:
    return point.time_h * point.per_s / per_s if per_s else point.time_h


def _bars(points: Sequence[Point], measure: str) -> Any:
    theme, kinds = THEMES["light"], looks(points)
    names = [f"{point.label}{' est.' * point.estimated} #{place + 1}" for place, point in enumerate(points)]
    values = [getattr(point, measure) or 0.0 for point in points]
    fig: Any = bokeh_figure(
        title=measure_title(measure, points), height=70 + BAR_PX * len(points), sizing_mode="stretch_width",
        y_range=FactorRange(factors=list(reversed(names))), x_range=Range1d(start=0, end=1.3 * max(values) or 1.0),
        toolbar_location=None, tools="", outline_line_color=None,
    )  # fmt: skip
    source = ColumnDataSource(
        {
            "name": names,
            "value": values,
            "text": [amount(point, measure) for point in points],
            "fill": [theme.background if point.estimated else kinds[point.accelerator][1].light for point in points],
            "line": [kinds[point.accelerator][1].light for point in points],
        }
    )
    fig.hbar("name", right="value", height=0.6, source=source, fill_color="fill", line_color="line")
    fig.text("value", "name", "text", source=source, x_offset=5, y_offset=6, text_font_size="11px")
    fig.grid.grid_line_color = None
    fig.xaxis.visible = False
    return fig
