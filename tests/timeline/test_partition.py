"""partition: every billed nanosecond of every rank and every micro-unit in exactly one phase."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from timeline_builders import Frames, Journal, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import Step
from jupyter_aicci.pricing.meter import Entry, meter
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.partition import ORDER, Part, phase_ns, shares


def parts_of(run: Run, frames: Frames, now_s: float) -> tuple[tuple[Part, ...], tuple[Entry, ...]]:
    gathered, entries = Gathered(run.submitted_ns), meter(run, at(now_s)).entries
    for frame in frames:
        gathered.take(frame)
    return gathered.parts(run, entries), entries


def seconds(run: Run, frames: Frames, now_s: float, rank: int = 0) -> dict[str, float]:
    parts, _ = parts_of(run, frames, now_s)
    return {phase: round(ns / 1e9, 6) for phase, ns in phase_ns(parts)[rank].items()}


def test_records_say_what_the_time_was_and_what_was_told_holds_around_them() -> None:
    """Held from 1 s: starting to 3 s, three steps to 9 s, then the phase that was told last."""
    run = Journal(ranks_per_node=1).placed(1.0).runs(2.0).run()
    frames = Frames().phase(2.0, "starting").phase(3.0, "compute")
    frames.steps(9.0, "compute data_wait checkpoint", (1, 1, 1.0, 1.0, 0.0), (2, 3, 2.5, 0.5, 1.0))
    assert seconds(run, frames, 11.0) == {
        "starting": 2.0, "compute": 5.5, "data_wait": 1.5, "checkpoint": 1.0
    }  # fmt: skip


def test_waiting_for_a_slower_rank_is_apart_from_what_the_collective_takes() -> None:
    """The minimum over the ranks of a step is the collective's own time."""
    run = Journal(ranks_per_node=2).placed(0.0).runs(0.0).run()
    frames = Frames().phase(0.0, "compute", 0).phase(0.0, "compute", 1)
    frames.steps(4.0, "compute comm", (1, 1, 3.5, 0.5), rank=0).steps(4.0, "compute comm", (1, 1, 1.0, 3.0), rank=1)
    assert seconds(run, frames, 4.0, 0) == {"compute": 3.5, "comm": 0.5}
    assert seconds(run, frames, 4.0, 1) == {"compute": 1.0, "comm": 0.5, "straggler": 2.5}


def test_steps_that_an_earlier_attempt_did_are_redone_waits_included() -> None:
    """Attempt 1 reached step 5; attempt 2 resumes at 3 and is at new work with step 6."""
    journal = Journal(ranks_per_node=1).placed(0.0).runs(0.0).exits(6.0, 0, signal=9).released(6.5)
    journal.step(6.5, Step.LOSE).step(6.5, Step.REQUEUE).placed(10.0, resume_step=2).runs(10.0)
    frames = Frames().phase(0.0, "compute").steps(6.0, "compute", *((1, step, 1.0) for step in range(6)))
    frames.attempt = 2
    frames.phase(11.0, "compute").steps(15.0, "compute data_wait", *((1, step, 0.75, 0.25) for step in range(3, 7)))
    assert seconds(journal.run(), frames, 15.0) == {
        "compute": 6.75, "ending": 0.5, "starting": 1.0, "redone": 3.0, "data_wait": 0.25
    }  # fmt: skip


def test_a_program_that_tells_nothing_computes_from_when_the_journal_has_it_running() -> None:
    """Without a word of it nobody can say what its time was."""
    run = Journal(ranks_per_node=2).placed(1.0).runs(3.0).run()
    assert seconds(run, Frames(), 10.0, 1) == {"starting": 2.0, "compute": 7.0}


def test_a_rank_that_tells_nothing_while_another_does_is_starting() -> None:
    """It hangs in an import, say: nothing of it was seen to work."""
    run = Journal(ranks_per_node=2).placed(1.0).runs(3.0).run()
    assert seconds(run, Frames().phase(3.0, "compute", 0), 10.0, 1) == {"starting": 9.0}


def test_what_is_told_outside_of_the_billed_time_or_twice_is_cut_off() -> None:
    """Records that reach before the hold, over each other and behind the release."""
    run = Journal(ranks_per_node=1).placed(5.0).runs(5.0).released(10.0).run()
    frames = Frames().steps(7.0, "compute", (1, 1, 4.0)).steps(8.0, "data_wait", (1, 2, 2.0))
    frames.steps(12.0, "checkpoint", (1, 3, 4.0))
    assert seconds(run, frames, 20.0) == {"compute": 2.0, "data_wait": 1.0, "checkpoint": 2.0}


word = st.tuples(
    st.integers(1, 2),  # attempt
    st.integers(0, 3),  # rank
    st.sampled_from(["steps", "compute", "checkpoint", "data_wait", "my span", "done", "exit"]),
    st.integers(-2 * 10**9, 5 * 10**9),  # after the last word, clock oddities included
    st.lists(st.integers(0, 2 * 10**9), min_size=4, max_size=4),
)


def odd_run(times: list[int], price: int) -> Run:
    """Two attempts on two nodes of two ranks, whose moments may be in any order."""
    a, b, c, d, e = (10 + time / 1e9 for time in times)
    journal = Journal(nodes=2, ranks_per_node=2, micro_per_h=price).placed(a).runs(b)
    journal.exits(c, 0, signal=9).released(c).step(c, Step.LOSE).step(c, Step.REQUEUE).placed(d).runs(e)
    return journal.run()


@settings(deadline=None, max_examples=150)
@given(
    st.lists(word, max_size=60),
    st.lists(st.integers(0, 10**11), min_size=5, max_size=5),
    st.integers(0, 10**12),
    st.floats(0, 120),
)
def test_parts_sum_to_the_bill_in_nanoseconds_and_micro_units_whatever_was_told(
    said: list[tuple[int, int, str, int, list[int]]], times: list[int], price: int, now_s: float
) -> None:
    """Random frames, kills, restarts, odd clocks, overlapping and missing frames."""
    run, frames, now_ns, step = odd_run(times, price), Frames(), 10 * 10**9, 0
    for attempt, rank, kind, after_ns, parts in said:
        frames.attempt, now_ns = attempt, now_ns + after_ns
        more: dict[str, Any] = {"node": rank // 2}
        if kind == "steps":
            step += 1
            names = "compute data_wait comm mine"
            frames.steps(now_ns / 1e9, names, (1, step, *(part / 1e9 for part in parts)), rank=rank, **more)
        elif kind == "exit":
            frames.add(now_ns / 1e9, "exit", rank=rank, **more)
        else:
            frames.phase(now_ns / 1e9, kind, rank, **more)
    parts, entries = parts_of(run, frames, now_s)
    for entry in entries:
        own = [part for part in parts if (part.attempt, part.node) == (entry.attempt, entry.node)]
        for rank in (2 * entry.node, 2 * entry.node + 1):
            assert sum(part.ns for part in own if part.rank == rank) == entry.to_ns - entry.from_ns
        assert sum(part.micro for part in own) == (entry.amount_micro if entry.to_ns > entry.from_ns else 0)
    assert all(part.ns > 0 and part.micro >= 0 and part.phase in ORDER for part in parts)


@given(st.integers(0, 10**18), st.lists(st.integers(0, 10**18), max_size=20))
def test_shares_sum_to_the_amount_and_are_within_one_of_their_part(amount: int, weights: list[int]) -> None:
    """Largest remainder: no part is off by a whole unit."""
    parts, total = shares(amount, weights), sum(weights)
    assert sum(parts) == (amount if total else 0)
    assert all(
        abs(part * total - amount * weight) < total for part, weight in zip(parts, weights, strict=True) if total
    )
