"""A run's present is the fold of its rows, whatever order late rows come in."""

from __future__ import annotations

import json

import pytest
from run_builders import RUN_ID, T0, S, a_life, flat, placed, released, stepped, submitted

from jupyter_aicci.model.events import (
    KINDS,
    Corrected,
    Noted,
    PreemptRequested,
    RankExited,
    StopRequested,
    event_from_row,
)
from jupyter_aicci.model.run import apply, fold
from jupyter_aicci.model.states import IllegalStep, State, Step


def test_a_life_folds_to_its_end() -> None:
    """Two attempts, the second succeeded; the first one's fault is no part of the result."""
    run = fold(flat(a_life()))
    assert (run.state, run.exit_class, run.verdict, run.reason) == (State.SUCCEEDED, "", {}, "")
    assert (run.started_ns, run.ended_ns, run.lost) == (T0 + S, T0 + 41 * S, 1)
    assert [(a.number, a.running_ns, a.ended_ns) for a in run.attempts] == [
        (1, T0 + 2 * S, T0 + 10 * S),
        (2, T0 + 13 * S, T0 + 41 * S),
    ]
    assert [exit.code for exit in run.attempts[0].exits.values()] == [-9, -9]


def test_between_attempts_the_fault_is_told() -> None:
    """While the run waits for its next attempt, reason and class say why the last one ended."""
    run = fold(flat(a_life()[:6]))
    assert (run.state, run.reason, run.exit_class) == (State.QUEUED, "node 1 is gone", "node lost")
    assert run.not_before_ns == T0 + 11 * S


def test_every_row_goes_through_json_unchanged() -> None:
    """Kind, time and body are all that a row keeps."""
    events = [
        *flat(a_life()),
        StopRequested(run_id=RUN_ID, time_ns=T0, reason="Stop was pressed", grace_s=2.5),
        PreemptRequested(run_id=RUN_ID, time_ns=T0, attempt=1, for_run="r0000002", reason="priority 5"),
        Corrected(run_id=RUN_ID, time_ns=T0, amount_micro=-5, reason="the node was broken", by="ann"),
        Noted(run_id=RUN_ID, time_ns=T0, topic="waiting", text="behind 2 runs", data={"ahead": 2}),
    ]
    for event in events:
        body = json.loads(json.dumps(event.body()))
        assert event_from_row(event.kind, event.run_id, event.time_ns, body) == event
    assert {event.kind for event in events} == set(KINDS)


def test_late_rows_go_to_the_attempt_they_name() -> None:
    """A node of attempt 1 that is free only after attempt 2 was placed ends the bill of attempt 1, not of 2."""
    life = a_life()
    freed, steps = life[5][:2], life[5][2:]
    late = fold([*flat(life[:5]), *steps, *flat(life[6:8]), *freed])
    assert late.attempts[0].released == {0: T0 + 10 * S, 1: T0 + 10 * S}
    assert late.attempts[1].released == {}


def test_the_first_row_of_a_fact_counts() -> None:
    """The journal keeps the first; a fold that sees a second one agrees with it."""
    run = fold([*flat(a_life()), *released(2, T0 + 99 * S, nodes=2), *placed(2, T0 + 99 * S)[2:]])
    assert run.attempts[1].released == {0: T0 + 41 * S, 1: T0 + 41 * S}
    assert run.attempts[1].held == {0: T0 + 12 * S, 1: T0 + 12 * S}


def test_the_first_wish_to_stop_counts() -> None:
    """A budget that runs out after the person pressed Stop does not change why the run ended."""
    wishes = [StopRequested(run_id=RUN_ID, time_ns=T0, reason=reason) for reason in ("person", "budget")]
    run = fold([submitted(), *wishes])
    assert run.stop == wishes[0]


def test_an_illegal_step_raises() -> None:
    """A run that has ended takes no further step."""
    run = fold(flat(a_life()))
    with pytest.raises(IllegalStep, match="allows: none"):
        apply(run, stepped(Step.RUN, T0 + 99 * S))


def test_rows_without_their_beginning_are_refused() -> None:
    """Nothing can be said about a run whose spec is unknown, nor about an attempt that was never placed."""
    with pytest.raises(ValueError, match="first row is 'submitted'"):
        fold([stepped(Step.ENQUEUE, T0)])
    with pytest.raises(ValueError, match="no attempt 3"):
        apply(fold([submitted()]), RankExited(run_id=RUN_ID, time_ns=T0, attempt=3, rank=0, code=0))


def test_a_waiting_reason_is_gone_when_the_run_is_placed() -> None:
    """The card of a running run does not say what it waited for."""
    life = a_life()
    waiting = fold([*flat(life[:2]), Noted(run_id=RUN_ID, time_ns=T0, topic="waiting", text="behind 1 run")])
    assert waiting.waiting == "behind 1 run"
    assert apply(waiting, life[2][0]).waiting == ""
