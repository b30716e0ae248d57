"""One partition of time: every billed nanosecond of every rank is in exactly one phase, and so is every micro-unit.

In: the run, what the ranks told (phase changes, records of steps), and the ledger's entries: from when to when each node
was held, and for how much. Out: `Part`s; those of an entry sum to its time, rank by rank, and to its amount.
Rule 1: where records of steps cover the time, they say what it was; elsewhere it is the phase that the rank told last, and
before it told any, starting. A program that tells nothing computes from when the journal has it running.
Where what it told is damaged, its phase is `UNKNOWN`.
Rule 2: work that an earlier attempt had done is redone, whatever the rank did meanwhile.
Rule 3: what was told outside of the time that is billed, or twice, is cut off; what was not told in nanoseconds that fit
is scaled to the time that passed. Neither changes a sum.
Method: largest remainder, so that the money of the parts sums to the entry to the micro-unit.
Must not import: anything but model, numpy and the records.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.timeline.lost import UNKNOWN, Lost
from jupyter_aicci.timeline.records import Ints, Records

TOLD = ("starting", "staging", "compute", "data_wait", "comm", "checkpoint", "compile", "eval", "idle")
ENDING = ("done", "ending")
STEP_PHASES = ("compute", "data_wait", "comm", "straggler", "checkpoint", "compile", "eval", "spans")
ORDER = ("staging", "starting", *STEP_PHASES, "idle", "redone", "ending", UNKNOWN)


class Billed(Protocol):
    """One node of one attempt, as the ledger has it (`pricing.meter.Entry`)."""

    @property
    def attempt(self) -> int: ...
    @property
    def node(self) -> int: ...
    @property
    def from_ns(self) -> int: ...
    @property
    def to_ns(self) -> int: ...
    @property
    def amount_micro(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one rank spent in one phase while its node was held once."""

    attempt: int
    node: int
    rank: int
    phase: str  # of ORDER
    ns: int
    micro: int


class Told:
    """The phases that one rank told in one attempt, in the order of time."""

    __slots__ = ("lost", "names", "times_ns")

    def __init__(self) -> None:
        self.times_ns: list[int] = []
        self.names: list[str] = []
        self.lost = Lost()

    def phase(self, time_ns: int, name: str) -> None:
        """From now on; a time before the last one is of a clock that was set, and moved up to it."""
        self.lost.heard(time_ns)
        name = name if name in TOLD else "ending" if name in ENDING else "spans"
        if self.names and self.names[-1] == name:
            return
        self.times_ns.append(max(time_ns, self.times_ns[-1]) if self.times_ns else time_ns)
        self.names.append(name)


Bools = npt.NDArray[np.bool_]
Rank = tuple[int, int, int]  # attempt, node, rank
Amounts = dict[str, int]


def partition(run: Run, told: Mapping[Rank, Told], records: Records, billed: Iterable[Billed]) -> tuple[Part, ...]:
    """The parts of all entries, in the ledger's order, then by rank and phase."""
    steps = StepColumns(records)
    attempts = {attempt.number: attempt for attempt in run.attempts}
    parts: list[Part] = []
    for entry in billed:
        attempt = attempts[entry.attempt]
        spoken = {key[2] for key in (*told, *steps.where) if key[:2] == (entry.attempt, entry.node)}
        cells = [
            (rank, phase, ns)
            for rank in ranks_of(attempt, entry.node, spoken)
            for phase, ns in _rank_phases(entry, attempt, rank, told, steps).items()
            if ns
        ]
        money = shares(entry.amount_micro, [ns for _, _, ns in cells])
        parts += [
            Part(attempt=entry.attempt, node=entry.node, rank=rank, phase=phase, ns=ns, micro=micro)
            for (rank, phase, ns), micro in zip(cells, money, strict=True)
        ]
    return tuple(parts)


def ranks_of(attempt: Attempt, node: int, spoken: Iterable[int]) -> tuple[int, ...]:
    """The ranks of a node: those of the placement, or, where a launcher made its own, those that told something."""
    each = max(1, attempt.placement.ranks_per_node)
    placed = range(node * each, (node + 1) * each)
    found = set(spoken)
    return tuple(placed) if found <= set(placed) else tuple(sorted(found))


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in whole parts by weight; they sum to it: floors first, what is left to the largest remainders."""
    total = sum(weights)
    if total <= 0:
        return [0] * len(weights)
    parts = [amount * weight // total for weight in weights]
    left = amount - sum(parts)
    by_rest = sorted(range(len(weights)), key=lambda place: -(amount * weights[place] % total))
    for place in by_rest[:left]:
        parts[place] += 1
    return parts


def phase_ns(parts: Iterable[Part]) -> dict[int, dict[str, int]]:
    """rank -> phase -> billed ns, over all attempts."""
    found: dict[int, dict[str, int]] = {}
    for part in parts:
        of_rank = found.setdefault(part.rank, {})
        of_rank[part.phase] = of_rank.get(part.phase, 0) + part.ns
    return found


class StepColumns:
    """All records, those of each rank together and in the order of time."""

    def __init__(self, records: Records) -> None:
        attempt, node, rank = (records.column(name) for name in ("attempt", "node", "rank"))
        to_ns = records.column("to_ns")
        order = np.lexsort((to_ns, rank, node, attempt))
        comm, straggler = records.split()
        columns = {name: records.column(name) for name in STEP_PHASES if name not in ("comm", "straggler")}
        columns |= {"comm": comm, "straggler": straggler}
        self.from_ns, self.to_ns = records.column("from_ns")[order], to_ns[order]
        self.step, self.count = records.column("step")[order], records.column("count")[order]
        self.redone = records.redone()[order]
        self.parts = np.stack([columns[name][order] for name in STEP_PHASES])
        keys = np.stack((attempt[order], node[order], rank[order]))
        begins = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)]) if len(order) else order
        ends = np.r_[begins[1:], len(order)]
        self.where: dict[Rank, slice] = {
            (int(keys[0, a]), int(keys[1, a]), int(keys[2, a])): slice(int(a), int(b))
            for a, b in zip(begins, ends, strict=False)
        }


def _rank_phases(entry: Billed, attempt: Attempt, rank: int, told: Mapping[Rank, Told], steps: StepColumns) -> Amounts:
    """The time of one rank while its node was held; the values sum to it."""
    key = (entry.attempt, entry.node, rank)
    begin_ns, end_ns = entry.from_ns, max(entry.from_ns, entry.to_ns)
    amounts = dict.fromkeys(ORDER, 0)
    where = steps.where.get(key, slice(0, 0))
    from_ns, to_ns, kept = cut(steps.from_ns[where], steps.to_ns[where], begin_ns, end_ns)
    _add_records(amounts, steps.parts[:, where][:, kept], to_ns - from_ns, steps.redone[where][kept])
    silent = all(other[0] != entry.attempt for other in (*told, *steps.where))
    said = said_by(told.get(key), attempt, rank, begin_ns, int(from_ns[0]) if len(from_ns) else 0, silent=silent)
    gap_from, gap_to = np.r_[begin_ns, to_ns], np.r_[from_ns, end_ns]
    for place in np.flatnonzero(gap_to > gap_from):
        _add_told(amounts, said, int(gap_from[place]), int(gap_to[place]))
    return amounts


def cut(from_ns: Ints, to_ns: Ints, begin_ns: int, end_ns: int) -> tuple[Ints, Ints, Ints]:
    """The records without what lies outside or under an earlier one: (from, to, which are left)."""
    if not len(to_ns):
        return from_ns, to_ns, np.empty(0, dtype=np.int64)
    reached = np.maximum.accumulate(np.r_[begin_ns, to_ns[:-1]])
    begins, ends = np.maximum(from_ns, reached), np.minimum(to_ns, end_ns)
    kept = np.flatnonzero(ends > begins)
    return begins[kept], ends[kept], kept


def fitted(parts: Ints, length_ns: Ints) -> Ints:
    """The parts of records (STEP_PHASES x records), scaled where they do not sum to the time that passed."""
    out = parts.copy()
    for place in np.flatnonzero(parts.sum(axis=0) != length_ns):
        scaled = shares(int(length_ns[place]), parts[:, place].tolist())
        if not any(scaled):
            scaled[0] = int(length_ns[place])  # told without any time: compute
        out[:, place] = scaled
    return out


def _add_records(amounts: Amounts, parts: Ints, length_ns: Ints, redone: Bools) -> None:
    amounts["redone"] += int(length_ns[redone].sum())
    fresh = fitted(parts[:, ~redone], length_ns[~redone])
    for phase, ns in zip(STEP_PHASES, fresh.sum(axis=1).tolist(), strict=True):
        amounts[phase] += ns


def said_by(spoken: Told | None, attempt: Attempt, rank: int, begin_ns: int, steps_ns: int, *, silent: bool) -> Told:
    """What holds where no record does, from the beginning on; `steps_ns` is the first record's beginning, 0 = none."""
    said = Told()
    said.phase(begin_ns, "starting")
    if spoken and spoken.names:
        for time_ns, name in zip(spoken.times_ns, spoken.names, strict=True):
            said.phase(time_ns, name)
    elif steps_ns:
        said.phase(steps_ns, "compute")
    elif silent and attempt.running_ns:
        said.phase(attempt.running_ns, "compute")
    ended = attempt.exits.get(rank)
    if ended and ended.time_ns >= said.times_ns[-1]:
        said.phase(ended.time_ns, "ending")
    if spoken:
        times_ns, names = spoken.lost.over(said.times_ns, said.names)
        said.times_ns, said.names = list(times_ns), list(names)
    return said


def _add_told(amounts: Amounts, said: Told, from_ns: int, to_ns: int) -> None:
    place = max(0, bisect_right(said.times_ns, from_ns) - 1)
    while from_ns < to_ns:
        until_ns = min(to_ns, said.times_ns[place + 1]) if place + 1 < len(said.names) else to_ns
        amounts[said.names[place]] += max(0, until_ns - from_ns)
        from_ns, place = max(from_ns, until_ns), place + 1
