"""figure: the models that the TypeScript reaches by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from drawing_builders import a_full_view
from timeline_builders import Frames, Journal, a_failed_run, a_long_run, at

from jupyter_aicci.timeline.colours import THEMES
from jupyter_aicci.timeline.figure import figure, item, placed, without_data
from jupyter_aicci.timeline.lanes import HeatLane, SeriesLane, View, lane_range
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
    beside = {"findings", "badges", "shade:cost"}
    assert set(named(fig, ColumnDataSource)) == {f"lane:{lane.id}" for lane in shown.lanes if not lane.parent} | beside
    curves = {lane.id for lane in shown.lanes if lane.kind != "phases" and not lane.parent}
    assert set(named(fig, Range1d)) == {"range:x", "range:y"} | {f"range:{lane_id}" for lane_id in curves}


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


def test_the_page_learns_where_each_lane_lies_and_what_unfolds() -> None:
    """It puts names, values and buttons there; a lane that is folded has no place."""
    beside = placed(a_full_view(), theme=THEMES["light"])
    places = {place["id"]: place for place in beside["places"]}
    assert places["node-0"] == {
        "id": "node-0", "top": 0.0, "bottom": 22.0, "depth": 0, "under": 2, "unfolded": False,
    }  # fmt: skip
    assert "node-0/rank 0" not in places
    assert beside["frame"] == {"left": 176, "right": 14, "top": 26, "height": places["cost"]["bottom"] + 2}
    assert beside["heat"]["lanes"] == ["step_heat"]
    assert len(beside["heat"]["colours"]) == 14


def test_lanes_are_unfolded_on_request() -> None:
    """Only these, whatever the lanes say of themselves; those of a folded lane stay hidden."""
    fig = figure(a_full_view(), theme=THEMES["light"], unfolded=("node-0",))
    sources = named(fig, ColumnDataSource)
    assert {"lane:node-0/rank 0", "lane:node-0/rank 1"} <= set(sources)
    assert "lane:node-1/rank 0" not in sources
    assert "lane:cpu/node 0" not in sources


def test_a_strip_of_heat_is_an_image_of_its_rows_on_a_scale_around_the_median() -> None:
    """The first rank is on top, and an image begins at its bottom."""
    shown = a_full_view()
    heat = next(lane for lane in shown.lanes if isinstance(lane, HeatLane))
    fig = figure(shown, theme=THEMES["light"])
    (image,) = named(fig, ColumnDataSource)["lane:step_heat"].data["image"]
    assert image.shape == heat.v.shape
    assert np.allclose(image[-1], heat.v[0])
    scale = named(fig, LinearColorMapper)["scale:step_heat"]
    assert scale.low < heat.v[3, 0] < scale.high


def test_findings_are_boxes_on_their_lanes_with_a_number_each() -> None:
    """A finding of one rank marks its row of the strip, not all of it."""
    sources = named(figure(a_full_view(), theme=THEMES["light"]), ColumnDataSource)
    boxes, badges = sources["findings"].data, sources["badges"].data
    assert badges["text"] == ["1", "2"]
    assert set(zip(boxes["left"], boxes["right"], strict=True)) == {(430.0, 560.0), (600.0, 763.0)}
    assert boxes["bottom"][-1] - boxes["top"][-1] == 6
    assert sources["shade:cost"].data == {"left": [430.0], "right": [560.0]}


def test_the_figure_that_the_page_gets_has_the_lanes_and_no_data() -> None:
    """The data is in the view beside it, once."""
    empty = without_data(a_full_view())
    sources = named(figure(empty, theme=THEMES["light"]), ColumnDataSource)
    assert sources["lane:value:loss"].data == {"t": [], "v": []}
    assert sources["lane:node-0"].data["t0"] == []
    assert len(json.dumps(item(figure(empty, theme=THEMES["light"])))) < 120_000


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
    """22 a bar, 34 the strip of heat, 36 a curve, 40 the bill, and a foot."""
    fig = figure(a_view(a_failed_run), theme=THEMES["dark"])
    assert fig.frame_height == 22 + 6 + 34 + 3 * 36 + 40 + 2
    assert fig.sizing_mode == "stretch_width"
    assert (fig.background_fill_alpha, fig.border_fill_alpha) == (0, 0)
    assert fig.xaxis[0].major_label_text_color == THEMES["dark"].muted
