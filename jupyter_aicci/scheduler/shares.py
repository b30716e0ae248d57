"""Fair shares as arithmetic: what each queue of a tree is entitled to, dominant shares, and how past use fades.

In: queues as rows (`Forest`), resources as columns, the capacity. Out: arrays of the same rows and columns.
Method: level by level from the top, each family of siblings divides what its parent is entitled to. Resource by
resource, four claims are met in this order, each capped by what the queue wants: its guarantee, what it deserves,
what goes along with these (`Forest.along`), and then the rest, by priority and weighted max-min ("water filling":
Bertsekas & Gallager, Data Networks, 6.5.2). Where capacity is too small for one of the first three, each sibling gets
the same part of it. Dominant shares: Ghodsi et al., Dominant Resource Fairness, NSDI 2011.
Rule: numbers only; knows no names, runs or clock. Any unit will do, as long as a column keeps to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The rows of one depth: families of siblings, and in each family classes of equal priority."""

    rows: slice
    family_parent: Ints  # [F] row of the parent; -1 = the cluster itself
    family_starts: Ints  # [F] first row of each family, counted from the first row of the level
    family_of: Ints  # [n] family of each row of the level
    class_starts: Ints  # [K]
    class_of: Ints  # [n]
    class_family: Ints  # [K]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Queues as rows: parents before children, siblings side by side, among them the higher priority first."""

    levels: tuple[Level, ...]
    weight: Floats  # [Q] > 0
    guarantee: Floats  # [Q, R]
    deserved: Floats  # [Q, R] >= guarantee
    along: Floats  # [Q, R] >= deserved: raised by what a claim on another resource is useless without
    limit: Floats  # [Q, R] inf = none


def forest(
    *, parent: Ints, priority: Ints, weight: Floats, guarantee: Floats, deserved: Floats, along: Floats, limit: Floats
) -> Forest:
    """The forest of rows that stand in order; `parent` is -1 at the top. The three claims are made to rise."""
    deserved = np.maximum(deserved, guarantee)
    return Forest(
        levels=_levels(parent, priority),
        weight=weight,
        guarantee=guarantee,
        deserved=deserved,
        along=np.maximum(along, deserved),
        limit=limit,
    )


def _levels(parent: Ints, priority: Ints) -> tuple[Level, ...]:
    levels: list[Level] = []
    start = 0
    while start < len(parent):
        first = start
        # Parents never fall along the rows, so a level ends where the first row with a parent in it stands.
        start = int(np.searchsorted(parent, first))
        levels.append(_level(slice(first, start), parent[first:start], priority[first:start]))
    return tuple(levels)


def _level(rows: slice, parent: Ints, priority: Ints) -> Level:
    new_family = np.concatenate(([True], parent[1:] != parent[:-1]))
    new_class = new_family | np.concatenate(([True], priority[1:] != priority[:-1]))
    family_starts, family_of = np.flatnonzero(new_family), np.cumsum(new_family) - 1
    class_starts = np.flatnonzero(new_class)
    return Level(
        rows=rows,
        family_parent=parent[family_starts],
        family_starts=family_starts,
        family_of=family_of,
        class_starts=class_starts,
        class_of=np.cumsum(new_class) - 1,
        class_family=family_of[class_starts],
    )


def summed(forest: Forest, leaves: NDArray[Any]) -> NDArray[Any]:
    """[Q, ...] what each row and all rows under it have together."""
    out = leaves.copy()
    for level in reversed(forest.levels[1:]):
        out[level.family_parent] += np.add.reduceat(out[level.rows], level.family_starts, axis=0)
    return out


def wanted(forest: Forest, demand: Floats, used: Floats) -> Floats:
    """[Q, R] what each row would use if the cluster were endless: used and waiting, within every limit on the way."""
    want = np.minimum(demand + used, forest.limit)
    for level in reversed(forest.levels[1:]):
        above = level.family_parent
        want[above] += np.add.reduceat(want[level.rows], level.family_starts, axis=0)
        want[above] = np.minimum(want[above], forest.limit[above])
    return want


def entitled(forest: Forest, capacity: Floats, demand: Floats, used: Floats) -> Floats:
    """[Q, R] what each row may hold against all others; what waits (`demand`) and runs (`used`) stands at the leaves.

    Siblings together never get more than their parent, the top never more than `capacity`. Does not change when a
    waiting run starts or a running one is put back into its queue.
    """
    return divided(forest, capacity, wanted(forest, demand, used))


def divided(forest: Forest, capacity: Floats, want: Floats) -> Floats:
    """[Q, R] the capacity divided among rows that want so much; see `entitled`."""
    out = np.empty_like(want)
    for level in forest.levels:
        budget = out[level.family_parent] if level.family_parent[0] >= 0 else capacity[None, :]
        out[level.rows] = _divide(forest, level, want[level.rows], budget)
    return out


def _divide(forest: Forest, level: Level, want: Floats, budget: Floats) -> Floats:
    """[n, R] one level: each family's budget [F, R] among its rows."""
    if (np.add.reduceat(want, level.family_starts, axis=0) <= budget).all():
        return want
    paid, left = np.zeros_like(want), budget
    for claim in (forest.guarantee, forest.deserved, forest.along):
        if not claim[level.rows].any():
            continue
        step = np.maximum(np.minimum(want, claim[level.rows]) - paid, 0.0)
        asked = np.add.reduceat(step, level.family_starts, axis=0)
        met = np.minimum(asked, left)
        part = np.divide(met, asked, out=np.zeros_like(met), where=asked > 0)
        paid += step * part[level.family_of]
        left = left - met
    return paid + _fill_by_priority(level, want - paid, forest.weight[level.rows], left)


def _fill_by_priority(level: Level, step: Floats, weight: Floats, left: Floats) -> Floats:
    """[n, R] what is left [F, R] among rows that want `step` more: the higher priority first, equals by weight."""
    asked = np.add.reduceat(step, level.class_starts, axis=0)  # [K, R]
    above = np.cumsum(asked, axis=0) - asked
    above -= above[np.searchsorted(level.class_family, level.class_family)]  # asked by higher classes of the family
    budget = np.clip(left[level.class_family] - above, 0.0, asked)
    paid: Floats = step * (budget >= asked).take(level.class_of, axis=0)
    scarce = (budget > 0) & (budget < asked)
    for column in np.flatnonzero(scarce.any(axis=0)):
        want = step[:, column]
        rows = np.flatnonzero((want > 0) & scarce[:, column].take(level.class_of))
        group = level.class_of.take(rows)
        paid[rows, column] = filled(want.take(rows), weight.take(rows), group, budget[:, column])
    return paid


def filled(want: Floats, weight: Floats, group: Ints, budget: Floats) -> Floats:
    """[n] weighted max-min: in each group the water rises to one level, `weight` x level each, until it is spent.

    `budget` is by group number, less than what the group wants together; every `want` and `weight` is above 0.
    """
    height = want / weight  # the level at which a row has all it wants
    order = _sorted_within(group, height)
    want_up, weight_up = want[order], weight[order]
    want_to, weight_to = np.cumsum(want_up), np.cumsum(weight_up)
    want_before, weight_before = want_to - want_up, weight_to - weight_up
    starts = np.searchsorted(group, np.arange(len(budget) + 1))
    first, last = np.minimum(starts[:-1], len(group) - 1), starts[1:] - 1  # a group without rows is never looked at
    # The level if all rows before this one have what they want and the others share the rest.
    level = (budget + want_before[first])[group] - want_before
    level /= weight_to[last][group] - weight_before
    dry = np.flatnonzero(height[order] > level)[::-1]
    level_of = np.full(len(budget), np.inf)
    level_of[group[dry]] = level[dry]  # the first dry row of each group stays, being written last
    poured: Floats = np.minimum(want, weight * level_of[group])
    return poured


def _sorted_within(group: Ints, height: Floats) -> Ints:
    """The rows by height within each group; they stand by group already and do so after."""
    order = np.argsort(height)
    if not len(group) or group[0] == group[-1]:
        return order
    small = group.astype(np.int16) if group[-1] < 2**15 else group  # numpy sorts 16 bits in linear time
    return order[np.argsort(small[order], kind="stable")]


def dominant(used: Floats, capacity: Floats) -> Floats:
    """[...] the largest part of any resource that each row uses; a resource that the cluster has none of counts 0."""
    part = np.divide(used, capacity, out=np.zeros(np.broadcast_shapes(used.shape, capacity.shape)), where=capacity > 0)
    return np.asarray(part.max(axis=-1, initial=0.0))


def recent(share: Floats, started_s: Floats, ended_s: Floats, now_s: float, half_life_s: float) -> Floats:
    """[n] the mean share that each use has had lately: the past counts half as much with every half-life.

    Use at a steady share since ever has that share; a running use ends `now_s`. Sums of uses are sums of results, and
    `faded(recent(..., then_s, ...), now_s - then_s, ...)` is what `recent(..., now_s, ...)` gives. A half-life of 0
    remembers nothing.
    """
    if half_life_s <= 0:
        return np.zeros_like(share)
    at_end = np.exp2(-np.maximum(now_s - ended_s, 0.0) / half_life_s)
    at_start = np.exp2(-np.maximum(now_s - started_s, 0.0) / half_life_s)
    mean: Floats = share * np.maximum(at_end - at_start, 0.0)
    return mean


def faded(use: Floats, past_s: float, half_life_s: float) -> Floats:
    """Past use as it counts `past_s` later, when nothing was used since."""
    if half_life_s <= 0:
        return np.zeros_like(use)
    return use * float(np.exp(-past_s * log(2.0) / half_life_s))
