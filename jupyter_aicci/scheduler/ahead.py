"""The near future, played: whoever is expected to end next ends, `decide` answers, and so on until a run has started.

In: what `decide` takes, and how much work it may be. Out: who starts when and where, as far as that went.
Method: discrete events. A run ends after what such runs usually take, where anybody knows, else after its limit; one that is past
that ends any moment, one that has neither stays. Nobody new comes, and nobody takes another's place.
Rule 1: a plan keeps places by limits and cannot see who slips in when somebody ends early; this does, so where it got to a run
it is the better estimate. It is no promise.
Rule 2: pure. What it may cost is counted in hosts and runs looked at, so that equal arguments give an equal future.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.scheduler.backfill import promise_of
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decide import settled
from jupyter_aicci.scheduler.decisions import Decisions
from jupyter_aicci.scheduler.policies import Policy
from jupyter_aicci.scheduler.queues import Queues
from jupyter_aicci.scheduler.runs import Runs

LEAST_S = 1e-3  # between two looks at an order that changes by itself
WORK = 3_000  # hosts and runs looked at, over all events: some hundredths of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A start that came out of it."""

    start_s: float
    placement: Placement


def ahead(
    cluster: Cluster,
    queues: Queues,
    runs: Runs,
    now_s: float,
    *,
    policy: Policy,
    until: RunId | None = None,
    work: int = WORK,
) -> dict[RunId, Begun]:
    """Starts from now on, until `until` has started, everybody has, or the work is done. Moments are the caller's seconds."""
    return _Play(cluster, queues, runs, now_s, policy).play(until, work)


class _Play:
    """One future while it is played."""

    def __init__(self, cluster: Cluster, queues: Queues, runs: Runs, now_s: float, policy: Policy) -> None:
        self._cluster, self._queues, self._runs, self._now_s, self._policy = cluster, queues, runs, now_s, policy
        self._held = dict(zip(runs.running_ids, runs.placements, strict=True))
        self._ends = list(zip(_ends_s(runs.running, now_s).tolist(), runs.running_ids, strict=True))
        heapq.heapify(self._ends)

    def play(self, until: RunId | None, work: int) -> dict[RunId, Begun]:
        found: dict[RunId, Begun] = {}
        while self._runs.waiting_ids and (work := work - self._looked_at()) >= 0:
            decisions = settled(self._cluster, self._queues, self._runs, self._now_s, policy=self._policy).decisions()
            found |= self._start(decisions)
            if until in found or not self._go_on(decisions.next_s):
                break
        return found

    def _looked_at(self) -> int:
        return len(self._cluster.fabric.slots) + len(self._runs.waiting_ids) + len(self._held)

    def _start(self, decisions: Decisions) -> dict[RunId, Begun]:
        starts = {start.run_id: start.placement for start in decisions.starts}
        if starts:
            self._cluster = self._cluster.without(list(starts.values()))
            self._runs = self._runs.begun(starts, self._now_s)
            self._held |= starts
            rows = self._runs.running[[self._runs.running_ids.index(run_id) for run_id in starts]]
            for end_s, run_id in zip(_ends_s(rows, self._now_s).tolist(), starts, strict=True):
                heapq.heappush(self._ends, (end_s, run_id))
        if decisions.reserves:
            self._runs = self._runs.promised(dict(map(promise_of, decisions.reserves)))
        return {run_id: Begun(start_s=self._now_s, placement=placement) for run_id, placement in starts.items()}

    def _go_on(self, next_s: float) -> bool:
        """To the next moment at which somebody ends or the order changes by itself; False where nothing more happens."""
        moment_s = min(self._ends[0][0] if self._ends else np.inf, next_s)
        if moment_s == np.inf:
            return False
        self._now_s = max(moment_s, self._now_s + LEAST_S)
        gone = []
        while self._ends and self._ends[0][0] <= self._now_s:
            gone.append(heapq.heappop(self._ends)[1])
        if gone:
            self._cluster = self._cluster.released([self._held.pop(run_id) for run_id in gone])
            self._runs = self._runs.ended(*gone)
        return True


def _ends_s(rows: np.ndarray, now_s: float) -> np.ndarray:
    """float64[len(rows)]: when each is expected to end; who is past that ends any moment."""
    lasts_s = np.where(rows["expected_s"] > 0, rows["expected_s"], rows["limit_s"])
    return np.asarray(np.maximum(rows["started_s"] + lasts_s, now_s + LEAST_S))
