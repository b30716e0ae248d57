"""Who may take a place from whom, so that no two runs ever take turns.

In: per run its queue, whether it stands within what its queue is entitled to, its priority, its level in the order of
the policy. Out: why a waiting run may send a running one away, or that it may not.
Rule: all of that is fixed while nothing arrives, ends or ages, and every permitted preemption leads down one line:
entitled before borrowing, then higher priority, then lower level. So whoever comes in stands before all whom it sends
away, the set of running runs only ever gets better by that line, and no sequence of preemptions comes back to a set
that it left. (A rule on the shares as they are at each moment does come back: A's large run sends A's small ones away
and borrows, B reclaims from A, B's large run sends B's small one away and borrows, A reclaims from B with a small one.)
A caller may forbid more (minimum run time, guarantees, `standing.may_reclaim`): fewer preemptions close no circle.
Imports numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Cause(StrEnum):
    """Why one run may send another away."""

    RECLAIM = "reclaim"  # its queue is entitled to the place, and the other borrows it
    PRIORITY = "priority"  # of runs of one queue
    ORDER = "order"  # of the policy, among runs of one queue and priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """How one run stands, the same whether it waits or runs."""

    queue: int
    entitled: bool  # see `within_entitlement`
    priority: int
    level: float  # in the policy's order, lower goes first; equal levels do not preempt each other


def may_preempt(taker: Claim, victim: Claim) -> Cause | None:
    """Why `taker` may send `victim` away, None if it may not.

    Between queues only what is borrowed is taken, and only by a run within its queue's entitlement. Inside a queue a
    run that borrows sends none away that does not, whatever its priority: else its queue would lose both to a reclaim.
    """
    if taker.queue != victim.queue:
        return Cause.RECLAIM if taker.entitled and not victim.entitled else None
    if victim.entitled and not taker.entitled:
        return None
    if taker.priority != victim.priority:
        return Cause.PRIORITY if taker.priority > victim.priority else None
    return Cause.ORDER if taker.level < victim.level else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Claims as columns, one row per run."""

    queue: Ints
    entitled: Bools
    priority: Ints
    level: Floats

    def row(self, index: int) -> Claim:
        return Claim(
            queue=int(self.queue[index]),
            entitled=bool(self.entitled[index]),
            priority=int(self.priority[index]),
            level=float(self.level[index]),
        )

    def preemptible_by(self, taker: Claim) -> Bools:
        """Whether the taker may send away each row: `may_preempt` for all rows at once."""
        before = taker.priority > self.priority
        before |= (taker.priority == self.priority) & (taker.level < self.level)
        inside = before & (taker.entitled | ~self.entitled)
        allowed: Bools = np.where(self.queue == taker.queue, inside, taker.entitled & ~self.entitled)
        return allowed

    def line(self) -> Ints:
        """Rows in the order in which takers are tried, equal ones as they stand.

        Nobody who was started in this order is sent away by a later one, so one pass sends nobody away in vain.
        """
        line: Ints = np.lexsort((self.level, -self.priority, ~self.entitled))
        return line


def within_entitlement(queue: Ints, amounts: Ints, rank: Ints, entitled: Ints) -> Bools:
    """Which runs, waiting and running alike, their queue is entitled to.

    `queue` [V] row of `entitled` [Q, R]; `amounts` [V, R] what the whole gang takes; `rank` [V] its place in its
    queue's own order, distinct. Each queue's entitlement is given out in that order; a run for which too little of it
    is left is passed over, so that a gang that is larger than it takes nothing from those behind.
    """
    within = np.zeros(len(queue), np.bool_)
    left = entitled.astype(np.int64)  # a copy
    rows = np.lexsort((rank, queue))
    while len(rows):
        rows = rows[(amounts[rows] <= left[queue[rows]]).all(axis=1)]
        taken = np.cumsum(amounts[rows], axis=0)
        owner = queue[rows]
        heads = np.flatnonzero(np.diff(owner, prepend=-1))
        before = np.repeat(taken[heads] - amounts[rows[heads]], np.diff(heads, append=len(rows)), axis=0)
        fits = (taken - before <= left[owner]).all(axis=1)
        within[rows[fits]] = True
        np.subtract.at(left, owner[fits], amounts[rows[fits]])
        rows = rows[~fits]
    return within
