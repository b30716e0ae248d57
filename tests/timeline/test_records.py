"""records: what `steps` frames told, exactly, and collectives split into their best and the wait for others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_builders import Frames, at

from jupyter_aicci.timeline import records as module
from jupyter_aicci.timeline.records import PHASES, Records


def told(frames: Frames) -> Records:
    records = Records()
    for frame in frames:
        list(records.take(frame))
    return records


def test_records_lie_end_to_end_and_the_last_ends_with_its_frame() -> None:
    """Their times are only in the frame's own time and their lengths."""
    records = told(Frames().steps(10.0, "compute comm", (1, 4, 1.0, 0.5), (2, 6, 2.0, 0.25)))
    assert records.column("from_ns").tolist() == [at(6.25), at(7.75)]
    assert records.column("to_ns").tolist() == [at(7.75), at(10.0)]
    assert records.column("count").tolist() == [1, 2]


def test_collectives_take_what_the_fastest_rank_saw_and_the_rest_is_waiting_for_others() -> None:
    """Rank 0 came last to step 1, rank 1 to step 2; a step that one rank alone told is all collective."""
    frames = Frames()
    frames.steps(5.0, "compute comm", (1, 1, 2.0, 0.1), (1, 2, 1.0, 0.7), (1, 3, 1.0, 0.4), rank=0)
    frames.steps(5.0, "compute comm", (1, 1, 1.0, 1.1), (1, 2, 1.5, 0.2), rank=1)
    best, straggler = told(frames).split()
    assert (best / 1e9).round(6).tolist() == [0.1, 0.2, 0.4, 0.1, 0.2]
    assert (straggler / 1e9).round(6).tolist() == [0.0, 0.5, 0.0, 1.0, 0.0]


def test_names_that_a_program_gives_are_spans_together() -> None:
    """Only the phases of the contract have a column of their own."""
    records = told(Frames().steps(9.0, "compute render video eval", (1, 1, 1.0, 2.0, 3.0, 0.5)))
    assert records.column("spans").tolist() == [5_000_000_000]
    assert records.column("eval").tolist() == [500_000_000]


def test_a_record_that_does_not_fit_its_phases_is_left_out() -> None:
    """A torn or foreign frame costs its own record, not the run's view."""
    records = told(Frames().steps(9.0, "compute", (1, 1, 1.0, 2.0), (1, 2, 1.0)))
    assert records.column("step").tolist() == [2]


records_of_a_frame = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.integers(0, 10**9), min_size=7, max_size=7)), min_size=1, max_size=6
)


@given(st.lists(st.tuples(st.integers(0, 2), records_of_a_frame), min_size=1, max_size=40))
def test_merging_old_records_keeps_what_every_rank_spent_on_every_phase(
    said: list[tuple[int, list[tuple[int, list[int]]]]],
) -> None:
    """Memory is bounded; the sums are not touched, and neither is what was waited for others."""
    frames, step = Frames(), [0, 0, 0]
    for place, (rank, several) in enumerate(said):
        rows: list[tuple[float, ...]] = []
        for count, parts in several:
            step[rank] += count
            rows.append((count, step[rank], *(part / 1e9 for part in parts)))
        frames.steps(1000.0 + place, " ".join(PHASES), *rows, rank=rank)
    whole, small = told(frames), Records()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_RECORDS", 16)
        for frame in frames:
            list(small.take(frame))
    for rank in range(3):
        ours, theirs = whole.column("rank") == rank, small.column("rank") == rank
        for name in ("count", "compute", "data_wait", "checkpoint", "compile", "eval", "spans"):
            assert whole.column(name)[ours].sum() == small.column(name)[theirs].sum()
        assert sum(part[theirs].sum() for part in small.split()) == whole.column("comm")[ours].sum()
    assert np.all(np.diff(small.column("seq")) >= 0)


def test_records_stay_under_their_limit_however_long_a_run_is() -> None:
    """10,000 steps in room for 64 records; the newest keep their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_RECORDS", 64)
        frames = Frames()
        for step in range(0, 10_000, 4):
            frames.steps(5.0 + step, "compute", *((1, step + i, 1.0) for i in range(4)))
        records = told(frames)
    assert len(records) <= 64
    assert records.column("count").sum() == 10_000
    assert records.column("count")[-1] == 1
