"""What each rank did, as rows: they sum to the bill's parts whatever was told."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from timeline_builders import Frames, Journal, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import Step
from jupyter_aicci.pricing.meter import meter
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.partition import ORDER, partition
from jupyter_aicci.timeline.stretches import Stretches, stretches

NAMES = ("compute", "data_wait", "comm", "checkpoint", "eval", "my span", "starting", "done")
TIME = st.floats(0.0, 12.0)
PART = st.floats(0.0, 0.7)
TOLD = st.lists(
    st.one_of(
        st.tuples(st.just("phase"), TIME, st.sampled_from(NAMES)),
        st.tuples(st.just("steps"), TIME, st.lists(st.tuples(PART, PART, PART), min_size=1, max_size=4)),
    ),
    max_size=12,
)


def rows(run: Run, frames: Frames) -> tuple[list[Stretches], Gathered]:
    gathered = Gathered(run.submitted_ns)
    for frame in frames:
        gathered.take(frame)
    return list(stretches(run, gathered.told, gathered.records, meter(run, at(10.0)).entries)), gathered


def a_run(attempts: int = 1) -> Run:
    journal = Journal(ranks_per_node=2, micro_per_h=7_200_000).placed(1.0).runs(2.0)
    return (
        journal.run()
        if attempts == 1
        else journal.step(5.9, Step.LOSE).step(5.95, Step.REQUEUE).released(6.0).placed(7.0).runs(7.5).run()
    )


def test_a_step_is_a_row_for_each_of_its_phases_and_what_no_step_covers_is_what_was_told() -> None:
    """With the step's number, its beginning and its end."""
    frames = Frames().phase(2.0, "compute").steps(5.0, "compute data_wait", (1, 7, 0.5, 0.25), rank=0)
    first, _ = rows(a_run(), frames.phase(9.0, "checkpoint"))[0]
    seen = [
        (ORDER[code], (a - at(0)) / 1e9, (b - at(0)) / 1e9, ns / 1e9, step)
        for code, a, b, ns, step in zip(first.phase, first.from_ns, first.to_ns, first.ns, first.step, strict=True)
    ]
    assert seen == [
        ("starting", 1.0, 2.0, 1.0, -1),
        ("compute", 2.0, 4.25, 2.25, -1),
        ("compute", 4.25, 5.0, 0.5, 7),
        ("data_wait", 4.25, 5.0, 0.25, 7),
        ("compute", 5.0, 9.0, 4.0, -1),
        ("checkpoint", 9.0, 10.0, 1.0, -1),
    ]


@settings(max_examples=200, deadline=None)
@given(told=TOLD, attempts=st.sampled_from((1, 2)))
def test_rows_sum_to_the_parts_of_the_bill(told: list[tuple[str, float, object]], attempts: int) -> None:
    """Phase by phase and rank by rank, to the nanosecond: late, overlapping, redone and scaled records included."""
    run, frames = a_run(attempts), Frames()
    for number, (kind, seconds, body) in enumerate(sorted(told, key=lambda each: each[1])):
        frames.attempt = 1 if attempts == 1 or seconds < 6.5 else 2
        if kind == "phase":
            frames.phase(seconds, str(body), number % 2)
        else:
            records = [(1, number + place, *parts) for place, parts in enumerate(body)]  # type: ignore[arg-type]
            frames.steps(seconds, "compute comm my_span", *records, rank=number % 2)
    found, gathered = rows(run, frames)
    sums: dict[tuple[int, int, str], int] = {}
    for rank in found:
        for code, ns in zip(rank.phase.tolist(), rank.ns.tolist(), strict=True):
            key = (rank.attempt, rank.rank, ORDER[code])
            sums[key] = sums.get(key, 0) + ns
    parts = partition(run, gathered.told, gathered.records, meter(run, at(10.0)).entries)
    assert sums == {(part.attempt, part.rank, part.phase): part.ns for part in parts}


def test_a_run_that_waits_has_no_rows() -> None:
    """Nothing was held."""
    assert rows(Journal().run(), Frames())[0] == []
