"""The heat strip: how long each rank took for its own part of a step, column by column.

In: the records of all ranks. Out: a `HeatLane`; own time is the step without collectives, checkpoints, compiling and
evaluating, so that the slow rank stands out and not those that wait for it.
Rule: columns lie on a grid of a power of two seconds, so that the same column says the same in every view.
"""

from __future__ import annotations

import math

import numpy as np

from jupyter_aicci.model.text import duration
from jupyter_aicci.timeline.lanes import HeatLane
from jupyter_aicci.timeline.records import Ints, Records

LEAST_WIDTH_S = 0.25
MOST_CELLS = 120_000
MOST_COLUMNS, LEAST_COLUMNS = 240, 40
PX_A_COLUMN = 4
OWN = ("compute", "data_wait", "spans")


def strip(
    records: Records, origin_ns: int, width_px: int, window: tuple[float, float] | None, *, folded: bool
) -> HeatLane | None:
    """The strip, None where fewer than two ranks told their steps. O(records)."""
    rank = records.column("rank")
    rows = np.unique(rank)
    if len(rows) < 2:
        return None
    from_s, to_s = ((records.column(f"{end}_ns") - origin_ns) / 1e9 for end in ("from", "to"))
    first_s, last_s = (float(from_s.min()), float(to_s.max()))
    if window:
        first_s, last_s = max(first_s, window[0]), min(last_s, window[1])
    width_s = column_s(max(last_s - first_s, 0.0), most_columns(width_px, len(rows)))
    begin, end = math.floor(first_s / width_s), max(math.floor(last_s / width_s), math.floor(first_s / width_s)) + 1
    own_ns = sum(records.column(name) for name in OWN)
    cells = _means(
        np.searchsorted(rows, rank), np.asarray(own_ns, dtype=np.int64), records.column("count"),
        np.floor(from_s / width_s).astype(np.int64) - begin, np.floor(to_s / width_s).astype(np.int64) - begin,
        (len(rows), end - begin),
    )  # fmt: skip
    known = cells[~np.isnan(cells)]
    return HeatLane(
        id="step_heat",
        name="step time",
        unit="s",
        value=_latest(cells),
        lo=float(known.min()) if len(known) else 0.0,
        hi=float(known.max()) if len(known) else 1.0,
        rows=tuple(rows.tolist()),
        t_s=np.arange(begin, end + 1, dtype=np.float64) * width_s,
        v=cells,
        note="own time of each rank",
        folded=folded,
    )


def most_columns(width_px: int, rows: int) -> int:
    """How many columns a strip of so many rows may have where it is so wide."""
    return max(min(width_px // PX_A_COLUMN, MOST_CELLS // rows, MOST_COLUMNS), LEAST_COLUMNS)


def column_s(length_s: float, most: int) -> float:
    """The width of a column, so that `length_s` takes at most `most` (and one more, where it begins within one)."""
    width_s = LEAST_WIDTH_S
    while length_s / width_s > most:
        width_s *= 2
    return width_s


def _means(
    row: Ints, own_ns: Ints, count: Ints, first: Ints, last: Ints, shape: tuple[int, int]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Mean own seconds a step of each cell; a record longer than a column is in every one that it ends or lasts in."""
    columns = shape[1]
    first, last = np.maximum(np.minimum(first + 1, last), 0), np.minimum(last, columns - 1)
    inside = np.flatnonzero(last >= first)
    times = (last - first + 1)[inside]
    which = np.repeat(inside, times)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
    cell = row[which] * columns + first[which] + offset
    size = shape[0] * columns
    total = np.bincount(cell, weights=own_ns[which] / 1e9, minlength=size)
    steps = np.bincount(cell, weights=count[which], minlength=size)
    with np.errstate(invalid="ignore"):
        return (total / np.where(steps > 0, steps, np.nan)).reshape(shape)


def _latest(cells: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> str:
    """The mean over the ranks in the last column that has any."""
    known = np.flatnonzero(~np.isnan(cells).all(axis=0))
    return duration(float(np.nanmean(cells[:, known[-1]]))) if len(known) else ""
