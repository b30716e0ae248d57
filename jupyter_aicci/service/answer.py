"""One answer of the scheduler, with what it was asked, and the reasons that follow from it.

In: a cluster, queues, runs, now. Out: decisions, and of each run that goes on waiting why it does and what would start it.
Rule: reasons are worked out when somebody asks; the class of a reason is the same for all runs of a kind that one thing stopped.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler import Cluster, Decisions, Queues, Wait, WhyClass, decide, why, would_start_now
from jupyter_aicci.scheduler import Runs as Asks


class Answer:
    """One answer of the scheduler, with what it was asked."""

    def __init__(
        self,
        cluster: Cluster,
        queues: Queues,
        asks: Asks,
        now_ns: int,
        *,
        theirs: frozenset[RunId] = frozenset(),
        beside: str = "",
    ) -> None:
        """`theirs`: runs of other users, decided about with ours, on which nobody here acts; `beside`: who these are."""
        self.beside = beside
        self.cluster, self.queues, self.asks, self.now_ns = cluster, queues, asks, now_ns
        decisions = decide(cluster, queues, asks, now_ns)
        self.decisions: Decisions = _without(decisions, theirs) if theirs else decisions
        self.starts = {start.run_id: start for start in decisions.starts}
        self.after = cluster.without([start.placement for start in self.starts.values() if not start.after])
        gone = {start.run_id for start in self.starts.values() if not start.after}
        gone |= {refused.run_id for refused in decisions.never}
        self.all_waiting = tuple(run_id for run_id in asks.waiting_ids if run_id not in gone)
        self.waiting = tuple(run_id for run_id in self.all_waiting if run_id not in theirs)
        self.could_start = tuple(gone & theirs)  # of theirs, as things stand
        self._classes: dict[tuple[object, ...], WhyClass] = {}

    @property
    def lacks_room(self) -> tuple[RunId, ...]:
        """Ours that would start if there were room for them: no quota and no pause holds them back."""
        held_back = self.decisions.blocked
        return tuple(
            run_id
            for run_id in self.waiting
            if run_id not in held_back or not (held_back[run_id].until_s or held_back[run_id].why is WhyClass.QUOTA)
        )

    def why(self, run_id: RunId, line: tuple[RunId, ...]) -> Wait:
        """Why a run of `line` waits, and who else is on this host; `line`: all that wait, first in line first."""
        start = self.starts.get(run_id)
        if start is not None:
            text = f"takes the place of {', '.join(start.after)}, which is about to leave"
            return Wait(run_id=run_id, why_class=WhyClass.BEHIND, text=text)
        wait = why(self.after, self.asks, line, self.decisions, run_id)
        left = f"room is left for {', '.join(self.could_start)}" if self.could_start else ""
        return replace(wait, text="; ".join(part for part in (wait.text, left, self.beside) if part))

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


def _without(decisions: Decisions, theirs: frozenset[RunId]) -> Decisions:
    """What was decided of our own runs."""
    return replace(
        decisions,
        starts=tuple(start for start in decisions.starts if start.run_id not in theirs),
        reserves=tuple(reserve for reserve in decisions.reserves if reserve.run_id not in theirs),
        never=tuple(refused for refused in decisions.never if refused.run_id not in theirs),
    )
