"""The run's life as one table: which step leads from which state to which.

Docs (`docs/reference/states.md`), the panel's icons and the service's control loop all read these tables.
Rule: an illegal step raises and changes nothing.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a run stands."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PREEMPTED = "preempted"
    LOST = "lost"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class Step(StrEnum):
    """What can happen to a run; each is one journal row."""

    ENQUEUE = "enqueue"
    PLACE = "place"
    RUN = "run"
    PREEMPT = "preempt"
    LOSE = "lose"
    REQUEUE = "requeue"
    SUCCEED = "succeed"
    FAIL = "fail"
    STOP = "stop"


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.SUBMITTED: {Step.ENQUEUE: State.QUEUED, Step.STOP: State.STOPPED, Step.FAIL: State.FAILED},
    State.QUEUED: {Step.PLACE: State.STARTING, Step.STOP: State.STOPPED, Step.FAIL: State.FAILED},
    State.STARTING: {
        Step.RUN: State.RUNNING,
        Step.PREEMPT: State.PREEMPTED,
        Step.LOSE: State.LOST,
        Step.SUCCEED: State.SUCCEEDED,
        Step.FAIL: State.FAILED,
        Step.STOP: State.STOPPED,
    },
    State.RUNNING: {
        Step.PREEMPT: State.PREEMPTED,
        Step.LOSE: State.LOST,
        Step.SUCCEED: State.SUCCEEDED,
        Step.FAIL: State.FAILED,
        Step.STOP: State.STOPPED,
    },
    State.PREEMPTED: {Step.REQUEUE: State.QUEUED, Step.STOP: State.STOPPED, Step.FAIL: State.FAILED},
    State.LOST: {Step.REQUEUE: State.QUEUED, Step.STOP: State.STOPPED, Step.FAIL: State.FAILED},
    State.SUCCEEDED: {},
    State.FAILED: {},
    State.STOPPED: {},
}

TERMINAL = frozenset(state for state, steps in TRANSITIONS.items() if not steps)
HOLDS_NODES = frozenset({State.STARTING, State.RUNNING})

ICONS: dict[State, str] = {
    State.SUBMITTED: "…",
    State.QUEUED: "◷",
    State.STARTING: "◔",
    State.RUNNING: "▶",
    State.PREEMPTED: "⇤",
    State.LOST: "↻",
    State.SUCCEEDED: "✓",
    State.FAILED: "✕",
    State.STOPPED: "■",
}

MEANINGS: dict[State, str] = {
    State.SUBMITTED: "accepted and in the journal, not yet in a queue",
    State.QUEUED: "waits for its whole gang to fit",
    State.STARTING: "has its nodes; data, environment and ranks come up",
    State.RUNNING: "every rank runs the program",
    State.PREEMPTED: "gave its nodes to another run and goes back to its queue",
    State.LOST: "an attempt ended by an infrastructure fault; the next one follows",
    State.SUCCEEDED: "every rank ended with exit code 0",
    State.FAILED: "ended by a failure that is not retried",
    State.STOPPED: "ended because someone, a limit or a budget stopped it",
}


class ExitClass(StrEnum):
    """Why an attempt did not succeed; decides whether it is tried again."""

    USER_ERROR = "user error"
    OUT_OF_MEMORY = "out of memory"
    KILLED = "killed"
    INFRASTRUCTURE = "infrastructure"
    NODE_LOST = "node lost"
    NO_PROGRESS = "no progress"
    HANG = "hang"
    PREEMPTED = "preempted"
    TIME_LIMIT = "time limit"
    BUDGET = "budget"
    CONDITION = "condition"
    STOPPED = "stopped"


CLASS_MEANINGS: dict[ExitClass, str] = {
    ExitClass.USER_ERROR: "the program raised an exception of its own or chose an exit code other than 0",
    ExitClass.OUT_OF_MEMORY: "the kernel ended a rank for its memory, and a counter or the last sample proves it",
    ExitClass.KILLED: "a rank died of a signal that nobody here sent",
    ExitClass.INFRASTRUCTURE: "what failed was around the program: a connection, a port, a disk, a process of ours",
    ExitClass.NODE_LOST: "a node and everything on it went away",
    ExitClass.NO_PROGRESS: "it failed several times at the same step, so another attempt would fail there too",
    ExitClass.HANG: "no rank made a step for too long",
    ExitClass.PREEMPTED: "another run with more right took its nodes",
    ExitClass.TIME_LIMIT: "its --time-limit was over or its --deadline had come",
    ExitClass.BUDGET: "its --budget, or that of its user or queue, pays for no more than its end",
    ExitClass.CONDITION: "what its --stop-if says had come true",
    ExitClass.STOPPED: "someone stopped it",
}

RETRIED = frozenset({ExitClass.INFRASTRUCTURE, ExitClass.NODE_LOST, ExitClass.KILLED, ExitClass.PREEMPTED})


class IllegalStep(Exception):
    """A step that the table does not have for this state; always a bug of ours."""


def advance(state: State, step: Step) -> State:
    """The state after `step`; raises `IllegalStep` where the table has none."""
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        allowed = ", ".join(TRANSITIONS[state]) or "none"
        raise IllegalStep(f"step {step!s} in state {state!s}; the table allows: {allowed}") from None
