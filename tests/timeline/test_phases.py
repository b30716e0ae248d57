"""phases: the bar of a node from journal facts and frames."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_builders import RUN_ID, Frames, Journal, at

from jupyter_aicci.model.events import Submitted
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.states import Step
from jupyter_aicci.model.text import NS
from jupyter_aicci.timeline.lanes import PhaseLane
from jupyter_aicci.timeline.phases import MOST_SPANS, Track, bounded, majority
from jupyter_aicci.timeline.view import view


def spans_of(run: Run, frames: Frames, now_s: float, node: int = 0) -> list[tuple[float, float, str]]:
    """(from, to, phase) of a node's bar, to the millisecond."""
    lane = view(run, frames, cost=(), now_ns=at(now_s)).lanes[node]
    assert isinstance(lane, PhaseLane)
    return [(round(span.t0_s, 3), round(span.t1_s, 3), span.phase) for span in lane.spans]


def test_a_run_that_waits_is_queued_from_its_submission_to_now() -> None:
    """An open span ends at now."""
    assert spans_of(Journal().run(), Frames(), 4.0) == [(0, 4, "queued")]


def test_a_node_is_queued_until_placed_and_starting_until_a_rank_computes() -> None:
    """The journal says when a run was placed, its ranks when they compute."""
    run = Journal(ranks_per_node=1).placed(2.0).runs(3.0).run()
    frames = Frames().phase(3.0, "starting").phase(5.0, "compute")
    assert spans_of(run, frames, 9.0) == [(0, 2, "queued"), (2, 5, "starting"), (5, 9, "compute")]


def test_a_bar_is_what_most_ranks_of_the_node_are_in() -> None:
    """Two of three ranks checkpoint from 6 s: so does the node."""
    run = Journal(ranks_per_node=3).placed(1.0).runs(1.0).run()
    frames = Frames()
    for rank in range(3):
        frames.phase(2.0, "compute", rank)
    frames.phase(5.0, "checkpoint", 2).phase(6.0, "checkpoint", 1).phase(8.0, "compute", 1).phase(9.0, "compute", 2)
    assert spans_of(run, frames, 10.0)[2:] == [(2, 6, "compute"), (6, 8, "checkpoint"), (8, 10, "compute")]


def test_each_node_has_its_own_bar() -> None:
    """Node 1 starts later than node 0."""
    run = Journal(nodes=2, ranks_per_node=1).placed(1.0).runs(1.0).run()
    frames = Frames().phase(2.0, "compute", 0, node=0).phase(4.0, "compute", 1, node=1)
    assert spans_of(run, frames, 5.0, node=0)[-1] == (2, 5, "compute")
    assert spans_of(run, frames, 5.0, node=1)[-1] == (4, 5, "compute")


def test_steps_that_waited_for_data_over_15_percent_of_their_time_are_data_wait() -> None:
    """The whole step counts as input-bound, from the step before it."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().phase(1.0, "compute")
    for step, wait_s in enumerate((0.0, 0.14, 0.16, 0.5, 0.1)):
        frames.step(2.0 + step, step, wait_s)
    assert spans_of(run, frames, 7.0)[1:] == [(1, 3, "compute"), (3, 5, "data_wait"), (5, 7, "compute")]


def test_a_phase_that_the_rank_names_is_not_repainted_by_its_steps() -> None:
    """During an evaluation steps may come; it stays an evaluation."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().phase(1.0, "compute").step(2.0, 1).phase(3.0, "eval").step(4.0, 2, 0.9).phase(5.0, "compute")
    assert spans_of(run, frames, 6.0)[1:] == [(1, 3, "compute"), (3, 5, "eval"), (5, 6, "compute")]


def test_a_span_that_the_program_names_is_in_the_bar() -> None:
    """User spans are phases under their own name."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    frames = Frames().phase(1.0, "compute").phase(2.0, "render video").phase(3.0, "compute")
    assert (2, 3, "render video") in spans_of(run, frames, 4.0)


def test_a_program_that_steps_but_names_no_phase_computes_from_its_first_step() -> None:
    """Launcher programs have no phase frames."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    assert spans_of(run, Frames().step(2.0, 1).step(3.0, 2), 4.0) == [(0, 2, "starting"), (2, 4, "compute")]


def test_a_program_that_tells_nothing_computes_from_when_the_journal_has_it_running() -> None:
    """Without a frame the journal's facts are drawn."""
    run = Journal().placed(1.0).runs(3.0).run()
    assert spans_of(run, Frames(), 5.0) == [(0, 1, "queued"), (1, 3, "starting"), (3, 5, "compute")]


def test_after_a_lost_attempt_the_run_is_queued_again_and_redone_steps_show() -> None:
    """Attempt 1 reached step 9; attempt 2 resumes at 5: until step 10 its work is redone."""
    journal = Journal(ranks_per_node=1).placed(0.0).runs(1.0).exits(11.0, 0, signal=9).released(11.5)
    journal.step(11.5, Step.LOSE).step(11.5, Step.REQUEUE).placed(13.0, resume_step=4).runs(14.0)
    frames = Frames().phase(1.0, "compute")
    for step in range(10):
        frames.step(1.0 + step, step)
    frames.attempt = 2
    frames.phase(14.0, "compute")
    for step in range(5, 12):
        frames.step(15.0 + step - 5, step)
    assert spans_of(journal.run(), frames, 22.0) == [
        (0, 1, "starting"),
        (1, 11, "compute"),
        (11, 11.5, "lost"),
        (11.5, 13, "queued"),
        (13, 14, "starting"),
        (14, 19, "redone"),
        (19, 22, "compute"),
    ]


def test_a_failed_run_is_marked_from_its_first_bad_exit() -> None:
    """Exits that were our doing are no mark."""
    journal = Journal(ranks_per_node=2).placed(0.0).runs(0.0).exits(5.0, 1, code=1)
    journal.exits(5.5, 0, signal=15, by_us=True).released(6.0).step(6.0, Step.FAIL)
    frames = Frames().phase(1.0, "compute", 0).phase(1.0, "compute", 1)
    assert spans_of(journal.run(), frames, 99.0)[-2:] == [(1, 5, "compute"), (5, 6, "failed")]


def test_a_run_that_failed_without_a_bad_exit_has_its_mark_at_the_end() -> None:
    """A time limit stops ranks by our own signals; the failure is an instant."""
    journal = Journal(ranks_per_node=1).placed(0.0).runs(0.0).exits(5.0, 0, signal=15, by_us=True)
    journal.released(5.0).step(5.0, Step.FAIL)
    assert spans_of(journal.run(), Frames().phase(1.0, "compute"), 9.0)[-1] == (5, 5, "failed")


def test_a_stopped_run_has_no_mark() -> None:
    """Stopping is no failure."""
    journal = Journal(ranks_per_node=1).placed(0.0).runs(0.0).exits(5.0, 0, signal=15, by_us=True)
    journal.released(5.0).step(5.0, Step.STOP)
    assert spans_of(journal.run(), Frames().phase(1.0, "compute"), 9.0)[-1] == (1, 5, "compute")


changes = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.floats(0, 5),
        st.sampled_from(["compute", "data_wait", "checkpoint", "eval", "mine", "done", "step"]),
        st.floats(0, 1),
    ),
    max_size=60,
)


@given(changes)
def test_spans_touch_ascend_and_cover_the_run_whatever_the_ranks_say(
    said: list[tuple[int, float, str, float]],
) -> None:
    """From submission to now there is exactly one phase at any time."""
    run = Journal(ranks_per_node=4).placed(1.0).runs(1.5).run()
    frames, seconds = Frames(), 1.5
    for step, (rank, after_s, phase, wait_s) in enumerate(said):
        seconds += after_s
        if phase == "step":
            frames.step(seconds, step, wait_s, rank)
        else:
            frames.phase(seconds, phase, rank)
    spans = spans_of(run, frames, seconds + 1)
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(seconds + 1, abs=0.002)
    assert all(before[1] == after[0] and before[2] != after[2] for before, after in pairwise(spans))
    assert all(t0 < t1 or round(t1 - t0, 3) == 0 for t0, t1, _ in spans)


def test_spans_stay_under_the_limit_and_keep_the_share_of_each_phase() -> None:
    """A rank that changes phase 40,000 times still has a bar that can be sent and drawn."""
    track = Track(-1)
    for place in range(40_000):
        track.phase(place * NS + (0 if place % 2 else NS // 2), "compute" if place % 2 else "data_wait")
    stretches = bounded(majority([track], 0, 40_000 * NS), MOST_SPANS - 1)
    assert len(stretches) < MOST_SPANS
    assert all(before[1] == after[0] for before, after in pairwise(stretches))
    assert stretches[0][0] == 0
    assert stretches[-1][1] == 40_000 * NS


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=300), st.integers(4, 50))
def test_bounded_never_exceeds_its_limit_and_leaves_no_hole(lengths: list[int], limit: int) -> None:
    """Merging short spans keeps the ends where they were."""
    stretches, now = [], 0
    for place, length in enumerate(lengths):
        stretches.append((now, now + length, "ab"[place % 2]))
        now += length
    kept = bounded(stretches, limit)
    assert len(kept) <= limit
    assert (kept[0][0], kept[-1][1]) == (0, now)
    assert all(before[1] == after[0] for before, after in pairwise(kept))


def test_an_elastic_run_that_waits_shows_the_nodes_that_it_starts_with_at_least() -> None:
    """How many it will get is not known; once it is placed, it is those."""
    spec = {"nodes": 4, "min_nodes": 2}
    run = fold([Submitted(run_id=RUN_ID, time_ns=at(0), spec=spec, prices={})])
    lanes = view(run, (), cost=(), now_ns=at(3)).lanes
    assert [lane.id for lane in lanes if isinstance(lane, PhaseLane)] == ["node-0", "node-1"]
