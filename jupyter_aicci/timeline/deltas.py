"""What one watcher has on the screen, and what of a lane is new to it: spans to the pixel, points thinned to its columns.

In: drawn lanes and a `Mark`. Out: parts of the stream's message (docs/explanation/processes-and-files.md, section 7).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from jupyter_aicci.timeline.lanes import (
    Floats,
    Lane,
    PhaseLane,
    SeriesLane,
    significant,
    times,
    times_json,
    values_json,
)
from jupyter_aicci.timeline.lost import Gap, note
from jupyter_aicci.timeline.series import Series, thinned

L = TypeVar("L", PhaseLane, SeriesLane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one watcher has: enough to say what is new to it."""

    cursor: int
    shape: tuple[Any, ...]  # lanes, legend, curves begun again; when it changes, a fresh view is due
    column_s: float  # seconds a pixel column
    room: int  # points that may still be sent before a fresh view thins them again
    spans: Mapping[str, tuple[Any, ...]]
    cost_t_s: float
    shade: tuple[Any, ...]
    heat: tuple[Any, ...]  # how far the strip goes, and over whom
    width_px: int
    headline: str
    tiles: tuple[Any, ...]
    run: Mapping[str, Any]
    verdict: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """`body` is the stream's message, or None where nothing changed; with `lanes_changed` a fresh view is due."""

    body: dict[str, Any] | None
    mark: Mark
    lanes_changed: bool = False


def noted(lane: L, gaps: Sequence[Gap]) -> L:
    """The lane with what is missing of it in its note."""
    missing = note(gaps)
    return replace(lane, note=" · ".join(part for part in (lane.note, missing) if part)) if missing else lane


def inside(bar: PhaseLane, from_s: float, to_s: float) -> tuple[Any, ...]:
    return tuple(span for span in bar.spans if span.t1_s >= from_s and span.t0_s <= to_s)


def signature(bar: PhaseLane, end_s: float, column_s: float) -> tuple[Any, ...]:
    """What is on the screen of a bar: its spans, an open end only to the pixel."""
    return tuple(
        (span.phase, span.t0_s, span.t1_s if span.t1_s < end_s else math.floor(end_s / column_s)) for span in bar.spans
    )


def last_t_s(lane: Lane) -> float:
    return float(lane.t_s[-1]) if isinstance(lane, SeriesLane) and len(lane.t_s) else -math.inf


def part_of(lane: SeriesLane, from_s: float, to_s: float) -> SeriesLane:
    """A bill between two times, the amounts at both included: it is straight between its points."""
    if not len(lane.t_s):
        return lane
    first_s, last_s = max(from_s, float(lane.t_s[0])), min(to_s, float(lane.t_s[-1]))
    if last_s < first_s:
        return replace(lane, t_s=lane.t_s[:0], v=lane.v[:0])
    inside = lane.t_s[(lane.t_s > first_s) & (lane.t_s < last_s)]
    t_s = np.unique(np.r_[first_s, inside, last_s])
    return replace(lane, t_s=t_s, v=np.interp(t_s, lane.t_s, lane.v))


def shade_signature(lane: Lane, column_s: float) -> tuple[Any, ...]:
    """What is shaded, to the pixel."""
    shades = lane.shade if isinstance(lane, SeriesLane) else ()
    return tuple((math.floor(t0 / column_s), math.floor(t1 / column_s)) for t0, t1 in shades)


def tail(lane: SeriesLane, series: Series, since: Mark) -> dict[str, Any]:
    return thin(lane, *series.since(since.cursor), since)


def thin(lane: SeriesLane, t_s: Floats, v: Floats, since: Mark) -> dict[str, Any]:
    """New points, at most four a pixel column."""
    if not len(t_s):
        return _points(lane, t_s, v)
    columns = max(1, math.ceil((float(t_s[-1]) - float(t_s[0])) / since.column_s))
    return _points(lane, *thinned(t_s, v, float(t_s[0]), float(t_s[-1]), columns))


def cost_tail(lane: SeriesLane, since: Mark) -> dict[str, Any]:
    new = lane.t_s > since.cost_t_s
    shaded = shade_signature(lane, since.column_s) != since.shade
    if not new.any() and not shaded:
        return {}
    shades = {"shade": [times(pair) for pair in lane.shade]} if shaded else {}
    return {lane.id: _points(lane, lane.t_s[new], lane.v[new]) | shades}


def _points(lane: SeriesLane, t_s: Floats, v: Floats) -> dict[str, Any]:
    bounds = {"lo": significant(lane.lo), "hi": significant(lane.hi)}
    return {"t": times_json(t_s), "v": values_json(v), "value": lane.value, "note": lane.note, **bounds}
