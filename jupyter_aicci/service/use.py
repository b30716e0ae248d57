"""What each user of each queue has had lately: the mean share of this host, in which the past counts half with every half-life.

In: the runs of the journal. Out: (queue, user) -> mean dominant share, as fair shares between queues and users weigh it.
Rule 1: an attempt that has ended is taken in once and its part only fades from then on; what holds nodes is counted up to now.
Rule 2: the sum over time is exact however often it is asked for (`shares.faded`), so no decision depends on when others were made.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import Cluster
from jupyter_aicci.scheduler.queues import asked
from jupyter_aicci.scheduler.shares import faded, recent

Whose = tuple[str, str]
FORGOTTEN = 1e-6  # a share below that is none


class Use:
    """Past use, brought forward whenever it is asked for."""

    def __init__(self, whole: Cluster, half_life_s: float, runs: Iterable[Run]) -> None:
        self._half_life_s = half_life_s
        self._capacity = capacity_of(whole)
        self._then_s = 0.0
        self._past: dict[Whose, float] = {}
        self._counted: dict[RunId, int] = {}  # attempts of a run that were taken in
        for run in sorted(runs, key=lambda run: max((attempt.ended_ns for attempt in run.attempts), default=0)):
            self.learn(run, run.submitted_ns / NS)

    def learn(self, run: Run, now_s: float) -> None:
        """Take in the attempts of a run that have ended; a run that has ended itself is not asked about again."""
        done, counted = [attempt for attempt in run.attempts if attempt.ended_ns], self._counted.get(run.id, 0)
        for attempt in done[counted:]:
            ended_s = attempt.ended_ns / NS
            self._fade(max(now_s, ended_s))
            self._past[_whose(run)] = self._past.get(_whose(run), 0.0) + self._part(attempt, ended_s, self._then_s)
        if run.ended:
            self._counted.pop(run.id, None)
        elif done:
            self._counted[run.id] = len(done)

    def lately(self, holding: Iterable[Run], now_s: float) -> dict[Whose, float]:
        """The mean share that each had; `holding`: the runs that have nodes now."""
        self._fade(now_s)
        found = dict(self._past)
        for run in holding:
            found[_whose(run)] = found.get(_whose(run), 0.0) + self._part(run.attempts[-1], now_s, now_s)
        return {whose: share for whose, share in found.items() if share > FORGOTTEN}

    def _fade(self, now_s: float) -> None:
        if now_s > self._then_s:
            past = faded(np.array(list(self._past.values())), now_s - self._then_s, self._half_life_s).tolist()
            pairs = zip(self._past, past, strict=True)
            self._past = {whose: share for whose, share in pairs if share > FORGOTTEN}
            self._then_s = now_s

    def _part(self, attempt: Attempt, until_s: float, now_s: float) -> float:
        share, placed_s = self._share(attempt.placement), attempt.placed_ns / NS
        spans = np.array([share]), np.array([placed_s]), np.array([until_s])
        return float(recent(*spans, now_s, self._half_life_s)[0])

    def _share(self, placement: Placement) -> float:
        """The largest part of any resource of the cluster that the placement takes."""
        amounts = asked(placement.shape, len(placement.nodes))
        return max((amount / self._capacity[name] for name, amount in amounts if self._capacity.get(name)), default=0.0)


def _whose(run: Run) -> Whose:
    return run.spec.queue, run.spec.owner


def capacity_of(whole: Cluster) -> dict[str, int]:
    """All that there is, in the units of queues."""
    total: dict[str, int] = {}
    for host in whole.hosts:
        mine = {"cpu": host.all_cpu_milli, "memory": host.memory_bytes, host.accelerator: 1000 * len(host.devices)}
        for name, amount in mine.items():
            if name and amount:
                total[name] = total.get(name, 0) + amount
    return total
