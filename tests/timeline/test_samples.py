"""samples: gauges as they were read, counters as rates, and breaks where nothing was seen."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_builders import ORIGIN_NS, Frames

from jupyter_aicci.timeline import samples as module
from jupyter_aicci.timeline.samples import Column, Samples


def taken(frames: Frames) -> Samples:
    samples = Samples(ORIGIN_NS)
    for frame in frames:
        samples.take(frame)
    return samples


def points(samples: Samples, metric: str, owner: str) -> list[tuple[float, float | None]]:
    t_s, v = samples.series(metric, owner)
    return [(round(t, 3), None if math.isnan(x) else x) for t, x in zip(t_s, v, strict=True)]


def node(frames: Frames, seconds: float, **metrics: float) -> Frames:
    """A sample of the node itself."""
    frames.add(seconds, "sample", source="agent")
    frames.stored[-1].frame["node"] = metrics
    return frames


def test_a_counter_is_its_rate_at_the_later_reading() -> None:
    """100 bytes in half a second are 200 a second."""
    frames = node(node(node(Frames(), 1.0, net_rx=1000.0), 2.0, net_rx=1300.0), 2.5, net_rx=1400.0)
    assert points(taken(frames), "net_rx", "node-0") == [(2.0, 300.0), (2.5, 200.0)]


def test_a_counter_that_steps_back_has_no_rate_there() -> None:
    """A driver that was loaded anew counts from zero; nobody knows what it missed."""
    frames = Frames()
    for second, value in enumerate((10.0, 20.0, 5.0, 9.0)):
        node(frames, second, net_rx=value)
    assert points(taken(frames), "net_rx", "node-0") == [(1.0, 10.0), (2.0, None), (3.0, 4.0)]


def test_silence_is_a_break_for_gauges_and_counters() -> None:
    """Ten seconds without a sample are not drawn over."""
    frames = Frames()
    for second in (1.0, 2.0, 12.0, 13.0):
        node(frames, second, load=1.0, net_rx=second)
    samples = taken(frames)
    assert points(samples, "load", "node-0") == [(1, 1), (2, 1), (2.001, None), (12, 1), (13, 1)]
    assert [value for _, value in points(samples, "net_rx", "node-0")] == [1.0, None, 1.0]


def test_two_attempts_are_not_joined() -> None:
    """The next attempt's counters are other processes'."""
    frames = Frames()
    frames.add(1.0, "sample", source="agent", ranks={"0": {"read": 100.0}})
    frames.attempt = 2
    frames.add(2.0, "sample", source="agent", ranks={"0": {"read": 400.0}})
    frames.add(3.0, "sample", source="agent", ranks={"0": {"read": 500.0}})
    assert [value for _, value in points(taken(frames), "read", "rank-0")] == [None, 100.0]


def test_owners_are_named_as_the_table_of_metrics_names_them() -> None:
    """Node, rank, device and NIC; a metric that is not in the table is not kept."""
    frames = Frames(node=3).add(
        1.0, "sample", source="agent", ranks={"5": {"cpu": 1.0}}, devices={"2": {"util": 90.0, "colour": 1.0}},
        nics={"mlx5_0": {"rdma_rate": 400.0}},
    )  # fmt: skip
    frames.stored[-1].frame["node"] = {"cpu": 2.0}
    samples = taken(frames)
    assert samples.owners == {
        "cpu": ("node-3", "rank-5"), "util": ("node-3/gpu-2",), "rdma_rate": ("node-3/mlx5_0",)
    }  # fmt: skip
    assert points(samples, "nothing", "node-3") == []


@given(st.lists(st.floats(0, 1e6), min_size=50, max_size=400), st.booleans())
def test_a_long_column_is_thinned_and_keeps_what_it_is_about(steps: list[float], counter: bool) -> None:
    """A gauge keeps its extremes, a counter its sum."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_POINTS", 64)
        column, total = Column(counter=counter), 0.0
        for place, step in enumerate(steps):
            total += step
            column.add(float(place), total if counter else step, place, 1)
    t_s, v = column.points()
    assert len(t_s) <= 64
    assert all(before < after for before, after in pairwise(t_s.tolist()))
    if counter:
        passed = np.diff(np.r_[0.0, t_s])
        assert float((v * passed).sum()) == pytest.approx(total - steps[0], rel=1e-6, abs=1e-3)
    else:
        assert (v.min(), v.max()) == (min(steps), max(steps))
