"""lanes: JSON both ways, and the formula that TypeScript repeats."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_builders import a_failed_run, a_long_run, at

from jupyter_aicci.timeline.lanes import HeatLane, SeriesLane, lane_range, significant, values_json, view_from_json
from jupyter_aicci.timeline.view import view

TABLE = json.loads(Path(__file__).with_name("lane_range.json").read_text())


@pytest.mark.parametrize("row", TABLE)
def test_lane_range_gives_the_table_that_the_typescript_is_tested_with(row: dict[str, Any]) -> None:
    """Python and TypeScript place a lane by one table."""
    start, end = lane_range(row["lo"], row["hi"], tuple(row["band"]), row["total"])
    assert start == pytest.approx(row["start"])
    assert end == pytest.approx(row["end"])


@given(
    lo=st.floats(-1e6, 1e6),
    height=st.floats(1e-3, 1e6),
    top=st.floats(0, 500),
    band_px=st.floats(5, 50),
    below_px=st.floats(0, 500),
)
def test_lane_range_draws_lo_at_the_bands_bottom_and_hi_at_its_top(
    lo: float, height: float, top: float, band_px: float, below_px: float
) -> None:
    """The lane's own range puts raw values into its band."""
    hi, bottom, total = lo + height, top + band_px, top + band_px + below_px
    start, end = lane_range(lo, hi, (top, bottom), total)

    def pixel(value: float) -> float:
        return total * (end - value) / (end - start)

    assert pixel(hi) == pytest.approx(top, abs=0.01)
    assert pixel(lo) == pytest.approx(bottom, abs=0.01)


@given(st.lists(st.floats(-1e15, 1e15), max_size=20))
def test_values_have_six_significant_digits_in_json(values: list[float]) -> None:
    """All at once as one by one, but for ties; and again they stay the same."""
    told = values_json(np.array([*values, math.nan, 0.0, 1e-9, 310_000.4]))
    assert told[len(values) :] == [None, 0.0, 1e-9, 310_000.0]
    assert told[: len(values)] == pytest.approx([significant(value) for value in values], rel=1.1e-6)
    assert values_json(np.array(told, dtype=np.float64)) == told


@pytest.mark.parametrize("build", [a_long_run, a_failed_run])
def test_view_json_is_strict_json_and_reads_back_to_the_same_json(build: Any) -> None:
    """What goes over the wire is enough to draw everything from: breaks are null, never NaN."""
    run, frames, cost = build()
    sent = json.dumps(view(run, frames, cost=cost, now_ns=at(763)).to_json(), allow_nan=False)
    again = view_from_json(json.loads(sent))
    assert json.dumps(again.to_json(), allow_nan=False) == sent


def test_view_json_has_the_keys_of_the_contract() -> None:
    """Section 7 of processes-and-files."""
    run, frames, cost = a_failed_run()
    data = view(run, frames, cost=cost, now_ns=at(50), log_text="bye\n").to_json()
    assert list(data) == [
        "run", "cursor", "origin_ns", "end_s", "live", "tiles", "lanes", "legend", "log", "findings", "verdict",
        "headline", "window",
    ]  # fmt: skip
    by_id = {lane["id"]: lane for lane in data["lanes"]}
    alone = ["node-0", "step_heat", "value:loss", "cpu", "memory", "cost"]
    assert [lane["id"] for lane in data["lanes"] if not lane["parent"]] == alone
    under = [(lane["parent"], lane["id"]) for lane in data["lanes"] if lane["parent"]]
    assert under[:3] == [("node-0", "rank-0"), ("node-0", "rank-1"), ("step_heat", "step_time")]
    assert [by_id[parent]["folded"] for parent, _ in under] == [True] * len(under)
    assert {"id", "kind", "name", "note", "parent", "folded", "spans"} == set(by_id["node-0"])
    drawn = {"unit", "value", "lo", "hi", "t", "v", "shade"}
    assert {"id", "kind", "name", "note", "parent", "folded"} | drawn == set(by_id["value:loss"])
    assert by_id["node-0"]["spans"][0] == {"t0": 0.0, "t1": 1.0, "phase": "queued"}
    assert data["log"] == {"rank": 0, "text": "bye\n"}
    assert data["end_s"] == 45.4
    assert data["live"] is False


def test_a_heat_lane_a_folded_one_and_a_shade_survive_the_wire() -> None:
    """What is drawn of a window is what was sent, breaks included."""
    heat = HeatLane(
        id="step_heat", name="step time", unit="s", value="310 ms", lo=0.3, hi=0.6, rows=(0, 5), folded=True,
        t_s=np.array([0.0, 2.0, 4.0]), v=np.array([[0.3, math.nan], [0.31, 0.6]]),
    )  # fmt: skip
    empty = np.array([])
    cost = SeriesLane(
        id="cost", name="cost", unit="USD", value="$4.12", lo=0, hi=5, t_s=empty, v=empty, parent="step_heat",
        shade=((430.0, 560.25),),
    )  # fmt: skip
    run, frames, curve = a_failed_run()
    made = replace(view(run, frames, cost=curve, now_ns=at(50)), lanes=(heat, cost), window=(1.0, 4.0), headline="61 %")
    data = json.loads(json.dumps(made.to_json(), allow_nan=False))
    again = view_from_json(data)
    assert again.to_json() == data
    assert again.window == (1.0, 4.0)
    back, money = again.lanes
    assert isinstance(back, HeatLane)
    assert np.array_equal(back.v, heat.v, equal_nan=True)
    assert isinstance(money, SeriesLane)
    assert (money.parent, money.shade) == ("step_heat", ((430.0, 560.25),))
