"""The model fitted to measured step times: least squares on their logarithm, by Levenberg and Marquardt's method.

Every start, every growth and every bootstrap sample is one row of one array, so that a fit of hundreds takes a blink.
A weak prior (a factor of e^3 either way around the data's own scale) holds what few samples leave open.
The interval comes from what is not known: errors as large as the residuals are drawn again (a parametric bootstrap with a
seed), and the three forms of the growth stand side by side.
In: `Sample`s. Out: `Fitted`. Rule: pure; equal arguments give equal fits. Imports numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_aicci.speedup.model import NAMES, Floats, Growth, Table, Where, step_s, table

DRAWS = 200  # bootstrap samples of each growth
ROUNDS = 60
MOST_G = 10.0  # Pollux's own bound
PRIOR_SPREAD, PRIOR_WEIGHT = 3.0, 0.03  # of a parameter's logarithm; so weak that it decides only what no sample says
NEARNESS = 2.0  # power of a sample's share of the most nodes
STARTS = ((0.5, 0.05, 1.5), (0.5, 0.5, 1.5), (0.5, 0.05, 4.0), (0.1, 0.5, 4.0))  # c0, comm of the step; g


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measured step time."""

    at: Where
    step_s: float

    def __post_init__(self) -> None:
        if not 0 < self.step_s < float("inf"):
            raise ValueError(f"a step of {self.step_s} s: expected a time above 0")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """`best` by growth, shape (3, 7), and the draws around them, (3, draws, 7)."""

    samples: tuple[Sample, ...]
    best: Floats
    draws: Floats
    spread: float  # standard deviation of log(measured / fitted)


GROWTHS = tuple(Growth)


def fit(samples: tuple[Sample, ...], *, seed: int = 0, draws: int = DRAWS) -> Fitted:
    """The model of these samples. `ValueError` where there is none; what it may be asked is `predict`'s to judge."""
    if not samples:
        raise ValueError("no sample to fit")
    at, measured = table(tuple(sample.at for sample in samples)), np.log([sample.step_s for sample in samples])
    rng = np.random.default_rng(seed)
    best, drawn, spreads = [], [], []
    for growth in GROWTHS:
        found = _best_of(_solve(_starts(at, measured), at, measured[None, :], growth), at, measured, growth)
        residuals = measured - np.log(step_s(_natural(found), at, growth))
        freedom = max(1.0, len(samples) - min(len(samples) - 1, _open_parameters(at)))
        spread = float(np.sqrt(np.sum(residuals**2) / freedom))
        targets = np.log(step_s(_natural(found), at, growth)) + rng.normal(0.0, spread, size=(draws, len(samples)))
        moved = found + rng.normal(0.0, 0.3, size=(draws, len(NAMES)))
        best.append(found)
        drawn.append(_solve(moved, at, targets, growth))
        spreads.append(spread)
    return Fitted(
        samples=samples,
        best=_natural(np.array(best)),
        draws=_natural(np.array(drawn)),
        spread=float(np.mean(spreads)),
    )


def _open_parameters(at: Table) -> int:
    """How many parameters these samples say something about."""
    several = at.ranks > 1
    counts = (
        min(2, len(np.unique(at.batch))),
        min(2, len(np.unique(at.ranks[several & (at.nodes == 1)]))),
        min(2, len(np.unique(at.ranks[at.nodes > 1]))),
        int(bool(several.any())),
    )
    return sum(counts)


def _weight(at: Table) -> Floats:
    """Of each sample: over nodes, the most of them count most, since what is asked about lies beyond."""
    weight: Floats = np.where(at.nodes > 1, (at.nodes / at.nodes.max()) ** NEARNESS, 1.0)
    return weight


def _natural(raw: Floats) -> Floats:
    """Parameters from the unbounded numbers that are solved for."""
    out = np.exp(np.clip(raw, -40.0, 20.0))
    out[..., -1] = 1.0 + (MOST_G - 1.0) / (1.0 + np.exp(-np.clip(raw[..., -1], -30.0, 30.0)))
    return out


def _raw(parameters: Floats) -> Floats:
    raw = np.log(parameters)
    share = (parameters[..., -1] - 1.0) / (MOST_G - 1.0)
    raw[..., -1] = np.log(share / (1.0 - share))
    return raw


def _centre(at: Table, measured: Floats) -> Floats:
    """Where the prior stands: half of the shortest step is fixed, half grows with the batch; a tenth of the longest is each
    part of communication."""
    shortest, longest = float(np.exp(measured.min())), float(np.exp(measured.max()))
    parts = [shortest / 2, shortest / 2 / float(np.median(at.batch)), *[longest / 10] * 4, 2.5]
    return _raw(np.array(parts))


def _starts(at: Table, measured: Floats) -> Floats:
    shortest, longest = float(np.exp(measured.min())), float(np.exp(measured.max()))
    rows = [
        [shortest * c0, shortest * (1 - c0) / float(np.median(at.batch)), *[longest * comm] * 4, g]
        for c0, comm, g in STARTS
    ]
    return _raw(np.array(rows))


def _cost(raw: Floats, at: Table, targets: Floats, growth: Growth, centre: Floats) -> tuple[Floats, Floats]:
    """(residuals with those of the prior behind them, sum of squares) of every row."""
    off = _weight(at) * (np.log(step_s(_natural(raw), at, growth)) - targets)
    residuals = np.concatenate((off, PRIOR_WEIGHT * (raw - centre) / PRIOR_SPREAD), axis=-1)
    return residuals, np.sum(residuals**2, axis=-1)


def _solve(raw: Floats, at: Table, targets: Floats, growth: Growth) -> Floats:
    """Every row after Levenberg and Marquardt's rounds; a row's step is taken only where its cost falls."""
    targets = np.broadcast_to(targets, (len(raw), targets.shape[-1]))
    centre = _centre(at, targets[0])
    damping = np.full(len(raw), 1e-2)
    residuals, cost = _cost(raw, at, targets, growth, centre)
    for _ in range(ROUNDS):
        slope = _slope(raw, at, targets, growth, centre, residuals)
        square = np.einsum("bri,brj->bij", slope, slope)
        downhill = -np.einsum("bri,br->bi", slope, residuals)
        diagonal = np.einsum("bii->bi", square)
        damped = square + np.eye(len(NAMES)) * (damping[:, None] * (diagonal + 1e-12))[:, None, :]
        tried = raw + np.clip(np.linalg.solve(damped, downhill[..., None])[..., 0], -2.0, 2.0)
        new_residuals, new_cost = _cost(tried, at, targets, growth, centre)
        better = new_cost < cost
        raw = np.where(better[:, None], tried, raw)
        residuals = np.where(better[:, None], new_residuals, residuals)
        cost = np.where(better, new_cost, cost)
        damping = np.clip(np.where(better, damping / 3.0, damping * 4.0), 1e-9, 1e9)
    return raw


def _slope(raw: Floats, at: Table, targets: Floats, growth: Growth, centre: Floats, residuals: Floats) -> Floats:
    """Forward differences: (rows, residuals, parameters)."""
    step = 1e-5
    columns = []
    for i in range(len(NAMES)):
        moved = raw.copy()
        moved[:, i] += step
        columns.append((_cost(moved, at, targets, growth, centre)[0] - residuals) / step)
    return np.stack(columns, axis=-1)


def _best_of(rows: Floats, at: Table, measured: Floats, growth: Growth) -> Floats:
    cost = _cost(rows, at, np.broadcast_to(measured, (len(rows), len(measured))), growth, _centre(at, measured))[1]
    found: Floats = rows[int(np.argmin(cost))]
    return found
