"""How far the jobs of a replay are, and what it costs to be interrupted.

In: jobs by number, `start` and `stop` with the moment. Out: when the next one ends, and which do.
`FreeRestarts`: a preempted job goes on where it was. `MuriCosts`: the costs of Muri's simulator (SIGCOMM'22,
`simulator/{jobs,switch}.py`), needed to compare with its published figures: work is 1.015 times as long, and at each
event every job that ran since the event before loses its start overhead, moved or not.
Rule: whole nanoseconds, so that equal moments are equal.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from jupyter_aicci.traces.gangs import Gangs
from jupyter_aicci.traces.table import NS, Ints
from jupyter_aicci.traces.trace import Trace

FOREVER_NS = 2**62
MURI_SIZES = (1, 2, 4, 8, 16, 32)
MURI_OVERHEAD_S = {  # by model, for gangs of MURI_SIZES accelerators
    "vgg16": (7, 7, 8, 9, 9, 10),
    "vgg19": (7, 7, 8, 9, 10, 10),
    "resnet18": (4, 5, 5, 7, 7, 7),
    "shufflenet_v2_x1_0": (4, 4, 5, 5, 7, 8),
    "bert": (10, 10, 10, 10, 10, 10),
    "gpt2": (10, 10, 10, 10, 10, 10),
    "a2c": (38, 39, 39, 46, 46, 46),
    "dqn": (5, 5, 6, 6, 8, 8),
}
MURI_OTHER_S = 10  # any other model
MURI_WORK_PER_MILLE = 1015


class Progress(Protocol):
    """What a replay asks; job numbers are places in the trace."""

    work_ns: Ints  # all that each job has to do
    exact: bool  # whether the time that a job has run and what it has left make up its work

    def start(self, job: int, now_ns: int) -> None:
        """It runs from now on."""

    def stop(self, job: int, now_ns: int) -> None:
        """It was preempted."""

    def next_end_ns(self) -> int:
        """When the first of those that run ends if nothing happens before; `FOREVER_NS` if none runs."""

    def advance(self, now_ns: int) -> list[int]:
        """An event: time has passed up to now. Returns the jobs that end now, which run no longer."""

    def left_ns(self, job: int, now_ns: int) -> int:
        """The work that a job has left now."""


class FreeRestarts:
    """Nothing is lost by a preemption. O(log n) for a start."""

    exact = True

    def __init__(self, work_ns: Ints) -> None:
        self.work_ns = work_ns
        self._left = work_ns.tolist()
        self._since: dict[int, int] = {}
        self._ends: list[tuple[int, int]] = []  # heap; an entry counts while the job still runs up to it

    def start(self, job: int, now_ns: int) -> None:
        self._since[job] = now_ns
        heapq.heappush(self._ends, (now_ns + self._left[job], job))

    def stop(self, job: int, now_ns: int) -> None:
        self._left[job] -= now_ns - self._since.pop(job)

    def next_end_ns(self) -> int:
        while self._ends:
            end_ns, job = self._ends[0]
            if self._end_of(job) == end_ns:
                return end_ns
            heapq.heappop(self._ends)  # it was preempted meanwhile
        return FOREVER_NS

    def advance(self, now_ns: int) -> list[int]:
        ended: list[int] = []
        while self.next_end_ns() <= now_ns:
            _, job = heapq.heappop(self._ends)
            del self._since[job]
            self._left[job] = 0
            ended.append(job)
        return ended

    def left_ns(self, job: int, now_ns: int) -> int:
        return int(self._left[job] - (now_ns - self._since.get(job, now_ns)))

    def _end_of(self, job: int) -> int:
        return self._since[job] + self._left[job] if job in self._since else -1


class MuriCosts:
    """Muri's restart costs. O(running jobs) for each event, as all of them pay at each."""

    exact = False

    def __init__(self, work_ns: Ints, overhead_ns: Ints) -> None:
        self.work_ns = work_ns * MURI_WORK_PER_MILLE // 1000
        self._left = self.work_ns.copy()
        self._overhead = overhead_ns
        self._running: dict[int, None] = {}  # in order of start
        self._rows: Ints | None = None  # the same as an array
        self._last_ns = 0

    def start(self, job: int, now_ns: int) -> None:
        self._running[job], self._rows = None, None

    def stop(self, job: int, now_ns: int) -> None:
        del self._running[job]
        self._rows = None

    def next_end_ns(self) -> int:
        rows = self._who()
        return self._last_ns + int(self._left[rows].min()) if len(rows) else FOREVER_NS

    def advance(self, now_ns: int) -> list[int]:
        rows, passed_ns = self._who(), now_ns - self._last_ns
        left = self._left[rows]
        ended = rows[left == passed_ns].tolist()  # no overhead in the interval in which it ends
        self._left[rows] = left - np.maximum(passed_ns - self._overhead[rows], 0)
        self._last_ns = now_ns
        for job in ended:
            self._left[job] = 0
            self.stop(job, now_ns)
        return list(map(int, ended))

    def left_ns(self, job: int, now_ns: int) -> int:
        return int(self._left[job])

    def _who(self) -> Ints:
        if self._rows is None:
            self._rows = np.fromiter(self._running, dtype=np.int64, count=len(self._running))
        return self._rows


def muri_costs(trace: Trace, gangs: Gangs) -> MuriCosts:
    """Muri's costs for these jobs; a gang between two sizes of its table pays as the larger, a giant as the largest."""
    sizes = np.minimum(np.searchsorted(MURI_SIZES, gangs.units), len(MURI_SIZES) - 1)
    overhead_s = [_overhead_s(model, size) for model, size in zip(trace.model, sizes.tolist(), strict=True)]
    return MuriCosts(trace.work_ns, np.array(overhead_s, dtype=np.int64) * NS)


def _overhead_s(model: str, size: int) -> int:
    row: Sequence[int] | None = MURI_OVERHEAD_S.get(model)
    return row[size] if row else MURI_OTHER_S
