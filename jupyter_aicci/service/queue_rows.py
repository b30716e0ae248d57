"""The queues as people see them: what each may count on, what its runs hold now, how many wait.

In: the user's queues and the runs that have not ended. Out: one JSON object a queue, in the order of their names.
Rule: an inner queue is the sum of the queues under it. Amounts are whole accelerators and CPUs, and bytes of memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_aicci.model.run import Run
from jupyter_aicci.scheduler import Cluster, Queue, Queues
from jupyter_aicci.scheduler.queues import MEMORY, WHOLE, Amounts, asked
from jupyter_aicci.service.use import capacity_of


def queue_rows(queues: Queues, unfinished: Iterable[Run], whole: Cluster) -> list[dict[str, Any]]:
    """The answer of GET /v1/queues; `whole`: the cluster when nothing runs."""
    runs, capacity = [run for run in unfinished if run.spec.queue in queues], _whole(capacity_of(whole).items())
    return [
        _row(queue, [run for run in runs if queue.name in queues.path(run.spec.queue)]) | {"capacity": capacity}
        for queue in queues.queues
    ]


def _row(queue: Queue, runs: list[Run]) -> dict[str, Any]:
    """One queue; `runs`: those in it and under it."""
    holding = [run for run in runs if run.holds_nodes]
    return {
        "name": queue.name,
        "parent": queue.parent,
        "weight": queue.weight,
        "priority": queue.priority,
        "guarantee": _whole(queue.guarantee),
        "deserved": _whole(queue.deserved),
        "limit": _whole(queue.limit),
        "used": _whole(_held(holding)),
        "running": len(holding),
        "queued": len(runs) - len(holding),
        "users": sorted({run.spec.owner for run in runs}),
    }


def _held(runs: Iterable[Run]) -> Amounts:
    total: dict[str, int] = {}
    for run in runs:
        placement = run.attempts[-1].placement
        for resource, amount in asked(placement.shape, len(placement.nodes)):
            total[resource] = total.get(resource, 0) + amount
    return tuple(sorted(total.items()))


def _whole(amounts: Iterable[tuple[str, int]]) -> dict[str, float]:
    return {name: amount if name == MEMORY else amount / WHOLE for name, amount in amounts}
