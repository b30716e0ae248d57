"""`aicci.checkpoint`: save a state, and find the one to go on from after a fault.

Rule 1: every rank resumes from the step that the attempt was started with (`plan.resume_step`), so all agree, whatever one of them
still wrote before it died.
Rule 2: what was logged before a save is on disk before the save counts.
Rule 3: without a step the number comes from the state's own "step", else it is one more than the last: the same on every rank of a
program whose ranks save together.
Random generators are the program's: put `torch.get_rng_state()` or a `numpy` generator into the state to get them back.
"""

from __future__ import annotations

import operator
import os
from typing import Any

from .. import checkpoints
from ..frames import boot_ns
from .session import Session


class Checkpoint:
    """The checkpoints of this run as one rank sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dir = os.path.join(session.run_dir, "ckpt")
        self._last = session.resume_step

    def save(self, state: Any, *, step: int | None = None, shared: bool = False) -> None:
        """Save `state` (anything that pickles) as this rank's; every rank calls it. Durable when it returns.

        `step`: how many steps are done. `shared`: the state is the same on all ranks, so only rank 0 writes it.
        Raises what pickling raises, `OSError` where the disk is full, and `aicci.Stop` after saving if the run is to end.
        """
        session = self._session
        if not session.here:
            raise RuntimeError("aicci.checkpoint.save was called in a worker process; call it in the rank itself")
        number = self._number(state, step)
        session.works()
        began_ns, path = boot_ns(), ""
        with session.span("checkpoint"):
            session.sync()
            if not shared or session.rank == 0:
                path = self._write(number, None if shared else session.rank, state)
            self._last = number
        if path:
            session.checkpointed(os.path.getsize(path), boot_ns() - began_ns, number)
        session.stop_point()

    def latest(self, default: Any = None) -> Any:
        """The state to go on from, or `default` in an attempt that begins at the beginning."""
        if self._last < 0:
            return default
        head, state = checkpoints.read_state(self._dir, self._last, self._session.rank)
        if not self._session.steps_done:
            self._session.steps_done = int(head["steps_done"])
        return state

    def _number(self, state: Any, step: int | None) -> int:
        if step is None and isinstance(state, dict) and not isinstance(state.get("step"), (bool, type(None))):
            try:
                step = operator.index(state["step"])
            except TypeError:
                step = None
        if step is None:
            return self._last + 1
        number = operator.index(step)
        if number < 0:
            raise ValueError(f"checkpoint step {number}: expected 0 or more")
        return number

    def _write(self, number: int, rank: int | None, state: Any) -> str:
        session = self._session
        head = {"step": number, "rank": session.rank, "attempt": session.attempt, "world_size": session.world_size,
                "steps_done": session.steps_done, "t_ns": boot_ns()}  # fmt: skip
        path = checkpoints.write_state(self._dir, number, rank, head, state)
        if session.rank == 0:
            checkpoints.prune(self._dir, session.world_size, resume_step=session.resume_step)
        return path

    def __repr__(self) -> str:
        return f"<aicci.checkpoint: latest {self._last if self._last >= 0 else 'none'}>"
