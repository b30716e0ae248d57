"""Time against cost as a page that opens offline, with samples a second, for one unit of currency and for one kWh beside it.

In: points. Out: one HTML text with BokehJS inside, light or dark as the reader's system is. Measured points are full,
forecasts hollow with their interval; kinds of accelerators differ by marker as well as by colour; the frontier is a stepped
line. The same in words stands above the charts. Rule: the page asks for nothing; its own policy forbids every request.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from bokeh.embed import json_item
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure as bokeh_figure
from bokeh.resources import Resources

from jupyter_aicci.speedup.frontier import WORK, Point, frontier
from jupyter_aicci.speedup.looks import bounds, ends_h, groups, looks, steps, ticks
from jupyter_aicci.speedup.words import (
    MEASURES,
    amount,
    bar_name,
    frontier_text,
    measure_title,
    point_text,
    short,
    things,
)
from jupyter_aicci.timeline.colours import THEMES, Theme

HEIGHT_PX, BAR_PX, LEFT_PX, SIZE_PX = 340, 26, 120, 11
FONT_PX = "11px"
TITLE = "Time against cost"
POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
SCRIPT = """(() => {
const figures = JSON.parse(document.getElementById("figures").textContent), dark = matchMedia("(prefers-color-scheme: dark)")
let views = null
const draw = async () => {
  views?.clear()
  const charts = document.getElementById("charts"), name = dark.matches ? "dark" : "light"
  charts.replaceChildren()
  views = await Bokeh.embed.embed_item(figures[name], charts)
  document.body.dataset.drawn = name
}
dark.addEventListener("change", draw)
draw()
})()
"""


def page(points: Sequence[Point]) -> str:
    """The whole page."""
    drawn = {name: dict(json_item(_charts(points, THEMES[name]))) for name in ("light", "dark")}
    data = json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c")  # no tag can begin in it
    said = frontier_text(points).splitlines()
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in said[1:] or said)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{TITLE}</title>
<style>{_colours("light")}@media (prefers-color-scheme: dark){{{_colours("dark")}}}
body{{font:13px/1.5 system-ui,-apple-system,Helvetica,Arial,sans-serif;margin:16px auto;max-width:1200px;padding:0 16px}}
h1{{font-size:1.4em}}ul{{list-style:none;margin:0 0 16px;padding:0}}</style>
</head>
<body>
<h1>{TITLE}</h1>
<ul>{lines}</ul>
<div id="charts"></div>
<script id="figures" type="application/json">{data}</script>
<script>{chr(10).join(Resources(mode="inline", components=["bokeh"]).js_raw)}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _colours(name: str) -> str:
    theme = THEMES[name]
    return f"body{{background:{theme.background};color:{theme.text}}}"


def _charts(points: Sequence[Point], theme: Theme) -> Any:
    charts: list[Any] = []
    for some in groups(points):
        charts += [_scatter(some, theme)] if any(point.cost for point in some) else []
        charts.append(row(*(_bars(some, measure, theme) for measure in MEASURES), sizing_mode="stretch_width"))
    return column(*charts, sizing_mode="stretch_width")


def _scatter(points: Sequence[Point], theme: Theme) -> Any:
    priced = [point for point in points if point.cost]
    fig = _empty(
        f"{WORK:,} {things(priced[0])}: time and cost", theme, height=HEIGHT_PX, x_axis_type="log", y_axis_type="log"
    )
    sides = ((fig.x_range, fig.xaxis, [end for one in priced for end in ends_h(one)], "hours"),
             (fig.y_range, fig.yaxis, [one.cost or 0.0 for one in priced], priced[0].currency))  # fmt: skip
    for span, axis, values, label in sides:
        span.start, span.end = bounds(values, after=0.22 if label == "hours" else 0.1)
        marks = ticks(span.start, span.end)
        axis.ticker, axis.axis_label = FixedTicker(ticks=marks), label
        axis.major_label_overrides = {mark: short(mark) for mark in marks}
    best = {id(point) for point in frontier(points)}
    fig.step(*steps(points), mode="after", color=theme.muted, line_dash="dashed", legend_label="frontier")
    for kind in looks(points):
        for estimated in (False, True):
            some = [one for one in priced if one.accelerator == kind and one.estimated is estimated]
            if some:
                _marks(fig, some, best, points, theme)
    fig.add_layout(fig.legend[0], "right")
    fig.legend[0].update(
        background_fill_alpha=0, border_line_color=None, label_text_color=theme.text, label_text_font_size=FONT_PX
    )
    return fig


def _marks(fig: Any, some: Sequence[Point], best: set[int], points: Sequence[Point], theme: Theme) -> None:
    """Points of one kind, all measured or all forecast."""
    kind, estimated = some[0].accelerator, some[0].estimated
    marker, colour = looks(points)[kind][0], looks(points)[kind][1].of(theme.palette)
    fastest, slowest = zip(*map(ends_h, some), strict=True)
    source = ColumnDataSource(
        {
            "hours": [one.time_h for one in some],
            "cost": [one.cost for one in some],
            "text": [point_text(one, best=id(one) in best) for one in some],
            "fastest": fastest,
            "slowest": slowest,
            "label": [one.label for one in some],
        }
    )
    fig.segment("fastest", "cost", "slowest", "cost", source=source, color=colour, alpha=0.5)
    drawn = fig.scatter(
        "hours", "cost", source=source, marker=marker, size=SIZE_PX, line_color=colour, line_width=1.5,
        fill_color=theme.background if estimated else colour,
        legend_label=f"{kind or 'no accelerator'}{', estimated' if estimated else ''}",
    )  # fmt: skip
    fig.text(
        "hours", "cost", "label", source=source, x_offset=8, y_offset=-4, text_font_size=FONT_PX, text_color=theme.text
    )
    fig.add_tools(HoverTool(renderers=[drawn], tooltips="@text", visible=False))


def _bars(points: Sequence[Point], measure: str, theme: Theme) -> Any:
    kinds, places = looks(points), [-place for place in range(len(points))]
    values = [getattr(point, measure) or 0.0 for point in points]
    colours = [kinds[point.accelerator][1].of(theme.palette) for point in points]
    fig = _empty(measure_title(measure, points), theme, height=70 + BAR_PX * len(points))
    fig.y_range, fig.x_range = (
        Range1d(start=-len(points) + 0.4, end=0.6),
        Range1d(start=0, end=1.35 * max(values) or 1.0),
    )
    fig.yaxis.ticker = FixedTicker(ticks=places)
    fig.yaxis.major_label_overrides = dict(zip(places, map(bar_name, points), strict=True))
    source = ColumnDataSource(
        {
            "place": places,
            "value": values,
            "text": [amount(point, measure) for point in points],
            "fill": [
                theme.background if point.estimated else colour for point, colour in zip(points, colours, strict=True)
            ],
            "line": colours,
        }
    )
    fig.hbar("place", right="value", height=0.6, source=source, fill_color="fill", line_color="line")
    fig.text(
        "value",
        "place",
        "text",
        source=source,
        x_offset=5,
        text_baseline="middle",
        text_font_size=FONT_PX,
        text_color=theme.text,
    )
    fig.grid.grid_line_color = None
    fig.xaxis.visible = False
    return fig


def _empty(title: str, theme: Theme, **more: Any) -> Any:
    """A figure in the theme's colours."""
    fig: Any = bokeh_figure(
        title=title, sizing_mode="stretch_width", toolbar_location=None, tools="", outline_line_color=None, min_border_left=LEFT_PX,
        background_fill_color=theme.background, border_fill_color=theme.background, **more,
    )  # fmt: skip
    fig.title.text_color = theme.text
    fig.grid.grid_line_color = theme.grid
    for axis in fig.axis:
        axis.update(
            axis_line_color=theme.muted, major_tick_line_color=theme.muted, minor_tick_line_color=None,
            major_label_text_color=theme.text, axis_label_text_color=theme.text,
        )  # fmt: skip
    return fig
