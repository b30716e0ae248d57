"""Long runs that have ended: drawn from what happened and from their roll-ups, so that nobody waits for every frame to be fed.

In: a run's folder. Out: an accumulator that holds its phases, exits and notes and the ends of rank 0's curves, and open roll-ups.
Rule 1: a run is long from `LONG` frames on; of a shorter one, and of one whose roll-ups are not made, every frame is fed.
Rule 2: the latest few stay open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.service.lazy import bring_timeline
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import Home

if TYPE_CHECKING:
    from jupyter_aicci.store.rollups import Rollups
    from jupyter_aicci.timeline.incremental import Accumulator

LONG = 100_000  # some seconds of feeding
KEPT = 8


class LongRuns:
    """Those that were looked at."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._open: dict[RunId, tuple[Accumulator, Rollups]] = {}

    def __contains__(self, run_id: RunId) -> bool:
        return run_id in self._open

    def of(self, run: Run, store: FrameStore | None) -> tuple[Accumulator, Rollups] | None:
        """What the run is drawn from, None where it is not long."""
        if run.id in self._open:
            self._open[run.id] = self._open.pop(run.id)  # the latest looked at stands last
            return self._open[run.id]
        folder = self._home.run_dir(run.id) / "rollups"
        if store is None or store.last_seq < LONG or not (folder / "state.json").exists():
            return None
        bring_timeline()
        from jupyter_aicci.store.rollups import Rollups
        from jupyter_aicci.timeline.incremental import Accumulator

        rollups = Rollups(folder, origin_ns=run.submitted_ns)
        if rollups.round < store.last_seq:  # the run has just ended, and its last minute is on its way
            rollups.close()
            return None
        happened = Accumulator(origin_ns=run.submitted_ns)
        happened.feed(store.sketch())
        self._open[run.id] = happened, rollups
        while len(self._open) > KEPT:
            self._open.pop(next(iter(self._open)))[1].close()
        return self._open[run.id]
