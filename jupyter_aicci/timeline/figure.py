"""The live chart: one Bokeh figure with all lanes of a view stacked on one time axis.

The y axis is pixels from the top (`layout`), so a phase bar is a quad between two pixel numbers and a series lane is a
line on a range of its own over the whole frame (`lanes.lane_range`): data sources keep seconds and raw values.
The names below are the wire to the TypeScript, which moves deltas into them and computes nothing else:

| name | model | what a delta changes |
|---|---|---|
| `lane:<id>` | ColumnDataSource | phases: columns t0, t1, phase; series: columns t, v (null is NaN, a break) |
| `range:<id>` | Range1d | start, end = lane_range(lo, hi, band, total); tags: [top, bottom, total] |
| `range:x` | Range1d | end and reset_end, while the reader has not zoomed; a double click goes back to reset_end |
| `lanes` | axis with the lane names | nothing |
| `values` | axis with the latest values | major_label_overrides, tick -> value; tags: [[lane id, tick], …] |

Tooltips stand outside the figure in the page, whose stylesheet colours them: `.bk-Tooltip { --tooltip-color: …;
--tooltip-text: …; --tooltip-border: … }`.
Rule: imports bokeh.models and bokeh.plotting only; text colours come with the theme, the background is transparent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from bokeh.embed import json_item
from bokeh.events import DoubleTap
from bokeh.models import (
    AdaptiveTicker,
    BoxZoomTool,
    CategoricalColorMapper,
    CategoricalPatternMapper,
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LinearAxis,
    LinearScale,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure as bokeh_figure

from jupyter_aicci.timeline.colours import PHASES, Theme, lane_colour, look
from jupyter_aicci.timeline.lanes import Lane, PhaseLane, SeriesLane, View, lane_range, times_json, values_json
from jupyter_aicci.timeline.places import BAR_PX, Place, layout

AXIS_PX = 26
LEFT_PX = 176  # two columns of text
BLANK = "\u2007"  # as wide as a digit: a label of blanks holds its column open, so that nothing moves with a value
VALUE_CHARS, NAME_CHARS, MOST_NAME_CHARS = 10, 10, 20
FONT = "system-ui, -apple-system, Helvetica, Arial, sans-serif"

TICK_JS = """
const s = Math.max(0, Math.round(tick)), h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60)
const two = (n) => String(n).padStart(2, "0")
return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
"""
HOVER_JS = """
const s = Math.round(value * 10) / 10, h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60)
const rest = (s % 60).toFixed(1).padStart(4, "0")
return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`
"""
NUMBER_JS = "return Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString() : String(+value.toPrecision(4))"
UNIT_JS = {
    "s": "return value < 1 ? +(value * 1000).toPrecision(3) + ' ms' : +value.toPrecision(3) + ' s'",
    "B": "return value < 1e9 ? Math.round(value / 1e6) + ' MB' : +(value / 1e9).toPrecision(3) + ' GB'",
    "cores": "return value.toFixed(1)",
    "USD": "return '$' + value.toFixed(value && value < 0.1 ? 4 : 2)",
}
TOOLTIP_CSS = f"font: 11px {FONT}; line-height: 1.2; margin: -3px -2px"


def figure(view: View, *, theme: Theme) -> Any:
    """The chart of a view; its height follows from the lanes, its width from the page."""
    places, total = layout(view.lanes)
    fig = _frame(view, total)
    bars = [_phase_lane(fig, place, view, theme) for place in places if isinstance(place.lane, PhaseLane)]
    lines = [
        (place.lane, _series_lane(fig, place, total, theme)) for place in places if isinstance(place.lane, SeriesLane)
    ]
    _time_axis(fig, theme)
    _label_axes(fig, places, theme)
    _tools(fig, bars, lines, theme)
    return fig


def item(fig: Any) -> dict[str, Any]:
    """The figure as `Bokeh.embed.embed_item` takes it."""
    return dict(json_item(fig))


def _frame(view: View, total: float) -> Any:
    return bokeh_figure(
        name="timeline",
        sizing_mode="stretch_width",
        height=round(total) + AXIS_PX,
        frame_height=round(total),
        x_range=Range1d(name="range:x", start=0, end=max(view.end_s, 1.0)),
        y_range=Range1d(name="range:y", start=total, end=0),
        x_axis_location="above",
        y_axis_location=None,
        tools="",
        toolbar_location=None,
        min_border_left=LEFT_PX,
        min_border_right=14,
        min_border_top=AXIS_PX,
        min_border_bottom=0,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        lod_threshold=None,
    )


def _phase_lane(fig: Any, place: Place, view: View, theme: Theme) -> Any:
    lane = place.lane
    assert isinstance(lane, PhaseLane)
    source = ColumnDataSource(
        name=f"lane:{lane.id}",
        data={
            "t0": [span.t0_s for span in lane.spans],
            "t1": [span.t1_s for span in lane.spans],
            "phase": [span.phase for span in lane.spans],
        },
    )
    looks = [*PHASES, *(look(phase) for phase in view.legend if phase not in {each.phase for each in PHASES})]
    names = [each.phase for each in looks]
    colours = CategoricalColorMapper(factors=names, palette=[each.colour.of(theme.palette) for each in looks])
    hatches: list[Any] = [each.hatch for each in looks]
    patterns = CategoricalPatternMapper(factors=names, patterns=hatches)
    top = place.middle - BAR_PX / 2
    return fig.quad(
        left="t0",
        right="t1",
        top=top,
        bottom=top + BAR_PX,
        source=source,
        name=f"bar:{lane.id}",
        fill_color={"field": "phase", "transform": colours},
        line_color={"field": "phase", "transform": colours},  # so that an instant is still a pixel wide
        line_width=0.5,
        hatch_pattern={"field": "phase", "transform": patterns},
        hatch_color=theme.background,
        hatch_alpha=0.45,
        hatch_scale=10,
        hatch_weight=1,
        border_radius=2,
    )


def _series_lane(fig: Any, place: Place, total: float, theme: Theme) -> Any:
    lane = place.lane
    assert isinstance(lane, SeriesLane)
    start, end = lane_range(lane.lo, lane.hi, place.band, total)
    key = f"range:{lane.id}"
    fig.extra_y_ranges[key] = Range1d(name=key, start=start, end=end, tags=[*place.band, total])
    fig.extra_y_scales[key] = LinearScale()
    source = ColumnDataSource(name=f"lane:{lane.id}", data={"t": times_json(lane.t_s), "v": _values(lane)})
    colour = lane_colour(lane.id).of(theme.palette)
    if lane.id == "cost":
        fig.varea(x="t", y1="v", y2=0, source=source, fill_color=colour, fill_alpha=0.15, y_range_name=key)
    fig.add_layout(
        Span(location=place.bottom, dimension="width", line_color=theme.grid, line_width=1, level="underlay")
    )
    return fig.line(
        x="t", y="v", source=source, name=f"line:{lane.id}", y_range_name=key, line_color=colour, line_width=1.4
    )


def _values(lane: SeriesLane) -> list[float]:
    return [math.nan if value is None else value for value in values_json(lane.v)]


def _time_axis(fig: Any, theme: Theme) -> None:
    axis, grid = fig.xaxis[0], fig.xgrid[0]
    mantissas = [1, 2, 5, 10, 15, 30]  # of seconds, minutes, hours
    axis.ticker = AdaptiveTicker(base=60, mantissas=mantissas, min_interval=1, desired_num_ticks=7, num_minor_ticks=0)
    axis.formatter = CustomJSTickFormatter(code=TICK_JS)
    axis.update(axis_line_color=None, major_tick_line_color=None, **_text(theme.muted, "11px"))
    grid.ticker = axis.ticker
    grid.grid_line_color = theme.grid
    fig.ygrid.grid_line_color = None


def _label_axes(fig: Any, places: Sequence[Place], theme: Theme) -> None:
    """Two columns beside the frame: the value next to it, the name outside."""
    common: dict[str, Any] = {
        "ticker": FixedTicker(ticks=[0, *(place.middle for place in places)]),
        "axis_line_color": None,
        "major_tick_line_color": None,
        "minor_tick_line_color": None,
        "major_label_standoff": 6,
        "tags": [[place.lane.id, place.middle] for place in places],
    }
    values: dict[Any, Any] = {0: BLANK * VALUE_CHARS} | {place.middle: _value(place.lane) for place in places}
    names: dict[Any, Any] = {0: BLANK * NAME_CHARS} | {place.middle: _name(place.lane) for place in places}
    columns = (("values", values, "auto", theme.muted, "11px"), ("lanes", names, "back", theme.text, "12px"))
    for name, labels, face, colour, px in columns:
        axis: Any = LinearAxis(name=name, major_label_overrides=labels, **common, **_text(colour, px))
        axis.face = face  # back: the names stand at the column's left edge
        fig.add_layout(axis, "left")


def _value(lane: Lane) -> str:
    return lane.note if isinstance(lane, PhaseLane) else lane.value


def _name(lane: Lane) -> str:
    return lane.name if len(lane.name) <= MOST_NAME_CHARS else lane.name[: MOST_NAME_CHARS - 1] + "…"


def _text(colour: str, size: str) -> dict[str, Any]:
    return {
        "major_label_text_color": colour,
        "major_label_text_font_size": size,
        "major_label_text_font": FONT,
    }


def _tools(fig: Any, bars: Sequence[Any], lines: Sequence[tuple[SeriesLane, Any]], theme: Theme) -> None:
    """One crosshair over all lanes. Drag zooms, Ctrl + wheel zooms, a double click shows all.

    The bare wheel stays the page's.
    """
    zoom = BoxZoomTool(dimensions="width")
    wheel = WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    cross = CrosshairTool(dimensions="height", line_color=theme.muted, line_width=1)
    fig.add_tools(zoom, wheel, ResetTool(), cross, _bar_hover(bars), *(_line_hover(*each) for each in lines))
    fig.toolbar.active_drag = zoom
    fig.toolbar.active_scroll = wheel
    fig.js_on_event(DoubleTap, CustomJS(args={"fig": fig}, code="fig.reset.emit()"))


def _bar_hover(bars: Sequence[Any]) -> HoverTool:
    clock = CustomJSHover(code=HOVER_JS)
    labels = CustomJSHover(code=f"return ({json.dumps({each.phase: each.label for each in PHASES})})[value] ?? value")
    return HoverTool(
        renderers=list(bars),
        tooltips=f"<div style='{TOOLTIP_CSS}'><b>@phase{{custom}}</b> @t0{{custom}} – @t1{{custom}}</div>",
        formatters={"@phase": labels, "@t0": clock, "@t1": clock},
        point_policy="follow_mouse",
        show_arrow=False,
    )


def _line_hover(lane: SeriesLane, line: Any) -> HoverTool:
    """The value under the crosshair, in the lane."""
    return HoverTool(
        renderers=[line],
        tooltips=f"<div style='{TOOLTIP_CSS}'>@v{{custom}}</div>",
        formatters={"@v": CustomJSHover(code=UNIT_JS.get(lane.unit, NUMBER_JS))},
        mode="vline",
        line_policy="nearest",
        attachment="right",
        show_arrow=False,
    )
