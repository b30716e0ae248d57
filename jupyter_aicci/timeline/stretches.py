"""What each rank did, when: the partition of its billed time as rows, for exports and data frames.

In: what `partition` takes. Out: columns; the rows of a rank sum, phase by phase, to its parts of the bill.
Rule 1: where records of steps cover the time a row is one phase of one record: it begins and ends with the record and says how
much of it the phase took, since in which order a step's phases came is not told. Elsewhere it is the phase that the rank told.
Rule 2: cutting, scaling and what is redone are the partition's.
Must not import: anything but model, numpy and the partition.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.timeline.partition import (
    ORDER,
    STEP_PHASES,
    Billed,
    Rank,
    StepColumns,
    Told,
    cut,
    fitted,
    ranks_of,
    said_by,
)
from jupyter_aicci.timeline.records import Ints, Records

CODE = {phase: code for code, phase in enumerate(ORDER)}
STEP_CODES = np.array([CODE[phase] for phase in STEP_PHASES])
NO_STEP = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretches:
    """Rows of one rank in one attempt in the order of time; equal lengths."""

    attempt: int
    node: int
    rank: int
    from_ns: Ints  # epoch
    to_ns: Ints
    phase: Ints  # index into partition.ORDER
    ns: Ints  # of that phase between `from_ns` and `to_ns`
    step: Ints  # number of the record's last step, NO_STEP where none is known
    count: Ints  # steps of the record, 0 where there is none


def stretches(run: Run, told: Mapping[Rank, Told], records: Records, billed: Iterable[Billed]) -> Iterator[Stretches]:
    """The rows of every rank, in the order of the bill's entries."""
    steps = StepColumns(records)
    attempts = {attempt.number: attempt for attempt in run.attempts}
    silent = {number: all(key[0] != number for key in (*told, *steps.where)) for number in attempts}
    for entry in billed:
        attempt = attempts[entry.attempt]
        spoken = {key[2] for key in (*told, *steps.where) if key[:2] == (entry.attempt, entry.node)}
        for rank in ranks_of(attempt, entry.node, spoken):
            yield _of_rank(entry, attempt, rank, told, steps, silent=silent[entry.attempt])


def _of_rank(
    entry: Billed, attempt: Attempt, rank: int, told: Mapping[Rank, Told], steps: StepColumns, *, silent: bool
) -> Stretches:
    key, begin_ns, end_ns = (entry.attempt, entry.node, rank), entry.from_ns, max(entry.from_ns, entry.to_ns)
    where = steps.where.get(key, slice(0, 0))
    from_ns, to_ns, kept = cut(steps.from_ns[where], steps.to_ns[where], begin_ns, end_ns)
    own = _of_records(steps, where, kept, from_ns, to_ns)
    first_ns = int(from_ns[0]) if len(from_ns) else 0
    said = said_by(told.get(key), attempt, rank, begin_ns, first_ns, silent=silent)
    between = _between(said, np.r_[begin_ns, to_ns], np.r_[from_ns, end_ns])
    columns = np.concatenate((own, between), axis=1)
    columns = columns[:, np.argsort(columns[0], kind="stable")]
    names = ("from_ns", "to_ns", "phase", "ns", "step", "count")
    return Stretches(
        attempt=entry.attempt, node=entry.node, rank=rank, **dict(zip(names, columns, strict=True))
    )  # fmt: skip


def _of_records(steps: StepColumns, where: slice, kept: Ints, from_ns: Ints, to_ns: Ints) -> Ints:
    """One column for each phase of each record that took any time."""
    length, redone = to_ns - from_ns, steps.redone[where][kept]
    parts = fitted(steps.parts[:, where][:, kept], length)
    parts[:, redone] = 0
    phase, record = np.nonzero(parts)
    again = np.flatnonzero(redone)
    which = np.r_[record, again]
    codes = np.r_[STEP_CODES[phase], np.full(len(again), CODE["redone"])]
    ns = np.r_[parts[phase, record], length[again]]
    order = np.lexsort((codes, which))
    step, count = steps.step[where][kept], steps.count[where][kept]
    columns = (from_ns[which], to_ns[which], codes, ns, step[which], count[which])
    return np.stack(columns)[:, order].astype(np.int64)


def _between(said: Told, gap_from: Ints, gap_to: Ints) -> Ints:
    """What was told of the time that no record covers."""
    rows: list[tuple[int, ...]] = []
    for place in np.flatnonzero(gap_to > gap_from):
        from_ns, to_ns = int(gap_from[place]), int(gap_to[place])
        at = max(0, bisect_right(said.times_ns, from_ns) - 1)
        while from_ns < to_ns:
            until_ns = min(to_ns, said.times_ns[at + 1]) if at + 1 < len(said.names) else to_ns
            if until_ns > from_ns:
                rows.append((from_ns, until_ns, CODE[said.names[at]], until_ns - from_ns, NO_STEP, 0))
            from_ns, at = max(from_ns, until_ns), at + 1
    return np.array(rows, dtype=np.int64).reshape(-1, 6).T
