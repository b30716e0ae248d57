"""Where each queue and each user stands against its share, while one `decide` is at work.

In: `Tree` (queues over the resources of a cluster, kept as long as neither changes) and what runs, waits and was used
lately. Out of `Standing`: may this run start, whose turn is it, may it take a place back from a run of that queue.
Rule 1: what a queue is entitled to depends on used and waiting together, so it stays the same while runs start and are
put back; every answer is integer arithmetic, so it does not depend on the order of what came before.
Rule 2: a place is taken back only by a run that stays within the entitlement of its own branch, from a branch that is
above its own (Kueue's fair sharing, strategy LessThanInitialShare, with both judged against what they are entitled to).
So nobody is thrown out who threw another out, unless his queue borrowed meanwhile. Who gives way inside a queue is not
judged here: see `claims`, also for what both kinds of giving way need so that they come to rest together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.scheduler.queue_tree import Quota, QuotaKind, Tree, Vector
from jupyter_aicci.scheduler.queues import ACCELERATOR
from jupyter_aicci.scheduler.shares import entitled, summed

Asked = list[tuple[int, int]]  # (column, amount) where a run asks for something


class Standing:
    """What everybody uses and is entitled to; `take` and `give` keep it true while `decide` tries things."""

    def __init__(
        self,
        tree: Tree,
        *,
        used: Mapping[tuple[str, str], Vector],
        waiting: Mapping[str, Vector],
        recent: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        """`used` by (queue, user) now; `waiting` by queue, of the runs that could start; `recent`: mean dominant share
        that each (queue, user) had lately (`shares.recent`, summed)."""
        self.tree = tree
        self._used_at_first, self._waiting, self._recent = used, waiting, recent or {}
        self._by_user = dict(used)
        self._together = tree.resources.index(ACCELERATOR)  # the last column of accelerators
        self._used = [[0] * len(tree.resources) for _ in tree.names]
        self._free = list(tree.capacity)
        for (queue, _), amounts in used.items():
            self._add(queue, amounts, 1)
        self._row_recent: dict[int, float] = {}
        for (queue, _), share in self._recent.items():
            for row in self._path(queue):
                self._row_recent[row] = self._row_recent.get(row, 0.0) + share
        self._want: list[list[int]] = []
        self._entitled: list[list[int]] = []  # worked out when first asked for
        self._kept_for = self._all_kept() if any(tree.guarantees) else {}

    def _path(self, queue: str) -> tuple[int, ...]:
        """The rows of the queue and of those above it; of a queue that was taken out of the configuration none."""
        return self.tree.paths[self.tree.rows[queue]] if queue in self.tree.rows else ()

    def _leaves(self) -> NDArray[np.int64]:
        """[Q, R] what is used and waited for where it is; stays the same while runs start and are put back."""
        leaves = np.zeros((len(self.tree.names), len(self.tree.resources)), dtype=np.int64)
        for (queue, _), amounts in self._used_at_first.items():
            if queue in self.tree.rows:
                leaves[self.tree.rows[queue]] += amounts
        for queue, amounts in self._waiting.items():
            leaves[self.tree.rows[queue]] += amounts
        return leaves

    def _entitlement(self) -> list[list[int]]:
        """[row][column], whole units; up by a hair, so that arithmetic in floats costs nobody the last unit."""
        if not self._entitled:
            want = self._leaves().astype(np.float64)
            found = entitled(
                self.tree.forest, np.array(self.tree.capacity, dtype=np.float64), want, np.zeros_like(want)
            )
            self._entitled = np.floor(found * (1 + 1e-12) + 1e-6).astype(np.int64).tolist()
        return self._entitled

    def used(self, queue: str) -> Vector:
        """What the queue and all under it use now."""
        return tuple(self._used[self.tree.rows[queue]])

    def entitled_to(self, queue: str) -> Vector:
        """What the queue and all under it may hold against the others, as things stand."""
        return tuple(self._entitlement()[self.tree.rows[queue]])

    # ---- may it start ----

    def may_start(self, queue: str, user: str, amounts: Vector) -> Quota | None:
        """None if the rules of the queues let the run start now, else the rule that does not."""
        tree = self.tree
        if tree.plain:
            return None
        path = tree.paths[tree.rows[queue]]
        for row in path:
            used = self._used[row]
            for column, limit in tree.limits[row].items():
                if amounts[column] and used[column] + amounts[column] > limit:
                    return tree.quota(row, column, used[column], limit, QuotaKind.LIMIT, amounts)
        return self._kept_from(path, amounts) if self._kept_for else None

    def _kept_from(self, path: tuple[int, ...], amounts: Vector) -> Quota | None:
        """The guarantee of another queue that what is free is kept for; a queue within its own need not look."""
        for column, asked in enumerate(amounts):
            if not asked:
                continue
            kept = 0
            for row in path:
                if self._used[row][column] + asked > self._guarantee(row, column):
                    kept += self._kept_for.get((self._parent(row), column), 0) - self._shortfall(row, column)
            if kept and self._free[column] - asked < kept:
                row = self._most_kept(path, column)
                used, limit = self._used[row][column], self._guarantee(row, column)
                return self.tree.quota(row, column, used, limit, QuotaKind.GUARANTEE, amounts)
        return None

    def _parent(self, row: int) -> int:
        path = self.tree.paths[row]
        return path[1] if len(path) > 1 else -1

    def _guarantee(self, row: int, column: int) -> int:
        return self.tree.guarantees[row].get(column, 0)

    def _shortfall(self, row: int, column: int) -> int:
        """How much of its guarantee the row waits for."""
        return max(0, min(self._guarantee(row, column), self._want[row][column]) - self._used[row][column])

    def _all_kept(self) -> dict[tuple[int, int], int]:
        """By (parent row, column): the shortfalls of the children together."""
        self._want = summed(self.tree.forest, self._leaves()).tolist()
        kept: dict[tuple[int, int], int] = {}
        for row, claims in enumerate(self.tree.guarantees):
            for column in claims:
                at = (self._parent(row), column)
                kept[at] = kept.get(at, 0) + self._shortfall(row, column)
        return kept

    def _most_kept(self, path: tuple[int, ...], column: int) -> int:
        """The row off the path that waits for most of its guarantee."""
        beside = {self._parent(row) for row in path}
        rows = (row for row in range(len(self.tree.names)) if self._parent(row) in beside and row not in path)
        return max(rows, key=lambda row: self._shortfall(row, column))

    # ---- what changes ----

    def take(self, queue: str, user: str, amounts: Vector) -> None:
        """A run started."""
        self._move(queue, user, amounts, 1)

    def give(self, queue: str, user: str, amounts: Vector) -> None:
        """A run was put back into its queue."""
        self._move(queue, user, amounts, -1)

    def _move(self, queue: str, user: str, amounts: Vector, sign: int) -> None:
        had = self._by_user.get((queue, user))
        moved = amounts if sign > 0 else tuple(-amount for amount in amounts)
        self._by_user[queue, user] = tuple(map(int.__add__, had, moved)) if had else moved
        path = self._path(queue) if self._kept_for else ()
        claims = [(row, column) for row in path for column in self.tree.guarantees[row] if amounts[column]]
        for row, column in claims:
            self._kept_for[self._parent(row), column] -= self._shortfall(row, column)
        self._add(queue, amounts, sign)
        for row, column in claims:
            self._kept_for[self._parent(row), column] += self._shortfall(row, column)

    def _add(self, queue: str, amounts: Vector, sign: int) -> None:
        path = self._path(queue)
        for column, amount in enumerate(amounts):
            if amount:
                self._free[column] -= sign * amount
                for row in path:
                    self._used[row][column] += sign * amount

    # ---- whose turn is it ----

    def queue_order_key(self, queue: str, amounts: Vector) -> tuple[tuple[int, int, float, int], ...]:
        """Sorts queues by whose run that asks for `amounts` goes first; from the top of the tree downwards.

        At each level: a run within the guarantee, then one within the entitlement, then one that borrows; then the
        higher priority; then the smaller share, used now and lately, of the row's portion.
        """
        tree = self.tree
        if tree.plain:
            return ()
        asked = [(column, amount) for column, amount in enumerate(amounts) if amount]
        return tuple(
            (self._band(row, asked), -tree.priority[row], self._share(row), row)
            for row in reversed(tree.paths[tree.rows[queue]])
        )

    def _band(self, row: int, asked: Asked) -> int:
        if not self._within(row, asked, self._entitlement()[row]):
            return 2
        return 0 if self._guaranteed(row, asked) else 1

    def _share(self, row: int) -> float:
        now = self._dominant(self._used[row])
        portion = self.tree.portion[row]
        return (now + self._row_recent.get(row, 0.0)) / portion if portion else float("inf")

    def _dominant(self, used: list[int] | Vector) -> float:
        return max((part / whole for part, whole in zip(used, self.tree.capacity, strict=True) if whole), default=0.0)

    def user_order_key(self, queue: str, user: str) -> tuple[float, str]:
        """Sorts the users of one queue: the smallest share, used now and lately, by weight, goes first."""
        used = self._by_user.get((queue, user))
        share = (self._dominant(used) if used else 0.0) + self._recent.get((queue, user), 0.0)
        return share / self.tree.users[self.tree.rows[queue]].get(user, 1.0), user

    # ---- may it take a place back ----

    def may_reclaim(self, taker: str, amounts: Vector, victim: str, loses: Vector) -> bool:
        """Whether a run of queue `taker` that asks for `amounts` may throw out one of `victim` that holds `loses`.

        Both branches are judged below where they meet: the taker's may not come above what it is entitled to, the
        victim's must be above it in something that there is too little of. The victim's guarantee stays whole, unless
        the taker's own is at stake: a gang that borrowed gives way as a whole.
        Ask anew after each `give`; runs of one queue are not judged here.
        """
        if self.tree.plain or taker == victim:
            return False
        up, down = self._below_meeting(taker, victim)
        asked = [(column, amount) for column, amount in enumerate(amounts) if amount]
        if not all(self._within(row, asked, self._entitlement()[row]) for row in up):
            return False
        short = self._short(asked)
        if not any(loses[column] and self._above(down, column) for column, _ in short):
            return False
        breaks = any(
            self._used[row][column] - loses[column] < kept
            for row in down
            for column, kept in self.tree.guarantees[row].items()
            if loses[column]
        )
        return not breaks or all(self._guaranteed(row, asked) for row in up)

    def _below_meeting(self, one: str, other: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rows of both paths that are not common."""
        path, beside = self._path(one), self._path(other)
        common = set(path) & set(beside)
        return tuple(row for row in path if row not in common), tuple(row for row in beside if row not in common)

    def _within(self, row: int, asked: Asked, most: Sequence[int]) -> bool:
        used = self._used[row]
        return all(used[column] + amount <= most[column] for column, amount in asked)

    def _guaranteed(self, row: int, asked: Asked) -> bool:
        """Whether what the run is about is within the row's guarantee, and all else of it that is named there.

        A kind of accelerator may be covered by "accelerator".
        """
        claims, last = self.tree.guarantees[row], self._together
        named = [item for item in asked if item[0] in claims]
        any_kind = any(column <= last for column, _ in named)
        about = self._what_about(asked)
        covered = all(column in claims or (column <= last and any_kind) for column, _ in about)
        return covered and all(self._used[row][column] + amount <= claims[column] for column, amount in named)

    def _short(self, asked: Asked) -> Asked:
        """What too little is free of; if there is enough of all, but not where it is needed, what the run is about."""
        scarce = [(column, amount) for column, amount in asked if amount > self._free[column]]
        return scarce or self._what_about(asked)

    def _what_about(self, asked: Asked) -> Asked:
        """Its accelerators, or all it asks for if there are none."""
        return [item for item in asked if item[0] <= self._together] or asked

    def _above(self, rows: tuple[int, ...], column: int) -> bool:
        return all(self._used[row][column] > self._entitlement()[row][column] for row in rows)
