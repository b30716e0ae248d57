"""What is known of a run's time and metrics, as columns: what findings, partition, exports and data frames are made from.

`Evidence` is built once by `gather` (timeline/gather.py) from the run, its frames and its series; every rule is then a
pure function of it. Times are chart seconds (since the run was submitted), amounts of time that are billed whole ns.
Must not import: anything but model and numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jupyter_aicci.model.run import Run

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Series = tuple[Floats, Floats]  # (t_s ascending, v of the same length; NaN = nothing was seen)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Every step record of every rank, ordered by `to_s`; all columns have the same length.

    A record is one step, or, of a program that steps faster than 20 times in a frame, several (`count`). Its phases sum
    to `to_s - from_s`; `comm_ns` is what collectives take at the best (the minimum over the ranks of that step) and
    `straggler_ns` what the rank waited longer than that for others.
    """

    attempt: Ints
    node: Ints
    rank: Ints
    step: Ints  # number of the last step in it
    count: Ints
    from_s: Floats
    to_s: Floats
    compute_ns: Ints  # the rank's own time
    data_wait_ns: Ints
    comm_ns: Ints
    straggler_ns: Ints
    checkpoint_ns: Ints
    other_ns: Ints  # compile, eval, spans of the program
    redone: npt.NDArray[np.bool_]  # done before, in an earlier attempt

    def of(self, mask: npt.NDArray[np.bool_]) -> Steps:
        """The records where `mask` holds."""
        return Steps(**{name: getattr(self, name)[mask] for name in Steps.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """One run up to `now_s`."""

    run: Run
    now_s: float
    steps: Steps
    owners: Mapping[str, tuple[str, ...]]  # metric -> whose series there are (model.metrics.owner)
    series: Callable[[str, str], Series]  # (metric, owner) -> its points; a counter as its rate a second
    phase_ns: Mapping[
        int, Mapping[str, int]
    ]  # rank -> phase -> billed ns (timeline/partition.py); sums to the bill's time
    rate_micro_per_h: float  # of one rank, in the currency of the run; 0 = free or not known
    hangs: tuple[Mapping[str, Any], ...] = ()  # "hang" frames with "t_s"
    notes: tuple[
        Mapping[str, Any], ...
    ] = ()  # "note" frames with "t_s", "node": topics "loader", "transport", "checkpoint", "device"
    facts: Mapping[str, Any] = field(
        default_factory=dict
    )  # of the shape and the host: "cpus", "nvlink", "rdma_nics", …

    def wasted_micro(self, ns: int) -> int:
        """What `ns` of rank time cost."""
        return round(self.rate_micro_per_h * ns / 3.6e12)
