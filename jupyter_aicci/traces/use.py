"""What a cluster held at each moment of a replay, and how much of what was free was of no use where it was.

In: placements as they are taken and given back. Out: `Use`, a row for each event, each true until the next.
A free accelerator is stranded by the share of the trace's jobs whose nodes are larger than what its host has free: the
fragmentation of FGD (Weng et al., USENIX ATC'23) for whole accelerators, with the trace's own jobs as typical ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.model.placement import Placement
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.traces.gangs import Gangs

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Use:
    """The cluster after each event, until the next one."""

    time_ns: NDArray[np.int64]
    held: NDArray[np.int64]  # accelerators that runs hold
    waiting: NDArray[np.int64]  # runs that wait
    waiting_units: NDArray[np.int64]  # accelerators that they ask for
    stranded: Numbers  # accelerators, a sum of shares

    def mean(self, values: Numbers | NDArray[np.int64], *, contended: bool) -> float:
        """Mean over time; `contended`: over the time in which a run waits, if there is any."""
        lasts = np.diff(self.time_ns).astype(float)
        if contended and (lasts * (self.waiting[:-1] > 0)).sum() > 0:
            lasts = lasts * (self.waiting[:-1] > 0)
        return float((values[:-1] * lasts).sum() / lasts.sum()) if lasts.sum() > 0 else 0.0


class Recorder:
    """The working state behind `Use`: counts that change with each placement, noted at each event."""

    def __init__(self, gangs: Gangs, cluster: Cluster) -> None:
        per_host = max(len(host.devices) for host in cluster.hosts)
        free = np.arange(per_host + 1)
        able = np.searchsorted(np.sort(gangs.per_node), free, side="right") / len(gangs.per_node)
        self._weight = (free * (1.0 - able)).tolist()
        self._free = {host.name: len(host.devices) for host in cluster.hosts}
        self._stranded = sum(self._weight[count] for count in self._free.values())
        self._held = self._waiting = self._waiting_units = 0
        self._rows: list[tuple[int, int, int, int, float]] = []

    def take(self, placement: Placement) -> None:
        """A gang holds these nodes from now on."""
        self._move(placement, 1)

    def give(self, placement: Placement) -> None:
        """It does no longer."""
        self._move(placement, -1)

    def queue(self, runs: int, units: int) -> None:
        """So many runs and accelerators more that wait, or fewer."""
        self._waiting += runs
        self._waiting_units += units

    def note(self, now_ns: int) -> None:
        """An event is over."""
        self._rows.append((now_ns, self._held, self._waiting, self._waiting_units, self._stranded))

    def use(self) -> Use:
        time_ns, held, waiting, units, stranded = zip(*self._rows, strict=True) if self._rows else ((),) * 5
        return Use(
            time_ns=np.array(time_ns, dtype=np.int64),
            held=np.array(held, dtype=np.int64),
            waiting=np.array(waiting, dtype=np.int64),
            waiting_units=np.array(units, dtype=np.int64),
            stranded=np.array(stranded, dtype=float),
        )

    def _move(self, placement: Placement, sign: int) -> None:
        size = placement.shape.accelerators
        self._held += sign * size * len(placement.nodes)
        for node in placement.nodes:
            before = self._free[node.host]
            self._free[node.host] = after = before - sign * size
            self._stranded += self._weight[after] - self._weight[before]
