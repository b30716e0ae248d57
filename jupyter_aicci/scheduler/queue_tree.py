"""The queue tree laid over the resources of one cluster: rows, columns, and what holds a run back in words.

In: `Queues` and the capacity. Out: `Tree`, kept as long as neither changes; `Standing` is built on it in every `decide`.
Rule: a claim on one kind of accelerator is one on accelerators; what it is useless without (CPUs, memory) goes along in
the same part, but is met only after every claim that a person wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from jupyter_aicci.scheduler.queues import (
    ACCELERATOR,
    CPU,
    MEMORY,
    Amounts,
    Queue,
    Queues,
    all_accelerators,
    amount_text,
    guarantees,
    kinds_of,
    resource_text,
)
from jupyter_aicci.scheduler.shares import Floats, Forest, divided, dominant, forest, wanted

Vector = tuple[int, ...]  # one amount for each of `Tree.resources`
Named = Mapping[int, int]  # amounts by column, for the resources that a claim names


class QuotaKind(StrEnum):
    """Which rule of a queue holds a run back."""

    LIMIT = "limit"
    GUARANTEE = "guarantee"  # of another queue
    TOO_LARGE = "too large"  # for the limit, whatever else runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What holds a run back: `queue` uses `used` of its `limit` (or guarantee), and the run asks for `asked`."""

    queue: str
    resource: str
    used: int
    limit: int
    kind: QuotaKind
    asked: int

    @property
    def text(self) -> str:
        """In words: `queue research uses 16 of its limit of 16 h100`."""
        used, limit, asked = (amount_text(self.resource, amount) for amount in (self.used, self.limit, self.asked))
        what = resource_text(self.resource)
        if self.kind is QuotaKind.TOO_LARGE:
            return f"this run asks for {asked} {what}, and the limit of queue {self.queue} is {limit}"
        if self.kind is QuotaKind.GUARANTEE:
            kept = amount_text(self.resource, self.limit - self.used)
            is_kept = f"1 {what.removesuffix('s')} is" if kept == "1" else f"{kept} {what} are"
            return f"{is_kept} kept for queue {self.queue}, which uses {used} of its guarantee of {limit}"
        needs = "" if self.used >= self.limit else f"; this run asks for {asked}"
        return f"queue {self.queue} uses {used} of its limit of {limit} {what}{needs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Queues as rows over the resources of one cluster; parents before children, siblings side by side."""

    queues: Queues
    resources: tuple[str, ...]
    capacity: Vector
    names: tuple[str, ...]
    rows: Mapping[str, int]
    paths: tuple[tuple[int, ...], ...]  # of each row: itself, its parent, ... the top
    priority: tuple[int, ...]
    limits: tuple[Named, ...]
    guarantees: tuple[Named, ...]  # as written, or what lies under it where that is more
    users: tuple[Mapping[str, float], ...]  # weights of those who have one
    portion: tuple[float, ...]  # dominant share of each row if all of them wanted everything
    forest: Forest
    plain: bool  # one queue without limits: nothing to decide between queues

    def vector(self, asked: Amounts | Mapping[str, int]) -> Vector:
        """Amounts as a vector of this tree; accelerators of all kinds are summed here. Unknown kinds are dropped."""
        by_name = dict(asked)
        by_name[ACCELERATOR] = all_accelerators(by_name)
        return tuple(by_name.get(resource, 0) for resource in self.resources)

    def too_large(self, queue: str, amounts: Vector) -> Quota | None:
        """The limit, of the queue or of one above it, that the run exceeds by itself; None if it could ever start."""
        for row in self.paths[self.rows[queue]]:
            for column, limit in self.limits[row].items():
                if amounts[column] > limit:
                    return self.quota(row, column, 0, limit, QuotaKind.TOO_LARGE, amounts)
        return None

    def quota(self, row: int, column: int, used: int, limit: int, kind: QuotaKind, amounts: Vector) -> Quota:
        """What the row's rule on the column says to a run that asks for `amounts`."""
        return Quota(
            queue=self.names[row],
            resource=self.resources[column],
            used=used,
            limit=limit,
            kind=kind,
            asked=amounts[column],
        )


def tree_of(queues: Queues, capacity: Amounts | Mapping[str, int]) -> Tree:
    """The tree over a cluster that has `capacity`: by accelerator kind, "cpu" and "memory".

    Accelerators and CPUs in thousandths, memory in bytes. Count hosts that still hold runs, even if nothing new starts
    there. Raises `ValueError` for queues that `parse_queues` would have refused for their place.
    """
    order, parent = _in_order(queues)
    has = dict(capacity)
    named = {name for queue in queues.queues for claim in (queue.guarantee, queue.limit) for name, _ in claim}
    resources = (*kinds_of({*has, *named}), ACCELERATOR, CPU, MEMORY)
    has[ACCELERATOR] = all_accelerators({kind: has.get(kind, 0) for kind in kinds_of(has)})
    amounts = tuple(has.get(resource, 0) for resource in resources)
    rows = {name: row for row, name in enumerate(order)}
    promised = guarantees(queues.queues)
    limits = [_named(resources, dict(queues[name].limit)) for name in order]
    floors = [_named(resources, promised[name]) for name in order]
    lows = [(_lower(promised[name]), _lower(dict(queues[name].deserved))) for name in order]
    whole = np.array(amounts, dtype=np.float64)
    grown = _forest(
        [queues[name] for name in order],
        parent,
        guarantee=_matrix(0.0, [_named(resources, guarantee) for guarantee, _ in lows], resources),
        deserved=_matrix(0.0, [_named(resources, deserved) for _, deserved in lows], resources),
        limit=_matrix(np.inf, limits, resources),
        capacity=whole,
        resources=resources,
    )
    return Tree(
        queues=queues,
        resources=resources,
        capacity=amounts,
        names=order,
        rows=rows,
        paths=tuple(tuple(rows[above] for above in queues.path(name)) for name in order),
        priority=tuple(queues[name].priority for name in order),
        limits=tuple(limits),
        guarantees=tuple(floors),
        users=tuple(dict(queues[name].users) for name in order),
        portion=tuple(_portions(grown, whole).tolist()),
        forest=grown,
        plain=len(order) == 1 and not limits[0],
    )


def _in_order(queues: Queues) -> tuple[tuple[str, ...], list[int]]:
    """(names level by level, parent row of each): siblings side by side, the higher priority first, then by name."""
    under: dict[str, list[str]] = {}
    for queue in queues.queues:
        under.setdefault(queue.parent, []).append(queue.name)
    order, parent, family, at = list[str](), list[int](), "", -1
    while at < len(order):
        children = sorted(under.get(family, ()), key=lambda name: (-queues[name].priority, name))
        order += children
        parent += [at] * len(children)
        at += 1
        family = order[at] if at < len(order) else ""
    if len(order) < len(queues.queues):
        lost = sorted(set(queues.names) - set(order))
        raise ValueError(f"queues that hang on nothing: {', '.join(lost)}")
    return tuple(order), parent


def _lower(claim: Mapping[str, int]) -> dict[str, int]:
    """A lower claim with all accelerators together, which those of each kind are part of."""
    together = all_accelerators(claim)
    return {**claim, ACCELERATOR: together} if together else dict(claim)


def _named(resources: tuple[str, ...], claim: Mapping[str, int]) -> Named:
    return {column: claim[name] for column, name in enumerate(resources) if name in claim}


def _matrix(without: float, claims: list[Named], resources: tuple[str, ...]) -> Floats:
    out = np.full((len(claims), len(resources)), without)
    for row, claim in enumerate(claims):
        for column, amount in claim.items():
            out[row, column] = amount
    return out


def _forest(
    queues: list[Queue],
    parent: list[int],
    *,
    guarantee: Floats,
    deserved: Floats,
    limit: Floats,
    capacity: Floats,
    resources: tuple[str, ...],
) -> Forest:
    return forest(
        parent=np.array(parent, dtype=np.int64),
        priority=np.array([queue.priority for queue in queues], dtype=np.int64),
        weight=np.array([queue.weight for queue in queues], dtype=np.float64),
        guarantee=guarantee,
        deserved=deserved,
        along=_along(np.maximum(guarantee, deserved), capacity, resources),
        limit=limit,
    )


def _along(claim: Floats, capacity: Floats, resources: tuple[str, ...]) -> Floats:
    """What goes along with a claim: a queue that deserves a quarter of the accelerators cannot use them without CPUs.

    A resource that is not named is claimed in the same part: CPUs and memory with accelerators (else with each other),
    a kind with "accelerator". Met after every claim that is named.
    """
    part = np.divide(claim, capacity, out=np.zeros_like(claim), where=capacity > 0)
    together, cpu, memory = (resources.index(name) for name in (ACCELERATOR, CPU, MEMORY))
    host = np.where(part[:, together] > 0, part[:, together], np.maximum(part[:, cpu], part[:, memory]))
    out = claim.copy()
    for column in (cpu, memory):
        out[:, column] = np.where(claim[:, column] > 0, claim[:, column], host * capacity[column])
    no_kind = ~(claim[:, :together] > 0).any(axis=1, keepdims=True)
    out[:, :together] += no_kind * part[:, [together]] * capacity[:together]
    return out


def _portions(grown: Forest, capacity: Floats) -> Floats:
    """[Q] the dominant share that each row would have if every leaf wanted the whole cluster."""
    leaves = np.ones(len(grown.weight), dtype=bool)
    for level in grown.levels[1:]:
        leaves[level.family_parent] = False
    demand = np.where(leaves[:, None], capacity, 0.0)
    return dominant(divided(grown, capacity, wanted(grown, demand, np.zeros_like(demand))), capacity)
