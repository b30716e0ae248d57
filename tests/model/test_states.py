"""The table of states is whole: every state can be reached, every word has its icon and meaning."""

from __future__ import annotations

import pytest

from jupyter_aicci.model.states import (
    HOLDS_NODES,
    ICONS,
    MEANINGS,
    TERMINAL,
    TRANSITIONS,
    IllegalStep,
    State,
    Step,
    advance,
)


def test_every_state_is_described() -> None:
    """Docs, panel and card read these tables; a hole would show as a blank."""
    assert set(TRANSITIONS) == set(ICONS) == set(MEANINGS) == set(State)
    assert len(set(ICONS.values())) == len(State)


def test_every_state_can_be_reached_and_left_to_an_end() -> None:
    """From `submitted` one gets everywhere, and from everywhere to an end."""
    reached, todo = set(), [State.SUBMITTED]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += TRANSITIONS[state].values()
    assert reached == set(State)
    assert all(set(steps.values()) & TERMINAL for state, steps in TRANSITIONS.items() if state not in TERMINAL)


def test_every_run_that_has_not_ended_can_be_stopped() -> None:
    """`aicci stop` is never refused for a live run."""
    assert all(advance(state, Step.STOP) is State.STOPPED for state in State if state not in TERMINAL)


def test_nodes_are_taken_by_placing_only() -> None:
    """No other step leads from a state without nodes to one with nodes, so billing has one beginning."""
    entries = {
        step
        for state, steps in TRANSITIONS.items()
        for step, target in steps.items()
        if state not in HOLDS_NODES and target in HOLDS_NODES
    }
    assert entries == {Step.PLACE}


def test_a_step_outside_the_table_names_what_is_allowed() -> None:
    """The message is for us; it must say enough to find the bug."""
    with pytest.raises(IllegalStep, match="step place in state running; the table allows: preempt"):
        advance(State.RUNNING, Step.PLACE)
