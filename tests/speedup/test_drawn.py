"""Time against cost as words, page and picture: NVIDIA beside Ascend, unknown prices, what cannot stand on one axis."""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speedup_builders import a_point

from jupyter_aicci.speedup.figure import page
from jupyter_aicci.speedup.frontier import Point
from jupyter_aicci.speedup.looks import bounds, groups, looks, ticks
from jupyter_aicci.speedup.picture import picture
from jupyter_aicci.speedup.words import amount, frontier_text, point_text, short

NVIDIA = (a_point(lo_per_s=5_900.0, hi_per_s=6_100.0), a_point(label="h100x8 ×2", nodes=2, ranks=16, per_s=11_000.0,
          per_h_micro=48_000_000, estimated=True, lo_per_s=9_000.0, hi_per_s=12_000.0))  # fmt: skip
ASCEND = (a_point(label="ascend910bx8", accelerator="ascend910b", per_s=2_900.0, per_h_micro=None),
          a_point(label="ascend910bx8 ×2", accelerator="ascend910b", per_s=5_600.0, per_h_micro=18_000_000))  # fmt: skip


def figures(points: tuple[Point, ...]) -> dict[str, Any]:
    """What the page draws, by theme."""
    (found,) = re.findall(r'<script id="figures" type="application/json">(.*?)</script>', page(points))
    return dict(json.loads(found))


def columns(drawn: Any) -> list[dict[str, list[Any]]]:
    """The data of every source in it."""
    if isinstance(drawn, dict) and drawn.get("name") == "ColumnDataSource":
        return [dict(drawn["attributes"]["data"]["entries"])]
    parts = drawn.values() if isinstance(drawn, dict) else drawn if isinstance(drawn, list) else ()
    return [one for part in parts for one in columns(part)]


def test_every_point_is_told_in_words() -> None:
    """Fastest first, with speed, time, money and energy, what is estimated and what is on the frontier."""
    head, *lines = frontier_text((*NVIDIA, *ASCEND)).splitlines()
    assert head == "Time against cost"
    assert [line.split(",")[0] for line in lines] == ["h100x8 ×2", "h100x8", "ascend910bx8 ×2", "ascend910bx8"]
    assert lines[0].endswith("(estimated, on the frontier)")
    assert lines[1].startswith(
        "h100x8, 8 ranks: 6000 samples/s, 1,000,000 samples in 3 min for $1.11, 4.32M samples for one kWh"
    )
    assert "price not set" in lines[3]
    assert "frontier" not in lines[3]
    assert "Nothing was measured" in frontier_text(())


def test_steps_are_not_called_samples() -> None:
    """Where the batch is not known."""
    assert "1,000,000 steps in" in point_text(a_point(unit="steps/s"))


def test_an_amount_that_is_not_known_says_why() -> None:
    """Free, not set, not measured."""
    assert amount(a_point(per_h_micro=0), "per_currency") == "free"
    assert amount(a_point(per_h_micro=None), "per_currency") == "price not set"
    assert amount(a_point(power_w=None), "per_kwh") == "–"


def test_numbers_are_short() -> None:
    """Three significant places."""
    assert [short(value) for value in (0.0912345, 6_200, 9_999, 20_512, 933_000, 999_900, 2_220_000)] == [
        "0.0912", "6200", "10k", "20.5k", "933k", "1M", "2.22M",
    ]  # fmt: skip


def test_nvidia_and_ascend_stand_on_one_axis() -> None:
    """The priced points of both in one chart, told apart by marker and colour; the unpriced one only among the bars."""
    drawn = columns(figures((*NVIDIA, *ASCEND))["light"])
    names = [set(each["label"]) for each in drawn if "label" in each]
    assert sorted(map(sorted, names)) == [["ascend910bx8 ×2"], ["h100x8"], ["h100x8 ×2"]]
    bars = [each for each in drawn if "place" in each]
    assert [len(each["text"]) for each in bars] == [4, 4, 4]
    assert bars[1]["text"] == ["900k", "825k", "price not set", "1.12M"]
    both = looks((*NVIDIA, *ASCEND))
    assert len({marker for marker, _ in both.values()}) == len({colour for _, colour in both.values()}) == 2


def test_a_forecast_is_drawn_with_its_interval() -> None:
    """Hours at the fast end and at the slow one."""
    (forecast,) = (each for each in columns(figures(NVIDIA)["light"]) if each.get("label") == ["h100x8 ×2"])
    hours = forecast["hours"][0]
    assert forecast["fastest"][0] == pytest.approx(hours * 11 / 12)
    assert forecast["slowest"][0] == pytest.approx(hours * 11 / 9)


def test_the_page_is_light_and_dark_and_asks_for_nothing() -> None:
    """Both figures are in it; no address of another host is; names of runs are text."""
    text = page((*NVIDIA, a_point(label="<script>alert(1)</script>")))
    assert set(figures(NVIDIA)) == {"light", "dark"}
    assert "default-src 'none'" in text
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", text)
    assert "<script>alert" not in text
    assert html.escape("<script>alert(1)</script>") in text


def test_dollars_and_yuan_are_drawn_apart() -> None:
    """Nor do samples stand beside steps: a group for each."""
    yuan, counted = a_point(currency="CNY"), a_point(unit="steps/s")
    assert groups((*NVIDIA, yuan, counted, a_point())) == [[*NVIDIA, a_point()], [yuan], [counted]]
    assert len([each for each in columns(figures((*NVIDIA, yuan))["light"]) if "place" in each]) == 6
    assert picture((*NVIDIA, yuan)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "points", [(a_point(),), (ASCEND[0],), (a_point(per_h_micro=0, power_w=None),), (a_point(), a_point())]
)
def test_one_point_is_enough(points: tuple[Point, ...]) -> None:
    """Also without a price, or free, or twice the same."""
    assert picture(points).startswith(b"\x89PNG")
    assert page(points).startswith("<!doctype html>")


def test_equal_points_give_equal_pictures() -> None:
    """To the byte."""
    assert picture(NVIDIA) == picture(NVIDIA)


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=6))
def test_an_axis_holds_its_values_and_has_ticks(values: list[float]) -> None:
    """Between two and some dozens of them, all inside."""
    lo, hi = bounds(values)
    assert lo < min(values) <= max(values) < hi
    marks = ticks(lo, hi)
    assert 2 <= len(marks) <= 66  # three for each power of ten of 15, and of the room beside them
    assert all(lo <= mark <= hi or math.isclose(mark, lo) or math.isclose(mark, hi) for mark in marks)
    assert marks == sorted(marks)
