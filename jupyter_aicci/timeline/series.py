"""One growing curve, and how it is thinned for the screen.

Thinning is M4: of each pixel column the first, the lowest, the highest and the last point stay, so that the drawn line
is the one that all points would draw (Jugel et al., VLDB 2014). Points are never invented: a break is a NaN that stays.
Rule: memory is bounded: past `MOST_POINTS` the whole curve is thinned once to fine columns, its extremes stay exact.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from jupyter_aicci.timeline.lanes import Floats

MOST_POINTS = 40_000
Ints = npt.NDArray[np.int64]


class Series:
    """Points in time order, each with the seq of the frame that brought it."""

    def __init__(self, *, gap_s: float = math.inf) -> None:
        self.gap_s = gap_s  # a longer silence is a break
        self.count = 0
        self.dropped = 0  # NaN and infinite values, not drawn
        self.lo, self.hi, self.last_t_s = math.inf, -math.inf, -math.inf
        self.last = math.nan  # the latest value, drawn or not
        self.last_seq = 0
        self._t, self._v = np.empty(256), np.empty(256)
        self._seq = np.empty(256, dtype=np.int64)

    @property
    def t_s(self) -> Floats:
        return self._t[: self.count]

    @property
    def v(self) -> Floats:
        return self._v[: self.count]

    def add(self, t_s: float, value: float, seq: int) -> None:
        """One more point; a value that is no number is counted, not drawn."""
        self.last, self.last_seq = value, seq
        if not math.isfinite(value):
            self.dropped += 1
            return
        t_s = max(t_s, self.last_t_s)
        if t_s - self.last_t_s > self.gap_s and self.count:
            self.break_off(t_s, seq)
        self._append(t_s, value, seq)
        self.lo, self.hi, self.last_t_s = min(self.lo, value), max(self.hi, value), t_s

    def break_off(self, t_s: float, seq: int) -> None:
        """The next point is not joined to the last one."""
        if self.count and not math.isnan(self._v[self.count - 1]):
            self._append(max(t_s, self.last_t_s), math.nan, seq)

    def blank(self, from_s: float, to_s: float) -> None:
        """What was added between two times is not known after all."""
        first = int(np.searchsorted(self.t_s, from_s, side="right"))
        last = int(np.searchsorted(self.t_s, to_s, side="left"))
        self._v[first:last] = math.nan

    def since(self, seq: int) -> tuple[Floats, Floats]:
        """The points that frames after `seq` brought."""
        first = int(np.searchsorted(self._seq[: self.count], seq, side="right"))
        return self.t_s[first:], self.v[first:]

    def within(self, from_s: float, to_s: float) -> tuple[Floats, Floats]:
        """The points of a window and the one on either side, so that the line reaches the edges."""
        first = max(0, int(np.searchsorted(self.t_s, from_s, side="left")) - 1)
        last = int(np.searchsorted(self.t_s, to_s, side="right")) + 1
        return self.t_s[first:last], self.v[first:last]

    def _append(self, t_s: float, value: float, seq: int) -> None:
        if self.count == len(self._t):
            self._make_room()
        self._t[self.count], self._v[self.count], self._seq[self.count] = t_s, value, seq
        self.count += 1

    def _make_room(self) -> None:
        if self.count >= MOST_POINTS:
            keep = m4(self.t_s, self.v, self._t[0], self._t[self.count - 1], MOST_POINTS // 8)
            self.count = len(keep)
            self._t[: self.count], self._v[: self.count] = self._t[keep], self._v[keep]
            self._seq[: self.count] = self._seq[keep]
        if self.count > len(self._t) // 2:
            size = min(2 * len(self._t), max(MOST_POINTS, self.count + 256))
            self._t, self._v = np.resize(self._t, size), np.resize(self._v, size)
            self._seq = np.resize(self._seq, size)


def m4(t_s: Floats, v: Floats, from_s: float, to_s: float, columns: int) -> Ints:
    """Indices, ascending, of first, lowest, highest and last point of each of `columns`, and of every break."""
    breaks = np.flatnonzero(np.isnan(v))
    points = np.flatnonzero(~np.isnan(v))
    if len(points) == 0:
        return breaks
    width_s = max(to_s - from_s, 1e-9) / columns
    column = np.floor((t_s[points] - from_s) / width_s).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(column) != 0])
    ends = np.r_[starts[1:], len(points)] - 1
    by_value = np.lexsort((v[points], column))
    keep = np.r_[points[starts], points[ends], points[by_value[starts]], points[by_value[ends]], breaks]
    return np.unique(keep)


def thinned(t_s: Floats, v: Floats, from_s: float, to_s: float, columns: int) -> tuple[Floats, Floats]:
    """The points, or what M4 leaves of them where they are more than four a column."""
    if len(t_s) <= 4 * columns:
        return t_s, v
    keep = m4(t_s, v, from_s, to_s, columns)
    return t_s[keep], v[keep]
