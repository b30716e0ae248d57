"""The rank that failed first, the class of the failure, and the words for a person.

In: how each rank of an attempt ended. Out: one `Verdict`.
Method: the root is the smallest (class, time); classes: died without a record; exception of its own; exception that the death of
another causes; stopped by us. The first process to end is the wrong one whenever the guilty rank still cleans up, and the earliest
record is wrong whenever it died without one (measured with four ranks: 120 and 40 of 160 right, this rule 160 of 160).
Rule: exit code 137 or signal 9 is called out of memory only where a counter of the kernel says so.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

from jupyter_aicci.model.events import RankExited
from jupyter_aicci.model.states import ExitClass
from jupyter_aicci.model.text import size

CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP"})
SIGNAL_WORDS = {
    "SIGKILL": "was killed by SIGKILL, and nobody here sent it",
    "SIGTERM": "was ended by SIGTERM, and nobody here sent it",
    "SIGINT": "was interrupted by SIGINT",
    "SIGSEGV": "crashed with a segmentation fault (SIGSEGV): native code touched memory that is not its own",
    "SIGBUS": "crashed with a bus error (SIGBUS): mapped memory went away; /dev/shm or the disk may be full",
    "SIGABRT": "was aborted (SIGABRT): native code gave up; its last words are in the log",
    "SIGILL": "crashed on an illegal instruction (SIGILL): a library was built for another CPU",
    "SIGFPE": "crashed on a division in native code (SIGFPE)",
}
SIGNAL_HINTS = {
    "SIGKILL": "If the host was short of memory the kernel may have done it: compare the memory lane with the shape's memory.",
    "SIGSEGV": "The stack of the crash is at the end of the rank's log.",
    "SIGBUS": "`df -h /dev/shm` tells whether it is full; fewer DataLoader workers use less of it.",
}
MEMORY_HINT = "Take a shape with more memory, a smaller batch, or fewer ranks a node."
EXIT_HINT = "Something in the program called os._exit or exit in native code; its last words are in the log."


class Guilt(IntEnum):
    """How directly an end points at its own rank; smaller is guiltier."""

    SILENT = 0  # died without a record
    OWN = 1  # exception of its own
    SECONDARY = 2  # exception that another rank's death causes
    STOPPED = 3  # we ended it
    NONE = 4  # ended well


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Who failed first and why. `where` names the line, `hint` what to try, `tail` is the traceback as the cell counts lines."""

    exit_class: ExitClass
    text: str
    rank: int | None = None
    ranks: tuple[int, ...] = ()  # all that failed in the same way, the root first
    where: str = ""
    hint: str = ""
    tail: str = ""
    reason: str = ""  # of an infrastructure error: "address in use", "disk full", "connection"
    place: str = ""  # equal for failures at the same place: what no-progress compares; "" = by chance

    def to_json(self) -> dict[str, Any]:
        """As the journal and the page have it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "exit_class": str(self.exit_class), "ranks": list(self.ranks)}


def judge(exits: Sequence[RankExited]) -> Verdict:
    """The verdict on an attempt that did not succeed, from the ends of all its ranks."""
    failed = [exit_ for exit_ in exits if guilt(exit_) is not Guilt.NONE]
    if not failed:
        return Verdict(
            exit_class=ExitClass.NODE_LOST if not exits else ExitClass.INFRASTRUCTURE,
            text="no rank was heard of: the node or what starts ranks on it went away" if not exits
            else f"{_count(len(exits))} ended well, and the others were not heard of",
        )  # fmt: skip
    worst = min(guilt(exit_) for exit_ in failed)
    candidates = [exit_ for exit_ in failed if guilt(exit_) is worst]
    root = min(candidates, key=_when(candidates))
    match worst:
        case Guilt.SILENT:
            return _silent(root)
        case Guilt.OWN:
            return _own(root, candidates)
        case Guilt.SECONDARY:
            return _secondary(root, candidates)
    return Verdict(exit_class=ExitClass.STOPPED, text="its ranks were stopped", rank=root.rank, ranks=(root.rank,))


def guilt(exit_: RankExited) -> Guilt:
    """The class of one rank's end."""
    if exit_.code == 0 and exit_.signal == 0:
        return Guilt.NONE
    if exit_.error:
        return Guilt.SECONDARY if exit_.error.get("secondary") else Guilt.OWN
    return Guilt.STOPPED if exit_.by_us else Guilt.SILENT


def _when(candidates: Sequence[RankExited]) -> Any:
    """The time of an end: when the exception was seen if all have one (one clock), else when the process ended."""
    if all(exit_.error.get("t_ns") for exit_ in candidates):
        return lambda exit_: (exit_.error["t_ns"], exit_.rank)
    return lambda exit_: (exit_.time_ns, exit_.rank)


def _silent(root: RankExited) -> Verdict:
    """A rank that died without a word: what its exit code or signal means."""
    name = _signal_name(root)
    if root.oom:
        text = f"ran out of memory: the kernel killed it{_peak(root)}"
        return _alone(root, ExitClass.OUT_OF_MEMORY, text, hint=MEMORY_HINT)
    if root.source == "unknown":
        return _alone(root, ExitClass.INFRASTRUCTURE, "is gone, and nobody saw how it ended")
    if name:
        words = SIGNAL_WORDS.get(name, f"was killed by {name}, and nobody here sent it")
        text = words + (_peak(root) if name == "SIGKILL" else "")
        place = name if name in CRASHES else ""
        return _alone(root, ExitClass.KILLED, text, hint=SIGNAL_HINTS.get(name, ""), place=place)
    text = f"ended with exit code {root.code} and no exception"
    return _alone(root, ExitClass.USER_ERROR, text, hint=EXIT_HINT)


def _alone(root: RankExited, exit_class: ExitClass, text: str, *, hint: str = "", place: str = "") -> Verdict:
    words = f"rank {root.rank} {text}"
    return Verdict(exit_class=exit_class, text=words, rank=root.rank, ranks=(root.rank,), hint=hint, place=place)


def _own(root: RankExited, candidates: Sequence[RankExited]) -> Verdict:
    """An exception of the program, or of what is around it (a port, a disk)."""
    error = root.error
    alike = [exit_ for exit_ in candidates if _place(exit_) == _place(root)]
    ranks = (root.rank, *sorted(exit_.rank for exit_ in alike if exit_.rank != root.rank))
    who = f"rank {root.rank}" if len(ranks) == 1 else _count(len(ranks))
    return Verdict(
        exit_class=ExitClass.INFRASTRUCTURE if error.get("infra") else ExitClass.USER_ERROR,
        text=f"{who} failed: {_headline(error)}",
        rank=root.rank, ranks=ranks, where=_where(error), hint=_hint(error), tail=str(error.get("traceback", "")),
        reason=str(error.get("reason", "")), place=_place(root),
    )  # fmt: skip


def _secondary(root: RankExited, candidates: Sequence[RankExited]) -> Verdict:
    """Only ranks that lost another one: the fault lies between them."""
    return Verdict(
        exit_class=ExitClass.INFRASTRUCTURE,
        text=f"{_count(len(candidates))} lost the connection to another, first rank {root.rank}: {_headline(root.error)}",
        rank=root.rank,
        ranks=(root.rank, *sorted(exit_.rank for exit_ in candidates if exit_ is not root)),
        where=_where(root.error),
        hint="No rank failed by itself: a network or a peer's host is the likely cause.",
        tail=str(root.error.get("traceback", "")),
        reason="connection",
        place=_place(root),
    )


def _signal_name(exit_: RankExited) -> str:
    """The signal that ended it; 128 + n is what shells and containers say for signal n."""
    number = exit_.signal or (-exit_.code if exit_.code < 0 else exit_.code - 128 if exit_.code > 128 else 0)
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _peak(exit_: RankExited) -> str:
    return f" (peak {size(exit_.maxrss_bytes)})" if exit_.maxrss_bytes else ""


def _count(ranks: int) -> str:
    return f"{ranks} rank{'s' if ranks != 1 else ''}"


def _headline(error: dict[str, Any]) -> str:
    """`ValueError: bad batch`, one line of it."""
    message = str(error.get("message", "")).strip().split("\n")[0][:300]
    if error.get("type") == "SystemExit":
        return f"it ended itself with sys.exit({message})"
    return f"{error.get('type', 'error')}: {message}" if message else str(error.get("type", "error"))


def _where(error: dict[str, Any]) -> str:
    """`Cell In[7], line 17: loss = step(batch)`."""
    place, code = str(error.get("where", "")), str(error.get("cell_line", "")).strip()
    return f"{place}: {code}" if place and code else place


def _place(exit_: RankExited) -> str:
    error = exit_.error
    return f"{error.get('type', '')} at {error.get('where', '')}" if error else ""


def _hint(error: dict[str, Any]) -> str:
    text = f"{error.get('type', '')}: {error.get('message', '')}"
    if error.get("reason") == "disk full":
        return "Free space on the disk that the error names; `df -h` shows which is full."
    if "OutOfMemoryError" in text or "CUDA out of memory" in text or error.get("type") == "MemoryError":
        return "A smaller batch, or a shape with more memory."
    if error.get("type") in ("ModuleNotFoundError", "ImportError"):
        return "Install it in the run's environment, or add --workdir . if it is a file of yours."
    return ""
