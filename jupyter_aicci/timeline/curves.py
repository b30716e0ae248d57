"""The curves of a run: logged values, step time, cost; each fed by one kind of frame.

Of a value that several ranks log, the lowest rank's is drawn and the extremes over all ranks are kept. After a restart
of the run the line is broken: the steps done again follow by time, as they happened.
Rule: a lane made here has no points in it; `windowed` thins and copies them for one view.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import MICRO, NOT_SET, NS, duration, money, number
from jupyter_aicci.timeline.lanes import Frame, SeriesLane
from jupyter_aicci.timeline.records import Record
from jupyter_aicci.timeline.series import Series, thinned
from jupyter_aicci.timeline.tiles import THROUGHPUT

MOST_VALUE_LANES = 12
RATE_WINDOW_NS = 10 * NS
PATIENCE = 3  # steps' time without one, before a run is slower than its last steps were
WHOLE_UNITS = ("cores", "%")  # drawn up to what there is, also where only a part is looked at

Cost = Sequence[tuple[int, int]]  # (time_ns, micro-units so far), ascending


class Drawn:
    """One logged name: the curve of the lowest rank that logs it, and the extremes over all ranks."""

    def __init__(self, rank: int) -> None:
        self.rank, self.attempt, self.restarts = rank, 0, 0
        self.series = Series()
        self.lo, self.hi = math.inf, -math.inf

    def add(self, frame: Frame, rank: int, t_s: float, value: float) -> None:
        if math.isfinite(value):
            self.lo, self.hi = min(self.lo, value), max(self.hi, value)
        if rank < self.rank:  # a lower rank came later: the curve begins again with it
            self.rank, self.series, self.restarts = rank, Series(), self.restarts + 1
        if rank != self.rank:
            return
        if frame.attempt != self.attempt:
            self.attempt = frame.attempt
            self.series.break_off(t_s, frame.seq)
        self.series.add(t_s, value, frame.seq)


class Steps:
    """Step time, step count and rate of the lowest rank that steps."""

    def __init__(self) -> None:
        self.restarts = 0  # times that a lower rank took over
        self._follow(1 << 30)

    def _follow(self, rank: int) -> None:
        self.rank, self.latest = rank, -1
        self._counts_from = 0  # 1 where the program calls its first step 1
        self.series = Series()
        self._attempt = 0
        self._recent: deque[tuple[int, int]] = deque()  # (time_ns, step) of the last seconds
        self._first: tuple[int, int] | None = None  # of this attempt

    def record(self, frame: Frame, record: Record, origin_ns: int) -> None:
        """A record of a `steps` frame: its time a step, without what is apart from it."""
        if record.rank < self.rank:
            self.restarts += self.latest >= 0
            self._follow(record.rank)
        if record.rank != self.rank:
            return
        t_s = (record.to_ns - origin_ns) / NS
        if frame.attempt != self._attempt:
            self._begin(frame.attempt, t_s, frame.seq)
        took_ns = max(0, record.to_ns - record.from_ns - record.apart_ns)
        self.series.add(t_s, took_ns / NS / record.count, frame.seq)
        if self.latest < 0 and frame.attempt == 1:
            self._counts_from = int(record.step == record.count)
        if not self._recent:
            self._keep(record.from_ns, record.step - record.count)
        self._keep(record.to_ns, record.step)

    def _begin(self, attempt: int, t_s: float, seq: int) -> None:
        self._attempt = attempt
        self._recent.clear()
        self._first = None
        self.series.break_off(t_s, seq)

    def _keep(self, time_ns: int, step: int) -> None:
        self._first = self._first or (time_ns, step)
        self._recent.append((time_ns, step))
        while len(self._recent) > 2 and self._recent[1][0] < time_ns - RATE_WINDOW_NS:
            self._recent.popleft()
        self.latest = step

    @property
    def done(self) -> int:
        """Steps done, those before a checkpoint that it resumed from included."""
        return self.latest + 1 - self._counts_from

    def per_s(self, *, live: bool, now_ns: int) -> float:
        """Steps a second: of its last ten seconds while it runs, of the whole last attempt afterwards.

        Where no step has come for much longer than one takes, the time without any counts, too.
        """
        if not self._recent or not self._first:
            return 0.0
        since_ns, before = self._recent[0] if live else self._first
        until_ns, step = self._recent[-1]
        patience_ns = max(RATE_WINDOW_NS, PATIENCE * (until_ns - since_ns) // max(1, step - before))
        if live and now_ns - until_ns > patience_ns:
            until_ns = now_ns
        return (step - before) * NS / (until_ns - since_ns) if until_ns > since_ns else 0.0

    def lane(self) -> tuple[SeriesLane, Series]:
        series = self.series
        text = duration(series.last) if series.count else ""
        lane = _lane("step_time", "step time", "s", text, (0.0, series.hi), series)
        return lane, series


def shown_values(names: Iterable[str]) -> list[str]:
    """Of logged names, in the order in which they appeared, those that get a lane, as they stand: loss first."""
    return sorted(names, key=lambda name: name != "loss")[:MOST_VALUE_LANES]


def value_lane(name: str, drawn: Drawn) -> tuple[SeriesLane, Series]:
    series = drawn.series
    text = number(float(f"{series.last:.4g}"))
    title = THROUGHPUT.get(name, name)
    return _lane(f"value:{name}", title, "", text, (series.lo, series.hi), series), series


def _lane(lane_id: str, name: str, unit: str, text: str, bounds: tuple[float, float], series: Series) -> SeriesLane:
    """The lane without its points, which only a view copies."""
    note = f"{series.dropped:,} × not a number, not drawn" if series.dropped else ""
    lo, hi = bounds if series.count else (0.0, 1.0)
    none = np.empty(0)
    return SeriesLane(id=lane_id, name=name, unit=unit, value=text, lo=lo, hi=hi, t_s=none, v=none, note=note)


def cost_lane(run: Run, cost: Cost) -> SeriesLane:
    """The bill as it grew; flat at zero where the machine is free."""
    t_s = np.asarray([(time_ns - run.submitted_ns) / NS for time_ns, _ in cost], dtype=np.float64)
    v = np.asarray([micro / MICRO for _, micro in cost], dtype=np.float64)
    total = cost[-1][1] if cost else 0
    text = money(total, run.price.currency) if total else _nothing_spent(run)
    return SeriesLane(
        id="cost", name="cost", unit=run.price.currency, value=text, lo=0.0, hi=total / MICRO or 1.0, t_s=t_s, v=v
    )


def _nothing_spent(run: Run) -> str:
    """What stands where no amount does: unknown is not free."""
    if not run.cost_known:
        return NOT_SET
    return money(0, run.price.currency) if run.price.micro_per_h else "–" if run.price_is_open else "free"


def windowed(lane: SeriesLane, series: Series, from_s: float, to_s: float, width_px: int, *, whole: bool) -> SeriesLane:
    t_s, v = (series.t_s, series.v) if whole else series.within(from_s, to_s)
    lo, hi = lane.lo, lane.hi
    if not whole and len(v) and not np.isnan(v).all():
        hi = float(np.nanmax(v)) if lane.unit not in WHOLE_UNITS else hi
        lo = float(np.nanmin(v)) if lane.id.startswith("value:") else lo
    t_s, v = thinned(t_s, v, from_s, to_s, width_px)
    return replace(lane, t_s=t_s.copy(), v=v.copy(), lo=lo, hi=hi)


def dense(lane: SeriesLane, points: int) -> SeriesLane:
    """A bill with `points` more points, for the crosshair to rest on; between rows of the ledger it is straight."""
    if len(lane.t_s) < 2 or lane.t_s[-1] <= lane.t_s[0]:
        return lane
    t_s = np.union1d(lane.t_s, np.linspace(lane.t_s[0], lane.t_s[-1], points))
    return replace(lane, t_s=t_s, v=np.interp(t_s, lane.t_s, lane.v))
