"""figure: the models that the TypeScript reaches by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bokeh.models import ColumnDataSource, LinearAxis, Range1d
from timeline_builders import Frames, Journal, a_failed_run, a_long_run, at

from jupyter_aicci.timeline.colours import THEMES
from jupyter_aicci.timeline.figure import figure, item
from jupyter_aicci.timeline.lanes import SeriesLane, View, lane_range
from jupyter_aicci.timeline.view import view


def a_view(build: Any = a_long_run) -> View:
    run, frames, cost = build()
    return view(run, frames, cost=cost, now_ns=at(763))


def named(fig: Any, kind: type) -> dict[str, Any]:
    return {model.name: model for model in fig.references() if isinstance(model, kind) and model.name}


def test_every_lane_has_its_source_and_every_curve_its_range() -> None:
    """`lane:<id>` and `range:<id>` are the wire."""
    shown = a_view()
    fig = figure(shown, theme=THEMES["light"])
    assert set(named(fig, ColumnDataSource)) == {f"lane:{lane.id}" for lane in shown.lanes}
    curves = {lane.id for lane in shown.lanes if isinstance(lane, SeriesLane)}
    assert set(named(fig, Range1d)) == {"range:x", "range:y"} | {f"range:{lane_id}" for lane_id in curves}
    assert {"lanes", "values"} <= set(named(fig, LinearAxis))


def test_sources_hold_seconds_and_raw_values_and_ranges_place_them() -> None:
    """The TypeScript appends a delta's t and v as they are."""
    shown = a_view()
    fig = figure(shown, theme=THEMES["light"])
    loss = next(lane for lane in shown.lanes if lane.id == "value:loss")
    assert isinstance(loss, SeriesLane)
    source, own = named(fig, ColumnDataSource)["lane:value:loss"], named(fig, Range1d)["range:value:loss"]
    assert source.data["v"] == pytest.approx(loss.v.tolist(), rel=1e-5)
    top, bottom, total = own.tags
    assert (own.start, own.end) == lane_range(loss.lo, loss.hi, (top, bottom), total)
    assert total == named(fig, Range1d)["range:y"].start
    bars = named(fig, ColumnDataSource)["lane:node-0"].data
    assert bars["phase"][:3] == ["queued", "starting", "compute"]


def test_the_label_axes_carry_names_and_values_and_say_which_tick_is_whose() -> None:
    """A delta changes the value's label by the tick in the tags."""
    shown = a_view()
    axes = named(figure(shown, theme=THEMES["light"]), LinearAxis)
    ticks = dict(axes["values"].tags)
    assert axes["values"].major_label_overrides[ticks["value:loss"]] == "1.755"
    assert axes["lanes"].major_label_overrides[ticks["value:loss"]] == "loss"


@pytest.mark.parametrize("theme", list(THEMES))
def test_every_phase_of_the_view_has_a_colour_and_the_item_is_strict_json(theme: str) -> None:
    """A span that the program named is mapped too; breaks do not become bare NaN."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().phase(1.0, "compute").log(1.0, loss=1.0).phase(2.0, "my span").phase(3.0, "compute")
    frames.attempt = 2
    frames.log(4.0, loss=0.5)
    shown = view(run, frames, cost=(), now_ns=at(5))
    fig = figure(shown, theme=THEMES[theme])
    bar = next(renderer for renderer in fig.renderers if renderer.name == "bar:node-0")
    assert set(shown.legend) <= set(bar.glyph.fill_color.transform.factors)
    assert "my span" in shown.legend
    sent = json.dumps(item(fig), allow_nan=False)
    assert '"lane:value:loss"' in sent


def test_height_follows_from_the_lanes_and_the_background_is_the_pages() -> None:
    """22 a bar, 36 a curve, 40 the bill."""
    fig = figure(a_view(a_failed_run), theme=THEMES["dark"])
    assert fig.frame_height == 22 + 6 + 4 * 36 + 40
    assert fig.sizing_mode == "stretch_width"
    assert (fig.background_fill_alpha, fig.border_fill_alpha) == (0, 0)
    assert fig.xaxis[0].major_label_text_color == THEMES["dark"].muted
