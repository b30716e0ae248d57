"""Runs as the scheduler asks for them: what each wants, what it has had, and how long it may still take.

In: runs of the journal. Out: `Waiting` and `Running` records. Rule: pure; what only a disk knows comes in as an argument.
"""

from __future__ import annotations

from dataclasses import replace

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import Running, Waiting


def request_of(run_id: RunId, spec: RunSpec, submitted_ns: int) -> Waiting:
    """The waiting run that a spec would be."""
    return Waiting(
        run_id=run_id,
        shapes=spec.shape,
        nodes=spec.nodes,
        min_nodes=spec.min_nodes,
        ranks_per_node=spec.ranks_per_node,
        queue=spec.queue,
        user=spec.owner,
        priority=spec.priority,
        submitted_ns=submitted_ns,
        limit_s=spec.time_limit,
    )


def waiting_of(run: Run) -> Waiting:
    """A run that waits for its nodes."""
    ended_ns = max((attempt.ended_ns for attempt in run.attempts), default=0)
    return replace(
        request_of(run.id, run.spec, run.submitted_ns),
        wait_since_ns=ended_ns,
        not_before_ns=run.not_before_ns,
        ran_s=sum(_ran_s(attempt, attempt.ended_ns) for attempt in run.attempts),
        attained_s=sum(_had_s(attempt, attempt.ended_ns) for attempt in run.attempts),
    )


def running_of(run: Run, *, checkpoint_ns: int = 0) -> Running:
    """A run that holds nodes."""
    before = run.attempts[:-1]
    request = replace(
        request_of(run.id, run.spec, run.submitted_ns),
        ran_s=sum(_ran_s(attempt, attempt.ended_ns) for attempt in before),
        attained_s=sum(_had_s(attempt, attempt.ended_ns) for attempt in before),
    )
    attempt = run.attempts[-1]
    return Running(
        run=request,
        placement=attempt.placement,
        started_ns=attempt.placed_ns,
        checkpoint_ns=checkpoint_ns,
        leaving=run.stop is not None,
    )


def _ran_s(attempt: Attempt, until_ns: int) -> float:
    return max(0, until_ns - attempt.placed_ns) / NS


def _had_s(attempt: Attempt, until_ns: int) -> float:
    placement = attempt.placement
    return _ran_s(attempt, until_ns) * placement.shape.slots * len(placement.nodes)
