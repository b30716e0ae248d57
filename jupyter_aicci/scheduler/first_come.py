"""First come, first served, for whole gangs.

In: the cluster with what is held, the queues, the runs that wait, `now_ns`. Out: one decision for each run.
Method: order → choose → place; the first run that does not fit keeps what is free for itself, so that a big run
is never starved by small ones behind it. A run that can never start, or that waits for its back-off, keeps nothing.
Order: higher priority, then submit time, then run id.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.scheduler import explain
from jupyter_aicci.scheduler.choose import choices, place
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Decisions, Never, Queue, Start, Wait, Waiting


def decide(cluster: Cluster, queues: Sequence[Queue], runs: Sequence[Waiting], now_ns: int) -> Decisions:
    """Which of `runs` start now, and why the others do not."""
    starts: list[Start] = []
    waits: list[Wait] = []
    never: list[Never] = []
    head: Waiting | None = None  # the first run that does not fit
    for run in sorted(runs, key=lambda run: (-run.priority, run.submitted_ns, run.run_id)):
        refused = explain.never(cluster, queues, run)
        if refused is not None:
            never.append(refused)
            continue
        if run.not_before_ns > now_ns:
            waits.append(explain.back_off(run))
            continue
        fitting = choices(cluster, run)
        placement = place(cluster, run, fitting)
        if head is not None:
            waits.append(explain.behind(run, head, ahead=len(waits), fits=placement is not None))
        elif placement is None:
            head = run
            waits.append(explain.no_room(cluster, run, fitting))
        else:
            starts.append(Start(run_id=run.run_id, placement=placement))
            cluster = cluster.without([placement])
    return Decisions(starts=tuple(starts), waits=tuple(waits), never=tuple(never))


def forecast(
    cluster: Cluster, queues: Sequence[Queue], runs: Sequence[Waiting], request: Waiting, now_ns: int
) -> Start | Wait | Never:
    """What `decide` would say of `request` if it were sent now, behind `runs`."""
    decisions = decide(cluster, queues, (*runs, request), now_ns)
    answers: list[Start | Wait | Never] = [*decisions.starts, *decisions.waits, *decisions.never]
    return next(answer for answer in answers if answer.run_id == request.run_id)


def refusal(cluster: Cluster, queues: Sequence[Queue], request: Waiting) -> UserError | None:
    """The error for a run that could never start, told before it is accepted; None if it can."""
    refused = explain.never(cluster, queues, request)
    return refused.error() if refused else None
