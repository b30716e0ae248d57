"""Reservations: when a run that does not fit now will start, so that others may start before it without delaying it.

In: a session and the row of a waiting run. Out: the run's place in the session's plan, and a `Reserve`.
Method: EASY (Lifka 1995) keeps a place for the first run in line; conservative backfill (Mu'alem & Feitelson,
IEEE TPDS 12(6), 2001) for every one.
Rule: a run keeps the hosts that it was promised, and each host keeps the order of its reservations. So a run that ends early
makes later starts earlier or leaves them where they were, and none later.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.choose import Choice, highest_level
from jupyter_aicci.scheduler.decisions import Reserve
from jupyter_aicci.scheduler.fit import Picks
from jupyter_aicci.scheduler.found import Found
from jupyter_aicci.scheduler.plan import Plan, Slot
from jupyter_aicci.scheduler.runs import Promise
from jupyter_aicci.scheduler.session import Session
from jupyter_aicci.scheduler.topology import Tree

LEAST_S = 60.0  # a run of which nobody knows how long it takes is expected to take at least that long


def keep_promises(session: Session) -> None:
    """Runs that were promised hosts have them, in the order of the line: whose moment has come starts, the others stay booked."""
    if not session.runs.promises:
        return
    plan = planned(session)
    for at in session.order.tolist():
        promise = session.runs.promises.get(session.runs.waiting_ids[at])
        kept = _kept(session, at, promise) if promise is not None else None
        if kept is None:
            continue
        choice, picks = kept
        start_s = plan.when(choice.shape, picks)
        if start_s <= session.now_s and _room_on(session, choice, picks):
            session.start(at, Found(choice=choice, nodes=int(picks.counts.sum()), picks=picks))
        else:
            keep(session, at, choice, Slot(start_s=start_s, picks=picks))


def reserve(session: Session, at: int) -> None:
    """Keep the first place in time that the run can have; nothing if nobody knows when there will be one, or it has one."""
    if session.runs.waiting_ids[at] in session.kept:
        return
    plan, kind = planned(session), session.kind(at)
    level = highest_level(session.fabric, kind) or 0
    slots = [(choice, plan.earliest(choice.shape, kind.sizes[-1], level)) for choice in session.options(at)]
    known = [(choice, slot) for choice, slot in slots if slot is not None]
    if known:
        choice, slot = min(known, key=lambda pair: pair[1].start_s)
        keep(session, at, choice, slot)


def planned(session: Session) -> Plan:
    """The session's plan, made from what holds nodes where there is none yet."""
    if session.plan is None:
        session.plan = Plan(session.fabric)
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
    plan = planned(session)
    run_id, picks = session.runs.waiting_ids[at], slot.picks
    start_s, row = max(session.now_s, slot.start_s), session.waiting[at]
    plan.book(choice.shape, picks, start_s, start_s + float(left_s(session, row)))
    sure = not session.guessed[picks.hosts].any()
    session.guessed[picks.hosts] |= row["limit_s"] == np.inf
    session.kept[run_id] = Found(choice=choice, nodes=int(picks.counts.sum()), picks=picks)
    session.booked[picks.hosts] += 1
    session.reserves.append(
        Reserve(
            run_id=run_id,
            start_s=start_s,
            shape=choice.shape.name,
            hosts=tuple(session.fabric.hosts[host].name for host in picks.hosts.tolist()),
            counts=tuple(picks.counts.tolist()),
            domain=smallest_domain(session.fabric.tree, picks),
            sure=sure,
        )
    )


def _kept(session: Session, at: int, promise: Promise) -> tuple[Choice, Picks] | None:
    """What was promised, if its hosts are still there and take the shape."""
    choice = next((choice for choice in session.options(at) if choice.shape.name == promise.shape), None)
    hosts = [session.fabric.index.get(name, -1) for name in promise.hosts]
    if choice is None or -1 in hosts or not session.fabric.accepting(choice.shape)[hosts].all():
        return None
    return choice, Picks(hosts=np.array(hosts, dtype=np.int64), counts=np.array(promise.counts, dtype=np.int64))


def _room_on(session: Session, choice: Choice, picks: Picks) -> bool:
    return bool((session.free.room(choice.shape)[picks.hosts] >= picks.counts).all())


def smallest_domain(tree: Tree, picks: Picks) -> str:
    """The name of the lowest domain that holds all these hosts."""
    for level in range(len(tree.levels) - 1, 0, -1):
        domains = tree.domain[level][picks.hosts]
        if domains[0] == domains[-1]:
            return tree.names[level][int(domains[0])]
    return tree.levels[0]


def promise_of(reserve: Reserve) -> tuple[RunId, Promise]:
    """What a run is told of its reservation."""
    return reserve.run_id, Promise(
        start_s=reserve.start_s, hosts=reserve.hosts, counts=reserve.counts, shape=reserve.shape
    )
