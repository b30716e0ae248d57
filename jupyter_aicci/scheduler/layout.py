"""Laying out the whole cluster anew: who comes first in the order has a place, whoever holds one now.

In: a session whose policy says `anew`. Out: its starts and preemptions; a run that goes on elsewhere is both.
So do the simulators whose figures are published (Tiresias, Muri): moving costs nothing there, which no real cluster offers.
Rule: the order alone decides; runs that do not fit are passed over.
"""

from __future__ import annotations

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.scheduler.decisions import Preempt, Start
from jupyter_aicci.scheduler.free import whole_of
from jupyter_aicci.scheduler.policies import Placing
from jupyter_aicci.scheduler.session import Session

AHEAD = "others stand before it in the order"
MOVED = "goes on elsewhere, so that all fit"


def lay_out_anew(session: Session) -> None:
    """Empty the cluster, and place in order what fits."""
    session.free = whole_of(session.fabric).copy()
    placed = dict(_placed(session))
    held = len(session.running)
    if session.policy.placing is Placing.POOL:
        placed = _in_place(session, list(placed))
    first = next((session.run_id(row) for row in placed if row >= held), None)
    goes = [row for row in range(held) if row not in placed]
    moves = [row for row in range(held) if row in placed and _elsewhere(placed[row], session.runs.placements[row])]
    session.preempts += [_preempt(session, row, first, AHEAD) for row in goes]
    session.preempts += [_preempt(session, row, None, MOVED) for row in moves]
    after = tuple(preempt.run_id for preempt in session.preempts)
    started = [row for row in placed if row >= held or row in set(moves)]
    session.starts += [Start(run_id=session.run_id(row), placement=placed[row], after=after) for row in started]


def _in_place(session: Session, rows: list[int]) -> dict[int, Placement]:
    """The same rows where only the count matters: who runs stays on its devices, the others get what is left."""
    free, held = whole_of(session.fabric).copy(), len(session.running)
    placed = {row: session.runs.placements[row] for row in rows if row < held}
    for placement in placed.values():
        free.take(placement)
    for row in rows:
        if row >= held:
            at = row - held
            found = session.place(session.kind(at), session.options(at), free=free)
            assert found is not None, "the counts said that it fits"
            placed[row] = session.placement(found, free)
    return placed


def _placed(session: Session) -> list[tuple[int, Placement]]:
    """(row, placement) of every run that has a place, first in the order first."""
    kinds = np.concatenate([session.running["kind"], session.waiting["kind"]])[session.best_first]
    dead, found_all, at = np.zeros(len(session.runs.kinds), dtype=bool), [], 0
    while at < len(kinds):
        number, row = int(kinds[at]), int(session.best_first[at])
        kind = session.runs.kinds[number]
        found = session.place(kind, session.options_of(kind))
        if found is None:
            dead[number] = True
            alive = ~dead[kinds[at:]]
            step = int(alive.argmax())
            if not alive[step]:
                break
            at += step
            continue
        found_all.append((row, session.placement(found, session.free)))
        at += 1
        while at < len(kinds) and dead[kinds[at]]:
            at += 1
    return found_all


def _elsewhere(new: Placement, old: Placement) -> bool:
    # On other devices of its host, too, or in another shape: somebody else may have got its own.
    return (new.shape, new.nodes) != (old.shape, old.nodes)


def _preempt(session: Session, row: int, for_run: RunId | None, reason: str) -> Preempt:
    return Preempt(run_id=session.run_id(row), for_run=for_run or session.run_id(row), reason=reason)
