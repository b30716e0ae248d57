"""Step records between the end of a step and the `steps` frame that tells it.

In: each step's number and its ns by phase. Out: the fields of a frame (docs/explanation/processes-and-files.md, section 3).
Rule 1: at most `MOST` records a frame. A program that steps faster has neighbours joined, at multiples of a power of two, so that
the records of all ranks can be laid side by side by step number; only the one that is held when a program slows down ends anywhere.
Rule 2: nothing is lost by joining: counts and ns are sums; the last record ends where the frame ends.
Rule 3: what an accelerator saw of a wait is asked, never waited for. A step it has not finished holds back its record, and the
later ones, until `MOST` are held; then it is told as the host saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from .clock import COMM, COMPUTE, DATA_WAIT, Pending

MOST = 64  # records a frame
FEW = 16  # a frame of fewer has room for finer ones
NS_OF_MS = 1_000_000


class Record:
    """`count` steps up to number `step`, which ended at `end_ns`."""

    __slots__ = ("count", "end_ns", "ns", "pending", "step")

    def __init__(self, count: int, step: int, end_ns: int, ns: list[int], pending: list[Pending]) -> None:
        self.count, self.step, self.end_ns, self.ns, self.pending = count, step, end_ns, ns, pending

    def join(self, later: Record) -> None:
        """Take in the record that follows."""
        longer, shorter = (later.ns, self.ns) if len(later.ns) > len(self.ns) else (self.ns, later.ns)
        for place, ns in enumerate(shorter):
            longer[place] += ns
        self.ns, self.count, self.step, self.end_ns = longer, self.count + later.count, later.step, later.end_ns
        if later.pending:
            self.pending = [*self.pending, *later.pending]

    def settled(self) -> bool:
        """Whether an accelerator has told everything of these steps; then the ns are what it saw."""
        if not self.pending:
            return True
        if not all(after.query() for _, _, _, after in self.pending):
            return False
        for place, host_ns, before, after in self.pending:
            self._correct(place, host_ns, max(0, round(before.elapsed_time(after) * NS_OF_MS)))
        self.pending = []
        return True

    def _correct(self, place: int, host_ns: int, seen_ns: int) -> None:
        """A wait for data counts as far as the accelerator stood still; one for others also where only the accelerator waited."""
        if place == DATA_WAIT:
            moved_ns = min(host_ns, self.ns[DATA_WAIT]) - min(host_ns, seen_ns, self.ns[DATA_WAIT])
            self.ns[DATA_WAIT] -= moved_ns
            self.ns[COMPUTE] += moved_ns
        elif place == COMM:
            moved_ns = max(0, min(seen_ns - host_ns, self.ns[COMPUTE]))
            self.ns[COMPUTE] -= moved_ns
            self.ns[COMM] += moved_ns


class Records:
    """What the next frame will tell."""

    __slots__ = ("_held", "_width")

    def __init__(self) -> None:
        self._held: list[Record] = []
        self._width = 1  # steps a record, a power of two

    def __len__(self) -> int:
        return len(self._held)

    def add(self, record: Record) -> None:
        held = self._held
        if held and self._width > 1 and held[-1].step // self._width == record.step // self._width:
            held[-1].join(record)
            return
        held.append(record)
        while len(held) > MOST:
            self._width *= 2
            held = self._held = _joined(held, self._width)

    def frame(self, names: Sequence[str], *, all_of_them: bool = False) -> dict[str, Any] | None:
        """The fields of the next frame, None while there is nothing whole to tell; `all_of_them`: nothing is held back."""
        ready = self._ready(all_of_them)
        while not ready and len(self._held) == 1 and self._width > 1:  # not one whole group since the last frame
            self._width //= 2
            ready = self._ready(all_of_them)
        if not ready:
            return None
        told, self._held = self._held[:ready], self._held[ready:]
        if len(told) <= FEW and self._width > 1:
            self._width //= 2
        columns = list(zip_longest(*(each.ns for each in told), fillvalue=0))  # of a phase that is new some have none
        places = [place for place, column in enumerate(columns) if any(column)] or [COMPUTE]
        spent = zip(*(columns[place] for place in places), strict=True)
        rows = [[each.count, each.step, *ns] for each, ns in zip(told, spent, strict=True)]
        return {"step": told[-1].step, "phases": [names[p] for p in places], "records": rows, "t": told[-1].end_ns}

    def _ready(self, all_of_them: bool) -> int:
        """How many records may be told now."""
        held = self._held
        whole = len(held)
        if held and not all_of_them and (held[-1].step + 1) % self._width:
            whole -= 1  # its group goes on
        for place in range(whole):
            if not held[place].settled() and not all_of_them and len(held) < MOST:
                return place
        return whole


def _joined(records: list[Record], width: int) -> list[Record]:
    out: list[Record] = []
    for record in records:
        if out and out[-1].step // width == record.step // width:
            out[-1].join(record)
        else:
            out.append(record)
    return out if len(out) < len(records) else _halved(records)


def _halved(records: list[Record]) -> list[Record]:
    """Of a program whose numbers are wide apart: every two neighbours."""
    out = records[::2]
    for record, later in zip(out, records[1::2], strict=False):
        record.join(later)
    return out
