"""One answer of the scheduler, with what it was asked, and the reasons that follow from it.

In: a cluster, queues, runs, now. Out: decisions, and of each run that goes on waiting why it does and what would start it.
Rule: reasons are worked out when somebody asks; the class of a reason is the same for all runs of a kind that one thing stopped.
"""

from __future__ import annotations

from bisect import bisect_left

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler import Cluster, Decisions, Queues, Wait, WhyClass, decide, why, would_start_now
from jupyter_aicci.scheduler import Runs as Asks


class Answer:
    """One answer of the scheduler, with what it was asked."""

    def __init__(self, cluster: Cluster, queues: Queues, asks: Asks, now_ns: int) -> None:
        self.cluster, self.queues, self.asks, self.now_ns = cluster, queues, asks, now_ns
        self.decisions: Decisions = decide(cluster, queues, asks, now_ns)
        self.starts = {start.run_id: start for start in self.decisions.starts}
        self.after = cluster.without([start.placement for start in self.starts.values() if not start.after])
        gone = {start.run_id for start in self.starts.values() if not start.after}
        gone |= {refused.run_id for refused in self.decisions.never}
        self.waiting = tuple(run_id for run_id in asks.waiting_ids if run_id not in gone)
        self._classes: dict[tuple[object, ...], WhyClass] = {}

    def why(self, run_id: RunId, line: tuple[RunId, ...]) -> Wait:
        """Why a run of `line` waits; `line`: all that wait, first in line first."""
        start = self.starts.get(run_id)
        if start is not None:
            text = f"takes the place of {', '.join(start.after)}, which is about to leave"
            return Wait(run_id=run_id, why_class=WhyClass.BEHIND, text=text)
        return why(self.after, self.asks, line, self.decisions, run_id)

    def why_class(self, run_id: RunId) -> WhyClass:
        """The class alone: the same for all runs of a kind that were stopped by the same thing."""
        blocked = self.decisions.blocked.get(run_id)
        row = bisect_left(self.asks.waiting_ids, run_id)
        told = (blocked.why, bool(blocked.until_s), blocked.better) if blocked else ()
        key = (int(self.asks.waiting["kind"][row]), run_id in self.starts, *told)
        if key not in self._classes:
            self._classes[key] = self.why(run_id, self.waiting).why_class
        return self._classes[key]

    def change(self, run_id: RunId) -> str:
        """The cheapest change of options that would start the run now, "" = none, or it is not room that it lacks."""
        blocked = self.decisions.blocked.get(run_id)
        if blocked is None or blocked.why not in (WhyClass.BEHIND, WhyClass.FRAGMENTATION) or blocked.until_s:
            return ""
        row = bisect_left(self.asks.waiting_ids, run_id)
        return would_start_now(self.after, self.asks.kinds[int(self.asks.waiting["kind"][row])])
