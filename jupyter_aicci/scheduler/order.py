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
GITTINS_SIZES = 256  # of a longer history as many quantiles

# The default's numbers were chosen on virtual clusters of the Philly trace at loads of 0.8 to 2, other ones than those that
# figures are given on. There steps of 4 to 16, and first levels of a third of an hour to an hour, do equally well.
SMALL_S = 3600.0  # unit-seconds: one accelerator for an hour
LEVEL_ENDS = SMALL_S * 10.0 ** np.arange(8)  # the last is 400 years of one accelerator
SLACK_S = 1e-3  # far more than moments are rounded by, far less than matters


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


def _had(rows: np.ndarray) -> Floats:
    """Unit-seconds that each run has had, with what a moment may be rounded by: so a level that is reached is reached."""
    had: Floats = rows["attained_s"] + SLACK_S * rows["units"]
    return had


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
    level = _las_level(rows)
    entered_at = np.ceil(
        np.choose(level, (0.0, *LAS_LIMITS)) / units
    )  # seconds on its units at which it entered the level
    waits = _waits(rows)
    ran_here = each > entered_at + 1e-6
    runs_since = np.where(ran_here, np.maximum(rows["started_s"], now_s - (each - entered_at)), now_s)
    came = np.where(waits, rows["wait_since_s"], runs_since)
    group = np.where(ran_here, np.where(waits, 1, 0), 2)  # who comes to a level now, running or not, stands last in it
    return rows["turn"], np.where(group == 1, -came, came), group, level


def _las_level(rows: np.ndarray) -> Ints:
    return np.searchsorted(np.array(LAS_LIMITS), rows["attained_s"], side="right")


def _las_changes(rows: np.ndarray, now_s: float, history: History) -> Floats:
    level = _las_level(rows)
    limit = np.choose(level, (*LAS_LIMITS, np.inf))
    at = np.ceil(limit / rows["units"]) - rows["attained_s"] / rows["units"]
    return now_s + np.where(np.isfinite(at), at, np.inf)


# ---- Gittins index ----


def _gittins(rows: np.ndarray, now_s: float, history: History) -> Key:
    """The highest chance of ending per unit-second to come stands first."""
    sizes, index = _gittins_table(history.sizes)
    return _waits(rows), -index[np.searchsorted(sizes, _had(rows), side="right")]


def gittins_index(sizes: Floats, attained: Floats) -> Floats:
    """max over q > a of P(size <= q | size > a) / E[min(size, q) - a | size > a], per run, from ended runs' sizes (ascending).

    `a` is what the run has had, down to the last size on which another ended; a run that has had more than any that ended has
    index 0. Of a long history GITTINS_SIZES quantiles count. O(n log m) for n runs.
    """
    known, index = _gittins_table(sizes)
    found: Floats = index[np.searchsorted(known, attained, side="right")]
    return found


def _gittins_table(sizes: Floats) -> tuple[Floats, Floats]:
    """The distinct sizes, and the index of a run that has had none of them, the first, ..., all of them."""
    if len(sizes) > GITTINS_SIZES:
        sizes = np.asarray(sizes)[np.linspace(0, len(sizes) - 1, GITTINS_SIZES).astype(np.int64)]
    known, counts = np.unique(sizes, return_counts=True)
    had = np.concatenate([[0.0], known])
    left = len(sizes) - np.concatenate([[0], np.cumsum(counts)])  # runs that took longer than each
    spent = np.concatenate([[0.0], np.cumsum(left[:-1] * np.diff(had))])  # unit-seconds of all up to each
    # Row: what a run has had; column: up to where it is tried. Chance and cost are both per run of those left.
    ended, cost = left[:, None] - left[None, :], spent[None, :] - spent[:, None]
    ratio = np.divide(ended, cost, out=np.zeros(cost.shape), where=cost > 0)
    return known, ratio.max(axis=1)


def _gittins_changes(rows: np.ndarray, now_s: float, history: History) -> Floats:
    known, _ = _gittins_table(history.sizes)
    next_size = np.append(known, np.inf)[np.searchsorted(known, _had(rows), side="right")]
    changes: Floats = now_s + (next_size - rows["attained_s"]) / rows["units"]
    return changes


# ---- the default ----


def _balanced(rows: np.ndarray, now_s: float, history: History) -> Key:
    """Half of what there is goes to the runs that were submitted first, half to those that need least.

    Both lines hold all rows; a row's place is the number of units that stand before it in the one or the other, whichever is
    less. So before a run stand at most twice the units that were submitted before it, and the gang that crosses that mark:
    whoever comes later adds nothing, and nobody starves. No clock and no share of a cluster is in it.
    """
    oldest = np.lexsort((np.arange(len(rows)), rows["submitted_s"]))
    need = 2 * _need(rows) + _waits(rows)  # of equals, whoever holds nodes keeps them
    least = oldest[np.argsort(need[oldest].astype(np.int16), kind="stable")]
    return (np.minimum(_units_before(rows, oldest), _units_before(rows, least)),)


def _units_before(rows: np.ndarray, line: Ints) -> Ints:
    units = rows["units"][line]
    before = np.empty(len(rows), dtype=np.int64)
    before[line] = np.cumsum(units) - units
    return before


def _need(rows: np.ndarray) -> Ints:
    """The service that each run is thought to need yet, as a power of two of SMALL_S.

    A run of which something is known, by its owner's history or its limit, needs that. Any other will need as much again as the
    end of the level that it is in: up to SMALL_S, then tenfold each.
    """
    known_s = _known_s(rows)
    known = np.log2(np.maximum(np.where(np.isfinite(known_s), known_s, 0.0) * rows["units"] / SMALL_S, 1.0))
    unknown = np.log2(10.0) * _level(rows)
    need: Ints = np.where(np.isfinite(known_s), np.floor(known), np.rint(unknown)).astype(np.int64)
    return need


def _known_s(rows: np.ndarray) -> Floats:
    """How long each run still takes as far as anybody knows, inf = nobody does. What was expected is over when it has passed."""
    expected_s = rows["expected_s"]
    return np.where(expected_s > 0, np.minimum(expected_s, rows["limit_s"]), rows["limit_s"])


def _level(rows: np.ndarray) -> Ints:
    """0 up to SMALL_S of service, then one more for each tenfold."""
    return np.searchsorted(LEVEL_ENDS, _had(rows), side="right")


def _balanced_changes(rows: np.ndarray, now_s: float, history: History) -> Floats:
    """Running rows of which nothing is known fall a level. Whoever comes nearer to a known end only moves forward, and holds
    its nodes already; what was expected may pass."""
    end = np.append(LEVEL_ENDS, np.inf)[_level(rows)]
    falls_s = (end - rows["attained_s"]) / rows["units"]
    expected_s = rows["expected_s"]
    passes_s = np.where(expected_s > 0, expected_s, np.inf)
    return now_s + np.where(np.isfinite(_known_s(rows)), passes_s, falls_s)


ORDERS: dict[str, Callable[[np.ndarray, float, History], Key]] = {
    "fifo": _fifo,
    "sjf": _shortest,
    "srtf": _shortest,
    "srsf": _smallest,
    "las": _las,
    "gittins": _gittins,
    "balanced": _balanced,
}
CHANGES: dict[str, Callable[[np.ndarray, float, History], Floats]] = {
    "las": _las_changes,
    "gittins": _gittins_changes,
    "balanced": _balanced_changes,
}
