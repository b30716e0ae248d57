"""Whose turn it is: queues by what they are entitled to, users within a queue by what they have had, then the policy's order.

In: a lineup. Out: rows of waiting runs in the order in which they are decided about; whether a queue's rules let a run start,
or take a place back.
Rule: where there is one queue without limits and one user, all of this is the policy's order and costs nothing.
What queues are entitled to is worked out in `standing`; this module only asks it about the decision's runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.scheduler.choose import choices
from jupyter_aicci.scheduler.claims import within_entitlement
from jupyter_aicci.scheduler.fabric import Fabric
from jupyter_aicci.scheduler.lineup import Lineup
from jupyter_aicci.scheduler.queue_tree import Tree, Vector, tree_of
from jupyter_aicci.scheduler.queues import WHOLE, Queues, asked
from jupyter_aicci.scheduler.standing import Standing

Key = tuple[object, ...]


def quota_tree(fabric: Fabric, queues: Queues) -> Tree:
    """The queues over all that the cluster has."""
    tree: Tree | None = fabric.quotas.get(queues)
    if tree is None:
        capacity: dict[str, int] = {"cpu": 0, "memory": 0}
        for host in fabric.hosts:
            capacity["cpu"] += host.all_cpu_milli
            capacity["memory"] += host.memory_bytes
            if host.accelerator:
                capacity[host.accelerator] = capacity.get(host.accelerator, 0) + WHOLE * len(host.devices)
        tree = fabric.quotas[queues] = tree_of(queues, capacity)
    return tree


class Turns:
    """The queues' side of one lineup."""

    def __init__(self, lineup: Lineup) -> None:
        self._lineup, self._tree = lineup, quota_tree(lineup.fabric, lineup.queues)
        self._vectors: dict[int, Vector] = {}  # by kind
        users = {*lineup.waiting["user"].tolist(), *lineup.running["user"].tolist()}
        self.shared = not self._tree.plain or len(users) > 1  # whether anything beside the policy's order counts
        self.reclaims = self.shared and len(self._tree.names) > 1
        self._standing = self._measured() if self.shared else None
        self._changed = 0  # grows whenever somebody takes or gives

    def line(self) -> Iterator[int]:
        """Rows of waiting runs, next first; the session's dead kinds are passed over unless everybody is to be planned for."""
        queues = [_Queue(self, name, rows) for name, rows in self._by_queue().items()]
        while queues:
            queues = [queue for queue in queues if queue.advance()]
            if not queues:
                return
            first = min(queues, key=lambda queue: queue.key())
            yield first.pop()

    def quota(self, at: int) -> str:
        """The rule of a queue that keeps the run from starting now, in words; "" = none."""
        if self._standing is None or self._tree.plain:
            return ""
        quota = self._standing.may_start(self.queue_of(at), self.user_of(at), self.vector(at))
        return quota.text if quota is not None else ""

    def started(self, at: int, placement: Placement) -> None:
        """The run takes its part."""
        if self._standing is not None:
            self._changed += 1
            self._standing.take(self.queue_of(at), self.user_of(at), self._held(placement))

    def left(self, row: int) -> None:
        """A running run gives its part back."""
        if self._standing is not None:
            self._changed += 1
            self._standing.give(*self._whose(row), self._held(self._lineup.runs.placements[row]))

    def may_reclaim(self, at: int) -> np.ndarray:
        """bool[running]: runs of other queues whose place this run may take back."""
        rows = self._lineup.running
        found = np.zeros(len(rows), dtype=bool)
        if self._standing is None or not self.reclaims:
            return found
        taker, amounts = self.queue_of(at), self.vector(at)
        for row in range(len(rows)):
            victim, _ = self._whose(row)
            if victim != taker:
                held = self._held(self._lineup.runs.placements[row])
                found[row] = self._standing.may_reclaim(taker, amounts, victim, held)
        return found

    def may_reclaim_all(self, at: int, ids: tuple[RunId, ...]) -> bool:
        """Whether the run may take the places of all of these, one after the other."""
        if self._standing is None or not self.reclaims:
            return True
        taker, amounts, given = self.queue_of(at), self.vector(at), []
        may = True
        for row in map(self._lineup.running_at, ids):
            victim, user = self._whose(row)
            held = self._held(self._lineup.runs.placements[row])
            may = victim == taker or self._standing.may_reclaim(taker, amounts, victim, held)
            if not may:
                break
            self._standing.give(victim, user, held)
            given.append((victim, user, held))
        for victim, user, held in given:
            self._standing.take(victim, user, held)
        return may

    @cached_property
    def within(self) -> np.ndarray:
        """bool: whether its queue is entitled to each run; rows of running runs, then of waiting ones.

        By the queue's own order, waiting and running alike, so that it stays the same while runs come in and give way.
        """
        lineup = self._lineup
        held, names = len(lineup.running), lineup.runs.queues
        within = np.ones(held + len(lineup.waiting), dtype=bool)
        if self._standing is None or not self.reclaims:
            return within
        nothing = (0,) * len(self._tree.resources)
        entitled = [self._standing.entitled_to(name) if name in self._tree.rows else nothing for name in names]
        amounts = [self._held(placement) for placement in lineup.runs.placements]
        amounts += [self.vector(at) for at in range(len(lineup.waiting))]
        queue = np.concatenate([lineup.running["queue"], lineup.waiting["queue"]])
        ready = np.append(np.ones(held, dtype=bool), lineup.waiting["not_before_s"] <= lineup.now_s)
        within[~ready] = False
        within[ready] = within_entitlement(
            queue[ready],
            np.array(amounts, dtype=np.int64).reshape(-1, len(nothing))[ready],
            lineup.rank()[ready],
            np.array(entitled, dtype=np.int64).reshape(-1, len(nothing)),
        )
        return within

    def queue_of(self, at: int) -> str:
        return self._lineup.runs.queues[int(self._lineup.waiting["queue"][at])]

    def user_of(self, at: int) -> str:
        return self._lineup.runs.users[int(self._lineup.waiting["user"][at])]

    def vector(self, at: int) -> Vector:
        """What the run would use: the fewest nodes that it starts with, of the first shape that it may get."""
        number = int(self._lineup.waiting["kind"][at])
        vector = self._vectors.get(number)
        if vector is None:
            kind = self._lineup.runs.kinds[number]
            options = choices(self._lineup.fabric, kind)
            amounts = asked(options[0].shape, kind.sizes[-1]) if options else ()
            vector = self._vectors[number] = self._tree.vector(amounts)
        return vector

    @property
    def changed(self) -> int:
        return self._changed

    def queue_key(self, queue: str, at: int) -> Key:
        assert self._standing is not None, "only asked where there is something to share"
        return self._standing.queue_order_key(queue, self.vector(at))

    def user_key(self, queue: str, user: str) -> Key:
        assert self._standing is not None, "only asked where there is something to share"
        return self._standing.user_order_key(queue, user)

    def passed_over(self, at: int) -> bool:
        """Whether the session has nothing to decide about the row any more."""
        lineup = self._lineup
        return not lineup.everyone and bool(lineup.dead[lineup.waiting["kind"][at]])

    def _by_queue(self) -> dict[str, dict[str, list[int]]]:
        found: dict[str, dict[str, list[int]]] = {}
        for at in self._lineup.order.tolist():
            found.setdefault(self.queue_of(at), {}).setdefault(self.user_of(at), []).append(at)
        return found

    def _measured(self) -> Standing:
        lineup, used = self._lineup, dict[tuple[str, str], Vector]()
        for row, placement in enumerate(lineup.runs.placements):
            whose = self._whose(row)
            used[whose] = _sum(used.get(whose), self._held(placement))
        waiting: dict[str, Vector] = {}
        ready = lineup.waiting["not_before_s"] <= lineup.now_s
        for at in np.nonzero(ready)[0].tolist():
            if self.queue_of(at) in self._tree.rows:
                waiting[self.queue_of(at)] = _sum(waiting.get(self.queue_of(at)), self.vector(at))
        return Standing(self._tree, used=used, waiting=waiting, recent=lineup.runs.recent)

    def _held(self, placement: Placement) -> Vector:
        return self._tree.vector(asked(placement.shape, len(placement.nodes)))

    def _whose(self, row: int) -> tuple[str, str]:
        runs, held = self._lineup.runs, self._lineup.running
        return runs.queues[int(held["queue"][row])], runs.users[int(held["user"][row])]


class _Queue:
    """The runs of one queue while they are decided about; users in turn, a higher priority before all of them."""

    def __init__(self, turns: Turns, name: str, by_user: dict[str, list[int]]) -> None:
        self._turns, self._name, self._known = turns, name, turns._tree.rows
        self._rank = {at: rank for rank, at in enumerate(turns._lineup.order.tolist())}
        self._by_user = {user: iter(rows) for user, rows in by_user.items()}
        self._heads: dict[str, int] = {}
        self._key: Key = ()
        self._key_of = (-1, -1)

    def advance(self) -> bool:
        """Move each user's head to the next run that is to be decided about; False if there is none."""
        for user, rows in list(self._by_user.items()):
            head = self._heads.get(user)
            while head is None or self._turns.passed_over(head):
                head = next(rows, None)
                if head is None:
                    break
            if head is None:
                self._heads.pop(user, None)
                del self._by_user[user]
            else:
                self._heads[user] = head
        return bool(self._heads)

    def key(self) -> Key:
        at = self._heads[self._next()]
        now = (self._turns.changed, at)
        if self._key_of != now:
            known = self._name in self._known
            self._key, self._key_of = (self._turns.queue_key(self._name, at) if known else ()), now
        return self._name in self._known, self._key, self._name

    def pop(self) -> int:
        return self._heads.pop(self._next())

    def _next(self) -> str:
        """The user whose run is next: the highest priority, then who has had least, then the policy's order."""
        priority = self._turns._lineup.waiting["priority"]
        return min(
            self._heads,
            key=lambda user: (
                -int(priority[self._heads[user]]),
                self._turns.user_key(self._name, user) if self._name in self._known else (),
                self._rank[self._heads[user]],
            ),
        )


def _sum(one: Vector | None, other: Vector) -> Vector:
    return other if one is None else tuple(map(int.__add__, one, other))
