"""Runs as the scheduler asks for them: what each wants, what it has had, and how long it may still take.

In: runs of the journal. Out: `Waiting` and `Running` records.
Rule 1: pure; what only a disk or other runs know (checkpoints, usual run times) comes in as an argument.
Rule 2: a limit holds: what a run may need beside its `--time-limit` (to start, to end) is part of it, so that a latest start
that is told can be kept.
"""

from __future__ import annotations

from dataclasses import replace

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import Promise, Running, Waiting

START_S = (
    60.0  # from its nodes to its program; the time limit counts from there. More than any start measured on one host
)
CLEAR_S = 5.0  # from SIGKILL until a node is free and that is known


def request_of(run_id: RunId, spec: RunSpec, submitted_ns: int, *, total_s: float = 0.0) -> Waiting:
    """The waiting run that a spec would be; `total_s`: what such runs usually take, 0 = nobody knows."""
    return Waiting(
        run_id=run_id,
        shapes=spec.shape,
        nodes=spec.nodes,
        min_nodes=spec.min_nodes,
        ranks_per_node=spec.ranks_per_node,
        hard_level=spec.hard_level,
        queue=spec.queue,
        user=spec.owner,
        priority=spec.priority,
        submitted_ns=submitted_ns,
        limit_s=_limit_s(spec, START_S, 0.0),
        expected_s=total_s,
    )


def waiting_of(run: Run, *, total_s: float = 0.0) -> Waiting:
    """A run that waits for its nodes."""
    return replace(
        _had_so_far(run, run.attempts, total_s),
        wait_since_ns=max((attempt.ended_ns for attempt in run.attempts), default=0),
        not_before_ns=run.not_before_ns,
    )


def running_of(run: Run, *, total_s: float = 0.0, checkpoint_ns: int = 0) -> Running:
    """A run that holds nodes; one that has a checkpoint loses little by leaving."""
    attempt = run.attempts[-1]
    started_s = (attempt.running_ns - attempt.placed_ns) / NS if attempt.running_ns else START_S
    request = _had_so_far(run, run.attempts[:-1], total_s)
    return Running(
        run=replace(request, limit_s=_limit_s(run.spec, started_s, _program_s(run.attempts[:-1]))),
        placement=attempt.placement,
        started_ns=attempt.placed_ns,
        checkpoint_ns=checkpoint_ns,
        preemptible=checkpoint_ns > 0,
        leaving=run.stop is not None or attempt.preempt is not None,
    )


def promise_of_run(run: Run) -> Promise | None:
    """What the run was told of its start, as the journal has it."""
    told = run.promise
    if not told:
        return None
    return Promise(
        start_s=float(told["start_s"]),
        hosts=tuple(told["hosts"]),
        counts=tuple(told["counts"]),
        shape=str(told["shape"]),
    )


def held_s(run: Run) -> float:
    """Seconds for which the run has held nodes, all attempts together."""
    return sum(_ran_s(attempt) for attempt in run.attempts)


def unit_seconds(run: Run) -> float:
    """Accelerator-seconds (CPU-seconds where it has none) of all its attempts."""
    return sum(_had_s(attempt) for attempt in run.attempts)


def _had_so_far(run: Run, attempts: tuple[Attempt, ...], total_s: float) -> Waiting:
    """The run as it was after these attempts."""
    ran_s = sum(_ran_s(attempt) for attempt in attempts)
    return replace(
        request_of(run.id, run.spec, run.submitted_ns),
        ran_s=ran_s,
        attained_s=sum(_had_s(attempt) for attempt in attempts),
        limit_s=_limit_s(run.spec, START_S, _program_s(attempts)),
        expected_s=max(0.0, total_s - ran_s),
    )


def _limit_s(spec: RunSpec, started_s: float, ran_s: float) -> float:
    """Longest that an attempt holds its nodes whose program begins after `started_s` and ran for `ran_s` before; 0 = no limit."""
    if not spec.time_limit:
        return 0.0
    return started_s + max(0.0, spec.time_limit - ran_s) + spec.grace + CLEAR_S


def _program_s(attempts: tuple[Attempt, ...]) -> float:
    """What the time limit has counted so far."""
    return sum(attempt.ended_ns - attempt.running_ns for attempt in attempts if attempt.running_ns) / NS


def _ran_s(attempt: Attempt) -> float:
    return max(0, attempt.ended_ns - attempt.placed_ns) / NS


def _had_s(attempt: Attempt) -> float:
    return _ran_s(attempt) * attempt.placement.shape.slots * len(attempt.placement.nodes)
