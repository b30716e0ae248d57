"""Readings of many series folded into buckets of time, two foldings put together, and buckets read as columns of a chart.

A fold has one array of shape (statistics, series, buckets). Three layouts:
`gauge` (first, low, high, last, mean, count); `counter`, as it was read, with what it grew by between its readings in the bucket
(first, last, gain, slowest and fastest rate, time of first and of last, count); `sum` (sum, count).
Rule 1: a bucket without readings has count 0 and is NaN for a reader: nothing is interpolated. NaN readings do not count.
Rule 2: a counter that steps back began anew at 0; what it counted before its reset and after the reading before is not known.
Rule 3: pure: arrays in, arrays out. Extremes are kept as extremes, never picked by shape: a stall of one sample stays visible.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Layout = Literal["gauge", "counter", "sum"]
STATISTICS: dict[Layout, tuple[str, ...]] = {
    "gauge": ("first", "low", "high", "last", "mean", "count"),
    "counter": ("first", "last", "gain", "slowest", "fastest", "first_s", "last_s", "count"),
    "sum": ("sum", "count"),
}
FOR_MEANS: dict[Layout, tuple[str, ...]] = {
    "gauge": ("mean", "count"),
    "counter": ("first", "last", "gain", "first_s", "last_s", "count"),
    "sum": ("sum", "count"),
}


@dataclass(frozen=True, slots=True)
class Folded:
    """Buckets as a chart wants them: all of shape (series, buckets), NaN where nothing was seen."""

    first: Floats
    low: Floats
    high: Floats
    last: Floats
    mean: Floats
    count: Floats


def fold(layout: Layout, t_s: Floats, values: Floats, width_s: float) -> tuple[Ints, Floats]:
    """(bucket numbers ascending, fold) of readings `values` (moments, series) at ascending `t_s`."""
    number = np.floor(t_s / width_s).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(number) != 0])
    valid = ~np.isnan(values)
    count = np.add.reduceat(valid, starts, axis=0, dtype=np.float64)
    if layout == "sum":
        stats = [np.add.reduceat(np.where(valid, values, 0.0), starts, axis=0), count]
    elif layout == "gauge":
        first, last, _, _ = _ends(values, valid, starts)
        low, high = np.fmin.reduceat(values, starts, axis=0), np.fmax.reduceat(values, starts, axis=0)
        total = np.add.reduceat(np.where(valid, values, 0.0), starts, axis=0)
        stats = [first, low, high, last, total / np.maximum(count, 1.0), count]
    else:
        stats = _fold_counter(t_s, values, valid, starts, count)
    out = np.stack(stats)
    out[:, count == 0] = 0.0
    return number[starts], out.transpose(0, 2, 1)


def put_together(layout: Layout, old: Floats, new: Floats) -> Floats:
    """One fold of two of the same shape, where `new` was read after `old`."""
    statistic = {name: place for place, name in enumerate(STATISTICS[layout])}
    a, b = ({name: each[place] for name, place in statistic.items()} for each in (old, new))
    count = a["count"] + b["count"]
    with np.errstate(all="ignore"):
        if layout == "sum":
            return np.stack([a["sum"] + b["sum"], count])
        if layout == "gauge":
            mean = (a["mean"] * a["count"] + b["mean"] * b["count"]) / np.maximum(count, 1)
            both = [
                a["first"],
                np.minimum(a["low"], b["low"]),
                np.maximum(a["high"], b["high"]),
                b["last"],
                mean,
                count,
            ]
        else:
            both = _both_counters(a, b, count)
    return np.where(old[-1] == 0, new, np.where(new[-1] == 0, old, np.stack(both)))


def read(layout: Layout, stats: Floats, before: Floats | None = None) -> Folded:
    """What a fold says. `before` is the bucket left of it, (statistics, series): a counter's rate begins there."""
    stats = stats.astype(np.float64)
    count = stats[-1]
    empty = count == 0
    if layout == "counter":
        return _read_counter(stats, before, empty)
    if layout == "sum":
        total = np.where(empty, np.nan, stats[0])
        return Folded(total, total, total, total, total, count)
    first, low, high, last, mean = (np.where(empty, np.nan, stats[place]) for place in range(5))
    return Folded(first, low, high, last, mean, count)


def means(layout: Layout, stats: Floats) -> tuple[Floats, Floats]:
    """(mean, count) as `read` has them, of the statistics `FOR_MEANS` and with the bucket on the left as the first of them."""
    now, count = stats[:, :, 1:], stats[-1, :, 1:]
    if layout != "counter":
        return np.where(count == 0, np.nan, now[0]), count
    first, _, gain, first_s, last_s, _ = now
    _, last_before, _, _, last_s_before, count_before = stats[:, :, :-1]
    rate, _ = _rates(first, gain, first_s, last_s, count, last_before, last_s_before, count_before > 0)
    return np.where((count == 0) | ~np.isfinite(rate), np.nan, rate), count


def mean_columns(mean: Floats, count: Floats, each: int, layout: Layout) -> Floats:
    """The means of `columns_of` alone."""
    if each == 1:
        return mean
    weight = np.where(np.isnan(mean), 0.0, 1.0 if layout == "sum" else count)
    total, weights = _sums(np.where(weight > 0, mean * weight, 0.0), each), _sums(weight, each)
    with np.errstate(all="ignore"):
        return np.where(weights > 0, total if layout == "sum" else total / weights, np.nan)


def columns_of(found: Folded, each: int, layout: Layout) -> Folded:
    """Every `each` buckets as one column: M4 of the buckets, the mean by count, of sums the sum."""
    if each == 1:
        return found
    first, low, high, last, mean, count = (_grouped(getattr(found, name), each) for name in Folded.__slots__)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN is NaN
        seen = np.nansum(count, axis=2)
        if layout == "sum":
            total = np.where(seen > 0, np.nansum(mean, axis=2), np.nan)
            return Folded(total, total, total, total, total, seen)
        weight = np.where(np.isnan(mean), 0.0, count)
        average = np.nansum(np.where(np.isnan(mean), 0.0, mean) * weight, axis=2) / weight.sum(axis=2)
        low, high = np.fmin.reduce(low, axis=2), np.fmax.reduce(high, axis=2)
    return Folded(_picked(first, last=False), low, high, _picked(last, last=True), average, seen)


def _ends(values: Floats, valid: npt.NDArray[np.bool_], starts: Ints) -> tuple[Floats, Floats, Ints, Ints]:
    """(first value, last value, row of the first, row of the last) of each bucket and series."""
    rows = np.arange(len(values))[:, None]
    first = np.minimum.reduceat(np.where(valid, rows, len(values) - 1), starts, axis=0)
    last = np.maximum.reduceat(np.where(valid, rows, 0), starts, axis=0)
    return np.take_along_axis(values, first, 0), np.take_along_axis(values, last, 0), first, last


def _fold_counter(
    t_s: Floats, values: Floats, valid: npt.NDArray[np.bool_], starts: Ints, count: Floats
) -> list[Floats]:
    rows = np.arange(len(values))[:, None]
    seen = np.maximum.accumulate(np.where(valid, rows, -1), axis=0)
    before = np.vstack([np.full((1, values.shape[1]), -1), seen[:-1]])  # row of the reading before
    begin = np.repeat(starts, np.diff(np.r_[starts, len(values)]))[:, None]
    inside = valid & (before >= begin)
    with np.errstate(all="ignore"):
        grown = values - np.take_along_axis(values, np.maximum(before, 0), 0)
        grown = np.where(inside, np.where(grown < 0, values, grown), 0.0)
        rate = np.where(inside, grown / (t_s[:, None] - t_s[np.maximum(before, 0)]), np.nan)
    rate[~np.isfinite(rate)] = np.nan
    first, last, at_first, at_last = _ends(values, valid, starts)
    slowest, fastest = np.fmin.reduceat(rate, starts, axis=0), np.fmax.reduceat(rate, starts, axis=0)
    gain = np.add.reduceat(grown, starts, axis=0)
    return [first, last, gain, slowest, fastest, t_s[at_first], t_s[at_last], count]


def _both_counters(a: dict[str, Floats], b: dict[str, Floats], count: Floats) -> list[Floats]:
    late = b["first_s"] < a["first_s"]  # what comes late is put before what is there
    a, b = ({name: np.where(late, y[name], x[name]) for name in a} for x, y in ((a, b), (b, a)))
    jump = b["first"] - a["last"]
    jump = np.where(jump < 0, b["first"], jump)
    passed_s = b["first_s"] - a["last_s"]
    rate = np.where(passed_s > 0, jump / passed_s, np.nan)
    slowest = np.fmin(np.fmin(a["slowest"], b["slowest"]), rate)
    fastest = np.fmax(np.fmax(a["fastest"], b["fastest"]), rate)
    return [a["first"], b["last"], a["gain"] + jump + b["gain"], slowest, fastest, a["first_s"], b["last_s"], count]


def _read_counter(stats: Floats, before: Floats | None, empty: npt.NDArray[np.bool_]) -> Folded:
    first, _, gain, slowest, fastest, first_s, last_s, count = stats
    left = np.zeros((len(stats), stats.shape[1], 1)) if before is None else before[:, :, None].astype(np.float64)
    shifted = np.concatenate((left, stats[:, :, :-1]), axis=2)
    known = (shifted[-1] > 0) & ~empty
    rate, jump = _rates(first, gain, first_s, last_s, count, shifted[1], shifted[6], known)
    with np.errstate(all="ignore"):
        edge = np.where(known, jump / (first_s - shifted[6]), np.nan)
    alone = count < 2
    low = np.fmin(np.where(alone, np.nan, slowest), edge)
    high = np.fmax(np.where(alone, np.nan, fastest), edge)
    rate, low, high = (np.where(empty | ~np.isfinite(each), np.nan, each) for each in (rate, low, high))
    return Folded(rate, low, high, rate, rate, np.where(empty, 0.0, count))


def _rates(
    first: Floats, gain: Floats, first_s: Floats, last_s: Floats, count: Floats,
    last_before: Floats, last_s_before: Floats, known: npt.NDArray[np.bool_],
) -> tuple[Floats, Floats]:  # fmt: skip
    """(rate, growth since the bucket before), the rate from that bucket's last reading on where that is known."""
    with np.errstate(all="ignore"):
        jump = first - last_before
        jump = np.where(jump < 0, first, jump)
        inside = np.where(count > 1, gain / (last_s - first_s), np.nan)
        return np.where(known, (gain + jump) / (last_s - last_s_before), inside), jump


def _grouped(values: Floats, each: int) -> Floats:
    """(series, buckets) → (series, columns, each), the last column filled up with NaN."""
    missing = -values.shape[1] % each
    padded = np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan)
    return padded.reshape(len(values), -1, each)


def _sums(values: Floats, each: int) -> Floats:
    """(series, buckets) → (series, columns): bucket by bucket, as a sum over so short an axis is slow."""
    found = values[:, ::each].copy()
    for place in range(1, each):
        more = values[:, place::each]
        found[:, : more.shape[1]] += more
    return found


def _picked(grouped: Floats, *, last: bool) -> Floats:
    """The first, or the last, number of each column; NaN where there is none."""
    valid = ~np.isnan(grouped)
    place = grouped.shape[2] - 1 - np.argmax(valid[:, :, ::-1], axis=2) if last else np.argmax(valid, axis=2)
    picked: Floats = np.take_along_axis(grouped, place[:, :, None], 2)[:, :, 0]
    return picked
