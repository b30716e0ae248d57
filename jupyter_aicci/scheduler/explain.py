"""Why a run waits: one of five classes, with its numbers, in one sentence.

In: what `decide` was asked and what it answered. Out: a `Wait`.
Rule 1: exactly one class, the one that has to change first: can never run, quota, fragmentation, reserved, behind others.
Rule 2: no moment stands in the sentence, so that it changes only with the reason; when it starts is the forecast's answer.
"""

from __future__ import annotations

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler.choose import Choice, choices
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Blocked, Decisions, Wait, WhyClass
from jupyter_aicci.scheduler.never import count, scarcest, would_start_now
from jupyter_aicci.scheduler.runs import Kind, Runs

HOUR_S = 3600.0


def why(cluster: Cluster, runs: Runs, line: tuple[RunId, ...], decisions: Decisions, run_id: RunId) -> Wait:
    """Why this run waits. `cluster`: with what starts now taken; `line`: all that wait, first in line first."""
    at = runs.waiting_ids.index(run_id)
    kind = runs.kinds[int(runs.waiting["kind"][at])]
    blocked = decisions.blocked.get(run_id, Blocked(why=WhyClass.BEHIND))
    options = choices(cluster.fabric, kind)
    if not options:
        return Wait(run_id=run_id, why_class=WhyClass.NEVER, text="this run can never start here")
    if blocked.until_s:
        text = "pauses before its next attempt, because the last one ended by a fault"
        return Wait(run_id=run_id, why_class=WhyClass.BEHIND, text=text)
    if blocked.why is WhyClass.QUOTA:
        return Wait(run_id=run_id, why_class=WhyClass.QUOTA, text=blocked.quota)
    if blocked.better:
        text = "could start now, spread out; it ends sooner where its nodes are together, and has a place there"
        return Wait(run_id=run_id, why_class=WhyClass.FRAGMENTATION, text=text)
    if blocked.why is WhyClass.RESERVED:
        text = f"what is free is reserved for {blocked.behind}, which stands before it"
        return Wait(run_id=run_id, why_class=WhyClass.RESERVED, text=text)
    return _no_room(cluster, runs, line, run_id, kind, options[0])


def _no_room(cluster: Cluster, runs: Runs, line: tuple[RunId, ...], run_id: RunId, kind: Kind, choice: Choice) -> Wait:
    shape, nodes = choice.shape, kind.sizes[-1]
    asks, free = scarcest(cluster, shape, nodes)
    gang = f"{nodes} {shape.name} nodes need" if nodes > 1 else f"1 {shape.name} node needs"
    change = would_start_now(cluster, kind)
    hint = f"; {change} would start now" if change else ""
    if free.startswith("room"):
        text = f"{gang} {asks}; enough is free in all, but not together{hint}"
        return Wait(run_id=run_id, why_class=WhyClass.FRAGMENTATION, text=text)
    ahead = line.index(run_id)
    who = f"behind {count(ahead, 'waiting run')}" if ahead else "first in line"
    return Wait(
        run_id=run_id,
        why_class=WhyClass.BEHIND,
        text=f"{who}: {gang} {asks}, {free} free; {_held(runs)}{hint}",
    )


def _held(runs: Runs) -> str:
    """What running runs hold, and for how long at most where that is known."""
    rows = runs.running
    holders = count(len(rows), "running run")
    left_s = np.where(np.isfinite(rows["limit_s"]), rows["limit_s"], rows["expected_s"])
    if not len(rows) or np.isnan(left_s).any():
        return f"the rest is held by {holders}"
    return f"the rest is held by {holders}, at most {(left_s * rows['units']).sum() / HOUR_S:.1f} unit-hours"
