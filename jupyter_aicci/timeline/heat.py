"""A strip of heat as it is drawn: which matrix of values, over which seconds, on which scale.

The page repeats this module (labextension/src/chart/heat.ts); both are tested with tests/timeline/heat.json.
Rule: of several ranks in one row the highest value is shown, so that one slow rank among a thousand is seen.
Imports numpy and `timeline.lanes` only.
"""

from __future__ import annotations

import math

import numpy as np

from jupyter_aicci.timeline.lanes import Floats, HeatLane

MOST_ROWS = 112  # the strip is at most so many pixels high
MOST_COUNTED = 4096  # values that the median is taken of
LOW, HIGH = 0.9, 1.6  # of the median: the ends of the colour scale
SLOW = 1.2  # of the median: where the scale turns from blue to amber


def heat_image(lane: HeatLane) -> Floats:
    """Rows x columns, the first row on top, columns of equal width from `t_s[0]` to `t_s[-1]`; NaN where nothing was seen."""
    return _even(lane.t_s, _grouped(lane.v))


def heat_scale(lane: HeatLane) -> tuple[float, float]:
    """The values at the two ends of the colours: around the median, so that what is usual is pale."""
    finite = lane.v[np.isfinite(lane.v)]
    counted = np.sort(finite[:: max(1, math.ceil(len(finite) / MOST_COUNTED))])
    middle = float(counted[(len(counted) - 1) // 2]) if len(counted) else 0.0
    return (LOW * middle, HIGH * middle) if middle > 0 else (0.0, 1.0)


def _grouped(v: Floats) -> Floats:
    """At most `MOST_ROWS` rows; each is the highest of its group of neighbours."""
    each = math.ceil(len(v) / MOST_ROWS)
    if each <= 1:
        return v
    lowest = np.where(np.isnan(v), -np.inf, v)
    grouped = np.maximum.reduceat(lowest, np.arange(0, len(v), each), axis=0)
    return np.where(np.isneginf(grouped), np.nan, grouped)


def _even(t_s: Floats, v: Floats) -> Floats:
    """Columns of equal width: each takes the value at its middle."""
    columns = v.shape[1]
    if columns < 2 or np.allclose(np.diff(t_s), (t_s[-1] - t_s[0]) / columns, rtol=0.02, atol=1.5e-3):
        return v
    middles = t_s[0] + (np.arange(columns) + 0.5) * (t_s[-1] - t_s[0]) / columns
    return v[:, np.clip(np.searchsorted(t_s, middles, side="right") - 1, 0, columns - 1)]
