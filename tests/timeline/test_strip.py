"""strip: each rank's own time a step, on columns that stay where they are."""

from __future__ import annotations

import numpy as np
import pytest
from timeline_builders import ORIGIN_NS, Frames

from jupyter_aicci.timeline.lanes import HeatLane
from jupyter_aicci.timeline.records import Records
from jupyter_aicci.timeline.strip import column_s, strip


def told(frames: Frames) -> Records:
    records = Records()
    for frame in frames:
        list(records.take(frame))
    return records


def a_slow_rank(steps: int = 100, ranks: int = 3) -> Records:
    """All steps take a second; rank 1 works for all of it, the others wait for it."""
    frames = Frames()
    for step in range(1, steps + 1):
        for rank in range(ranks):
            own = 1.0 if rank == 1 else 0.5
            frames.steps(10.0 + step, "compute comm checkpoint", (1, step, own, 1.0 - own, 0.0), rank=rank)
    return told(frames)


def drawn(records: Records, width_px: int = 800, window: tuple[float, float] | None = None) -> HeatLane:
    lane = strip(records, ORIGIN_NS, width_px, window, folded=False)
    assert lane is not None
    return lane


def test_the_row_of_the_slow_rank_stands_out_not_of_those_that_wait_for_it() -> None:
    """Own time: without collectives."""
    lane = drawn(a_slow_rank())
    assert lane.rows == (0, 1, 2)
    assert [round(float(np.nanmean(row)), 6) for row in lane.v] == [0.5, 1.0, 0.5]
    assert (lane.lo, lane.hi) == (0.5, 1.0)
    assert len(lane.t_s) == lane.v.shape[1] + 1


def test_columns_lie_on_one_grid_whatever_window_is_asked_for() -> None:
    """Zooming makes them finer by powers of two."""
    records = a_slow_rank(steps=1000)
    whole, part = drawn(records), drawn(records, window=(100.0, 160.0))
    width, finer = (float(lane.t_s[1] - lane.t_s[0]) for lane in (whole, part))
    assert (width, finer) == (column_s(1001.0, 200), column_s(60.0, 200))
    assert whole.t_s[0] % width == 0
    assert part.t_s[0] <= 100.0 < part.t_s[1]
    assert part.t_s[-1] >= 160.0


def test_a_step_longer_than_a_column_is_in_all_columns_that_it_lasts_in() -> None:
    """A slow step is a stretch, not a dot."""
    frames = Frames()
    for rank in (0, 1):
        frames.steps(1.0, "compute", (1, 1, 1.0), rank=rank).steps(9.0, "compute", (1, 2, 8.0), rank=rank)
    lane = drawn(told(frames))
    at_five = int(np.searchsorted(lane.t_s, 5.0, side="right")) - 1
    assert lane.v[0, at_five] == pytest.approx(8.0)


def test_a_checkpoint_is_no_rank_being_slow() -> None:
    """It is apart from the step that it delays."""
    frames = Frames()
    for rank in (0, 1):
        frames.steps(9.0, "compute checkpoint", (1, 1, 1.0, 7.0), rank=rank)
    assert drawn(told(frames)).hi == 1.0


def test_one_rank_has_no_strip() -> None:
    """There is nobody to compare it with; its step time is a curve."""
    assert strip(a_slow_rank(ranks=1), ORIGIN_NS, 800, None, folded=False) is None


def test_a_thousand_ranks_are_a_strip_that_can_be_sent() -> None:
    """Cells are bounded, rows are not dropped."""
    lane = drawn(a_slow_rank(steps=50, ranks=1000))
    assert lane.v.shape[0] == 1000
    assert lane.v.size <= 130_000
