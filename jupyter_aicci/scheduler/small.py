"""Where runs of one node go so that what stays free can still be used: the fragmentation gradient, fed from a session.

In: the session's working arrays and its runs. Out: a host and devices for one node. Which demands are usual is read from what
ended runs asked for; without any, from the runs that are here. The method is in `fragmentation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.choose import Choice, choices
from jupyter_aicci.scheduler.fit import Picks
from jupyter_aicci.scheduler.found import Found
from jupyter_aicci.scheduler.fragmentation import Demand, Gradient, typical
from jupyter_aicci.scheduler.free import Free
from jupyter_aicci.scheduler.runs import Runs


class SmallRuns:
    """Watches the arrays of one session."""

    def __init__(self, free: Free, runs: Runs) -> None:
        usual = typical(runs.usual or _asked(free, runs))
        self._gradient = Gradient(usual, free.cpu_milli, free.memory, free.share)

    def place(self, choice: Choice, mask: np.ndarray) -> Found | None:
        """The host among those of the mask that loses least by it."""
        answer = self._gradient.best(demand_of(choice.shape), mask)
        if answer is None:
            return None
        host, columns = answer
        picks = Picks(hosts=np.array([host], dtype=np.int64), counts=np.ones(1, dtype=np.int64))
        return Found(choice=choice, nodes=1, picks=picks, columns=columns)

    def placed(self, hosts: np.ndarray) -> None:
        """Something was taken on these hosts."""
        for host in hosts.tolist():
            self._gradient.placed(host)


def demand_of(shape: Shape) -> Demand:
    """What one node of the shape asks of its host."""
    return Demand(
        cpu_milli=shape.cpu_milli,
        memory=shape.memory_bytes,
        devices=shape.accelerators,
        milli=shape.accelerator_milli,
    )


def _asked(free: Free, runs: Runs) -> Mapping[Demand, int]:
    """What the runs that wait or hold nodes ask for, and how often."""
    found: Counter[Demand] = Counter()
    for rows in (runs.waiting, runs.running):
        numbers, times = np.unique(rows["kind"], return_counts=True)
        for number, count in zip(numbers.tolist(), times.tolist(), strict=True):
            for choice in choices(free.fabric, runs.kinds[number])[:1]:
                found[demand_of(choice.shape)] += count
    return found
