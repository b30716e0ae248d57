"""Every metric that the agents sampled: one growing column for each metric of each owner.

In: `sample` frames in the order of seq, names as in model/metrics.py. Out: points by (metric, owner).
Rule 1: a counter is kept as it was read and differenced when it is looked at; a step back is a new counter, and the rate
over it is not known. Silence longer than `GAP_S`, and the time between two attempts, is a break (NaN).
Rule 2: memory is bounded: past `MOST_POINTS` a column is thinned, extremes and resets stay.
Rule 3: `series` may be called from another thread than `take`: findings of a large run are looked for beside the loop.
Must not import: anything but model, numpy and the frames' form.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jupyter_aicci.model.metrics import BY_NAME, Scope, owner
from jupyter_aicci.timeline.lanes import Floats, Frame
from jupyter_aicci.timeline.series import Ints, m4

GAP_S = 5.0  # samples come every second, or ten times a second
MOST_POINTS = 20_000  # of one column: five hours at one a second

PARTS: tuple[tuple[str, Scope], ...] = (("ranks", "rank"), ("devices", "device"), ("nics", "nic"))
Points = tuple[Floats, Floats]


class Column:
    """One metric of one owner, as it was read."""

    __slots__ = ("attempt", "counter", "hi", "last", "last_t_s", "rate", "rows")

    def __init__(self, *, counter: bool) -> None:
        self.counter, self.attempt = counter, 0
        self.rows = array("d"), array("d"), array("q")  # t_s, v, seq; replaced as one where it is shortened
        self.last_t_s, self.last = -math.inf, math.nan
        self.rate = math.nan  # of a counter, since the reading before
        self.hi = -math.inf  # highest value, of a counter highest rate

    @property
    def now(self) -> float:
        """The latest value, of a counter its rate a second; NaN = not known."""
        return self.rate if self.counter else self.last

    @property
    def last_seq(self) -> int:
        """The frame of the latest reading."""
        return self.rows[2][-1]

    @property
    def readings(self) -> Floats:
        """The values as they were read, NaN for a break."""
        return np.array(self.rows[1][:])

    def add(self, t_s: float, value: float, seq: int, attempt: int) -> None:
        """One more reading; an earlier one than the last is of a clock that was set, and not kept."""
        passed_s = t_s - self.last_t_s
        if passed_s <= 0:
            return
        if attempt != self.attempt or passed_s > GAP_S:
            if self.rows[0]:
                self._append(self.last_t_s + 1e-3, math.nan, seq)
            self.attempt, self.rate = attempt, math.nan
        else:
            self.rate = (value - self.last) / passed_s if self.counter and value >= self.last else math.nan
        self._append(t_s, value, seq)
        self.last_t_s, self.last = t_s, value
        if self.now > self.hi:  # not where it is NaN
            self.hi = self.now

    def points(self, since_seq: int = -1) -> Points:
        """(t_s, v) of the readings after the frame `since_seq`; of a counter its rates a second.

        All of them can be asked for while another thread adds some: a row is whole once its number is there.
        """
        all_t_s, all_v, seq = self.rows
        count, first = len(seq), 0
        if since_seq >= 0:
            first = int(np.searchsorted(np.frombuffer(seq, np.int64), since_seq, side="right"))
        before = max(0, first - 1) if self.counter else first
        t_s, v = np.array(all_t_s[before:count]), np.array(all_v[before:count])
        if not self.counter:
            return t_s, v
        return rates(t_s, v)

    def _append(self, t_s: float, value: float, seq: int) -> None:
        self.rows[0].append(t_s)
        self.rows[1].append(value)
        self.rows[2].append(seq)  # last: the row is there
        if len(self.rows[0]) > MOST_POINTS:
            self._shorten()

    def _shorten(self) -> None:
        t_s, v, seq = map(np.array, self.rows)
        keep = _of_counter(v) if self.counter else m4(t_s, v, t_s[0], t_s[-1], MOST_POINTS // 8)
        self.rows = array("d", t_s[keep]), array("d", v[keep]), array("q", seq[keep])


class Samples:
    """All columns of one run."""

    def __init__(self, origin_ns: int) -> None:
        self._origin_ns = origin_ns
        self._columns: dict[tuple[str, str], Column] = {}  # (metric, owner)
        self._owners: dict[tuple[Scope, int, str], str] = {}
        self.whose: dict[tuple[Scope, str], list[str]] = {}  # (scope, metric) -> owners in order of appearance

    def take(self, frame: Frame) -> None:
        """Keep one `sample` frame."""
        t_s = (frame.time_ns - self._origin_ns) / 1e9
        for scope, unit, values in _parts(frame.frame):
            whose = self._owner(scope, frame.node, unit)
            for name, value in values.items():
                column = self._columns.get((name, whose)) or self._new(scope, name, whose)
                if column is not None and isinstance(value, (int, float)) and math.isfinite(value):
                    column.add(t_s, float(value), frame.seq, frame.attempt)

    def cut(self, node: int) -> None:
        """What was sampled of a node is damaged here: the next reading is not joined to the last one."""
        own = {whose for (_, of, _), whose in self._owners.items() if of == node}
        for (_, whose), column in self._columns.items():
            if whose in own:
                column.attempt = -1

    @property
    def owners(self) -> dict[str, tuple[str, ...]]:
        """metric -> whose series there are."""
        found: dict[str, tuple[str, ...]] = {}
        for (_, name), owners in self.whose.items():
            found[name] = (*found.get(name, ()), *owners)
        return found

    def column(self, metric: str, whose: str) -> Column | None:
        return self._columns.get((metric, whose))

    def series(self, metric: str, whose: str) -> Points:
        """The points of one metric of one owner, a counter as its rate a second; nothing where nothing was sampled."""
        column = self._columns.get((metric, whose))
        return column.points() if column else (np.empty(0), np.empty(0))

    def _owner(self, scope: Scope, node: int, unit: str) -> str:
        key = (scope, node, unit)
        if key not in self._owners:
            self._owners[key] = owner(scope, node, unit)
        return self._owners[key]

    def _new(self, scope: Scope, name: str, whose: str) -> Column | None:
        """A column for a metric of the table; what is not in it is not kept."""
        metric = BY_NAME.get((scope, name))
        if metric is None:
            return None
        self.whose.setdefault((scope, name), []).append(whose)
        column = self._columns[name, whose] = Column(counter=metric.counter)
        return column


def rates(t_s: Floats, v: Floats) -> Points:
    """A counter's readings as its rates a second, each at the later reading; NaN over a reset or a break."""
    if len(t_s) < 2:
        return np.empty(0), np.empty(0)
    grown = np.diff(v)
    rate = np.where(grown >= 0, grown, np.nan) / np.diff(t_s)
    keep = ~np.isnan(v[:-1])  # the break itself is one already
    return t_s[1:][keep], rate[keep]


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[Scope, str, Mapping[str, Any]]]:
    yield "node", "", body.get("node") or {}
    for key, scope in PARTS:
        for unit, values in (body.get(key) or {}).items():
            yield scope, str(unit), values


def _of_counter(v: Floats) -> Ints:
    """Every other reading, and both sides of every reset and break."""
    steps = np.diff(v)
    odd = np.flatnonzero(~(steps >= 0))
    keep = np.r_[np.arange(0, len(v), 2), odd, odd + 1, len(v) - 1]
    return np.unique(keep)
