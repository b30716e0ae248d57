"""Which running gangs make room for a waiting one, at the least waste.

In: what is free on each host, what each running gang would free, what the waiting gang wants. Out: `Victims` or None.
Method: the domain first, since victims picked run by run leave a gang that then fits nowhere; free nodes count first.
In each domain of each allowed level the gangs are ranked by waste per node freed. The start of the ranking bounds what
the domain costs; the domains are searched (`cover`), the least bound first; the caller's `simulate` has the last word.
Rules: whole gangs only, each with its whole waste wherever its nodes lie; the answer does not depend on input order.
No clock, no run, no policy: who may take from whom is `claims`. Imports numpy, the tree and `cover`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum
from operator import lt

import numpy as np
import numpy.typing as npt

from jupyter_aicci.scheduler.cover import EXACT_GANGS, Floats, Ints, Yard, by_host, greedy, whole_nodes
from jupyter_aicci.scheduler.topology import Tree

Bools = npt.NDArray[np.bool_]
Simulate = Callable[[tuple[str, ...]], bool]

DOMAINS = 16  # that are searched before the first answer
TRIES = 64  # calls of `simulate` in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a gang asks for, in the resources in which `free` is given."""

    nodes: int
    demand: Ints  # [R] of one node; a resource of which it asks nothing is not looked at
    usable: Bools  # [N] hosts that may take such a node at all
    highest_level: int = 0  # of the tree; the gang must lie in one domain of this level or of a deeper one


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Running gangs that could go. Made by `candidates_of`: gangs in the order of their ids, rows by (gang, host)."""

    ids: tuple[str, ...]
    waste: Floats  # [V] unit-seconds that are lost if it goes now
    allowed: Bools  # [V] whether it may be asked at all
    victim: Ints  # [M] index into ids
    host: Ints  # [M]
    freed: Ints  # [R, M] what this gang would free on this host


@dataclass(frozen=True, slots=True, kw_only=True)
class Victims:
    """The gangs that go, and the domain in which the waiting gang then fits. No ids: it fits as it is."""

    ids: tuple[str, ...]
    level: int
    domain: int  # index within its level
    waste: float  # unit-seconds


def waste_unit_s(units: Ints, started_s: Floats, checkpoint_s: Floats, now_s: float, restart_s: float) -> Floats:
    """What each gang loses if it goes now: its work since its last checkpoint (nan: none) and one restart."""
    since_s = np.fmax(started_s, checkpoint_s)
    return units * (np.maximum(0.0, now_s - since_s) + restart_s)


def candidates_of(
    ids: Sequence[str], waste: Floats, allowed: Bools, victim: Ints, host: Ints, freed: Ints
) -> Candidates:
    """The candidates in their one order, rows of the same gang on the same host added up."""
    if not all(map(lt, ids, ids[1:])):
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
        ids, waste, allowed = [ids[index] for index in order], waste[order], allowed[order]
        victim = np.argsort(order)[victim]
    place = victim * (int(host.max(initial=0)) + 1) + host
    if (place[1:] <= place[:-1]).any():
        order = np.argsort(place, kind="stable")
        starts = _starts(place[order])
        victim, host = victim[order][starts], host[order][starts]
        freed = np.add.reduceat(freed[:, order], starts, axis=1)
    return Candidates(ids=tuple(ids), waste=waste, allowed=allowed, victim=victim, host=host, freed=freed)


def room_of(free: Ints, want: Want) -> Ints:
    """How many nodes each host can take: int64[N], from what is free of each resource, int64[R, N]."""
    room: Ints = np.where(want.usable, whole_nodes(free, want.demand), 0)
    return room


def victims(tree: Tree, free: Ints, want: Want, candidates: Candidates, simulate: Simulate) -> Victims | None:
    """The allowed gangs with the least waste whose going lets `want` fit into one domain, None if none do.

    `simulate(ids)` says whether the gang really fits once these are gone (devices, shares, quota). It is asked before
    anything is answered, `TRIES` times at most, so `free` and `freed` may be optimistic.
    """
    if not tree.hosts:
        return None
    search = Search(tree, free, want, candidates)
    refused: list[Cover] = []
    asked = set[tuple[str, ...]]()
    for cover in search.covers():
        answer = search.answer(cover.gangs)
        if answer.ids not in asked and simulate(answer.ids):
            return answer
        asked.add(answer.ids)
        refused.append(cover)
    tries = iter(range(TRIES - len(asked)))
    for cover in refused:
        gangs = _widened(search, cover, simulate, tries)
        if gangs:
            return search.answer(gangs, lean=False)
    return None


def _widened(search: Search, cover: Cover, simulate: Simulate, tries: Iterator[int]) -> list[int]:
    """As few of the domain's ranked gangs as `simulate` accepts; the arrays were too optimistic for its cover."""
    ranked = search.ranked(cover)
    if next(tries, None) is None or not simulate(search.ids(ranked)):
        return []
    low, high = 0, len(ranked)  # the first `low` are too few, the first `high` are enough
    while high - low > 1 and next(tries, None) is not None:
        middle = (low + high) // 2
        low, high = (low, middle) if simulate(search.ids(ranked[:middle])) else (middle, high)
    kept = ranked[:high]
    for index in sorted(kept, key=lambda index: (-search.waste[index], -index)):
        fewer = [other for other in kept if other != index]
        if next(tries, None) is not None and simulate(search.ids(fewer)):
            kept = fewer
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """The gangs that would go for one domain."""

    level: int
    slot: int  # of the domain in its level's ranking
    gangs: tuple[int, ...]
    waste: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    """One level's domains that could take the gang, and the victims of each, cheapest per node freed first."""

    level: int
    domains: Ints  # [D]
    need: Ints  # [D] nodes beyond what is free; 0 = it fits, as far as the arrays can tell
    bound: Floats  # [D] no choice of victims wastes less
    starts: Ints  # [D + 1] each domain's slice of the rest
    victim: Ints  # [P]
    gain: Ints  # [P] nodes freed, if all before it in the domain have gone


class Search:
    """The state of one search: the rows that matter, and the ranking of each allowed level."""

    def __init__(self, tree: Tree, free: Ints, want: Want, candidates: Candidates) -> None:
        self.tree, self.free, self.want = tree, free, want
        self.names, self.waste, self.room = candidates.ids, candidates.waste, room_of(free, want)
        kept = candidates.allowed[candidates.victim] & want.usable[candidates.host]
        self.victim, self.host = candidates.victim[kept], candidates.host[kept]
        self.freed = candidates.freed[:, kept]
        self.most = room_of(free + by_host(self.host, self.freed, len(self.room)), want)  # all of them gone
        self.credit = self._credit()
        self.total = np.bincount(self.victim, self.credit, len(self.waste))
        self.gain, self.density = self._bundles()
        self.rankings = {level: self._ranking(level) for level in range(want.highest_level, len(tree.starts))}

    def covers(self) -> Iterator[Cover]:
        """What would go for each of the most promising domains, the least waste first as far as bounds can tell.

        Equal wastes: fewer gangs, then the deeper level, then the first domain.
        """
        domains = self._domains()
        found: list[Cover] = []
        for bound, level, slot in domains:
            if found and max(bound, 0.0) >= min(cover.waste for cover in found) * (1 - 1e-6):
                break
            found.append(self._cover(level, slot))
        yield from sorted(found, key=lambda cover: (cover.waste, len(cover.gangs), -cover.level, cover.slot))
        for _, level, slot in domains[len(found) :]:
            yield self._cover(level, slot)

    def ranked(self, cover: Cover) -> list[int]:
        """Every candidate of the cover's domain, in its ranking."""
        ranking = self.rankings[cover.level]
        found: list[int] = ranking.victim[ranking.starts[cover.slot] : ranking.starts[cover.slot + 1]].tolist()
        return found

    def ids(self, gangs: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.names[index] for index in sorted(gangs))

    def answer(self, gangs: Collection[int], *, lean: bool = True) -> Victims:
        """The gangs as an answer; `lean`: without those that could stay, as it fits into another allowed domain."""
        chosen = self._yard(np.isin(self.victim, list(gangs)), self.want.highest_level).needed(gangs) if lean else gangs
        rows = np.isin(self.victim, list(chosen))
        room = room_of(self.free + by_host(self.host[rows], self.freed[:, rows], len(self.room)), self.want)
        sums = [(level, np.add.reduceat(room, self.tree.starts[level])) for level in self.rankings]
        holding = [(level, nodes) for level, nodes in sums if nodes.max() >= self.want.nodes]
        level, held = (holding or sums[:1])[-1]  # `simulate` may be content with less than the arrays
        return Victims(ids=self.ids(chosen), level=level, domain=int(held.argmax()), waste=self._waste(chosen))

    def _waste(self, gangs: Iterable[int]) -> float:
        return fsum(float(self.waste[index]) for index in gangs)

    def _credit(self) -> Floats:
        """The share of a node that each row frees of what its host lacks."""
        parts, lacking = np.zeros(len(self.host)), np.zeros(len(self.host))
        room = self.room[self.host]
        for index in np.flatnonzero(self.want.demand > 0):
            demand = int(self.want.demand[index])
            lacks = self.free[index, self.host] // demand <= room
            parts += lacks * (self.freed[index] / demand)
            lacking += lacks
        return parts / np.maximum(lacking, 1) + 1e-9

    def _bundles(self) -> tuple[Ints, Floats]:
        """For each row the nodes that its going adds, and the waste per node of the bundle that it belongs to.

        On each host the gangs that waste least for what they free go first; those from one whole node to the next are
        a bundle, as one without the others frees nothing.
        """
        if not len(self.victim):
            return np.zeros(0, np.int64), np.zeros(0)
        unit = self.waste / np.maximum(self.total, 1e-9)
        order = np.argsort(self.host * len(unit) + _ranks(unit)[self.victim])
        host = self.host[order]
        starts = _starts(host)
        room = self._rooms_after(order, host, starts)
        before = np.empty_like(room)
        before[1:] = room[:-1]
        before[starts] = self.room[host[starts]]
        added = room - before
        ends = added > 0
        ends[np.append(starts[1:], len(host)) - 1] = True
        heads = np.flatnonzero(np.append(True, ends[:-1]))
        waste = np.add.reduceat((unit[self.victim] * self.credit)[order], heads)
        density = waste / np.maximum(np.add.reduceat(added, heads), 1e-6)
        density *= 1.0 + 1e-12 * np.arange(len(heads))  # equal ones bundle by bundle, not one of each
        bundles = np.repeat(np.arange(len(heads)), np.diff(heads, append=len(host)))
        gain, of_row = np.empty_like(added), np.empty(len(host))
        gain[order], of_row[order] = added, density[bundles]
        return gain, of_row

    def _rooms_after(self, order: Ints, host: Ints, starts: Ints) -> Ints:
        """Room on each row's host once the rows up to it have gone, in this order, in which hosts lie together."""
        freed = np.cumsum(self.freed[:, order], axis=1)
        before = np.where(starts > 0, freed[:, starts - 1], 0)
        before = np.repeat(before, np.diff(starts, append=len(host)), axis=1)
        return whole_nodes(self.free[:, host] + freed - before, self.want.demand)

    def _ranking(self, level: int) -> _Ranking:
        starts, domain = self.tree.starts[level], self.tree.domain[level]
        need = np.maximum(0, self.want.nodes - np.add.reduceat(self.room, starts))
        able = np.add.reduceat(self.most, starts) >= self.want.nodes
        pairs, place, victim = self._pairs(np.flatnonzero(able[domain[self.host]]), domain, np.maximum(need, 1))
        domains = np.flatnonzero(able)
        bound = np.zeros(len(starts))
        bound[place[_starts(place)]] = self._bounds(place, pairs, victim, need)
        return _Ranking(
            level=level,
            domains=domains,
            need=need[domains],
            bound=bound[domains],
            starts=np.searchsorted(place, np.append(domains, len(starts))),
            victim=victim,
            gain=pairs,
        )

    def _pairs(self, rows: Ints, domain: Ints, need: Ints) -> tuple[Ints, Ints, Ints]:
        """(nodes freed, domain, gang) for each gang of each domain, by domain and waste per node that is needed."""
        if not len(rows):
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
        victim, place = self.victim[rows], domain[self.host[rows]]
        heads = _starts(victim * len(need) + place)
        victim, place = victim[heads], place[heads]
        gain = np.add.reduceat(self.gain[rows], heads)
        credit = np.add.reduceat(self.credit[rows], heads)
        density = np.add.reduceat((self.density * self.credit)[rows], heads) / credit
        # The whole gang goes, not only its part in this domain; and more nodes than are needed are worth nothing.
        density *= self.total[victim] / credit
        density *= np.maximum(1.0, np.maximum(gain, credit) / need[place])
        order = np.argsort(density, kind="stable")
        domains = place[order]
        if len(need) < 1 << 16:
            domains = domains.astype(np.uint16)  # sorted by radix: five times as fast
        order = order[np.argsort(domains, kind="stable")]
        return gain[order], place[order], victim[order]

    def _bounds(self, place: Ints, gain: Ints, victim: Ints, need: Ints) -> Floats:
        """The waste in each domain of just as much of its ranking as frees enough, the last gang in part."""
        if not len(place):
            return np.zeros(0)
        starts = _starts(place)
        lengths = np.diff(starts, append=len(place))
        nodes, waste = np.cumsum(gain), np.cumsum(self.waste[victim])
        nodes -= np.repeat(nodes[starts] - gain[starts], lengths)
        waste -= np.repeat(waste[starts] - self.waste[victim[starts]], lengths)
        enough = np.flatnonzero(nodes >= need[place])
        last = enough[_starts(place[enough])]
        part = (nodes[last] - need[place[last]]) / np.maximum(gain[last], 1)
        return waste[last] - part * self.waste[victim[last]]

    def _domains(self) -> list[tuple[float, int, int]]:
        """(bound, level, slot in its ranking) of the domains that could take the gang at the least waste, in order."""
        counts = [len(ranking.domains) for ranking in self.rankings.values()]
        level = np.repeat(list(self.rankings), counts)
        slot = np.concatenate([np.arange(count) for count in counts])
        # Where nobody must go comes before where those who must go lose nothing.
        # In single precision: the same gangs may sum up to a last digit more in one level than in another.
        bound = np.concatenate([np.where(each.need > 0, each.bound, -1.0) for each in self.rankings.values()])
        bound = bound.astype(np.float32)
        if len(bound) > DOMAINS:
            low = np.flatnonzero(bound <= np.partition(bound, DOMAINS - 1)[DOMAINS - 1])
            level, slot, bound = level[low], slot[low], bound[low]
        order = np.lexsort((slot, -level, bound))[:DOMAINS]
        return [(float(bound[index]), int(level[index]), int(slot[index])) for index in order]

    def _cover(self, level: int, slot: int) -> Cover:
        """What goes for one domain: greedy, better where few can be tried in all ways, nobody who could stay."""
        ranking = self.rankings[level]
        need = int(ranking.need[slot])
        if not need:
            return Cover(level=level, slot=slot, gangs=(), waste=0.0)
        part = slice(ranking.starts[slot], ranking.starts[slot + 1])
        ranked = ranking.victim[part].tolist()
        inside = self.tree.domain[level][self.host] == ranking.domains[slot]
        yard = self._yard(inside, level)
        chosen = greedy(ranked, ranking.gain[part].tolist(), self.waste[ranked].tolist(), need)
        for index in ranked:  # the gains were those of another order; this choice may free less
            if yard.enough(chosen):
                break
            chosen.add(index)
        chosen = yard.needed(chosen)
        if len(ranked) <= EXACT_GANGS:
            chosen = yard.needed(yard.least(sorted(ranked), chosen))
        return Cover(level=level, slot=slot, gangs=tuple(sorted(chosen)), waste=self._waste(chosen))

    def _yard(self, rows: Bools, level: int) -> Yard:
        """The hosts of these rows, in their domains of the level."""
        hosts, host = np.unique(self.host[rows], return_inverse=True)
        domains, domain = np.unique(self.tree.domain[level][hosts], return_inverse=True)
        held = np.bincount(domain, self.room[hosts], len(domains)).astype(np.int64)
        return Yard(
            free=self.free[:, hosts],
            domain=domain,
            room=np.add.reduceat(self.room, self.tree.starts[level])[domains] - held,
            victim=self.victim[rows],
            host=host,
            freed=self.freed[:, rows],
            waste=self.waste,
            demand=self.want.demand,
            nodes=self.want.nodes,
        )


def _starts(keys: Ints) -> Ints:
    """Where equal neighbours begin; empty for no keys."""
    if not len(keys):
        return np.zeros(0, np.int64)
    found: Ints = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return found


def _ranks(values: Floats) -> Ints:
    """The place of each value in ascending order, equal ones as they stand."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
