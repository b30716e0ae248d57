"""The newest whole checkpoint of each run, as the disk has it, looked for at most once a second.

In: runs that hold nodes. Out: when it was written; 0 where the run has none that every rank can go on from.
Rule: whoever has one may be asked to leave, since little of its work is lost; its time says how little.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from jupyter_aicci.agent.checkpoints import latest_complete, step_dir
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.paths import Home


class Checkpoints:
    """When each run last wrote one."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home, self._clock = home, clock
        self._seen: dict[RunId, tuple[int, int]] = {}  # (looked at, written)

    def written_ns(self, run: Run) -> int:
        """Epoch ns, on the house's axis; 0 = none."""
        now_ns = self._clock.now_ns()
        looked_ns, written_ns = self._seen.get(run.id, (0, 0))
        if now_ns - looked_ns >= NS:
            written_ns = min(now_ns, self._look(run))
            self._seen[run.id] = now_ns, written_ns
        return written_ns

    def keep(self, runs: Iterable[RunId]) -> None:
        """Forget all others."""
        kept = set(runs)
        self._seen = {run_id: seen for run_id, seen in self._seen.items() if run_id in kept}

    def _look(self, run: Run) -> int:
        folder = self._home.ckpt_dir(run.id)
        step = latest_complete(folder, run.attempts[-1].placement.world_size)
        try:
            return os.stat(step_dir(folder, step)).st_mtime_ns if step >= 0 else 0
        except OSError:
            return 0  # pruned meanwhile: a newer one is being written
