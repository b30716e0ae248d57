"""One rank as it runs: who it is, its spool, the phase and the step it is in, and the wish to stop.

In: the plan and the rank's place in it. Out: frames (docs/explanation/processes-and-files.md, section 3), one write each.
Rule 1: only the rank's own process writes; in a forked worker every call here does nothing.
Rule 2: on a full disk frames wait for room in memory, at most `UNSAID_FRAMES` of them, and the program goes on.
Rule 3: step numbers have one source: those that the program gives (`log(step=)`, `step(n)`) once it gives any, else the optimizer's
steps, counted on from the checkpoint that the attempt resumes from.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import deque
from typing import Any

from ..frames import SpoolWriter, boot_ns
from .fresh import tell

STEP_FRAME_NS = 50_000_000  # 20 step frames a second at most
UNSAID_FRAMES = 50_000  # some 20 MB
AGAIN_NS = 100_000_000
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
LONG_WAIT_NS = 50_000_000  # a single wait for data above this is a phase of its own


class Stop(BaseException):
    """The run is to end: raised at the next log, step or checkpoint. Not an `Exception`, so that no `except Exception` keeps it."""


Stop.__module__ = "aicci"


class Session:
    """The state of one rank's process."""

    def __init__(self, plan: dict[str, Any], index: int) -> None:
        entry = plan["ranks"][index]
        self.plan, self.pid = plan, os.getpid()
        self.rank, self.local_rank = int(entry["rank"]), int(entry["local_rank"])
        self.node, self.attempt = int(plan["node"]), int(plan["attempt"])
        self.world_size = int(entry["env"].get("WORLD_SIZE") or plan["nodes"] * len(plan["ranks"]))
        self.run_dir, self.resume_step = plan["run_dir"], int(plan["resume_step"])
        self.node_dir = entry["env"].get("AICCI_NODE_DIR") or os.environ["AICCI_NODE_DIR"]
        self.phase = ""
        self.step: int | None = None
        self.steps_done = 0  # steps before this attempt, then with those of it
        self.numbered = False  # the program numbers its steps itself
        self.stop_wanted = False
        self.stop_raised = False
        self.stop_points = 0
        self.ending = False
        self._wait_ns = 0
        self._step_due_ns = 0
        self._step_pending = False
        self._spool: SpoolWriter | None = None
        self._unsaid: deque[dict[str, Any]] = deque(maxlen=UNSAID_FRAMES)
        self._again_ns = 0  # when it is tried again
        self._guard = threading.RLock()
        self._told = False

    def path(self, kind: str) -> str:
        """`rank-R.KIND` in the node directory."""
        return os.path.join(self.node_dir, f"rank-{self.rank}.{kind}")

    @property
    def here(self) -> bool:
        """Whether this is the rank's own process, not a worker forked from it."""
        return os.getpid() == self.pid

    # frames

    def write(self, kind: str, **fields: Any) -> None:
        """Append one frame; `t` may be given for what began earlier."""
        if not self.here:
            return
        frame = {"k": kind, "t": fields.pop("t", None) or boot_ns(), "rank": self.rank, **fields}
        if not self._unsaid and self._append(frame):
            return
        self._unsaid.append(frame)
        if boot_ns() >= self._again_ns:
            self.say_again()

    def say_again(self) -> None:
        """Write the frames that found the disk full, in their order, as far as there is room now."""
        with self._guard:
            while self._unsaid and self._append(self._unsaid[0]):
                self._unsaid.popleft()
            self._again_ns = boot_ns() + AGAIN_NS

    def _append(self, frame: dict[str, Any]) -> bool:
        """Whether the spool took the frame."""
        try:
            if self._spool is None:
                self._spool = SpoolWriter(self.path("spool"), f"rank-{self.rank}")
            self._spool.write(frame)
        except OSError as error:
            self._refused(error)
            return False
        return True

    def _refused(self, error: OSError) -> None:
        """Told once. If it is not a full disk, begin anew behind what was written whole: nothing is read after half a record."""
        if self._spool is not None and error.errno not in DISK_FULL:
            with contextlib.suppress(OSError):
                self._spool.close()
            self._spool = None
        if not self._told:
            self._told = True
            tell(f"aicci: rank {self.rank} cannot record what it logs now ({error}); the program goes on")

    def sync(self) -> None:
        """Everything logged is on disk: called before a checkpoint, so that no curve has a gap before what it resumes from."""
        self.flush()
        if self._unsaid:
            self.say_again()
        if self._spool is not None:
            with contextlib.suppress(OSError):
                os.fdatasync(self._spool.fileno())

    # phases

    def enter(self, phase: str, *, t: int | None = None) -> str:
        """From `t` (now) on the rank is in that phase; returns the one before."""
        before = self.phase
        if phase != before and self.here:
            self.flush()
            self.phase = phase
            self.write("phase", phase=phase, t=t)
        return before

    def works(self) -> None:
        """The first step or logged value ends the start."""
        if self.phase == "starting":
            self.enter("compute")

    def waited(self, from_ns: int, to_ns: int) -> None:
        """The program waited for data."""
        self._wait_ns += to_ns - from_ns
        if to_ns - from_ns >= LONG_WAIT_NS and self.phase == "compute":
            self.enter("data_wait", t=from_ns)
            self.enter("compute", t=to_ns)

    # steps

    def numbered_step(self, number: int | None) -> None:
        """A step that the program names; None counts on."""
        self.numbered = True
        self._advance(self.steps_done if number is None else number)
        self.steps_done = (self.step or 0) + 1

    def optimizer_step(self) -> None:
        """An optimizer has stepped; counts only while the program gives no numbers."""
        if not self.numbered:
            self._advance(self.steps_done)
            self.steps_done += 1

    def _advance(self, step: int) -> None:
        if not self.here:
            return
        self.works()
        if step == self.step:
            return
        self.step, self._step_pending = step, True
        if boot_ns() >= self._step_due_ns:
            self.flush()

    def flush(self) -> None:
        """Write the step that the rate held back."""
        if self._step_pending and self.step is not None:
            now_ns, wait_s = boot_ns(), self._wait_ns / 1e9
            self._step_pending, self._wait_ns, self._step_due_ns = False, 0, now_ns + STEP_FRAME_NS
            self.write("step", step=self.step, wait_s=round(wait_s, 6), t=now_ns)

    # stopping

    def want_stop(self) -> None:
        """SIGTERM: raise at the next point where the program can be left; at once if it has none, or was asked before.

        Raises `Stop`.
        """
        again, self.stop_wanted = self.stop_wanted, True
        if (again or not self.stop_points) and not self.ending and not self.stop_raised:
            self.stop_raised = True
            raise Stop("the run is to end")

    def stop_point(self) -> None:
        """Raise `Stop` here, once, if the run is to end."""
        self.stop_points += 1
        if self.stop_wanted and not self.stop_raised and self.here:
            self.stop_raised = True
            raise Stop("the run is to end")
