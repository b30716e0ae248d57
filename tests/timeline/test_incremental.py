"""incremental: a view and the deltas after it show what a fresh view shows."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timeline_builders import Frames, Journal, StoredFrame, a_curve, a_long_run, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.meter import meter
from jupyter_aicci.timeline.deltas import Mark
from jupyter_aicci.timeline.incremental import Accumulator
from jupyter_aicci.timeline.view import view

NO_COST: list[tuple[int, int]] = []


class Watcher:
    """What a page does: take a view, then apply deltas to it."""

    def __init__(self, state: Accumulator, run: Run, cost: list[tuple[int, int]], now_s: float) -> None:
        self.state = state
        self.fresh(run, cost, now_s)

    def fresh(self, run: Run, cost: list[tuple[int, int]], now_s: float) -> None:
        sent = self.state.view(run, cost=cost, billed=meter(run, at(now_s)).entries, now_ns=at(now_s))
        self.mark: Mark = self.state.mark(sent)
        self.shown: dict[str, Any] = json.loads(json.dumps(sent.to_json(), allow_nan=False))

    def look(self, run: Run, cost: list[tuple[int, int]], now_s: float) -> dict[str, Any] | None:
        billed = meter(run, at(now_s)).entries
        delta = self.state.delta(self.mark, run, cost=cost, billed=billed, now_ns=at(now_s))
        self.mark = delta.mark
        if delta.lanes_changed:
            self.fresh(run, cost, now_s)
        elif delta.body:
            self.apply(json.loads(json.dumps(delta.body, allow_nan=False)))
        return delta.body

    def apply(self, body: dict[str, Any]) -> None:
        assert body["type"] == "delta"
        whole = ("cursor", "end_s", "run", "tiles", "verdict", "headline")
        self.shown |= {key: body[key] for key in whole if key in body}
        self.shown["lanes"] = [body.get("heat", {}).get(lane["id"], lane) for lane in self.shown["lanes"]]
        lanes = {lane["id"]: lane for lane in self.shown["lanes"]}
        for lane_id, spans in body.get("spans", {}).items():
            lanes[lane_id]["spans"] = spans
        for lane_id, series in body.get("series", {}).items():
            lane = lanes[lane_id]
            lane["t"] += series["t"]
            lane["v"] += series["v"]
            lane |= {key: series[key] for key in ("value", "note", "lo", "hi", "shade") if key in series}


said = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["step", "steps", "loss", "acc", "sample", "compute", "checkpoint", "data_wait"]),
        st.floats(0.01, 2.0),
        st.one_of(st.floats(-100, 100), st.just(math.nan)),
        st.booleans(),
    ),
    min_size=1,
    max_size=80,
)


def frames_of(words: list[tuple[int, str, float, float, bool]]) -> tuple[Frames, list[int], float]:
    """Frames, the places where the watcher looks, and the time of the last."""
    frames, looks, seconds = Frames(), [], 2.0
    for place, (rank, kind, after_s, value, look) in enumerate(words):
        seconds += after_s
        if kind == "step":
            frames.step(seconds, place, abs(value) / 100 if math.isfinite(value) else 0.0, rank)
        elif kind == "steps":
            part = after_s / (4 if rank else 2)
            frames.steps(seconds, "compute data_wait comm", (1, place, part, after_s / 8, after_s / 8), rank=rank)
        elif kind in ("loss", "acc"):
            frames.log(seconds, rank, place, **{kind: value})
        elif kind == "sample":
            frames.sample(seconds, abs(value) if math.isfinite(value) else 1.0, 1e8)
        else:
            frames.phase(seconds, kind, rank)
        if look:
            looks.append(place + 1)
    return frames, looks, seconds


def same_but_rounding(shown: dict[str, Any], fresh: dict[str, Any]) -> None:
    """Equal, with the open ends of bars to the pixel (a delta does not resend a bar for less)."""
    column_s = max(fresh["end_s"], 1.0) / 800
    shown, fresh = json.loads(json.dumps(shown)), json.loads(json.dumps(fresh))
    for view_json in (shown, fresh):
        for lane in view_json["lanes"]:
            if lane["id"] == "cost":  # more points on the same straight line
                lane["t"] = lane["v"] = []
                lane["shade"] = [[pytest.approx(t, abs=2 * column_s) for t in pair] for pair in lane["shade"]]
            if lane["kind"] == "heat":  # is sent again when a column has begun
                lane |= {"t": lane["t"][:-2], "v": [row[:-2] for row in lane["v"]], "value": "", "lo": 0, "hi": 0}
    for lane, other in zip(shown["lanes"], fresh["lanes"], strict=True):
        if lane["id"] == "cost":
            assert lane.pop("shade") == other.pop("shade")
        if lane["kind"] == "phases":
            assert lane["spans"][-1].pop("t1") == pytest.approx(other["spans"][-1].pop("t1"), abs=2 * column_s)
    assert shown == fresh


@settings(deadline=None)
@given(said)
def test_deltas_applied_to_a_view_are_the_fresh_view(words: list[tuple[int, str, float, float, bool]]) -> None:
    """Whatever comes in whichever order, and whenever the watcher looks."""
    run = Journal(ranks_per_node=3, micro_per_h=3_600_000_000).placed(1.0).runs(1.5).run()
    frames, looks, end_s = frames_of(words)
    state = Accumulator(origin_ns=run.submitted_ns)
    cost = a_curve([(1.0, 0), (1.5, 500_000)])
    watcher, done = Watcher(state, run, cost, 1.5), 0
    for place in [*looks, len(frames.stored)]:
        state.feed(frames.stored[done:place])
        now_s = (frames.stored[place - 1].time_ns - run.submitted_ns) / 1e9
        cost = a_curve([(1.0, 0), (now_s, round((now_s - 1) * 1e6))])
        watcher.look(run, cost, now_s)
        done = place
    billed = meter(run, at(end_s)).entries
    same_but_rounding(watcher.shown, view(run, frames, cost=cost, billed=billed, now_ns=at(end_s)).to_json())


def test_two_watchers_of_one_state_see_the_same_whenever_they_look() -> None:
    """One accumulator serves all watchers; each has its own mark."""
    run, frames, cost = a_long_run(until_s=120)
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames.stored[:50])
    often, seldom = Watcher(state, run, cost, 70), Watcher(state, run, cost, 70)
    for place in range(50, len(frames.stored), 25):
        state.feed(frames.stored[place : place + 25])
        often.look(run, cost, 120)
    seldom.look(run, cost, 120)
    fresh = view(run, frames, cost=cost, billed=meter(run, at(120)).entries, now_ns=at(120)).to_json()
    same_but_rounding(often.shown, fresh)
    same_but_rounding(seldom.shown, fresh)


def test_nothing_new_is_no_message() -> None:
    """An ended run stays as it is."""
    run, frames, cost = a_long_run(until_s=100, ended=True)
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames)
    watcher = Watcher(state, run, cost, 101)
    assert watcher.look(run, cost, 105) is None


def test_only_what_changed_is_in_a_delta() -> None:
    """One logged value moves one lane and the loss tile, not the bars' spans when less than a pixel passed."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    state = Accumulator(origin_ns=run.submitted_ns)
    frames = Frames().phase(1.0, "compute").log(2.0, loss=2.0, acc=0.5)
    state.feed(frames)
    watcher = Watcher(state, run, NO_COST, 800.0)
    frames.log(800.2, loss=1.5)
    state.feed(frames)
    body = watcher.look(run, NO_COST, 800.2)
    assert body is not None
    assert set(body) == {"type", "cursor", "end_s", "tiles", "series"}
    assert body["series"] == {
        "value:loss": {"t": [800.2], "v": [1.5], "value": "1.5", "note": "", "lo": 1.5, "hi": 2.0}
    }


def test_a_new_name_or_a_new_phase_asks_for_a_fresh_view() -> None:
    """The figure is built for its lanes and legend."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    state = Accumulator(origin_ns=run.submitted_ns)
    frames = Frames().phase(1.0, "compute").log(2.0, loss=2.0)
    state.feed(frames)
    mark = state.mark(state.view(run, cost=NO_COST, now_ns=at(3)))
    for add in (lambda: frames.log(3.0, acc=0.1), lambda: frames.phase(4.0, "eval")):
        add()
        state.feed(frames)
        delta = state.delta(mark, run, cost=NO_COST, now_ns=at(5))
        assert (delta.lanes_changed, delta.body) == (True, None)
        mark = state.mark(state.view(run, cost=NO_COST, now_ns=at(5)))
    assert not state.delta(mark, run, cost=NO_COST, now_ns=at(5)).lanes_changed


def test_frames_that_come_twice_change_nothing() -> None:
    """A reader that starts over may send what was fed already."""
    run, frames, cost = a_long_run(until_s=100)
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames)
    state.feed(frames)
    once = view(run, frames, cost=cost, now_ns=at(100)).to_json()
    assert state.view(run, cost=cost, now_ns=at(100)).to_json() == once


def test_a_page_that_collected_too_many_points_gets_a_fresh_view() -> None:
    """Deltas append; the page's memory stays bounded because a view thins them again."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    state = Accumulator(origin_ns=run.submitted_ns)
    frames = Frames().phase(0.5, "compute").log(0.6, loss=1.0)
    state.feed(frames)
    mark = state.mark(state.view(run, cost=NO_COST, now_ns=at(1)), width_px=10)
    fresh_views = 0
    for place in range(200):
        frames.log(1.0 + place, loss=1.0)
        state.feed(frames.stored[-1:])
        delta = state.delta(mark, run, cost=NO_COST, now_ns=at(1.0 + place))
        mark = delta.mark
        if delta.lanes_changed:
            fresh_views += 1
            mark = state.mark(state.view(run, cost=NO_COST, now_ns=at(1.0 + place)), width_px=10)
    assert fresh_views == 2


def test_a_loss_that_becomes_nan_is_said_so_in_lane_tile_and_delta() -> None:
    """A diverged training must not look like one that stopped logging."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    state = Accumulator(origin_ns=run.submitted_ns)
    frames = Frames().log(1.0, loss=2.0)
    state.feed(frames)
    watcher = Watcher(state, run, NO_COST, 2.0)
    frames.log(2.0, loss=math.nan)
    state.feed(frames)
    body = watcher.look(run, NO_COST, 2.0)
    assert body is not None
    series = body["series"]["value:loss"]
    assert (series["t"], series["value"], series["note"]) == ([], "nan", "1 × not a number, not drawn")
    assert {"value": "nan", "label": "loss", "note": ""} in body["tiles"]


def test_the_lowest_rank_that_logs_a_name_is_drawn() -> None:
    """Rank 1's frame came first; the curve begins again with rank 0 and is rank 0's alone."""
    run = Journal(ranks_per_node=2).placed(0.0).runs(0.0).run()
    frames = Frames().log(1.0, 1, loss=9.0).log(1.1, 0, loss=1.0).log(2.0, 1, loss=8.0).log(2.1, 0, loss=0.5)
    lanes = {lane["id"]: lane for lane in view(run, frames, cost=NO_COST, now_ns=at(3)).to_json()["lanes"]}
    assert lanes["value:loss"]["v"] == [1.0, 0.5]


def test_curves_are_broken_between_attempts_and_redone_steps_follow_by_time() -> None:
    """Both passes over a step stay; nothing is drawn between the attempts."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().log(1.0, 0, 1, loss=3.0).log(2.0, 0, 2, loss=2.0)
    frames.attempt = 2
    frames.log(5.0, 0, 1, loss=3.0)
    lanes = {lane["id"]: lane for lane in view(run, frames, cost=NO_COST, now_ns=at(6)).to_json()["lanes"]}
    assert lanes["value:loss"]["t"] == [1.0, 2.0, 5.0, 5.0]
    assert lanes["value:loss"]["v"] == [3.0, 2.0, None, 3.0]


def test_a_checkpoint_is_not_part_of_the_step_that_it_delays() -> None:
    """Step time is the step's own; the bar shows the checkpoint."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().phase(0.5, "compute").step(1.0, 1).step(2.0, 2)
    frames.phase(2.2, "checkpoint").phase(7.2, "compute").step(8.0, 3).step(9.0, 5)
    lanes = {lane["id"]: lane for lane in view(run, frames, cost=NO_COST, now_ns=at(9)).to_json()["lanes"]}
    assert lanes["step_time"]["v"] == [0.5, 1.0, 1.0, 0.5]


def test_usage_is_summed_over_the_nodes() -> None:
    """Two nodes with 1.5 and 0.5 cores use 2.0 of the four held."""
    run = Journal(nodes=2, ranks_per_node=2).placed(0.0).runs(0.0).run()
    frames = Frames()
    for second in (1.0, 2.0):
        frames.sample(second, 0.5, 1e8, node=1).sample(second + 0.1, 1.5, 2e8, node=0)
    lanes = {lane["id"]: lane for lane in view(run, frames, cost=NO_COST, now_ns=at(3)).to_json()["lanes"]}
    assert (lanes["cpu"]["v"][-1], lanes["cpu"]["value"], lanes["cpu"]["hi"]) == (2.0, "2.0 / 4", 4.0)
    assert lanes["memory"]["v"][-1] == 3e8


def test_a_window_has_only_its_spans_and_points() -> None:
    """Zooming asks for a window; its curves reach both edges."""
    run, frames, cost = a_long_run()
    whole = view(run, frames, cost=cost, now_ns=at(763))
    part = view(run, frames, cost=cost, now_ns=at(763), window=(295.0, 312.0), width_px=4)
    lanes = {lane["id"]: lane for lane in part.to_json()["lanes"]}
    bar, loss = lanes["node-0"], lanes["value:loss"]
    assert [span["phase"] for span in bar["spans"]] == ["compute", "checkpoint", "compute"]
    assert loss["t"][0] < 295.0
    assert loss["t"][-1] > 312.0
    assert len(loss["t"]) <= 4 * 6
    assert part.end_s == whole.end_s


def test_a_stored_frame_of_a_kind_without_a_curve_is_passed_over() -> None:
    """Heads, notes, hangs and what later versions write are no curves."""
    run = Journal().placed(0.0).run()
    odd = StoredFrame(seq=1, source="agent", attempt=1, node=0, time_ns=at(1), frame={"k": "later", "t": 0})
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed([odd])
    assert state.cursor == 1


def test_records_of_steps_give_step_time_bars_and_counts() -> None:
    """Two fast steps in one record, one that waits for data, one with a checkpoint that is not part of its time."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().phase(0.5, "compute")
    frames.steps(2.0, "compute data_wait", (2, 1, 1.0, 0.0)).steps(4.0, "compute data_wait", (1, 2, 1.0, 1.0))
    frames.steps(9.0, "compute checkpoint", (1, 3, 1.0, 4.0))
    shown = view(run, frames, cost=NO_COST, now_ns=at(9)).to_json()
    lanes = {lane["id"]: lane for lane in shown["lanes"]}
    assert (lanes["step_time"]["t"], lanes["step_time"]["v"]) == ([2.0, 4.0, 9.0], [0.5, 2.0, 1.0])
    spans = [(span["t0"], span["t1"], span["phase"]) for span in lanes["node-0"]["spans"]]
    assert spans == [(0, 0.5, "starting"), (0.5, 2, "compute"), (2, 4, "data_wait"), (4, 9, "compute")]
    assert shown["tiles"][1]["value"] == "4"


def test_a_name_for_each_step_takes_no_more_memory_than_a_thousand() -> None:
    """The first ones are kept, and the loss, whenever it comes."""
    run, kept, frames = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run(), Accumulator(origin_ns=at(0)), Frames()
    for step in range(1500):
        frames.log(1.0 + step / 1000, **{f"grad_{step}": 1.0})
    kept.feed(frames.log(3.0, loss=0.5))
    assert len(kept.logged()) == 1001
    assert "value:loss" in [lane.id for lane in kept.view(run, cost=(), now_ns=at(4)).lanes]
