"""The step records of all ranks, from `steps` frames, in columns that grow.

In: frames in the order of seq. Out: columns of whole nanoseconds, and of each record's collectives what they take at the
best (the minimum over the ranks of that step) and what the rank waited longer than that for others.
Rule 1: a record's nanoseconds are kept as they were told; nothing is rounded, whoever adds them up gets the sum.
Rule 2: memory is bounded: past `MOST_RECORDS` the older half is merged pair by pair, their collectives split before.
Must not import: anything but numpy and the frames' form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jupyter_aicci.timeline.lanes import Frame

MOST_RECORDS = 400_000  # some 50 MB
FRESH = 4096  # are put into the columns together, so that who looks first has not all of them to put there

Ints = npt.NDArray[np.int64]

KEYS = ("seq", "attempt", "node", "rank", "step", "count", "from_ns", "to_ns")
PHASES = ("compute", "data_wait", "comm", "checkpoint", "compile", "eval", "spans")  # in the order of the columns
COLUMNS = (*KEYS, *PHASES, "straggler", "settled")
AT = {name: place for place, name in enumerate(COLUMNS)}
SPANS = AT["spans"]  # every name that a program gives, together
NOT_WORK = ("starting", "done")  # before the first step and behind the last one: told by the rank's phases


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it is fed to bars and curves."""

    rank: int
    step: int
    count: int
    from_ns: int
    to_ns: int
    wait_ns: int  # for data
    apart_ns: int  # checkpoints, compiling, evaluating: no part of the step that they delay
    own_ns: int  # without collectives and what is apart


class Records:
    """Every record so far."""

    def __init__(self) -> None:
        self._rows = np.empty((len(COLUMNS), 1024), dtype=np.int64)
        self._count = 0
        self._new: list[tuple[int, ...]] = []
        self._split: tuple[int, Ints, Ints] | None = None  # of so many rows: comm, straggler
        self.top_step: dict[int, int] = {}  # attempt -> highest step
        self.ranks: set[int] = set()  # that told any
        self.end_ns = 0  # of the latest record

    def __len__(self) -> int:
        return self._count + len(self._new)

    def take(self, frame: Frame) -> Iterator[Record]:
        """Keep the records of one `steps` frame; yields them, the earliest first. What cannot be read is left out."""
        body = frame.frame
        rank, places = int(body["rank"]), [AT[name] if name in PHASES else SPANS for name in body["phases"]]
        told = [
            record for record in body["records"] if len(record) == len(places) + 2 and min(record[2:], default=0) >= 0
        ]
        to_ns = frame.time_ns - sum(sum(record[2:]) for record in told)
        for record in told:
            step, count, from_ns = int(record[1]), max(1, int(record[0])), to_ns
            row = [frame.seq, frame.attempt, frame.node, rank, step, count, from_ns, 0, *(0,) * 7, 0, 0]
            for name, place, ns in zip(body["phases"], places, record[2:], strict=True):
                if name in NOT_WORK:
                    row[AT["from_ns"]] += int(ns)
                else:
                    row[place] += int(ns)
            to_ns += sum(map(int, record[2:]))
            row[AT["to_ns"]] = to_ns
            self._new.append(tuple(row))
            self.ranks.add(rank)
            self.end_ns = max(self.end_ns, to_ns)
            self.top_step[frame.attempt] = max(step, self.top_step.get(frame.attempt, -1))
            yield _record(row)
        if len(self._new) >= FRESH:
            self._flush()
        if len(self) > MOST_RECORDS:
            self._shorten()

    def column(self, name: str) -> Ints:
        """One column of all records, in the order in which they were told."""
        self._flush()
        return self._rows[AT[name], : self._count]

    def split(self) -> tuple[Ints, Ints]:
        """(comm at the best, straggler wait) of every record; together they are the column `comm`."""
        self._flush()
        if self._split is None or self._split[0] != self._count:
            comm, straggler, settled = self.column("comm"), self.column("straggler"), self.column("settled") > 0
            best = comm.copy()
            fresh = np.flatnonzero(~settled)
            attempt, step, count = (self.column(name)[fresh] for name in ("attempt", "step", "count"))
            best[fresh] = _least(attempt, step, count, comm[fresh])
            self._split = self._count, best, np.where(settled, straggler, comm - best)
        return self._split[1:]

    def redone(self) -> npt.NDArray[np.bool_]:
        """Which records' steps an earlier attempt had done already."""
        attempt, step = self.column("attempt"), self.column("step")
        out = np.zeros(len(step), dtype=np.bool_)
        for number in self.top_step:
            before = [top for other, top in self.top_step.items() if other < number]
            if before:
                out |= (attempt == number) & (step <= max(before))
        return out

    def _flush(self) -> None:
        if not self._new:
            return
        count = self._count + len(self._new)
        if count > self._rows.shape[1]:
            rows = np.empty((len(COLUMNS), max(count, 2 * self._rows.shape[1])), dtype=np.int64)
            rows[:, : self._count] = self._rows[:, : self._count]
            self._rows = rows
        self._rows[:, self._count : count] = np.asarray(self._new, dtype=np.int64).T
        self._count = count
        self._new.clear()

    def _shorten(self) -> None:
        """Merge neighbours of one rank among the older half; what each phase took stays exact."""
        best, straggler = (column.copy() for column in self.split())
        rows = self._rows[:, : self._count].copy()
        half = self._count // 2
        old = rows[:, :half]
        old[AT["comm"]], old[AT["straggler"]], old[AT["settled"]] = best[:half], straggler[:half], 1
        merged = _paired(old)
        self._count = merged.shape[1] + rows.shape[1] - half
        self._rows = np.concatenate((merged, rows[:, half:]), axis=1)
        self._split = None


def _record(row: list[int]) -> Record:
    checkpoint, compiling, evaluating = row[AT["checkpoint"]], row[AT["compile"]], row[AT["eval"]]
    apart_ns = checkpoint + compiling + evaluating
    from_ns, to_ns = row[AT["from_ns"]], row[AT["to_ns"]]
    return Record(
        rank=row[AT["rank"]],
        step=row[AT["step"]],
        count=row[AT["count"]],
        from_ns=from_ns,
        to_ns=to_ns,
        wait_ns=row[AT["data_wait"]],
        apart_ns=apart_ns,
        own_ns=to_ns - from_ns - apart_ns - row[AT["comm"]],
    )


def _least(attempt: Ints, step: Ints, count: Ints, comm: Ints) -> Ints:
    """The smallest `comm` among the records of the same attempt, step and count, for each record."""
    if not len(comm):
        return comm
    order = np.lexsort((count, step, attempt))
    keys = np.stack((attempt[order], step[order], count[order]))
    begins = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    least = np.minimum.reduceat(comm[order], begins)
    out = np.empty_like(comm)
    out[order] = np.repeat(least, np.diff(np.r_[begins, len(comm)]))
    return out


def _paired(rows: Ints) -> Ints:
    """Each two records of a rank that touch as one, the later one's names and the sum of both times."""
    order = np.lexsort((rows[AT["to_ns"]], rows[AT["rank"]], rows[AT["attempt"]]))
    rows = rows[:, order]
    first, second = rows[:, 0 : rows.shape[1] - 1 : 2], rows[:, 1::2]
    joins = (
        (first[AT["attempt"]] == second[AT["attempt"]])
        & (first[AT["rank"]] == second[AT["rank"]])
        & (first[AT["to_ns"]] == second[AT["from_ns"]])
    )
    both = second[:, joins].copy()
    for name in ("count", *PHASES, "straggler"):
        both[AT[name]] += first[AT[name], joins]
    both[AT["from_ns"]] = first[AT["from_ns"], joins]
    rest = rows[:, -1:] if rows.shape[1] % 2 else rows[:, :0]
    out = np.concatenate((both, first[:, ~joins], second[:, ~joins], rest), axis=1)
    return out[:, np.argsort(out[AT["seq"]], kind="stable")]
