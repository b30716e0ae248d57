"""A view of a long run from its roll-ups: as many buckets are read as there are columns, however long the run was.

In: a view that holds what happened (bars, tiles, cost), and the roll-ups. Out: the same view with strip and curves in it.
Rule 1: a curve of one owner has of each column the first, the lowest, the highest and the last value; a curve over all owners is
the sum, or the mean, of the owners' means. A column in which nothing was seen is a break.
Rule 2: all of it is made anew for each window; nothing is kept.
Must not import: the store; roll-ups come in as `Rolled` (`store.rollups.Rollups` is one).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import duration, number
from jupyter_aicci.timeline.curves import shown_values
from jupyter_aicci.timeline.gauges import (
    GAUGES,
    Gauge,
    ceiling,
    have_curves,
    lane_name,
    lane_value,
    owner_name,
    written,
)
from jupyter_aicci.timeline.lanes import Floats, HeatLane, Lane, PhaseLane, SeriesLane, View
from jupyter_aicci.timeline.strip import most_columns
from jupyter_aicci.timeline.tiles import THROUGHPUT

VALUE = "value:"  # a logged name's lane and metric
Points = tuple[Floats, Floats]


class Rolled(Protocol):
    """Roll-ups, as far as they are drawn from."""

    def metrics(self) -> tuple[tuple[str, str], ...]: ...
    def owners(self, metric: str, scope: str = "rank") -> tuple[str, ...]: ...
    def window(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Any: ...
    def total(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Any: ...
    def heat(
        self, metric: str, from_s: float, to_s: float, columns: int, scope: str = "rank"
    ) -> tuple[tuple[str, ...], Floats, Floats]: ...
    def damaged(self) -> tuple[str, ...]: ...


def overview(view: View, rolled: Rolled, run: Run, width_px: int) -> View:
    """The view with its strip and curves out of the roll-ups, over its window or all of the run."""
    from_s, to_s = view.window or (0.0, view.end_s)
    drawn = _Drawn(rolled, run, from_s, max(to_s, from_s + 1.0), width_px)
    bars = [lane for lane in view.lanes if isinstance(lane, PhaseLane)]
    heat = list(drawn.heat())
    logged = [lane.id for lane in view.lanes if lane.id.startswith(VALUE)]
    curves = (*drawn.steps(bool(heat)), *drawn.values(logged), *drawn.gauges())
    lanes: list[Lane] = [*bars, *heat, *curves, view.lanes[-1]]
    damaged = rolled.damaged()
    return replace(view, lanes=tuple(_with_damage(lane, damaged) for lane in lanes) if damaged else tuple(lanes))


class _Drawn:
    """One window of one run."""

    def __init__(self, rolled: Rolled, run: Run, from_s: float, to_s: float, width_px: int) -> None:
        self._rolled, self._run = rolled, run
        self._from_s, self._to_s, self._width_px = from_s, to_s, width_px
        self._metrics = set(rolled.metrics())

    def heat(self) -> Iterator[HeatLane]:
        """The strip of each rank's own time, where there is more than one."""
        owners = self._rolled.owners("own_step")
        if len(owners) < 2:
            return
        columns = most_columns(self._width_px, len(owners))
        owners, edges, v = self._rolled.heat("own_step", self._from_s, self._to_s, columns)
        known = v[np.isfinite(v)]
        last = np.flatnonzero(np.isfinite(v).any(axis=0))
        yield HeatLane(
            id="step_heat", name="step time", unit="s", note="own time of each rank", folded=True, t_s=edges, v=v,
            rows=tuple(int(whose.removeprefix("rank-")) for whose in owners),
            lo=float(known.min()) if len(known) else 0.0,
            hi=float(known.max()) if len(known) else 1.0,
            value=duration(float(np.nanmean(v[:, last[-1]]))) if len(last) else "",
        )  # fmt: skip

    def steps(self, under_heat: bool) -> Iterator[SeriesLane]:
        """Step time of the lowest rank."""
        owners = self._rolled.owners("step")
        if owners:
            t_s, v, last = self._curve("step", owners[0])
            lane = _lane("step_time", "step time", "s", "" if np.isnan(last) else duration(last), t_s, v)
            name = owners[0].replace("-", " ")
            yield replace(lane, parent="step_heat", name=name) if under_heat else lane

    def values(self, logged: Sequence[str]) -> Iterator[SeriesLane]:
        """What was logged, of the lowest rank that logs it; `logged` are the lanes of rank 0, as its values appeared."""
        here = {metric for scope, metric in self._metrics if scope == "value"}
        names = [each for each in dict.fromkeys((*logged, *sorted(here))) if each in here]
        for name in shown_values(each.removeprefix(VALUE) for each in names):
            lane_id = f"{VALUE}{name}"
            owners = self._rolled.owners(lane_id, "value")
            t_s, v, last = self._curve(lane_id, owners[0])
            text = "" if np.isnan(last) else number(float(f"{last:.4g}"))
            yield _lane(lane_id, THROUGHPUT.get(name, name), "", text, t_s, v, from_zero=False)

    def gauges(self) -> Iterator[SeriesLane]:
        """What was sampled, the lanes of the table; under each the owners' own curves, where they are few."""
        for gauge in GAUGES:
            if (gauge.scope, gauge.metrics[0]) not in self._metrics:
                continue
            owners = self._rolled.owners(gauge.metrics[0], gauge.scope)
            t_s, v = self._over_all(gauge, owners)
            own = have_curves(owners) or gauge.share_of
            each = self._means(gauge, owners) if own else np.empty((0, 0))
            if not self._worth(gauge, owners, each, v):
                continue
            last = v[np.isfinite(v)][-1:]
            text = lane_value(self._run, gauge, float(last[0])) if len(last) else ""
            lane = _lane(gauge.id, lane_name(self._run, gauge), gauge.unit, text, *_broken(t_s, v))
            yield replace(lane, hi=ceiling(self._run, gauge, lane.hi), folded=have_curves(owners))
            if have_curves(owners):
                yield from self._under(gauge, owners, t_s, each)

    def _under(self, gauge: Gauge, owners: Sequence[str], t_s: Floats, each: Floats) -> Iterator[SeriesLane]:
        """The owners' own curves, all on one scale."""
        hi = 100.0 if gauge.unit == "%" else max(0.0, float(np.nanmax(each)))
        for whose, v in zip(owners, each, strict=True):
            own = v[np.isfinite(v)][-1:]
            text = written(float(own[0]), gauge.unit) if len(own) else ""
            lane = _lane(f"{gauge.id}/{whose}", owner_name(whose), gauge.unit, text, *_broken(t_s, v))
            yield replace(lane, parent=gauge.id, hi=hi)

    def _worth(self, gauge: Gauge, owners: Sequence[str], each: Floats, v: Floats) -> bool:
        """Whether the lane has anything to show, by the rule of its row."""
        if not np.isfinite(v).any():
            return False
        if not gauge.share_of:
            return bool(np.nanmax(v) >= gauge.least)
        whole = self._rolled.window(gauge.share_of, owners, self._from_s, self._to_s, self._width_px).mean
        with np.errstate(invalid="ignore"):
            return bool((each >= gauge.least * whole).any())

    def _over_all(self, gauge: Gauge, owners: Sequence[str]) -> Points:
        """(t, the sum over the owners, or their mean) in the lane's unit."""
        found = [
            self._rolled.total(name, owners, self._from_s, self._to_s, self._width_px) for name in self._names(gauge)
        ]
        seen = np.logical_or.reduce([each.seen for each in found]).sum(axis=0)
        total = gauge.factor * np.sum([each.total for each in found], axis=0)
        v = np.where(seen > 0, total / np.maximum(seen if gauge.mean else 1, 1), np.nan)
        return found[0].t_s + found[0].column_s / 2, v

    def _means(self, gauge: Gauge, owners: Sequence[str]) -> Floats:
        """(owners, columns) in the lane's unit; of several metrics the sum of those that were seen."""
        means = np.stack([
            self._rolled.window(name, owners, self._from_s, self._to_s, self._width_px).mean
            for name in self._names(gauge)
        ])  # fmt: skip
        seen = ~np.isnan(means).all(axis=0)
        return gauge.factor * np.where(seen, np.nansum(means, axis=0), np.nan)

    def _names(self, gauge: Gauge) -> list[str]:
        return [name for name in gauge.metrics if (gauge.scope, name) in self._metrics]

    def _curve(self, metric: str, whose: str) -> tuple[Floats, Floats, float]:
        """(t, v, the last value) of one owner: four points a column."""
        found = self._rolled.window(metric, (whose,), self._from_s, self._to_s, self._width_px)
        begin, width = found.t_s, found.column_s
        t_s = np.stack((begin, begin + width / 2, begin + width / 2, begin + width), axis=1).ravel()
        v = np.stack((found.first[0], found.low[0], found.high[0], found.last[0]), axis=1).ravel()
        known = v[np.isfinite(v)]
        return *_broken(t_s, v), float(known[-1]) if len(known) else float("nan")


def _with_damage(lane: Lane, sentences: Sequence[str]) -> Lane:
    """The lane with the sentences about the roll-ups that it is drawn from."""
    gauge = next((each.metrics for each in GAUGES if each.id == lane.id.partition("/")[0]), ())
    metrics = {"step_heat": ("own_step",), "step_time": ("step",)}.get(lane.id, gauge or (lane.id.replace(":", "%3A"),))
    found = [text for text in sentences if any(f".{metric}." in text for metric in metrics)]
    return replace(lane, note=" · ".join([*filter(None, [lane.note]), *found])) if found else lane


def _broken(t_s: Floats, v: Floats) -> Points:
    """Without breaks at the ends, and one NaN for each break."""
    gap = np.isnan(v)
    keep = ~gap | ~np.r_[True, gap[:-1]]
    t_s, v = t_s[keep], v[keep]
    return (t_s[:-1], v[:-1]) if len(v) and np.isnan(v[-1]) else (t_s, v)


def _lane(
    lane_id: str, name: str, unit: str, text: str, t_s: Floats, v: Floats, *, from_zero: bool = True
) -> SeriesLane:
    known = v[np.isfinite(v)]
    lo = 0.0 if from_zero or not len(known) else float(known.min())
    hi = float(known.max()) if len(known) else 1.0
    return SeriesLane(id=lane_id, name=name, unit=unit, value=text, lo=lo, hi=hi, t_s=t_s, v=v)
