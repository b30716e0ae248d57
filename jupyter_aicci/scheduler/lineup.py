"""The runs of one decision, brought up to now and in the policy's order.

In: what `decide` takes. Out: rows of running and of waiting runs, in which every part of a decision names a run, and what the
runs of a kind ask for.
Rule: rows and order stay as they were made; only `dead` grows while it is decided.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler.choose import Choice, choices
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.fabric import Fabric
from jupyter_aicci.scheduler.order import ranked
from jupyter_aicci.scheduler.policies import Backfill, Policy
from jupyter_aicci.scheduler.queues import Queues
from jupyter_aicci.scheduler.runs import Kind, Runs, stacked


class Lineup:
    """Rows of `waiting` and `running` are those of the runs, brought up to now."""

    def __init__(self, cluster: Cluster, queues: Queues, runs: Runs, now_s: float, *, policy: Policy) -> None:
        self.cluster, self.queues, self.runs, self.now_s, self.policy = cluster, queues, runs, now_s, policy
        self.fabric = cluster.fabric
        self.waiting = _sized(runs, self.fabric)
        self.running = _advanced(runs.running, now_s)
        self.best_first = _best_first(self)  # rows of running runs, then of waiting ones
        self.order = self.best_first[self.best_first >= len(self.running)] - len(self.running)
        self.dead = np.zeros(len(runs.kinds), dtype=bool)  # kinds that found no place
        self._rank: np.ndarray | None = None
        self._options: dict[int, tuple[Choice, ...]] = {}  # by kind

    @property
    def everyone(self) -> bool:
        """Whether every run is to get a place in time."""
        return self.policy.backfill is Backfill.CONSERVATIVE

    def kind(self, at: int) -> Kind:
        """What a waiting run asks for."""
        return self.runs.kinds[int(self.waiting["kind"][at])]

    def options(self, at: int) -> tuple[Choice, ...]:
        """The shapes that a waiting run may get; () = it can never start."""
        number = int(self.waiting["kind"][at])
        found = self._options.get(number)
        if found is None:
            found = self._options[number] = choices(self.fabric, self.runs.kinds[number])
        return found

    def queue_number(self, at: int) -> int:
        """The queue of a waiting run, as an index into those of the runs."""
        return int(self.waiting["queue"][at])

    def run_id(self, row: int) -> RunId:
        """The run of a row of `best_first`."""
        held = len(self.running)
        return self.runs.running_ids[row] if row < held else self.runs.waiting_ids[row - held]

    def running_at(self, run_id: RunId) -> int:
        """The row of a run that holds nodes."""
        return bisect_left(self.runs.running_ids, run_id)

    def rank(self) -> np.ndarray:
        """The place in the order of each row of `best_first`."""
        if self._rank is None:
            self._rank = np.empty(len(self.best_first), dtype=np.int64)
            self._rank[self.best_first] = np.arange(len(self.best_first))
        return self._rank


def _sized(runs: Runs, fabric: Fabric) -> np.ndarray:
    """Rows of the waiting runs with their units: those of the first shape that each may get."""
    rows = runs.waiting
    if not len(rows) or rows["units"].all():
        return rows
    units = np.zeros(len(runs.kinds), dtype=np.int64)
    for number in np.unique(rows["kind"]).tolist():
        options = choices(fabric, runs.kinds[number])
        units[number] = options[0].shape.slots * runs.kinds[number].nodes if options else 0
    rows = rows.copy()
    rows["units"] = units[rows["kind"]]
    return rows


def _advanced(rows: np.ndarray, now_s: float) -> np.ndarray:
    """Rows of runs that hold nodes, with what they have had until now."""
    if not len(rows):
        return rows
    rows = rows.copy()
    for_s = now_s - rows["started_s"]
    rows["ran_s"] += for_s
    rows["attained_s"] += rows["units"] * for_s
    rows["limit_s"] = np.maximum(rows["limit_s"] - for_s, 0.0)
    rows["expected_s"] = np.maximum(rows["expected_s"] - for_s, 0.0)
    return rows


def _best_first(lineup: Lineup) -> np.ndarray:
    """Rows of running runs, then of waiting ones: higher priority first, then as the policy has it."""
    rows = stacked(lineup.running, lineup.waiting)
    best_first: np.ndarray = ranked(lineup.policy.order, rows, lineup.now_s, lineup.runs.history)
    if rows["priority"].any():
        best_first = best_first[np.argsort(-rows["priority"][best_first], kind="stable")]
    return best_first
