"""In which order runs have a right to what there is: each policy as a key on the columns of the runs.

In: rows of runs (`runs.ROW`: those that hold nodes, then those that wait), the moment, what ended runs teach. Out: row numbers,
best first. Ties go to the run that was submitted first, then to the lower row; rows stand in the order of run ids.
Rule 1: pure and vectorised; no row is looked at by itself.
Rule 2: among equals a run that holds nodes stands before one that waits, so that equals never take turns.
Sources: SRTF, SRSF as in Muri (SIGCOMM 2022); 2D-LAS in three levels, Tiresias-L (NSDI 2019) as Muri's simulator has it;
Gittins index on unit-seconds, Gittins 1979, as Tiresias-G.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Key = tuple[np.ndarray, ...]  # the least significant first, as np.lexsort takes them

LAS_LIMITS = (3250.0, 7200.0)  # unit-seconds: where Tiresias-L moves a run to its second and third level


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """What runs that have ended teach: the unit-seconds that each took, ascending."""

    sizes: Floats = field(default_factory=lambda: np.zeros(0))


def ranked(order: str, rows: np.ndarray, now_s: float, history: History) -> Ints:
    """The rows, best first."""
    if len(rows) < 2:
        return np.arange(len(rows))
    key = ORDERS[order](rows, now_s, history)
    return np.lexsort((np.arange(len(rows)), rows["submitted_s"], *key))


def next_change_s(order: str, rows: np.ndarray, now_s: float, history: History) -> float:
    """When the order of these running rows changes without anything happening; inf = never."""
    if order not in CHANGES or not len(rows):
        return np.inf
    return float(CHANGES[order](rows, now_s, history).min(initial=np.inf))


def _waits(rows: np.ndarray) -> np.ndarray:
    waits: np.ndarray = np.isnan(rows["started_s"])
    return waits


def _fifo(rows: np.ndarray, now_s: float, history: History) -> Key:
    return ()


def _shortest(rows: np.ndarray, now_s: float, history: History) -> Key:
    return (_known(rows),)


def _smallest(rows: np.ndarray, now_s: float, history: History) -> Key:
    return (_known(rows) * rows["units"],)


def _known(rows: np.ndarray) -> Floats:
    """How long each run still takes: as is expected, else as long as it may; a run without both stands last."""
    return np.where(rows["expected_s"] >= 0, rows["expected_s"], rows["limit_s"])


# ---- least attained service, Tiresias-L ----


def _las(rows: np.ndarray, now_s: float, history: History) -> Key:
    """Three levels by attained service. In a level who runs stands first, by when it came to run there; behind them those that ran
    there, who stopped last first; then those that never did, in the order in which they came."""
    each, units = rows["attained_s"] / rows["units"], rows["units"]
    level = sum((rows["attained_s"] >= limit).astype(np.int64) for limit in LAS_LIMITS)
    entered_at = np.ceil(
        np.choose(level, (0.0, *LAS_LIMITS)) / units
    )  # seconds on its units at which it entered the level
    waits = _waits(rows)
    ran_here = each > entered_at + 1e-6
    runs_since = np.where(ran_here, np.maximum(rows["started_s"], now_s - (each - entered_at)), now_s)
    came = np.where(waits, rows["wait_since_s"], runs_since)
    group = np.where(ran_here, np.where(waits, 1, 0), 2)  # who comes to a level now, running or not, stands last in it
    return rows["turn"], np.where(group == 1, -came, came), group, level


def _las_changes(rows: np.ndarray, now_s: float, history: History) -> Floats:
    level = sum((rows["attained_s"] >= limit).astype(np.int64) for limit in LAS_LIMITS)
    limit = np.choose(level, (*LAS_LIMITS, np.inf))
    at = np.ceil(limit / rows["units"]) - rows["attained_s"] / rows["units"]
    return now_s + np.where(np.isfinite(at), at, np.inf)


# ---- Gittins index ----


def _gittins(rows: np.ndarray, now_s: float, history: History) -> Key:
    """The highest chance of ending per unit-second to come stands first."""
    index = gittins_index(history.sizes, rows["attained_s"])
    return _waits(rows), -index


def gittins_index(sizes: Floats, attained: Floats) -> Floats:
    """max over q > a of P(size <= q | size > a) / E[min(size, q) - a | size > a], per run, from ended runs' sizes (ascending).

    A run that has had more than any that ended has index 0. O((n + m) log n) by the upper hull of the distribution.
    """
    index = np.zeros(len(attained))
    if not len(sizes):
        return index
    total = np.concatenate([[0.0], np.cumsum(sizes)])
    for row, had in enumerate(np.unique(attained)):
        first = int(np.searchsorted(sizes, had, side="right"))
        left = sizes[first:]
        if len(left):
            ended = np.arange(1, len(left) + 1)
            cost = total[first + ended] - total[first] - ended * had + (len(left) - ended) * (left - had)
            index[attained == had] = (ended / np.maximum(cost, 1e-9)).max()
    return index


ORDERS: dict[str, Callable[[np.ndarray, float, History], Key]] = {
    "fifo": _fifo,
    "sjf": _shortest,
    "srtf": _shortest,
    "srsf": _smallest,
    "las": _las,
    "gittins": _gittins,
}
CHANGES: dict[str, Callable[[np.ndarray, float, History], Floats]] = {"las": _las_changes}
