"""The working state of one decision: what is left of the cluster and of each queue's share, and what was decided so far.

Rule 1: a session lives as long as one call of `decide`; only its own copies are changed.
Rule 2: runs of one kind are alike. What did not fit once is not tried again, so that a line of thousands costs as little as
its kinds.
What is done with a session stands beside it: `backfill` reserves, `giveway` takes places, `layout` lays all out anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Bandwidth, Placement
from jupyter_aicci.scheduler.bandwidth import bandwidth, best
from jupyter_aicci.scheduler.choose import Choice, choices, highest_level
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Blocked, Decisions, Never, Preempt, Reserve, Start
from jupyter_aicci.scheduler.fit import Picks, first_fit, largest_fit
from jupyter_aicci.scheduler.found import Found, Kept
from jupyter_aicci.scheduler.free import Free, whole_of
from jupyter_aicci.scheduler.lineup import Lineup
from jupyter_aicci.scheduler.order import CHANGES, next_change_s
from jupyter_aicci.scheduler.plan import Plan
from jupyter_aicci.scheduler.policies import Placing, Policy
from jupyter_aicci.scheduler.preempt import Candidates
from jupyter_aicci.scheduler.queues import Queues
from jupyter_aicci.scheduler.runs import Kind, Runs, stacked
from jupyter_aicci.scheduler.small import SmallRuns
from jupyter_aicci.scheduler.turns import Turns


class Session(Lineup):
    """Made by `decide`."""

    def __init__(
        self, cluster: Cluster, queues: Queues, runs: Runs, now_s: float, *, policy: Policy, likely: bool
    ) -> None:
        super().__init__(cluster, queues, runs, now_s, policy=policy)
        self.likely, self.free = likely, cluster.free.copy()
        self.turns = Turns(self)
        self._barred_s = np.full(
            len(runs.kinds), np.nan
        )  # who ends then or later finds none clear of reservations, by kind
        self._barred: dict[int, Blocked] = {}  # what these are told
        self._ends_s = _ends(self.waiting, now_s, likely=likely)
        self.closed = np.zeros(len(self.fabric.hosts), dtype=bool)  # hosts that a run gets when others have left
        # who leaves, and what is free then
        self.gone = self.running["leaving"] == 1
        self.soon = self._after_leaving() if self.gone.any() else None
        self.candidates: Candidates | None = None
        # reservations
        self.heads: dict[int, RunId] = {}  # by queue: the first run that could not start
        self.unplanned: list[int] = []
        self.plan: Plan | None = None
        self.kept: dict[RunId, Kept] = {}  # the reservations; in the plan each has its run's row as number
        self.guessed = np.zeros(len(self.fabric.hosts), dtype=bool)  # hosts with a run of which nobody knows how long
        # answers
        self.settled: set[int] = set()
        self.line: list[RunId] = []  # runs in the order in which they were decided about
        self.found: dict[RunId, Found] = {}  # where each run starts now
        self.starts: list[Start] = []
        self.preempts: list[Preempt] = []
        self.reserves: list[Reserve] = []
        self.never: list[Never] = []
        self.blocked: dict[RunId, Blocked] = {}

    @cached_property
    def small(self) -> SmallRuns:
        """Where runs of one node go if the policy looks at what stays usable."""
        return SmallRuns(self.free, self.runs)

    def decisions(self) -> Decisions:
        """All that was decided."""
        return Decisions(
            starts=tuple(self.starts),
            preempts=tuple(self.preempts),
            reserves=tuple(reserve for reserve in self.reserves if reserve.run_id in self.kept),
            never=tuple(self.never),
            blocked=self.blocked,
            next_s=self._next_change_s(),
        )

    def _next_change_s(self) -> float:
        """When the order changes by itself, given who will run."""
        nobody_waits = len(self.starts) == len(self.waiting) and not self.preempts
        if self.policy.order not in CHANGES or (nobody_waits and not self.policy.anew):
            return np.inf
        goes = {preempt.run_id for preempt in self.preempts} - {start.run_id for start in self.starts}
        stays = [row for row, run_id in enumerate(self.runs.running_ids) if run_id not in goes]
        ids = self.runs.waiting_ids
        comes = [
            at for start in self.starts for at in [bisect_left(ids, start.run_id)] if ids[at : at + 1] == [start.run_id]
        ]
        rows = stacked(self.running[stays], self.waiting[comes])
        return next_change_s(self.policy.order, rows, self.now_s, self.runs.history)

    def head_before(self, at: int) -> RunId:
        """The first run that could not start: of its queue, else of any, else one that was promised a place."""
        own = self.runs.waiting_ids[at]
        others = (run_id for run_id in (*self.heads.values(), *self.kept) if run_id != own)
        return self.heads.get(self.queue_number(at)) or next(others, own)

    def queue_is_open(self, at: int) -> bool:
        """Whether runs may wait in the queue that it names."""
        return self.queues.refusal(self.runs.queues[int(self.waiting["queue"][at])]) is None

    def options_of(self, kind: Kind) -> tuple[Choice, ...]:
        """The same for a kind of run."""
        return choices(self.fabric, kind)

    def close(self, picks: Picks) -> None:
        """Nobody else gets anything on these hosts now."""
        self.closed[picks.hosts] = True

    def ends_s(self, at: int) -> float:
        """When a waiting run ends at the latest if it starts now; inf = it has no limit."""
        return float(self._ends_s[at])

    def bar(self, at: int) -> None:
        """The run found no place clear of reservations, so others of its kind that end no sooner will find none."""
        number = int(self.waiting["kind"][at])
        self._barred_s[number] = np.fmin(self._barred_s[number], self._ends_s[at])
        self._barred[number] = self.blocked[self.runs.waiting_ids[at]]

    def barred(self, at: int) -> bool:
        """Whether that is known of a run."""
        return bool(self._ends_s[at] >= self._barred_s[self.waiting["kind"][at]])

    def hopeless(self, rows: np.ndarray) -> np.ndarray:
        """bool[rows]: waiting runs that ask for what was not to be had, or not clear of reservations."""
        kinds = self.waiting["kind"][rows]
        found: np.ndarray = self.dead[kinds] | (self._ends_s[rows] >= self._barred_s[kinds])
        return found

    def pass_over(self, rows: np.ndarray) -> None:
        """These are not looked at; who would be in the way of a reservation is told so."""
        kinds = self.waiting["kind"][rows]
        for at, number in zip(rows.tolist(), kinds.tolist(), strict=True):
            if not self.dead[number]:
                self.blocked[self.runs.waiting_ids[at]] = self._barred[number]

    def place(
        self,
        kind: Kind,
        options: Sequence[Choice],
        *,
        clear_until_s: float | None = None,
        own: int = -1,
        free: Free | None = None,
    ) -> Found | None:
        """The best place in what is free; with a moment, one that is in the way of no reservation until then but of row `own`."""
        best: Found | None = None
        level = highest_level(self.fabric, kind) or 0
        for choice in options:
            room = (free or self.free).room(choice.shape)
            if clear_until_s is not None and self.plan is not None:
                room = self.plan.open(choice.shape, room, clear_until_s, own)
            if self.soon is not None:
                room = np.where(self.closed, 0, room)
            found = self._fit(choice, room, kind, level, own=free is None)
            if found is not None and (best is None or found.nodes > best.nodes):
                best = found
                if best.nodes == kind.nodes:
                    break
        return best

    def start(self, at: int, found: Found, *, free: Free | None = None, after: tuple[RunId, ...] = ()) -> None:
        """The gang starts there, when those in `after` have left."""
        placement = self.placement(found, free or self.free, self.kind(at).nodes)
        if self.soon is not None and free is not self.soon:
            self.soon.take(placement)  # or the next run that takes a place would find it free
        self.starts.append(Start(run_id=self.runs.waiting_ids[at], placement=placement, after=after))
        self.settled.add(at)
        if self.policy.placing is Placing.FGD:
            self.small.placed(found.picks.hosts)
        self.found[self.runs.waiting_ids[at]] = found
        self.turns.started(at, placement)
        if self.plan is not None:
            kept = self.kept.pop(self.runs.waiting_ids[at], None)
            if kept is not None:
                self.plan.unbook(at, kept.found.picks.hosts)
            self.plan.hold(found.choice.shape, found.picks, self.ends_s(at))

    def placement(self, found: Found, free: Free, wanted: int = 0) -> Placement:
        """The placement; its nodes are taken from `free`. `wanted`: nodes that the run would rather have."""
        choice, fewer = found.choice, wanted if wanted > found.nodes else 0
        return Placement(
            shape=choice.shape,
            ranks_per_node=choice.ranks_per_node,
            nodes=free.place(choice.shape, found.picks, found.columns),
            why=choice.why if not fewer else f"{choice.why}; {found.nodes} of {fewer} nodes, what is free now",
            bandwidth=self.bandwidth(found),
        )

    def bandwidth(self, found: Found) -> Bandwidth:
        """What the gang gets there."""
        fabric, shape = self.fabric, found.choice.shape
        best_bytes_per_s = fabric.best.get((shape, found.nodes))
        if best_bytes_per_s is None:
            room = whole_of(fabric).room(shape)
            best_bytes_per_s = fabric.best[shape, found.nodes] = best(
                fabric.tree, fabric.links, room, found.nodes, shape
            )
        return bandwidth(fabric.tree, fabric.links, found.picks, shape, best_bytes_per_s=best_bytes_per_s)

    def _after_leaving(self) -> Free:
        free = self.free.copy()
        for row in np.nonzero(self.gone)[0].tolist():
            free.give(self.runs.placements[row])
        return free

    def _fit(self, choice: Choice, room: np.ndarray, kind: Kind, level: int, *, own: bool) -> Found | None:
        if self.policy.placing is Placing.FIRST and not level and len(kind.sizes) == 1:
            picks = first_fit(room, kind.nodes)
            return Found(choice=choice, nodes=kind.nodes, picks=picks) if picks is not None else None
        if self.policy.placing is Placing.FGD and own and kind.nodes == 1:
            return self.small.place(choice, room > 0)
        found = largest_fit(self.fabric.tree, room, kind.nodes, kind.sizes[-1], level)
        return Found(choice=choice, nodes=found[0], picks=found[1]) if found is not None else None


def _ends(rows: np.ndarray, now_s: float, *, likely: bool) -> np.ndarray:
    """When each waiting run ends at the latest if it starts now; inf = it has no limit."""
    lasts_s = np.where(rows["expected_s"] > 0, rows["expected_s"], rows["limit_s"]) if likely else rows["limit_s"]
    ends_s: np.ndarray = now_s + lasts_s
    return ends_s
