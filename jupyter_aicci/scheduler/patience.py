"""Whether a run ends sooner if it waits for a better place: delay scheduling, with numbers.

In: a session, the row of a waiting run and the place that it could have now. Out: the later place, or None where now is better.
Method: time to the end = wait + work x predicted step time, for the place that is free now and for the lowest level of the tree
that could hold the gang (the idea is Zaharia et al., EuroSys 2010; there a fixed wait, here a forecast decides).
Rule: nobody waits on a guess. The work must be known (history or limit), and so must be the ends of all that the place waits for.
The share of communication in a step is assumed (`COMM_RATIO`); everything here is an estimate.
"""

from __future__ import annotations

import numpy as np

from jupyter_aicci.scheduler.backfill import planned
from jupyter_aicci.scheduler.bandwidth import step_time_ratio
from jupyter_aicci.scheduler.choose import highest_level
from jupyter_aicci.scheduler.fit import by_level
from jupyter_aicci.scheduler.found import Found, Kept
from jupyter_aicci.scheduler.free import whole_of
from jupyter_aicci.scheduler.plan import Slot
from jupyter_aicci.scheduler.session import Session

COMM_RATIO = (
    0.25  # of a step at the best bandwidth; assumed: reported shares of data-parallel training go from 0.1 to 0.5
)
LEAST_GAIN = 0.02  # of the time to the end; less than the forecast's own error is no reason to wait


def better_later(session: Session, at: int, found: Found) -> Slot | None:
    """The place worth waiting for."""
    now = session.bandwidth(found)
    work_s = _work_s(session, at)
    if now.best_ratio > 1.0 - LEAST_GAIN or not np.isfinite(work_s):
        return None
    kept = session.kept.get(session.runs.waiting_ids[at])
    slot = _better_kept(session, kept, found) if kept is not None else _earliest(session, at, found)
    if slot is None or session.guessed[slot.picks.hosts].any():
        return None
    then = session.bandwidth(Found(choice=found.choice, nodes=found.nodes, picks=slot.picks))
    ends_now_s = work_s * step_time_ratio(now, COMM_RATIO)
    ends_then_s = max(0.0, slot.start_s - session.now_s) + work_s * step_time_ratio(then, COMM_RATIO)
    return slot if ends_then_s < ends_now_s * (1.0 - LEAST_GAIN) else None


def _better_kept(session: Session, kept: Kept, found: Found) -> Slot | None:
    """The place that is kept for the run already: it waits for no other, as nothing need happen until that moment has come."""
    if kept.start_s <= session.now_s or kept.found.choice != found.choice:
        return None
    return Slot(start_s=kept.start_s, picks=kept.found.picks)


def _earliest(session: Session, at: int, found: Found) -> Slot | None:
    """The first place at the lowest level of the tree that could hold the gang."""
    shape, kind = found.choice.shape, session.kind(at)
    level = max(_best_level(session, found), highest_level(session.fabric, kind) or 0)
    return planned(session).earliest(shape, found.nodes, level, session.ends_s(at) - session.now_s)


def _work_s(session: Session, at: int) -> float:
    """Seconds that the run still takes at the best bandwidth, as far as anybody knows."""
    row = session.waiting[at]
    return float(row["expected_s"]) if row["expected_s"] > 0 else float(row["limit_s"])


def _best_level(session: Session, found: Found) -> int:
    """The lowest level of which one domain holds the gang when nothing runs."""
    fabric, key = session.fabric, (found.choice.shape, found.nodes)
    level = fabric.lowest.get(key)
    if level is None:
        levels = by_level(fabric.tree, whole_of(fabric).room(found.choice.shape), found.nodes)
        level = fabric.lowest[key] = max((at for at, picks in enumerate(levels) if picks is not None), default=0)
    return level
