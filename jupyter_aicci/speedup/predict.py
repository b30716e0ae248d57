"""Speed-up at sizes that were not run, with an interval, or the reason why nobody can say.

In: a fit, and the place that is asked about. Out: `Forecast`, or `UserError` "no_forecast" with the next step.
A ratio is weak where each rank's batch stays, strong where the batch of all together does.
The interval holds what a measurement would show in 95 of 100 cases: the fit's own doubt, and the error of the step time
that would be measured.
Rule 1: without a run over several nodes nothing is said of more nodes: one node says nothing about the network.
Rule 2: a forecast is an estimate and says so. Pure; imports model and this room only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.speedup.fit import GROWTHS, Fitted, Sample
from jupyter_aicci.speedup.model import Floats, Where, step_s, table

Kind = Literal["weak", "strong"]
QUANTILES = (0.025, 0.975)
FAR = 4  # times the most ranks that were measured: beyond, a forecast says that it reaches far
GOOD, ACCEPTABLE = 0.90, 0.80  # of the two-tier badge; below, finding F28


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is expected at one place; an estimate."""

    at: Where
    kind: Kind
    baseline: Where
    step_s: float
    ratio: float  # speed-up over the baseline per rank, 1.0 = perfect
    lo: float
    hi: float
    note: str = ""  # what to know beside it

    @property
    def samples_per_s(self) -> float:
        return self.at.ranks * self.at.batch / self.step_s

    @property
    def text(self) -> str:
        """`0.86 (0.79–0.93) at 16 ranks, estimated`"""
        return f"{self.ratio:.2f} ({self.lo:.2f}–{self.hi:.2f}) at {self.at.ranks} ranks, estimated"

    def to_json(self) -> dict[str, Any]:
        return {
            "nodes": self.at.nodes,
            "ranks": self.at.ranks,
            "batch": self.at.batch,
            "bandwidth_ratio": self.at.bandwidth_ratio,
            "kind": self.kind,
            "baseline_ranks": self.baseline.ranks,
            "baseline_nodes": self.baseline.nodes,
            "step_s": self.step_s,
            "samples_per_s": self.samples_per_s,
            "ratio": self.ratio,
            "lo": self.lo,
            "hi": self.hi,
            "tier": tier(self.ratio),
            "estimated": True,
            "note": self.note,
        }


def tier(ratio: float) -> str:
    """`good`, `acceptable` or `low`: MLPerf and cloud talks call 0.9 and 0.8 the two lines."""
    return "good" if ratio >= GOOD else "acceptable" if ratio >= ACCEPTABLE else "low"


def predict(fitted: Fitted, at: Where, *, kind: Kind = "weak", seed: int = 0) -> Forecast:
    """The forecast at a place, over the smallest size that was measured. Raises `UserError` "no_forecast"."""
    samples = fitted.samples
    baseline = baseline_of(samples, at, kind)
    _check(samples, at, baseline)
    points = table((baseline, at))
    scale = 1.0 if kind == "weak" else baseline.ranks / at.ranks
    times = step_s(fitted.best[0], points, GROWTHS[0])
    ratio = float(times[0] / times[1]) * scale
    lo, hi = np.quantile(_draws(fitted, baseline, at, seed), QUANTILES) * scale
    return Forecast(
        at=at, kind=kind, baseline=baseline, step_s=float(times[1]), ratio=ratio,
        lo=min(float(lo), ratio), hi=max(float(hi), ratio), note=_note(samples, at),
    )  # fmt: skip


def baseline_of(samples: tuple[Sample, ...], at: Where, kind: Kind) -> Where:
    """The fewest ranks that were measured: with each rank's batch as it is asked about, or with the batch of all together."""
    least = min((sample.at for sample in samples), key=lambda one: (one.ranks, one.nodes))
    batch = at.batch if kind == "weak" else at.batch * at.ranks / least.ranks
    return replace(least, batch=batch, bandwidth_ratio=1.0)


def _draws(fitted: Fitted, baseline: Where, at: Where, seed: int) -> Floats:
    """Ratios of step times as they might be measured."""
    points = table((baseline, at))
    times = [step_s(rows, points, growth) for rows, growth in zip(fitted.draws, GROWTHS, strict=True)]
    ratios = np.concatenate([rows[:, 0] / rows[:, 1] for rows in times])
    errors = np.random.default_rng(seed).normal(0.0, fitted.spread, size=len(ratios))
    drawn: Floats = ratios * np.exp(errors)
    return drawn


def refusal(samples: tuple[Sample, ...]) -> str:
    """Why nothing can be said of more nodes, "" where something can."""
    if not samples:
        return "no run of this program has been measured"
    if not any(sample.at.nodes > 1 for sample in samples):
        return "it was measured on one node only, which says nothing about the network between nodes"
    if len({(sample.at.nodes, sample.at.ranks) for sample in samples}) < 2:
        return "it was measured at one size only"
    return ""


def refuse(samples: tuple[Sample, ...]) -> None:
    """Raise `UserError` "no_forecast" where nothing can be said of more nodes."""
    _raise(refusal(samples))


def _check(samples: tuple[Sample, ...], at: Where, baseline: Where) -> None:
    reason = refusal(samples)
    batches = {sample.at.batch for sample in samples}
    asked = {at.batch, baseline.batch}
    if not reason and len(batches) == 1 and asked != batches:
        reason = (
            f"it was measured with a batch of {next(iter(batches)):g} only, and is asked about {max(asked - batches):g}"
        )
    _raise(reason)


def _raise(reason: str) -> None:
    if reason:
        raise UserError(
            "no_forecast", f"no speed-up is forecast: {reason}.",
            hint="Run it with --probe on a shape and a cluster with room for two nodes, or once on 1 and once on 2 nodes.",
        )  # fmt: skip


def _note(samples: tuple[Sample, ...], at: Where) -> str:
    sizes = {(one.at.nodes, one.at.ranks) for one in samples if one.at.nodes > 1}
    most = max(sample.at.ranks for sample in samples)
    notes = [] if len(sizes) > 1 else ["from one size over nodes; a second one halves the error"]
    notes += [f"{at.ranks / most:g} times the largest size that was measured"] if at.ranks > FAR * most else []
    return "; ".join(notes)
