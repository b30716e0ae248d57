"""Time against cost: which points are worth their money, whatever the chip."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speedup_builders import a_point

from jupyter_aicci.speedup.frontier import Point, frontier, point_from_json

points = st.builds(
    a_point,
    label=st.text("abc", min_size=1, max_size=3), accelerator=st.sampled_from(("h100", "ascend910b", "")),
    per_s=st.floats(0.1, 1e6), unit=st.sampled_from(("samples/s", "steps/s")), currency=st.sampled_from(("USD", "CNY")),
    per_h_micro=st.one_of(st.none(), st.integers(0, 10**9)), power_w=st.one_of(st.none(), st.floats(1.0, 1e5)),
    estimated=st.booleans(),
)  # fmt: skip


def better(one: Point, other: Point) -> bool:
    """In time and cost, and strictly in one of them."""
    assert one.cost is not None
    assert other.cost is not None
    return one.per_s >= other.per_s and one.cost <= other.cost and (one.per_s, one.cost) != (other.per_s, other.cost)


@given(st.lists(points, max_size=12))
def test_nothing_beats_what_is_on_the_frontier_and_something_beats_all_else(given_points: list[Point]) -> None:
    """Among points of one unit and one currency; without a price there is no place on it."""
    best = frontier(given_points)
    on_it = {id(point) for point in best}
    for point in given_points:
        rivals = [
            o for o in given_points if o.cost is not None and (o.unit, o.currency) == (point.unit, point.currency)
        ]
        beaten = point.cost is None or any(better(other, point) for other in rivals)
        assert (id(point) in on_it) is not beaten


@given(st.lists(points, max_size=12), st.randoms())
def test_the_order_of_the_points_does_not_matter(given_points: list[Point], random: Any) -> None:
    """The fastest stands first."""
    mixed = list(given_points)
    random.shuffle(mixed)
    assert [point.per_s for point in frontier(mixed)] == [point.per_s for point in frontier(given_points)]
    speeds = [point.per_s for point in frontier(given_points)]
    assert speeds == sorted(speeds, reverse=True)


@given(points)
def test_a_point_comes_back_from_json(point: Point) -> None:
    """As `compare --json` prints it."""
    back = point_from_json(json.loads(json.dumps(point.to_json() | {"best": True})))
    assert replace(back, power_w=None) == replace(point, power_w=None)
    assert back.power_w == (pytest.approx(point.power_w) if point.power_w else None)


def test_an_unknown_price_is_no_price() -> None:
    """Not 0: it has no cost, no samples for a unit of currency, and no place on the frontier."""
    unset = a_point(per_h_micro=None, per_s=1e9)
    assert (unset.cost, unset.per_currency) == (None, None)
    assert frontier((unset, a_point())) == (a_point(),)


def test_what_is_free_costs_nothing() -> None:
    """And samples for one unit of currency are not infinite, but not asked about."""
    free = a_point(per_h_micro=0)
    assert (free.cost, free.per_currency) == (0.0, None)


def test_samples_by_second_money_and_energy() -> None:
    """6,000 a second at 24 USD an hour and 5 kW."""
    point = a_point()
    assert point.per_currency == pytest.approx(900_000)
    assert point.per_kwh == pytest.approx(4_320_000)
    assert point.time_h == pytest.approx(1_000_000 / 6_000 / 3_600)
    assert point.cost == pytest.approx(1.1111, abs=1e-4)
    assert a_point(power_w=None).per_kwh is None
