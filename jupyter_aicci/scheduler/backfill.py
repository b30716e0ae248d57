"""Reservations: when a run that does not fit now will start, so that others may start before it without delaying it.

In: a session and the row of a waiting run. Out: the run's place in the session's plan, and a `Reserve`.
Method: EASY (Lifka 1995) keeps a place for the first run in line; conservative backfill (Mu'alem & Feitelson,
IEEE TPDS 12(6), 2001) for every one.
Rule: a promise stands as it was made. All promises are a schedule that can be carried out together, each later one is made around
it, and whoever starts early, in a gap or in the place of one that ended early, is gone before the next promise begins. So by the
moment that a run was promised its hosts are free.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.choose import Choice, highest_level
from jupyter_aicci.scheduler.decisions import Reserve
from jupyter_aicci.scheduler.fit import Picks
from jupyter_aicci.scheduler.found import Found, Kept
from jupyter_aicci.scheduler.plan import Plan, Slot
from jupyter_aicci.scheduler.runs import Promise
from jupyter_aicci.scheduler.session import Session
from jupyter_aicci.scheduler.topology import Tree

LEAST_S = 60.0  # a run of which nobody knows how long it takes is expected to take at least that long


def keep_promises(session: Session) -> None:
    """Runs that were promised a place in time have it, as it was promised."""
    if not session.runs.promises:
        return
    plan = planned(session)
    for start_s, at, choice, picks in sorted(_promised(session), key=lambda promised: promised[:2]):
        row, shape = session.waiting[at], choice.shape
        plan.book(at, shape, picks, start_s, start_s + float(left_s(session, row)))
        _kept(session, at, Found(choice=choice, nodes=int(picks.counts.sum()), picks=picks), start_s)


def _promised(session: Session) -> Iterator[tuple[float, int, Choice, Picks]]:
    """(start, row, shape, hosts) of each promise whose hosts are still there and take the shape."""
    for at, run_id in enumerate(session.runs.waiting_ids):
        promise = session.runs.promises.get(run_id)
        if promise is None:
            continue
        choice = next((choice for choice in session.options(at) if choice.shape.name == promise.shape), None)
        hosts = [session.fabric.index.get(name, -1) for name in promise.hosts]
        if choice is not None and -1 not in hosts and session.fabric.accepting(choice.shape)[hosts].all():
            picks = Picks(hosts=np.array(hosts, dtype=np.int64), counts=np.array(promise.counts, dtype=np.int64))
            yield max(session.now_s, promise.start_s), at, choice, picks


def reserve(session: Session, at: int) -> None:
    """Keep the first place in time that the run can have; nothing if nobody knows when there will be one, or it has one."""
    if session.runs.waiting_ids[at] in session.kept:
        return
    plan, kind, lasts_s = planned(session), session.kind(at), session.ends_s(at) - session.now_s
    level = highest_level(session.fabric, kind) or 0
    slots = [(choice, plan.earliest(choice.shape, kind.sizes[-1], level, lasts_s)) for choice in session.options(at)]
    known = [(choice, slot) for choice, slot in slots if slot is not None]
    if known:
        choice, slot = min(known, key=lambda pair: pair[1].start_s)
        keep(session, at, choice, slot)


def planned(session: Session) -> Plan:
    """The session's plan, made from what holds nodes where there is none yet."""
    if session.plan is None:
        session.plan = Plan(session.fabric, session.now_s)
        # Whoever leaves is not seen: the hosts are closed to all but the run that gets them, which stands among the starts.
        row, host = session.runs.where(session.fabric.index)
        stays = ~session.gone[row]
        _hold(session, session.plan, row[stays], host[stays])
    return session.plan


def left_s(session: Session, rows: np.ndarray) -> np.ndarray:
    """Seconds that each run may still take: its limit, or what is likely; without either as long again as it has run."""
    guess = np.maximum(rows["ran_s"], LEAST_S)
    expected, limit = rows["expected_s"], rows["limit_s"]
    known = expected > 0
    if session.likely:
        overdue = expected == 0
        return np.where(known, expected, np.where(np.isfinite(limit) & ~overdue, limit, np.minimum(limit, guess)))
    return np.where(np.isfinite(limit), limit, np.where(known, expected, guess))


def _hold(session: Session, plan: Plan, row: np.ndarray, host: np.ndarray) -> None:
    """What holds nodes, and what starts now: `row` of a running run and `host` of each node that stays."""
    at = [bisect_left(session.runs.waiting_ids, start.run_id) for start in session.starts]
    starting = session.waiting[at]
    index, first = session.fabric.index, len(session.running)
    more = [
        (first + number, index[node.host])
        for number, start in enumerate(session.starts)
        for node in start.placement.nodes
    ]
    if more:
        rows, hosts = np.array(more, dtype=np.int64).T
        row, host = np.concatenate([row, rows]), np.concatenate([host, hosts])
    placements = [*session.runs.placements, *(start.placement for start in session.starts)]
    numbers: dict[Shape, int] = {}
    number = np.array([numbers.setdefault(placement.shape, len(numbers)) for placement in placements], dtype=np.int64)
    needs = np.array([plan.need(shape) for shape in numbers], dtype=np.int64).reshape(len(numbers), len(index))
    ends_s = session.now_s + np.concatenate([left_s(session, session.running), left_s(session, starting)])
    plan.hold_all(host, needs[number[row], host], ends_s[row])
    unlimited = np.concatenate([session.running["limit_s"], starting["limit_s"]]) == np.inf
    session.guessed[host[unlimited[row]]] = True


def keep(session: Session, at: int, choice: Choice, slot: Slot) -> None:
    """Keep this place in time for the run."""
    picks, start_s, row = slot.picks, slot.start_s, session.waiting[at]
    planned(session).book(at, choice.shape, picks, start_s, start_s + float(left_s(session, row)))
    kept = _kept(session, at, Found(choice=choice, nodes=int(picks.counts.sum()), picks=picks), start_s)
    session.reserves.append(
        Reserve(
            run_id=session.runs.waiting_ids[at],
            start_s=start_s,
            shape=choice.shape.name,
            hosts=tuple(session.fabric.hosts[host].name for host in picks.hosts.tolist()),
            counts=tuple(picks.counts.tolist()),
            domain=smallest_domain(session.fabric.tree, picks.hosts),
            sure=kept.sure,
        )
    )


def _kept(session: Session, at: int, found: Found, start_s: float) -> Kept:
    hosts = found.picks.hosts
    kept = Kept(found=found, start_s=start_s, sure=not session.guessed[hosts].any())
    session.guessed[hosts] |= session.waiting["limit_s"][at] == np.inf
    session.kept[session.runs.waiting_ids[at]] = kept
    return kept


def smallest_domain(tree: Tree, hosts: np.ndarray) -> str:
    """The name of the lowest domain that holds all these hosts, which are given in the order of their numbers."""
    for level in range(len(tree.levels) - 1, 0, -1):
        domains = tree.domain[level][hosts]
        if domains[0] == domains[-1]:
            return tree.names[level][int(domains[0])]
    return tree.levels[0]


def promise_of(reserve: Reserve) -> tuple[RunId, Promise]:
    """What a run is told of its reservation."""
    return reserve.run_id, Promise(
        start_s=reserve.start_s, hosts=reserve.hosts, counts=reserve.counts, shape=reserve.shape
    )
