"""What is damaged is drawn as nothing, and how much it is stands beside it."""

from __future__ import annotations

import math

import numpy as np
from timeline_builders import Frames, Journal, a_curve, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.incremental import Accumulator
from jupyter_aicci.timeline.lanes import Lane, PhaseLane, SeriesLane, View
from jupyter_aicci.timeline.partition import partition


def a_run() -> Run:
    return Journal(ranks_per_node=1).placed(1.0).runs(2.0).run()


def drawn(run: Run, frames: Frames, until_s: float = 60.0) -> tuple[View, dict[str, Lane]]:
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames)
    view = state.view(run, cost=a_curve([(1.0, 0), (until_s, 0)]), now_ns=at(until_s))
    return view, {lane.id: lane for lane in view.lanes}


def spans(lane: Lane) -> list[tuple[float, float, str]]:
    assert isinstance(lane, PhaseLane)
    return [(round(span.t0_s, 3), round(span.t1_s, 3), span.phase) for span in lane.spans]


def breaks(lane: Lane) -> list[float]:
    assert isinstance(lane, SeriesLane)
    return [float(t) for t, v in zip(lane.t_s, lane.v, strict=True) if math.isnan(v)]


def a_rank() -> Frames:
    frames = Frames().phase(2, "starting").phase(3, "compute")
    for step in range(10):
        frames.step(4.0 + step, step).log(4.0 + step, step=step, loss=1.0)
    return frames


def test_a_phase_is_not_stretched_over_a_gap() -> None:
    """From the last frame of the spool until the rank says again what it does, the bar is empty, and its note says why."""
    frames = a_rank().phase(14, "checkpoint").add(40, "gap", lost_bytes=1234)
    frames.steps(40, "compute", (1, 30, 2.0))
    _, lanes = drawn(a_run(), frames)
    assert spans(lanes["node-0"])[-3:] == [(3, 14, "compute"), (38, 60, "compute")] or spans(lanes["node-0"])[-2:] == [
        (3, 14, "compute"), (38, 60, "compute")
    ]  # fmt: skip
    assert "1 gap, 26 s: 1.2 kB damaged" in lanes["node-0"].note


def test_curves_are_broken_at_a_gap() -> None:
    """A null between the points on both sides; nothing is invented."""
    frames = a_rank().add(30, "gap", lost_bytes=99).steps(30, "compute", (1, 20, 1.0)).log(30, step=20, loss=0.5)
    _, lanes = drawn(a_run(), frames)
    for name in ("step_time", "value:loss"):
        assert breaks(lanes[name]) == [13.0]
        assert lanes[name].note == "1 gap, 17 s: 99 B damaged"


def test_samples_of_all_nodes_have_no_sum_where_those_of_one_are_damaged() -> None:
    """A chunk that is damaged is told at its end: what was drawn of the others meanwhile goes."""
    run, frames = Journal(nodes=2, ranks_per_node=2).placed(1.0).runs(2.0).run(), Frames()
    for second in range(2, 40):
        frames.sample(second, 1.0, 1e9, node=0)
        if not 10 < second < 30:
            frames.sample(second + 0.1, 1.0, 1e9, node=1)
        elif second == 29:
            frames.add(29.1, "gap", source="agent", node=1, of="raw", from_ns=at(11), to_ns=at(29.1), frames=19)
    for stored in frames.stored:
        object.__setattr__(stored, "source", f"attempt-1/node-{stored.node}/agent")
    _, lanes = drawn(run, frames, 40.0)
    lane = lanes["cpu"]
    assert isinstance(lane, SeriesLane)
    assert all(math.isnan(v) for t, v in zip(lane.t_s, lane.v, strict=True) if 11 < t < 29)
    assert {float(v) for t, v in zip(lane.t_s, lane.v, strict=True) if t <= 10 or t > 31} == {1.0, 2.0} - (
        {1.0} if lane.t_s[0] > 2 else set()
    )
    assert lane.note == "1 gap, 18 s: 19 frames damaged"


def test_a_damaged_chunk_of_values_leaves_phases_and_steps_alone() -> None:
    """A gap hides what it is of."""
    frames = a_rank().add(30, "gap", of="log", from_ns=at(14), to_ns=at(30), frames=16)
    frames.steps(30, "compute", (1, 20, 17.0)).log(31, step=20, loss=0.5)
    _, lanes = drawn(a_run(), frames)
    assert (lanes["node-0"].note, lanes["step_time"].note) == ("this host", "")
    assert breaks(lanes["step_time"]) == []
    assert breaks(lanes["value:loss"]) == [14.0]


def test_a_gap_in_the_steps_hides_the_phase_only_where_they_are_missing() -> None:
    """What the rank told of its phases is not damaged, and holds on both sides."""
    frames = a_rank().add(30, "gap", of="raw", from_ns=at(14), to_ns=at(30), frames=16)
    _, lanes = drawn(a_run(), frames)
    assert spans(lanes["node-0"])[-2:] == [(3, 14, "compute"), (30, 60, "compute")]


def test_time_that_nobody_knows_is_a_phase_of_the_bill() -> None:
    """The parts still sum to what was held; the lost time is called so."""
    run, frames = a_run(), a_rank().add(40, "gap", lost_bytes=1).steps(40, "compute", (1, 20, 2.0))
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames)

    class Entry:
        attempt, node, from_ns, to_ns, amount_micro = 1, 0, at(1), at(60), 59_000

    parts = {part.phase: (part.ns, part.micro) for part in state.gathered.parts(run, [Entry()])}
    assert parts["unknown"] == (25_000_000_000, 25_000)
    assert sum(ns for ns, _ in parts.values()) == 59_000_000_000
    assert partition.__doc__


def test_a_gap_brings_a_fresh_view() -> None:
    """What a watcher has on the screen is not patched: lines that are broken after all are drawn anew."""
    run, frames = a_run(), a_rank()
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames)
    cost = a_curve([(1.0, 0)])
    mark = state.mark(state.view(run, cost=cost, now_ns=at(15)))
    state.feed(frames.add(40, "gap", lost_bytes=1))
    assert state.delta(mark, run, cost=cost, now_ns=at(40)).lanes_changed
    assert np.isnan(state.view(run, cost=cost, now_ns=at(40)).lanes[1].v[-1])  # type: ignore[union-attr]


def test_one_damaged_sample_breaks_the_curves_of_its_node() -> None:
    """Also where the silence is too short to be one by itself."""
    gathered, frames = Gathered(at(0)), Frames()
    frames.sample(1, 1.0, 1e9).sample(2, 1.0, 1e9).add(4, "gap", source="agent", lost_bytes=300).sample(4, 1.0, 1e9)
    for frame in frames:
        gathered.take(frame)
    t_s, v = gathered.samples.series("cpu", "rank-0")
    assert [None if math.isnan(value) else value for value in v] == [0.5, 0.5, None, 0.5]
    assert t_s[-1] == 4
