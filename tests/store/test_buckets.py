"""Buckets say what the readings in them said, in whatever pieces these came."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.store.buckets import Layout, columns_of, fold, put_together, read

READINGS = st.lists(st.one_of(st.integers(0, 50).map(float), st.just(math.nan)), min_size=1, max_size=40)


def whole(layout: Layout, values: list[float], cuts: list[int], width_s: float = 10.0) -> Any:
    """The fold of readings a second, put together from pieces cut at `cuts`: (statistics, 1, buckets)."""
    total = np.zeros((len(fold(layout, np.zeros(1), np.zeros((1, 1)), width_s)[1]), 1, -(-len(values) // int(width_s))))
    edges = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    for begin, end in pairwise(edges):
        t_s = np.arange(begin, end, dtype=np.float64)
        buckets, part = fold(layout, t_s, np.array(values[begin:end])[:, None], width_s)
        total[:, :, buckets] = put_together(layout, total[:, :, buckets], part)
    return total


@given(READINGS, st.lists(st.integers(1, 39), max_size=5))
def test_a_gauge_keeps_its_extremes_its_mean_and_its_gaps(values: list[float], cuts: list[int]) -> None:
    """First, lowest, highest, last, mean and number of every ten seconds, by the definition."""
    found = read("gauge", whole("gauge", values, cuts))
    for bucket in range(found.count.shape[1]):
        mine = [v for v in values[10 * bucket : 10 * bucket + 10] if not math.isnan(v)]
        told = [getattr(found, name)[0, bucket] for name in ("first", "low", "high", "last", "mean", "count")]
        if not mine:
            assert all(map(math.isnan, told[:5]))
            continue
        assert told == pytest.approx([mine[0], min(mine), max(mine), mine[-1], sum(mine) / len(mine), len(mine)])


@given(READINGS, st.lists(st.integers(1, 39), max_size=5))
def test_a_counter_is_its_rate_whatever_pieces_it_came_in(values: list[float], cuts: list[int]) -> None:
    """What it grew by, over its time; a step back is a new beginning at nought, which is not drawn as a fall."""
    found = read("counter", whole("counter", values, cuts))
    seen = [(second, value) for second, value in enumerate(values) if not math.isnan(value)]
    steps = [(b[0], (b[1] - a[1] if b[1] >= a[1] else b[1]), b[0] - a[0]) for a, b in pairwise(seen)]
    for bucket in range(found.count.shape[1]):
        mine = [step for step in steps if step[0] // 10 == bucket]
        before_is_empty = not any(second // 10 == bucket - 1 for second, _ in seen)
        if before_is_empty:  # the step from beyond a gap tells nothing of this bucket
            mine = [step for step in mine if (step[0] - step[2]) // 10 == bucket]
        if not mine:
            assert math.isnan(found.mean[0, bucket])
            continue
        rates = [grown / passed for _, grown, passed in mine]
        assert found.mean[0, bucket] == pytest.approx(sum(step[1] for step in mine) / sum(step[2] for step in mine))
        assert (found.low[0, bucket], found.high[0, bucket]) == pytest.approx((min(rates), max(rates)))


def test_a_late_reading_of_a_counter_is_put_before_what_is_there() -> None:
    """Its bucket is opened again, and no reset is seen where none was."""
    _, late = fold("counter", np.array([1.0, 2.0]), np.array([[10.0], [20.0]]), 10.0)
    _, there = fold("counter", np.array([5.0, 6.0]), np.array([[50.0], [60.0]]), 10.0)
    assert read("counter", put_together("counter", there, late)).mean[0, 0] == 10.0


@given(READINGS, st.integers(1, 5))
def test_a_column_of_buckets_is_the_bucket_of_all_of_them(values: list[float], each: int) -> None:
    """Reading wide columns from narrow buckets and folding wide at once say the same of a gauge."""
    narrow = columns_of(read("gauge", whole("gauge", values, [])), each, "gauge")
    wide = read("gauge", whole("gauge", values, [], 10.0 * each))
    for name in ("first", "low", "high", "last", "mean"):
        np.testing.assert_allclose(getattr(narrow, name), getattr(wide, name))


def test_sums_add_up() -> None:
    """The nanoseconds of a phase over a whole window are those of its buckets."""
    found = read("sum", whole("sum", [1e9] * 25, [7]))
    assert found.mean.tolist() == [[1e10, 1e10, 5e9]]
    assert columns_of(found, 3, "sum").mean.tolist() == [[2.5e10]]
