"""One rank as it runs: who it is, its spool, its clock, the step it is in, and the wish to stop.

In: the plan and the rank's place in it. Out: frames (docs/explanation/processes-and-files.md, section 3), one write each.
Rule 1: only the rank's own process writes; in a forked worker every call here does nothing.
Rule 2: on a full disk frames wait for room in memory, at most `UNSAID_FRAMES` of them, and the program goes on.
Rule 3: the program's numbers (`log(step=)`, `step(n)`) are the steps' once it gives any; the optimizer's steps count on between
them as long as both agree. Without any they are counted from the checkpoint that the attempt resumes from.
Rule 4: the clock is moved by one thread: the one that steps.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from typing import Any

from ..frames import SpoolWriter, boot_ns
from .clock import COMPUTE, DONE, STARTING, Clock, Span
from .fresh import tell
from .records import Record, Records

STEP_FRAME_NS = 100_000_000  # 10 `steps` frames a second at most: who watches is told four times a second
SECOND_NS = 1_000_000_000
MOST_SPANS = 1000  # names whose objects are kept
MOST_AT_ONCE = 10_000  # a number that grows by more than this counts something else than steps
UNSAID_FRAMES = 50_000  # some 20 MB
AGAIN_NS = 100_000_000
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


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
        self.clock = Clock(self._say_phase)
        self.step: int | None = None
        self.steps_done = 0  # steps before this attempt, then with those of it
        self.stop_wanted = False
        self.stop_raised = False
        self.stop_points = 0
        self.ending = False
        self.planned = 0  # how many steps there will be, 0 = not known
        self.every_second: list[Callable[[], None]] = []  # looked at when a frame is due, once a second
        self.device: Any = None  # what marks time on the accelerator in use (rank/accelerator.py)
        self.on_compiled: list[Callable[[int], None]] = []  # hear how many ns each of JAX's compilations took
        self._numbers = _Numbers()
        self._records = Records()
        self._stepped = False  # the clock's thread is known to be the one that steps
        self._due_ns = self._second_ns = self._saved_ns = 0
        self.spans: dict[str, Span] = {}
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
        self.flush(all_of_them=True)
        if self._unsaid:
            self.say_again()
        if self._spool is not None:
            with contextlib.suppress(OSError):
                os.fdatasync(self._spool.fileno())

    # phases

    @property
    def phase(self) -> str:
        return self.clock.phase

    def begin(self) -> None:
        """The rank is there: its first phase."""
        self.clock.start()

    def mine(self) -> bool:
        """Whether this is the thread whose time is told."""
        return get_ident() == self.clock.thread

    def span(self, name: str) -> Span:
        """The phase `name` as a context manager; one object a name."""
        found = self.spans.get(name)
        if found is None:
            found = Span(self.clock, self.clock.place(name))
            if len(self.spans) < MOST_SPANS:
                self.spans[name] = found
        return found

    def works(self) -> None:
        """The first batch, step or logged value ends the start."""
        if self.clock.base == STARTING:
            self.clock.rebase(COMPUTE)

    def done(self) -> None:
        """The program is over; what follows is its end."""
        self.clock.thread = get_ident()
        self.clock.leave_all()
        self.flush(all_of_them=True)
        self.clock.rebase(DONE)

    def _say_phase(self, phase: str, t_ns: int) -> None:
        if len(self._records):
            self.flush(all_of_them=not self.clock.pending)  # frames of one rank are in the order of their times
        self.write("phase", phase=phase, t=t_ns)

    # steps

    def numbered_step(self, number: int | None) -> None:
        """A step that the program names; None counts on."""
        numbers, before = self._numbers, self.step
        step = self.steps_done if number is None else number
        since, ended = numbers.since, numbers.said(step, before)
        if ended:
            grown = 1 if before is None else step - before
            self._advance(step, since or (grown if 0 < grown <= MOST_AT_ONCE else 1))
        self.step = step
        self.steps_done = step + 1

    def optimizer_step(self, optimizer: int = 0) -> None:
        """An optimizer (its id) has stepped; of several that take turns one counts."""
        if self._numbers.counts(optimizer):
            self._advance(self.steps_done, 1)
            self.step = self.steps_done
            self.steps_done += 1

    def checkpointed(self, size_bytes: int, ns: int, step: int | None) -> None:
        """A checkpoint was written and the program stood still for it that long; told once a second at most."""
        now_ns = boot_ns()
        if now_ns >= self._saved_ns + SECOND_NS:
            self._saved_ns = now_ns
            data = {"bytes": size_bytes, "ns": ns, "step": self.step if step is None else step}
            self.write("note", topic="checkpoint", text=f"a checkpoint of {size_bytes:,} bytes", data=data)

    def plan_steps(self, steps: int) -> None:
        """The program is known to want that many steps."""
        if steps > 0 and steps != self.planned:
            self.planned = steps
            self.write("note", topic="plan", text=f"{steps:,} steps are planned", data={"steps": steps})

    def _advance(self, step: int, count: int) -> None:
        """`count` steps end here, the last of them is number `step`."""
        if not self.here:
            return
        if self.clock.thread != get_ident():
            if self._stepped:
                return  # another thread's steps have no time here
            self.clock.thread = get_ident()
        self._stepped = True
        self.works()
        now_ns, ns, pending = self.clock.step()
        self._records.add(Record(count, step, now_ns, ns, pending))
        if now_ns >= self._due_ns:
            self.flush()

    def flush(self, *, all_of_them: bool = False) -> None:
        """Tell the steps that the rate held back, and what is looked at once a second."""
        if not self.here:
            return
        now_ns = boot_ns()
        self._due_ns = now_ns + STEP_FRAME_NS
        if now_ns >= self._second_ns:
            self._second_ns = now_ns + SECOND_NS
            for look in tuple(self.every_second):
                look()
        fields = self._records.frame(self.clock.names, all_of_them=all_of_them)
        if fields is not None:
            self.write("steps", **fields)

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


class _Numbers:
    """Whose numbers the steps have: the program's, the optimizer's, or both as long as they agree."""

    __slots__ = ("_agree", "_given", "_leader", "_others", "since")

    def __init__(self) -> None:
        self.since = 0  # optimizer steps since the program's last number
        self._given = False  # the program numbers its steps itself
        self._agree = True  # its numbers, if any, are what the optimizer's steps count to
        self._leader = 0  # the optimizer whose steps count
        self._others: set[int] = set()  # those that stepped since its last one

    def said(self, step: int, before: int | None) -> bool:
        """The program says `step` where the count has come to `before`: whether a step ends with that."""
        first, self._given = not self._given, True
        since, self.since = self.since, 0
        if since and (first or step == before):
            return False  # the step was seen; this is its number
        if first or since:
            self._agree = False  # it numbers before the optimizer steps, or counts something else
        return step != before

    def counts(self, optimizer: int) -> bool:
        """Whether a step of this optimizer is a step of the program."""
        if self._leader and optimizer != self._leader and optimizer not in self._others:
            self._others.add(optimizer)
            return False
        self._leader = optimizer  # or it steps for the second time since the one that led did, and leads from now on
        if self._others:
            self._others.clear()
        self.since += 1
        return self._agree
