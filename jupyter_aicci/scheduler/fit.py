"""Where a whole gang fits: best fit over the tree, as kernels on arrays.

In: a `Tree` and, per host, how many nodes of the gang it can take now. Out: `Picks`, or None where the gang does not fit.
Method: the lowest level at which one domain holds the gang; among the domains that do, the one that keeps least over,
and at a tie the one whose parent does. Inside, the gang goes to the fewest children, in even parts where they have
room for these (6 + 6 suffers less from a thin uplink than 11 + 1), to the tightest ones that do. On hosts nodes go by
descending room and the last ones to the tightest host that takes them (Kueue's topology-aware best fit).
Rule: pure, deterministic, no loop over hosts; ties go to the lower index. Imports numpy and `topology` only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.scheduler.topology import Ints, Tree

MANY_LEAVES = 8  # from here on one pass over all hosts costs less than a call per leaf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picks:
    """The hosts of one gang, ascending, and how many of its nodes each takes."""

    hosts: Ints
    counts: Ints


def fit(tree: Tree, room: Ints, nodes: int, highest_level: int = 0) -> Picks | None:
    """The best fit of `nodes` nodes inside one domain of `highest_level` or below; None where there is none."""
    found = _fit(tree, room, nodes, highest_level)
    return found[1] if found else None


def by_level(tree: Tree, room: Ints, nodes: int) -> tuple[Picks | None, ...]:
    """For each level the best fit inside one of its domains: entry `l` is what `fit(..., highest_level=l)` gives."""
    found = _fit(tree, room, nodes, 0)
    if found is None:
        return (None,) * len(tree.levels)
    level, picks = found
    return (picks,) * (level + 1) + (None,) * (len(tree.levels) - level - 1)


def largest_fit(tree: Tree, room: Ints, most: int, least: int, highest_level: int = 0) -> tuple[int, Picks] | None:
    """(size, picks) of the largest gang of `least`..`most` nodes that fits; None where not even `least` do."""
    if not len(room):
        return None
    last = len(tree.levels) - 1
    each = room if highest_level >= last else np.add.reduceat(room, tree.starts[highest_level])
    size = min(most, int(each.max()))
    picks = fit(tree, room, size, highest_level) if size >= least else None
    return (size, picks) if picks else None


def first_fit(room: Ints, nodes: int) -> Picks | None:
    """The first hosts that have room, each taken as far as it goes."""
    upto = room.cumsum()
    if nodes < 1 or not len(room) or upto[-1] < nodes:
        return None
    last = int(upto.searchsorted(nodes))
    hosts = room[: last + 1].nonzero()[0]
    counts = room[hosts]
    counts[-1] -= upto[last] - nodes
    return Picks(hosts=hosts, counts=counts)


def pool_fit(room: Ints, nodes: int) -> bool:
    """Whether there is room for `nodes` nodes at all, wherever it is."""
    return 1 <= nodes <= int(room.sum())


def earliest(tree: Tree, free_at: NDArray[np.float64], nodes: int, highest_level: int = 0) -> tuple[float, Ints] | None:
    """(when, hosts) of the earliest moment at which `nodes` hosts of one domain of `highest_level` are free together.

    `free_at`: when each host can take one node, infinite = never. Of the domains that are free by then, the best fit's.
    """
    when = _kth(tree, free_at, nodes, min(highest_level, len(tree.levels) - 1))
    picks = fit(tree, (free_at <= when).astype(np.int64), nodes, highest_level) if math.isfinite(when) else None
    return (when, picks.hosts) if picks else None


def _kth(tree: Tree, free_at: NDArray[np.float64], nodes: int, level: int) -> float:
    """The least, over the domains of the level, of the time at which their `nodes`-th host is free."""
    if not 1 <= nodes <= len(free_at):
        return math.inf
    if nodes == 1:
        return float(free_at.min())
    if level == 0:
        return float(np.partition(free_at, nodes - 1)[nodes - 1])
    at = tree.starts[level] + (nodes - 1)
    at = at[at < tree.stops[level]]
    if len(at):
        rising = free_at.argsort()
        domain = tree.domain[level][rising]
        if len(tree.starts[level]) < 1 << 16:
            domain = domain.astype(np.uint16)  # sorted by radix: five times as fast
        free_at = free_at[rising[domain.argsort(kind="stable")]]
    return float(free_at[at].min(initial=math.inf))


# --------------------------------------------------------------------------------------- level and domain


def _fit(tree: Tree, room: Ints, nodes: int, highest_level: int) -> tuple[int, Picks] | None:
    """(lowest level that holds the gang in one domain, the picks)"""
    last = len(tree.levels) - 1
    if nodes < 1 or not len(room):
        return None
    if room.max() >= nodes:
        host = _tightest(tree, room, last, nodes)
        return last, Picks(hosts=np.array([host]), counts=np.array([nodes]))
    sums = [room] * (last + 1)
    for level in range(last - 1, highest_level - 1, -1):
        sums[level] = np.add.reduceat(sums[level + 1], tree.children[level][:-1])
        if sums[level].max() >= nodes:
            domain = _tightest(tree, sums[level], level, nodes)
            return level, _within(tree, sums, level, domain, nodes)
    return None


def _tightest(tree: Tree, sums: Ints, level: int, nodes: int) -> int:
    """The domain of the level that holds the gang with least over; at ties the one whose parents have least over."""
    over = (sums - nodes).view(np.uint64)  # too little room wraps round to more than any other
    ties = [over == over.min()]
    for upper in range(level - 1, 0, -1):
        if np.count_nonzero(ties[-1]) == 1:
            break
        starts = tree.children[upper][:-1]
        sums = np.add.reduceat(sums, starts)
        above = np.logical_or.reduceat(ties[-1], starts)
        ties.append(above & (sums == sums[above].min()))
    domain = int(ties[-1].argmax())
    for at in range(len(ties) - 2, -1, -1):  # back down to the first of them
        first, stop = tree.children[level - 1 - at][domain : domain + 2].tolist()
        domain = first + int(ties[at][first:stop].argmax())
    return domain


# -------------------------------------------------------------------------------------- inside a domain


def _within(tree: Tree, sums: list[Ints], level: int, domain: int, nodes: int) -> Picks:
    """The picks for `nodes` nodes inside a domain that has room for them; `sums` from its level downwards."""
    leaf_level, parts = len(tree.levels) - 2, [(domain, nodes)]
    for upper in range(level, leaf_level):
        below, rooms = tree.children[upper], sums[upper + 1]
        parts = [
            (int(below[parent]) + child, share)
            for parent, whole in parts
            for child, share in _divided(rooms[below[parent] : below[parent + 1]], whole)
        ]
    room = sums[-1]
    if len(parts) >= MANY_LEAVES and (hosts := _singles(tree, room, sorted(parts))) is not None:
        return Picks(hosts=hosts, counts=np.ones(len(hosts), dtype=np.int64))
    packed = [_packed(room, tree.starts[-2][leaf], tree.stops[-2][leaf], share) for leaf, share in sorted(parts)]
    if len(packed) == 1:
        return Picks(hosts=packed[0][0], counts=packed[0][1])
    return Picks(
        hosts=np.concatenate([hosts for hosts, _ in packed]), counts=np.concatenate([counts for _, counts in packed])
    )


def _divided(rooms: Ints, nodes: int) -> list[tuple[int, int]]:
    """(child, share) over the fewest children: even shares where enough children have room for them."""
    order = rooms.argsort(kind="stable")
    rising = rooms[order]
    fewest = int(rising[::-1].cumsum().searchsorted(nodes)) + 1
    share, more = divmod(nodes, fewest)  # `more` of the children take one node more
    low = int(rising.searchsorted(share))
    high = max(int(rising.searchsorted(share + 1)), low + fewest - more) if more else low + fewest
    if high + more <= len(rising):
        takes = order[low : low + fewest - more].tolist(), order[high : high + more].tolist()
        return [(child, share) for child in takes[0]] + [(child, share + 1) for child in takes[1]]
    parts = []
    for at, child in enumerate(order[-fewest:].tolist()):  # the small ones fill up, the large ones share the rest
        part = min(int(rising[len(rising) - fewest + at]), nodes // (fewest - at))
        parts.append((child, part))
        nodes -= part
    return parts


def _packed(room: Ints, start: int, stop: int, nodes: int) -> tuple[Ints, Ints]:
    """(hosts, counts) in a slice of hosts that has room: the roomiest filled, the last nodes on the tightest host."""
    rooms = room[start:stop]
    order = (-rooms).argsort(kind="stable")
    falling = rooms[order]
    upto = falling.cumsum()
    full = int(upto.searchsorted(nodes))  # so many hosts are filled; the next one could take the rest
    rest = nodes - (int(upto[full]) - int(falling[full]))
    enough = int((-falling).searchsorted(-rest, side="right"))
    last = max(full, int((-falling).searchsorted(-falling[enough - 1])))
    hosts, counts = np.append(order[:full], order[last]), np.append(falling[:full], rest)
    rank = hosts.argsort()
    return hosts[rank] + start, counts[rank]


def _singles(tree: Tree, room: Ints, parts: list[tuple[int, int]]) -> Ints | None:
    """The hosts for all leaves at once where each host between them takes at most one node, else None."""
    leaves, shares = np.array(parts).T
    low, high = tree.starts[-2][leaves[0]], tree.stops[-2][leaves[-1]]
    part = room[low:high]
    if part.max() > 1:
        return None
    upto = part.cumsum()
    starts = tree.starts[-2][leaves] - low
    most = np.zeros(len(tree.starts[-2]), dtype=np.int64)
    most[leaves] = upto[starts] - part[starts] + shares  # a leaf takes its hosts up to this running count
    found: Ints = ((part > 0) & (upto <= most[tree.domain[-2][low:high]])).nonzero()[0] + low
    return found
