"""The live chart: one Bokeh figure with all drawn lanes of a view stacked on one time axis.

The y axis is pixels from the top (`places`), so a phase bar is a quad between two pixel numbers, and a series or heat lane
is drawn on a range of its own over the whole frame (`lanes.lane_range`): data sources keep seconds and raw values.
The names below are the wire to the TypeScript, which moves views into them and decides nothing:

| name | model | what the page writes |
|---|---|---|
| `lane:<id>` | ColumnDataSource | phases: columns t0, t1, phase; series: columns t, v (null is NaN, a break); heat: image, x, dw |
| `range:<id>` | Range1d | start, end = lane_range(lo, hi, band, total); tags: [top, bottom, total] |
| `scale:<id>` | LinearColorMapper | low, high = heat.heat_scale(lane) |
| `shade:<id>` | ColumnDataSource | left, right: time whose money was wasted |
| `findings` | ColumnDataSource | left, right, top, bottom, colour: marks.marks(findings, places) |
| `badges` | ColumnDataSource | x, y, text, colour: the numbers on them |
| `range:x` | Range1d | end and reset_end, while the reader has not zoomed; a double click goes back to reset_end |

Names and values beside the lanes, the cursor over all of them and the list of findings are the page's: it has `places`
from `placed`, and `LEFT_PX`, `RIGHT_PX`, `AXIS_PX` say where the frame lies.
Rule: imports bokeh.models and bokeh.plotting only; text colours come with the theme, the background is transparent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from bokeh.core.properties import value as constant  # a plain text would name a column
from bokeh.embed import json_item
from bokeh.events import DoubleTap
from bokeh.models import (
    AdaptiveTicker,
    BoxZoomTool,
    CategoricalColorMapper,
    CDSView,
    ColumnDataSource,
    CustomJS,
    CustomJSHover,
    CustomJSTickFormatter,
    GroupFilter,
    HoverTool,
    Line,
    LinearColorMapper,
    Quad,
    Range1d,
    ResetTool,
    UnionFilter,
    WheelZoomTool,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure as bokeh_figure

from jupyter_aicci.timeline.colours import AMBER, PHASES, SEVERITY_COLOURS, Theme, heat_palette, lane_colour, look
from jupyter_aicci.timeline.heat import heat_image, heat_scale
from jupyter_aicci.timeline.lanes import (
    HeatLane,
    Lane,
    PhaseLane,
    SeriesLane,
    View,
    lane_range,
    times_json,
    values_json,
)
from jupyter_aicci.timeline.marks import BADGE_PX, marks
from jupyter_aicci.timeline.places import Place, layout

AXIS_PX = 26
LEFT_PX, RIGHT_PX = 176, 14  # two columns of text; room for half a time
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
TOOLTIP_CSS = f"font: 11px {FONT}; line-height: 1.2; margin: -3px -2px"


def figure(view: View, *, theme: Theme, unfolded: Collection[str] | None = None) -> Any:
    """The chart of a view; its height follows from the lanes, its width from the page.

    `unfolded` are the lanes whose lanes under them are drawn; by default what each lane says of itself.
    """
    places, total = layout(view.lanes, unfolded)
    fig = _frame(view, total)
    bars = []
    for place in places:
        match place.lane:
            case PhaseLane() as lane:
                bars.append(_phase_lane(fig, place, lane, view, theme))
            case HeatLane() as lane:
                _heat_lane(fig, place, lane, total, theme)
            case SeriesLane() as lane:
                _series_lane(fig, place, lane, total, theme)
    _findings(fig, view, places, theme)
    _time_axis(fig, theme)
    _tools(fig, bars)
    return fig


def placed(view: View, *, theme: Theme, unfolded: Collection[str] | None = None) -> dict[str, Any]:
    """What the page needs beside the figure: the places, the frame's edges, and the scales of the strips of heat."""
    places, total = layout(view.lanes, unfolded)
    heats = [place.lane for place in places if isinstance(place.lane, HeatLane)]
    return {
        "places": [place.to_json() for place in places],
        "frame": {"left": LEFT_PX, "right": RIGHT_PX, "top": AXIS_PX, "height": total},
        "heat": {"colours": heat_palette(theme.palette), "lanes": [lane.id for lane in heats]},
        "severities": {name: colour.of(theme.palette) for name, colour in SEVERITY_COLOURS.items()},
    }


def without_data(view: View) -> View:
    """The view with the same lanes and nothing in them: for a figure whose data comes beside it."""
    lanes: list[Lane] = []
    for lane in view.lanes:
        match lane:
            case PhaseLane():
                lanes.append(replace(lane, spans=()))
            case HeatLane():
                lanes.append(replace(lane, t_s=lane.t_s[:0], v=lane.v[:, :0]))
            case SeriesLane():
                lanes.append(replace(lane, t_s=lane.t_s[:0], v=lane.v[:0], shade=()))
    return replace(view, lanes=tuple(lanes))


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
        min_border_right=RIGHT_PX,
        min_border_top=AXIS_PX,
        min_border_bottom=0,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        lod_threshold=None,
    )


def _phase_lane(fig: Any, place: Place, lane: PhaseLane, view: View, theme: Theme) -> Any:
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
    top = place.middle - place.bar_px / 2
    edges: dict[str, Any] = {"left": "t0", "right": "t1", "top": top, "bottom": top + place.bar_px, "border_radius": 2}
    colour: Any = {"field": "phase", "transform": colours}
    bar = Quad(**edges, fill_color=colour, line_color=colour, line_width=0.5)  # an instant is still a pixel wide
    drawn = _draw(fig, source, bar, name=f"bar:{lane.id}")
    _hatches(fig, lane.id, source, edges, view, theme)
    return drawn


def _hatches(fig: Any, lane_id: str, source: Any, edges: dict[str, Any], view: View, theme: Theme) -> None:
    """A glyph for each hatch that occurs: of one with several BokehJS makes an image for each span, and anew for each change."""
    phases: dict[str, list[str]] = {}
    for phase in view.legend:
        phases.setdefault(look(phase).hatch, []).append(phase)
    phases.pop(" ", None)
    for hatch, those in phases.items():
        groups = [GroupFilter(column_name="phase", group=phase) for phase in those]
        bar = Quad(
            **edges, fill_color=None, line_color=None, hatch_pattern=hatch, hatch_color=theme.background,
            hatch_alpha=0.45, hatch_scale=10, hatch_weight=1,
        )  # fmt: skip
        _draw(fig, source, bar, name=f"hatch:{lane_id}", view=CDSView(filter=UnionFilter(operands=groups)))


def _draw(fig: Any, source: Any, glyph: Any, **how: Any) -> Any:
    """The glyph's renderer. Others are made for what is selected, what is not, and what is muted; nothing is, so one serves all."""
    return fig.add_glyph(source, glyph, selection_glyph=glyph, nonselection_glyph=glyph, muted_glyph=glyph, **how)


def _own_range(fig: Any, place: Place, lo: float, hi: float, total: float) -> str:
    """The lane's own y range over the whole frame, by its name."""
    start, end = lane_range(lo, hi, place.band, total)
    key = f"range:{place.lane.id}"
    fig.extra_y_ranges[key] = Range1d(name=key, start=start, end=end, tags=[*place.band, total])
    return key


def _series_lane(fig: Any, place: Place, lane: SeriesLane, total: float, theme: Theme) -> None:
    key = _own_range(fig, place, lane.lo, lane.hi, total)
    source = ColumnDataSource(name=f"lane:{lane.id}", data={"t": times_json(lane.t_s), "v": _values(lane)})
    colour = lane_colour(lane.id).of(theme.palette)
    if lane.id == "cost":
        fig.varea(x="t", y1="v", y2=0, source=source, fill_color=colour, fill_alpha=0.15, y_range_name=key)
        _shade(fig, place, lane, theme)
    fig.add_layout(
        Span(location=place.bottom, dimension="width", line_color=theme.grid, line_width=1, level="underlay")
    )
    line = Line(x="t", y="v", line_color=colour, line_width=1.1 if place.depth else 1.4)
    _draw(fig, source, line, name=f"line:{lane.id}", y_range_name=key)


def _shade(fig: Any, place: Place, lane: SeriesLane, theme: Theme) -> None:
    """Wasted time, hatched as well as coloured."""
    data = {"left": [pair[0] for pair in lane.shade], "right": [pair[1] for pair in lane.shade]}
    amber = AMBER.of(theme.palette)
    fig.quad(
        left="left", right="right", top=place.top + 2, bottom=place.bottom, name=f"wasted:{lane.id}",
        source=ColumnDataSource(name=f"shade:{lane.id}", data=data), fill_color=amber, fill_alpha=0.22, line_color=None,
        hatch_pattern="/", hatch_color=amber, hatch_alpha=0.35, hatch_scale=8, hatch_weight=1,
    )  # fmt: skip


def _heat_lane(fig: Any, place: Place, lane: HeatLane, total: float, theme: Theme) -> None:
    """An image whose first row is on top; what was not seen is clear."""
    key = _own_range(fig, place, 0.0, 1.0, total)
    low, high = heat_scale(lane)
    cells = heat_image(lane)
    seen = cells.size > 0
    image = np.flipud(cells if seen else np.full((1, 1), np.nan)).astype(np.float32)
    x, dw = (lane.t_s[0], lane.t_s[-1] - lane.t_s[0]) if seen else (0.0, 0.0)
    scale = LinearColorMapper(
        name=f"scale:{lane.id}", palette=heat_palette(theme.palette), low=low, high=high, nan_color="rgba(0, 0, 0, 0)"
    )
    source = ColumnDataSource(name=f"lane:{lane.id}", data={"image": [image], "x": [x], "dw": [dw]})
    fig.image(
        image="image", x="x", dw="dw", y=0, dh=1, source=source, name=f"heat:{lane.id}", y_range_name=key,
        color_mapper=scale,
    )  # fmt: skip


def _findings(fig: Any, view: View, places: Sequence[Place], theme: Theme) -> None:
    """A dashed box over the lanes that show each finding, and its number."""
    found = marks(view.findings, places, view.lanes)
    colours = [SEVERITY_COLOURS.get(mark.severity, AMBER).of(theme.palette) for mark in found]
    boxes = {name: [getattr(mark, name) for mark in found] for name in ("left", "right", "top", "bottom")}
    fig.quad(
        left="left", right="right", top="top", bottom="bottom", name="marks",
        source=ColumnDataSource(name="findings", data=boxes | {"colour": colours}),
        fill_color="colour", fill_alpha=0.12, line_color="colour", line_dash=[3, 3], line_width=1,
    )  # fmt: skip
    numbered = [(mark, colour) for mark, colour in zip(found, colours, strict=True) if mark.numbered]
    badges = {
        "x": [(mark.left + mark.right) / 2 for mark, _ in numbered],
        "y": [mark.badge_y for mark, _ in numbered],
        "text": [str(mark.number) for mark, _ in numbered],
        "colour": [colour for _, colour in numbered],
    }
    source = ColumnDataSource(name="badges", data=badges)
    fig.scatter(x="x", y="y", size=2 * BADGE_PX, source=source, name="discs", fill_color="colour", line_color=None)
    fig.text(
        x="x", y="y", text="text", source=source, name="numbers", text_align="center", text_baseline="middle",
        text_color=theme.background, text_font=constant(FONT), text_font_size="10px", text_font_style="bold",
    )  # fmt: skip


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


def _text(colour: str, size: str) -> dict[str, Any]:
    return {
        "major_label_text_color": colour,
        "major_label_text_font_size": size,
        "major_label_text_font": FONT,
    }


def _tools(fig: Any, bars: Sequence[Any]) -> None:
    """Drag zooms, Ctrl + wheel zooms, a double click shows all. The bare wheel stays the page's."""
    zoom = BoxZoomTool(dimensions="width")
    wheel = WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    fig.add_tools(zoom, wheel, ResetTool(), _bar_hover(bars))
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
