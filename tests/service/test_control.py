"""What follows from what agents say, as a function: whatever the portions, the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import RUN_ID, T0, S, a_life, flat, placed, stepped, submitted

from jupyter_aicci.model.events import (
    Event,
    NodeReleased,
    Noted,
    Placed,
    PreemptRequested,
    RankExited,
    Stepped,
    StopRequested,
)
from jupyter_aicci.model.run import Run, apply, fold
from jupyter_aicci.model.states import State, Step
from jupyter_aicci.service.control import SETTLE_NS, Halt, Now, react
from jupyter_aicci.service.seen import Seen, see

OURS = {"code": -15, "signal": 15, "by_us": True}
RAISED = {"code": 1, "error": {"type": "ValueError", "message": "no", "traceback": "", "t_ns": 1, "secondary": False}}


@dataclass(frozen=True, slots=True, kw_only=True)
class AFrame:
    """A stored frame."""

    frame: dict[str, Any]
    node: int
    time_ns: int
    attempt: int = 1
    writer: str = "agent"


def started(node: int, at_s: float = 1.0) -> AFrame:
    return AFrame(frame={"k": "started", "t": 0, "rank": node, "pid": 1}, node=node, time_ns=T0 + round(at_s * S))


def ended(node: int, at_s: float = 5.0, **how: Any) -> AFrame:
    frame = {
        "k": "exit",
        "t": 0,
        "rank": node,
        "code": 0,
        "signal": 0,
        "by_us": False,
        "oom": False,
        "source": "keeper",
    }
    return AFrame(frame={**frame, "error": None, "maxrss_bytes": 0, **how}, node=node, time_ns=T0 + round(at_s * S))


def free(node: int, at_s: float = 6.0) -> AFrame:
    return AFrame(frame={"k": "done", "t": 0, "leftover": 0}, node=node, time_ns=T0 + round(at_s * S))


def a_placed_run(nodes: int = 2, **spec: Any) -> Run:
    return fold([submitted(nodes=nodes, **spec), stepped(Step.ENQUEUE, T0), *placed(1, T0, nodes=nodes)])


def now(at_s: float, **more: Any) -> Now:
    return Now(time_ns=T0 + round(at_s * S), **more)


def play(run: Run, frames: list[AFrame], cuts: list[int], *, forgets: bool = False) -> tuple[Run, list[Event]]:
    """The run after frames that came in portions; `forgets`: a service that was killed after each of them."""
    seen, rows = Seen(attempt=1), list[Event]()
    for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        seen = see(Seen(attempt=1), frames[:end]) if forgets else see(seen, frames[start:end])
        noted = frozenset(str(row.data["key"]) for row in rows if isinstance(row, Noted))
        for event in react(run, seen, now(100, noted=noted)).events:
            rows.append(event)
            run = apply(run, event)
    return run, rows


WELL = [started(0), started(1), ended(0), ended(1), free(0), free(1)]
BADLY = [started(0), started(1), ended(0, **RAISED), free(0), ended(1, **OURS), free(1)]


@given(st.sampled_from([WELL, BADLY]), st.lists(st.integers(0, 6), max_size=5).map(sorted), st.booleans())
def test_portions_and_restarts_do_not_matter(frames: list[AFrame], cuts: list[int], forgets: bool) -> None:
    """Every fact is one row, and the end is the same, wherever a service is cut off."""
    run, rows = play(a_placed_run(), frames, cuts, forgets=forgets)
    whole, _ = play(a_placed_run(), frames, [])
    assert (run.state, run.exit_class, run.reason) == (whole.state, whole.exit_class, whole.reason)
    assert run.attempts[0].released == {0: T0 + 6 * S, 1: T0 + 6 * S}
    facts = [(type(row), getattr(row, "rank", None), getattr(row, "node", None)) for row in rows]
    once = [fact for fact in facts if fact[0] in (RankExited, NodeReleased)]
    assert len(once) == len(set(once)) == 4
    steps = [row.step for row in rows if isinstance(row, Stepped)]
    assert steps == [Step.RUN, Step.SUCCEED if frames is WELL else Step.FAIL]


def test_it_runs_when_every_rank_has_started() -> None:
    """Not before; a rank that has ended has started."""
    run = a_placed_run()
    one = see(Seen(attempt=1), [started(0)])
    assert react(run, one, now(2)).events == ()
    (row,) = react(run, see(one, [started(1)]), now(2)).events
    assert isinstance(row, Stepped)
    assert row.step is Step.RUN
    both = react(run, see(one, [ended(1)]), now(6)).events
    assert isinstance(both[0], Stepped)


def test_an_exit_keeps_all_that_was_said() -> None:
    """Code, signal, memory, record and the time of the agent, not of the service."""
    frame = ended(0, 5.0, code=-9, signal=9, oom=True, source="pidfd", maxrss_bytes=7)
    (_, row) = react(a_placed_run(1), see(Seen(attempt=1), [frame]), now(9)).events
    assert isinstance(row, RankExited)
    assert (row.code, row.signal, row.oom, row.source, row.maxrss_bytes) == (-9, 9, True, "pidfd", 7)
    assert row.time_ns == T0 + 5 * S


def test_a_failure_halts_the_other_nodes_after_a_moment() -> None:
    """With the run's grace, and it says why."""
    run = a_placed_run(grace=7.0)
    seen = see(Seen(attempt=1), [started(0), started(1), ended(0, 5.0, **RAISED), free(0, 5.1)])
    assert react(run, seen, now(5.1)).halt is None
    halt = react(run, seen, now(5.0 + SETTLE_NS / S)).halt
    assert halt == Halt(grace_s=7.0, reason="rank 0 ended before the others")


def test_a_rank_that_ends_well_halts_nobody() -> None:
    """Ranks may end at different times."""
    seen = see(Seen(attempt=1), [started(0), started(1), ended(0, 5.0)])
    assert react(a_placed_run(), seen, now(500)).halt is None


@pytest.mark.parametrize(
    ("exits", "state"),
    [
        ([ended(0, 20, **OURS), ended(1, 20, **OURS)], State.STOPPED),
        ([ended(0, 20), ended(1, 20)], State.STOPPED),  # leaves with 0 on SIGTERM
        ([ended(0, 20, code=3), ended(1, 20, **OURS)], State.STOPPED),  # fails while it is stopped
        ([ended(0, 5, **RAISED), ended(1, 20, **OURS)], State.FAILED),  # had failed before it was stopped
    ],
)
def test_what_came_first_decides_between_stopped_and_failed(exits: list[AFrame], state: State) -> None:
    """A stop asked for at 10 s."""
    run = apply(a_placed_run(), StopRequested(run_id=RUN_ID, time_ns=T0 + 10 * S, reason="enough"))
    after, _ = play(run, [started(0), started(1), *exits, free(0, 21), free(1, 21)], [])
    assert after.state is state


def test_a_run_that_had_ended_well_before_the_stop_succeeded() -> None:
    """Its work was done; only its nodes were not free yet."""
    run = apply(a_placed_run(), StopRequested(run_id=RUN_ID, time_ns=T0 + 10 * S, reason="enough"))
    after, _ = play(run, [started(0), started(1), ended(0, 5), ended(1, 6), free(0, 11), free(1, 11)], [])
    assert after.state is State.SUCCEEDED


def test_a_rank_that_was_never_heard_of_is_no_success() -> None:
    """Its node is free, no exit is known: infrastructure, tried again."""
    after, rows = play(a_placed_run(), [started(0), ended(0), free(0), free(1)], [])
    assert after.state is State.QUEUED
    assert [row.step for row in rows if isinstance(row, Stepped)][-2:] == [Step.LOSE, Step.REQUEUE]


def test_the_last_retry_fails() -> None:
    """The class is the fault's, and the text says that no retry is left."""
    after, _ = play(a_placed_run(1, retries=0), [started(0), ended(0, code=-9, signal=9), free(0)], [])
    assert (after.state, after.exit_class) == (State.FAILED, "killed")


def test_an_attempt_that_could_not_be_started_is_lost() -> None:
    """Nothing ever lived on its nodes; they are released now."""
    run = a_placed_run()
    reaction = react(run, Seen(attempt=1), now(3, broken="no such interpreter", empty=frozenset({0, 1})))
    steps = [row.step for row in reaction.events if isinstance(row, Stepped)]
    assert steps == [Step.LOSE, Step.REQUEUE]
    assert [row.node for row in reaction.events if isinstance(row, NodeReleased)] == [0, 1]
    waiting = react(run, Seen(attempt=1), now(3, broken="no such interpreter"))
    assert waiting.halt is not None
    assert waiting.events == ()


def test_an_ended_run_asks_for_nothing() -> None:
    """Whatever is said of it afterwards."""
    after, _ = play(a_placed_run(), WELL, [])
    assert react(after, see(Seen(attempt=1), BADLY), now(900)).events == ()


def test_a_node_is_never_free_before_it_was_held() -> None:
    """A clock that is odd makes a node free of charge, not a negative bill."""
    (row,) = (
        row
        for row in react(a_placed_run(1), see(Seen(attempt=1), [free(0, -50)]), now(1)).events
        if isinstance(row, NodeReleased)
    )
    assert row.time_ns == T0


def as_the_loop_writes(life: tuple[tuple[Event, ...], ...]) -> list[Event]:
    """The rows of a life, each placement before its step."""
    rows = flat(life)
    for index, event in enumerate(rows):
        if isinstance(event, Placed):
            rows[index - 1 : index + 1] = [event, rows[index - 1]]
    return rows


CUT_LIFE = as_the_loop_writes(a_life())[:-1]


@pytest.mark.parametrize("rows", range(1, len(CUT_LIFE)))
def test_a_history_cut_at_any_row_goes_on(rows: int) -> None:
    """A damaged journal ends in the middle of a transaction: no run hangs between two states, no held node is forgotten."""
    run = fold(CUT_LIFE[:rows])
    for event in react(run, Seen(attempt=0), now(3600.0)).events:
        run = apply(run, event)
    assert run.state in (State.QUEUED, State.STARTING, State.RUNNING)
    assert run.holds_nodes == bool(run.attempts and not run.attempts[-1].ended_ns)
    if run.holds_nodes:
        assert set(run.attempts[-1].held) == {0, 1}
    assert react(run, Seen(attempt=0), now(3600.0)).events == ()


def test_rows_are_in_the_order_of_their_times() -> None:
    """What was said while no service looked, told at once; a run began when its last rank did."""
    after, rows = play(
        a_placed_run(), [started(0, 1), ended(0, 2), free(0, 3), started(1, 4), ended(1, 5), free(1, 6)], []
    )
    times = [row.time_ns for row in rows]
    assert times == sorted(times)
    assert after.attempts[0].running_ns == T0 + 4 * S


TOLD = PreemptRequested(run_id=RUN_ID, time_ns=T0 + 4 * S, attempt=1, for_run="r0000002", reason="priority 5")


@pytest.mark.parametrize("how", [OURS, {"by_us": True}], ids=["ended by the signal", "left with 0 when it was told"])
def test_an_attempt_that_gave_way_goes_back_into_its_queue(how: dict[str, Any]) -> None:
    """PREEMPT and REQUEUE, with who took its place and where it goes on; no retry is used up."""
    run = apply(a_placed_run(), TOLD)
    assert react(run, Seen(attempt=1), now(5)).halt == Halt(grace_s=run.spec.grace, reason="priority 5")
    seen = see(Seen(attempt=1), [started(0), started(1), ended(0, **how), ended(1, **how), free(0), free(1)])
    rows = react(run, seen, now(7, checkpoint_step=12)).events
    assert [row.step for row in rows if isinstance(row, Stepped)] == [Step.RUN, Step.PREEMPT, Step.REQUEUE]
    after = apply_all(run, rows)
    assert (after.state, after.exit_class, after.lost) == (State.QUEUED, "preempted", 0)
    assert after.attempts[0].gave_way
    assert after.reason == "gave its nodes to r0000002: priority 5; it goes on from checkpoint step 12"


def test_a_run_that_was_stopped_while_it_gave_way_stops() -> None:
    """Whoever presses Stop does not want it back."""
    run = apply(apply(a_placed_run(nodes=1), TOLD), StopRequested(run_id=RUN_ID, time_ns=T0 + 5 * S, reason="enough"))
    seen = see(Seen(attempt=1), [started(0), ended(0, at_s=6.0, **OURS), free(0, at_s=7.0)])
    assert apply_all(run, react(run, seen, now(8)).events).state is State.STOPPED


def test_a_run_that_had_finished_when_it_was_told_has_succeeded() -> None:
    """Nobody sent it a signal, and every rank left with 0."""
    run = apply(a_placed_run(nodes=1), TOLD)
    seen = see(Seen(attempt=1), [started(0), ended(0), free(0)])
    assert apply_all(run, react(run, seen, now(7)).events).state is State.SUCCEEDED


def test_a_rank_that_had_failed_before_it_was_told_has_failed() -> None:
    """Its exception came first, so it is its end."""
    run = apply(a_placed_run(nodes=1), TOLD)
    seen = see(Seen(attempt=1), [started(0), ended(0, at_s=3.0, **RAISED), free(0)])
    assert apply_all(run, react(run, seen, now(7)).events).state is State.FAILED


def apply_all(run: Run, rows: Iterable[Event]) -> Run:
    for row in rows:
        run = apply(run, row)
    return run
