"""The step's time: what must hold of any parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.speedup.model import Growth, Where, step_s, table

seconds = st.floats(1e-6, 10.0)
parameters = st.builds(
    lambda *times, g: np.array([*times, g]),
    seconds,
    seconds,
    seconds,
    seconds,
    seconds,
    seconds,
    g=st.floats(1.0, 10.0),
)
places = st.builds(
    lambda nodes, each, batch, ratio: Where(nodes=nodes, ranks=nodes * each, batch=batch, bandwidth_ratio=ratio),
    st.integers(1, 64), st.integers(1, 8), st.floats(1.0, 512.0), st.floats(0.05, 1.0),
)  # fmt: skip


def time_of(values: np.ndarray, at: Where, growth: Growth) -> float:
    return float(step_s(values, table((at,)), growth)[0])


@given(parameters, places, st.sampled_from(Growth), st.floats(1.0, 20.0))
def test_more_bandwidth_never_lengthens_a_step(values: np.ndarray, at: Where, growth: Growth, more: float) -> None:
    """So that it never lowers a ratio."""
    better = replace(at, bandwidth_ratio=at.bandwidth_ratio * more)
    assert time_of(values, better, growth) <= time_of(values, at, growth) * (1 + 1e-12)


@given(parameters, places, st.sampled_from(Growth), st.integers(0, 8), st.integers(0, 64))
def test_more_ranks_never_shorten_a_step_at_one_batch(
    values: np.ndarray, at: Where, growth: Growth, fuller: int, nodes: int
) -> None:
    """Fuller nodes, or more nodes that are as full: so that they never raise the ratio."""
    each = at.ranks // at.nodes + fuller
    larger = replace(at, ranks=(at.nodes + nodes) * each, nodes=at.nodes + nodes)
    assert time_of(values, larger, growth) >= time_of(values, at, growth) * (1 - 1e-12)


@given(parameters, places, st.sampled_from(Growth))
def test_a_step_lies_between_perfect_overlap_and_none(values: np.ndarray, at: Where, growth: Growth) -> None:
    """It takes as long as the longer of compute and communication at least, and as both together at most."""
    summed, hidden = np.append(values[:-1], 1.0), np.append(values[:-1], 1e6)
    assert time_of(hidden, at, growth) * (1 - 1e-9) <= time_of(values, at, growth)
    assert time_of(values, at, growth) <= time_of(summed, at, growth) * (1 + 1e-9)


def test_one_rank_does_not_communicate() -> None:
    """Its step is its compute."""
    values = np.array([0.1, 0.01, 5.0, 5.0, 5.0, 5.0, 2.0])
    assert time_of(values, Where(nodes=1, ranks=1, batch=20), Growth.NONE) == pytest.approx(0.3)


def test_a_place_that_cannot_be_is_refused() -> None:
    """More nodes than ranks, no batch, no bandwidth."""
    for wrong in ({"nodes": 3}, {"batch": 0.0}, {"bandwidth_ratio": 0.0}):
        with pytest.raises(ValueError, match="expected"):
            Where(**{"nodes": 1, "ranks": 2, "batch": 8.0, **wrong})
