"""series: growing curves and their thinning."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.timeline.series import MOST_POINTS, Series, m4, thinned

points = st.lists(
    st.tuples(st.floats(0, 10), st.one_of(st.floats(-1e6, 1e6), st.just(math.nan))), min_size=1, max_size=400
)


@given(points, st.integers(1, 40))
def test_m4_keeps_first_lowest_highest_and_last_of_each_column_and_every_break(
    raw: list[tuple[float, float]], columns: int
) -> None:
    """Nothing is invented, nothing that shows is lost."""
    t_s = np.cumsum([after_s for after_s, _ in raw])
    v = np.array([value for _, value in raw])
    keep = m4(t_s, v, t_s[0], t_s[-1], columns)
    assert (np.diff(keep) > 0).all()
    assert set(np.flatnonzero(np.isnan(v))) <= set(keep)
    width_s = max(t_s[-1] - t_s[0], 1e-9) / columns
    column = np.floor((t_s - t_s[0]) / width_s)
    for each in np.unique(column):
        inside = np.flatnonzero((column == each) & ~np.isnan(v))
        if len(inside):
            kept = [i for i in keep if i in set(inside)]
            assert kept[0] == inside[0]
            assert kept[-1] == inside[-1]
            assert (v[kept].min(), v[kept].max()) == (v[inside].min(), v[inside].max())
            assert len(kept) <= 4


def test_few_points_are_not_thinned() -> None:
    """Up to four a column all are sent."""
    t_s, v = np.arange(40.0), np.arange(40.0) % 7
    assert thinned(t_s, v, 0, 39, 10)[0] is t_s


def test_values_that_are_no_number_are_counted_and_not_drawn() -> None:
    """NaN and infinity would spoil the lane's range."""
    series = Series()
    for place, value in enumerate((1.0, math.nan, math.inf, -math.inf, 2.0)):
        series.add(float(place), value, place)
    assert series.v.tolist() == [1.0, 2.0]
    assert (series.dropped, series.lo, series.hi, series.last) == (3, 1.0, 2.0, 2.0)


def test_a_silence_longer_than_the_gap_is_a_break() -> None:
    """A line over a time of which nothing is known would be a lie."""
    series = Series(gap_s=5)
    for t_s in (0.0, 1.0, 9.0):
        series.add(t_s, 1.0, int(t_s))
    assert series.t_s.tolist() == [0.0, 1.0, 9.0, 9.0]
    assert np.isnan(series.v).tolist() == [False, False, True, False]


def test_since_gives_the_points_that_later_frames_brought() -> None:
    """A delta is cut by seq, not by time."""
    series = Series()
    for seq in (3, 5, 8):
        series.add(1.0, float(seq), seq)
    assert series.since(4)[1].tolist() == [5.0, 8.0]
    assert series.since(8)[1].size == 0


def test_a_curve_of_a_million_points_keeps_its_extremes_and_little_memory() -> None:
    """Runs are days long; the service must not grow with them."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_000_000)
    series = Series()
    for place, value in enumerate(values.tolist()):
        series.add(place / 20, value, place)
    assert series.count <= MOST_POINTS
    assert (np.diff(series.t_s) >= 0).all()
    assert (series.v.min(), series.v.max()) == (values.min(), values.max()) == (series.lo, series.hi)
    assert (series.t_s[0], series.v[-1]) == (0.0, values[-1])
