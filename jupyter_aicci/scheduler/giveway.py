"""A run that does not fit takes the place of others: which of them it may ask, and what happens then.

In: a session and the row of a waiting run. Out: whether it got a place; the session then has the preemptions, and a start
`after` them.
Rule 1: a run that has been told to leave is as good as gone: its place is used before anybody else is asked.
Rule 2: nobody is asked who has had his place for less than the policy's minimum, or who cannot go on from a checkpoint.
Rule 3: who may take from whom is said by `claims` and by the queues; `preempt` finds the cheapest of these.
"""

from __future__ import annotations

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.backfill import planned
from jupyter_aicci.scheduler.choose import Choice, highest_level
from jupyter_aicci.scheduler.claims import Claim, Claims
from jupyter_aicci.scheduler.decisions import Preempt
from jupyter_aicci.scheduler.defragment import defragmented
from jupyter_aicci.scheduler.found import Found
from jupyter_aicci.scheduler.free import MILLI, Free
from jupyter_aicci.scheduler.policies import Takes
from jupyter_aicci.scheduler.preempt import Candidates, Want, candidates_of, victims
from jupyter_aicci.scheduler.runs import Kind
from jupyter_aicci.scheduler.session import Session

RESTART_S = 60.0  # what a start costs a gang beside the work that it repeats, where nobody has measured it


def take_place(session: Session, at: int) -> bool:
    """Whether the run starts in the place of others."""
    if session.policy.takes is Takes.NOBODY and session.soon is None and not session.turns.reclaims:
        return False
    kind, options = session.kind(at), session.options(at)
    found = session.place(kind, options, free=session.soon) if session.soon is not None else None
    gone: tuple[RunId, ...] = ()
    reason = ""
    if found is None:
        gone, found = _ask(session, at, kind, options)
    if found is None:
        gone, found = _move_aside(session, at, kind, options)
        reason = f"goes on elsewhere, so that {session.runs.waiting_ids[at]} fits"
    if found is None:
        return False
    _give_way(session, at, gone, reason)
    free = session.soon
    assert free is not None, "somebody leaves"
    session.start(at, found, free=free, after=_leavers_on(session, found))
    session.close(found.picks)
    return True


def _ask(session: Session, at: int, kind: Kind, options: tuple[Choice, ...]) -> tuple[tuple[RunId, ...], Found | None]:
    """(the runs that are to go, the place that the run then has); ((), None) if there are none to ask, or not enough."""
    allowed = _may_ask(session, at)
    if not _could_suffice(session, kind, options, allowed):
        return (), None
    candidates = session.candidates or _candidates(session)
    session.candidates = candidates
    candidates = _only(candidates, allowed)
    free = session.soon or session.free
    for choice in options:
        want = _want(session, kind, choice)
        tried: dict[tuple[str, ...], Found | None] = {}

        def simulate(ids: tuple[str, ...], tried: dict[tuple[str, ...], Found | None] = tried) -> bool:
            tried[ids] = session.place(kind, options, free=_without(session, free, ids))
            return tried[ids] is not None and session.turns.may_reclaim_all(at, tuple(map(RunId, ids)))

        answer = victims(session.fabric.tree, _amounts(free), want, candidates, simulate)
        if answer is not None:
            return tuple(map(RunId, answer.ids)), tried[answer.ids]
    return (), None


def _could_suffice(session: Session, kind: Kind, options: tuple[Choice, ...], allowed: np.ndarray) -> bool:
    """Whether there is enough in all, wherever it is; a look that spares most searches that find nothing."""
    free = session.soon or session.free
    theirs = int(session.running["units"][allowed].sum())
    for choice in options:
        mine = free.whole.sum() if choice.shape.accelerators else free.cpu_milli.sum() // MILLI
        if theirs and mine + theirs >= choice.shape.slots * kind.sizes[-1] * choice.shape.accelerator_milli / MILLI:
            return True
    return False


def _move_aside(
    session: Session, at: int, kind: Kind, options: tuple[Choice, ...]
) -> tuple[tuple[RunId, ...], Found | None]:
    """The same with runs that lose nothing but the way: they fit elsewhere, and the wait that it saves is worth more.

    They go back to the head of their queues and start elsewhere when they have left.
    """
    able = _able(session)
    if session.policy.takes is Takes.NOBODY or not able.any() or not np.isfinite(session.running["limit_s"]).any():
        return (), None  # without limits nobody knows what the move would save
    choice, free = options[0], session.soon or session.free
    want, gain = _want(session, kind, choice), _wait_unit_s(session, at, choice)
    if gain <= 0.0:
        return (), None
    session.candidates = session.candidates or _candidates(session)
    wants: dict[str, Want] = {
        session.runs.running_ids[row]: _held_want(session, row) for row in np.nonzero(able)[0].tolist()
    }
    moves = defragmented(session.fabric.tree, _amounts(free), want, _only(session.candidates, able), wants, gain)
    if moves is None or not moves.moves:
        return (), None
    ids = tuple(RunId(move.id) for move in moves.moves)
    return ids, session.place(kind, options, free=_without(session, free, ids))


def _wait_unit_s(session: Session, at: int, choice: Choice) -> float:
    """What the run loses by waiting for its place in time: units x seconds; 0 where nobody knows when that is."""
    level = highest_level(session.fabric, session.kind(at)) or 0
    lasts_s = session.ends_s(at) - session.now_s
    slot = planned(session).earliest(choice.shape, session.kind(at).sizes[-1], level, lasts_s)
    if slot is None or session.guessed[slot.picks.hosts].any():
        return 0.0
    return float(session.waiting["units"][at]) * max(0.0, slot.start_s - session.now_s)


def _held_want(session: Session, row: int) -> Want:
    """What a running run would need elsewhere."""
    placement = session.runs.placements[row]
    kind = session.runs.kinds[int(session.running["kind"][row])]
    return _wanted(session, placement.shape, len(placement.nodes), kind)


def _able(session: Session) -> np.ndarray:
    """bool[running]: who may be asked at all."""
    rows = session.running
    ran_s = session.now_s - rows["started_s"]
    able: np.ndarray = (rows["preemptible"] == 1) & (ran_s >= session.policy.min_run_s) & ~session.gone
    return able


def _may_ask(session: Session, at: int) -> np.ndarray:
    """bool[running]: whose place this run may take."""
    rows, row, held = session.running, session.waiting[at], len(session.running)
    within = session.turns.within
    level = session.rank() if session.policy.takes is Takes.LATER else np.zeros(held + len(session.waiting))
    claims = Claims(queue=rows["queue"], entitled=within[:held], priority=rows["priority"], level=level[:held])
    taker = Claim(
        queue=int(row["queue"]),
        entitled=bool(within[held + at]),
        priority=int(row["priority"]),
        level=float(level[held + at]),
    )
    takes = session.policy.takes is not Takes.NOBODY
    forbidden = np.where(rows["queue"] == row["queue"], not takes, ~session.turns.may_reclaim(at))
    may: np.ndarray = _able(session) & claims.preemptible_by(taker) & ~forbidden
    return may


def _candidates(session: Session) -> Candidates:
    """All running gangs, what each loses, and what each would free where."""
    rows = session.running
    victim, host = session.runs.where(session.fabric.index)
    freed = np.array([_freed(placement.shape) for placement in session.runs.placements], dtype=np.int64).reshape(-1, 3)
    since_s = np.maximum(np.maximum(rows["started_s"], rows["checkpoint_s"]), 0.0)
    waste = rows["units"] * (np.maximum(session.now_s - since_s, 0.0) + RESTART_S)
    return candidates_of(
        session.runs.running_ids,
        waste,
        np.ones(len(rows), dtype=bool),
        victim,
        host,
        freed[victim].T,
    )


def _freed(shape: Shape) -> tuple[int, int, int]:
    """Whole accelerators, CPU time and memory of a node."""
    return shape.accelerators if shape.accelerator_milli == MILLI else 0, shape.cpu_milli, shape.memory_bytes


def _only(candidates: Candidates, allowed: np.ndarray) -> Candidates:
    return Candidates(
        ids=candidates.ids,
        waste=candidates.waste,
        allowed=allowed,
        victim=candidates.victim,
        host=candidates.host,
        freed=candidates.freed,
    )


def _want(session: Session, kind: Kind, choice: Choice) -> Want:
    return _wanted(session, choice.shape, kind.sizes[-1], kind)


def _wanted(session: Session, shape: Shape, nodes: int, kind: Kind) -> Want:
    whole = shape.accelerators if shape.accelerator_milli == MILLI else 0
    return Want(
        nodes=nodes,
        demand=np.array([whole, shape.cpu_milli, shape.memory_bytes], dtype=np.int64),
        usable=session.fabric.accepting(shape) & ~session.closed,
        highest_level=highest_level(session.fabric, kind) or 0,
    )


def _amounts(free: Free) -> np.ndarray:
    """int64[3, N]: wholly free accelerators, CPU time, memory."""
    return np.stack([free.whole, free.cpu_milli, free.memory])


def _without(session: Session, free: Free, ids: tuple[str, ...]) -> Free:
    """What is free once these are gone."""
    left = free.copy()
    for run_id in ids:
        left.give(session.runs.placements[session.running_at(RunId(run_id))])
    return left


def _give_way(session: Session, at: int, gone: tuple[RunId, ...], reason: str) -> None:
    """These are told to go."""
    session.soon = _without(session, session.soon or session.free, gone)
    taker = session.runs.waiting_ids[at]
    for run_id in gone:
        session.gone[session.running_at(run_id)] = True
        session.turns.left(session.running_at(run_id))
        session.preempts.append(Preempt(run_id=run_id, for_run=taker, reason=reason or _reason(session, at, run_id)))


def _reason(session: Session, at: int, run_id: RunId) -> str:
    victim, row = session.running[session.running_at(run_id)], session.waiting[at]
    if victim["queue"] != row["queue"]:
        return f"queue {session.runs.queues[int(row['queue'])]} takes back its share"
    if victim["priority"] < row["priority"]:
        return f"a run of priority {int(row['priority'])} takes its place, its own is {int(victim['priority'])}"
    return "a run that has had less so far takes its place"


def _leavers_on(session: Session, found: Found) -> tuple[RunId, ...]:
    """The leaving runs on the hosts that were picked."""
    picked = set(found.picks.hosts.tolist())
    leaving = np.nonzero(session.gone)[0].tolist()
    return tuple(
        session.runs.running_ids[row]
        for row in leaving
        if any(session.fabric.index.get(node.host) in picked for node in session.runs.placements[row].nodes)
    )
