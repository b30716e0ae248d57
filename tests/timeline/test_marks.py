"""marks, heat: the two functions that the page repeats; the page is tested with the same tables (marks.json, heat.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.timeline.heat import MOST_ROWS, heat_image, heat_scale
from jupyter_aicci.timeline.lanes import HeatLane, Lane, PhaseLane, SeriesLane
from jupyter_aicci.timeline.marks import marks
from jupyter_aicci.timeline.places import Place

HERE = Path(__file__).parent
MARKS = json.loads((HERE / "marks.json").read_text())
HEATS = json.loads((HERE / "heat.json").read_text())
NONE = np.empty(0)


def a_lane(told: dict[str, Any]) -> Lane:
    """A lane with nothing in it but what the table says."""
    head: dict[str, Any] = {"id": told["id"], "name": told["id"], "note": "", "parent": told.get("parent", "")}
    if told["kind"] == "phases":
        return PhaseLane(**head, spans=())
    scale: dict[str, Any] = {"unit": "", "value": "", "lo": 0.0, "hi": 1.0, "t_s": NONE}
    if told["kind"] == "heat":
        return HeatLane(**head, **scale, rows=tuple(told["rows"]), v=np.empty((len(told["rows"]), 0)))
    return SeriesLane(**head, **scale, v=NONE)


def a_heat(v: Any, t: Any) -> HeatLane:
    cells = np.asarray(v, dtype=np.float64)
    return HeatLane(
        id="step_heat", name="step time", unit="s", value="", lo=0.0, hi=1.0, rows=tuple(range(len(cells))),
        t_s=np.asarray(t, dtype=np.float64), v=cells,
    )  # fmt: skip


@pytest.mark.parametrize("row", MARKS, ids=lambda row: row["name"])
def test_a_finding_is_marked_where_the_table_says(row: dict[str, Any]) -> None:
    lanes = [a_lane(each) for each in row["lanes"]]
    by_id = {lane.id: lane for lane in lanes}
    places = [Place(lane=by_id[each["id"]], top=each["top"], bottom=each["bottom"]) for each in row["places"]]
    finding = row["finding"] | {"severity": "warning", "from_s": 1.0, "to_s": 2.0}
    found = marks([finding], places, lanes)
    assert [[mark.top, mark.bottom] for mark in found] == row["boxes"]
    assert [mark.numbered for mark in found] == [at == 0 for at in range(len(found))]


@pytest.mark.parametrize("row", HEATS, ids=lambda row: row["name"])
def test_a_strip_of_heat_is_drawn_as_the_table_says(row: dict[str, Any]) -> None:
    lane = a_heat(row["v"], row["t"])
    assert [[None if np.isnan(v) else v for v in line] for line in heat_image(lane).tolist()] == row["image"]
    assert heat_scale(lane) == pytest.approx(tuple(row["scale"]))


@given(ranks=st.integers(1, 1500), slow=st.integers(0, 1499))
def test_one_slow_rank_of_many_is_seen_in_a_strip_of_few_rows(ranks: int, slow: int) -> None:
    """Of several ranks in one row the slowest is shown, and the strip never has more rows than pixels."""
    v = np.full((ranks, 2), 0.3)
    v[slow % ranks, 1] = 0.9
    image = heat_image(a_heat(v, [0, 1, 2]))
    assert len(image) <= MOST_ROWS
    assert (image[:, 1] == 0.9).sum() == 1
    assert (image[:, 0] == 0.3).all()
