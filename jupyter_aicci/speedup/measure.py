"""Throughput of a run in its steady state, and the speed-up between two runs, as measured.

In: step records as columns. Out: `Throughput`, `Ratio`. The step time is the median over steps after the warm-up, its
interval a bootstrap of that median with a seed; what a run needs before its first step is not in it.
Rule 1: fewer than `STEADY` steps after the warm-up is said, fewer than `FEWEST` is no measurement.
Rule 2: a ratio names its kind, its batches and its baseline. Where the batch is not known, steps are compared, and it says so.
Pure; numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from jupyter_aicci.speedup.model import Floats

WARM_UP, STEADY, FEWEST = 10, 50, 5  # steps
DRAWS = 1_000
MOST = 100_000  # steps that are looked at, the latest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Records:
    """Step records of all ranks: `count` steps up to number `step`, `duration_s` of them together."""

    rank: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    duration_s: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How fast a run was."""

    nodes: int
    ranks: int
    steps: int  # that it was measured over
    step_s: float
    lo_s: float
    hi_s: float
    batch: float = 0.0  # samples a rank and step; 0 = not known
    startup_s: float = 0.0  # from its nodes to its first step, for all to see and in no ratio

    @property
    def steady(self) -> bool:
        return self.steps >= STEADY

    @property
    def per_s(self) -> float:
        """Samples a second of all ranks; steps a second where the batch is not known."""
        return (self.batch * self.ranks or 1.0) / self.step_s

    @property
    def unit(self) -> str:
        return "samples/s" if self.batch else "steps/s"

    def to_json(self) -> dict[str, Any]:
        return {
            "nodes": self.nodes,
            "ranks": self.ranks,
            "steps": self.steps,
            "step_s": self.step_s,
            "lo_s": self.lo_s,
            "hi_s": self.hi_s,
            "batch": self.batch or None,
            "startup_s": self.startup_s,
            "steady": self.steady,
            "per_s": self.per_s,
            "unit": self.unit,
        }


def throughput_from_json(data: dict[str, Any]) -> Throughput:
    """The throughput that `Throughput.to_json` wrote."""
    return Throughput(
        nodes=data["nodes"], ranks=data["ranks"], steps=data["steps"], step_s=data["step_s"], lo_s=data["lo_s"],
        hi_s=data["hi_s"], batch=data["batch"] or 0.0, startup_s=data["startup_s"],
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Speed-up per rank of a run over a smaller one: 1.0 = every rank is as fast as there."""

    kind: Literal["weak", "strong", "steps"]  # "steps": the batch is not known, each rank's is taken to be the same
    ratio: float
    lo: float
    hi: float
    run: Throughput
    baseline: Throughput

    @property
    def text(self) -> str:
        """`0.91 (0.88–0.93), weak, batch 32 a rank on 16 ranks against 32 on 1`"""
        head = f"{self.ratio:.2f} ({self.lo:.2f}–{self.hi:.2f})"
        if self.kind == "steps":
            return f"{head}, by steps, batch not known, {self.run.ranks} ranks against {self.baseline.ranks}"
        batches = f"batch {self.run.batch:g} a rank on {self.run.ranks} ranks against {self.baseline.batch:g}"
        return f"{head}, {self.kind}, {batches} on {self.baseline.ranks}"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "ratio": self.ratio,
            "lo": self.lo,
            "hi": self.hi,
            "ranks": self.run.ranks,
            "batch": self.run.batch or None,
            "baseline_ranks": self.baseline.ranks,
            "baseline_nodes": self.baseline.nodes,
            "baseline_batch": self.baseline.batch or None,
            "text": self.text,
        }


def throughput(
    records: Records, *, nodes: int, ranks: int, batch: float = 0.0, startup_s: float = 0.0, seed: int = 0
) -> Throughput | None:
    """What these records say; None where there are fewer than `FEWEST` steps after the warm-up."""
    times = step_times(records)
    if len(times) < FEWEST:
        return None
    lo, hi = _interval(times, seed)
    return Throughput(
        nodes=nodes, ranks=ranks, steps=len(times), step_s=float(np.median(times)), lo_s=lo, hi_s=hi, batch=batch,
        startup_s=startup_s,
    )  # fmt: skip


def step_times(records: Records) -> Floats:
    """Seconds of each step after the warm-up, in order; of a step that several ranks did, their mean."""
    count = np.maximum(records.count, 1)
    last = records.step
    first = int(last.min() - count[np.argmin(last)] + 1) if len(last) else 0
    keep = (last - count + 1 >= first + WARM_UP) & (last >= last.max(initial=0) - MOST)
    last, count, each = last[keep], count[keep], records.duration_s[keep] / count[keep]
    behind = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)  # 0, 1, … within each record
    numbers, at = np.unique(np.repeat(last, count) - behind, return_inverse=True)
    total = np.bincount(at, weights=np.repeat(each, count), minlength=len(numbers))
    times: Floats = total / np.maximum(np.bincount(at, minlength=len(numbers)), 1)
    return times


def speed_up(run: Throughput, baseline: Throughput) -> Ratio:
    """Measured speed-up per rank. Weak where each rank's batch is the same, strong where that of all together is; other
    batches are compared by samples a second, as weak."""
    scale = baseline.ranks / run.ranks
    if run.batch and baseline.batch:
        strong = run.batch != baseline.batch and abs(run.batch / baseline.batch - scale) < 0.01 * scale
        gain, kind = run.batch / baseline.batch, "strong" if strong else "weak"
    else:
        gain, kind = 1.0, "steps"
    return Ratio(
        kind=kind,  # type: ignore[arg-type]
        ratio=gain * baseline.step_s / run.step_s,
        lo=gain * baseline.lo_s / run.hi_s,
        hi=gain * baseline.hi_s / run.lo_s,
        run=run,
        baseline=baseline,
    )


def _interval(times: Floats, seed: int) -> tuple[float, float]:
    """95 % of the median's bootstrap. A run of many steps is drawn from 2,000 of them, evenly chosen."""
    some = times[:: -(-len(times) // 2_000)]
    drawn = np.random.default_rng(seed).integers(0, len(some), size=(DRAWS, len(some)))
    shrink = np.sqrt(len(some) / len(times))  # fewer were drawn than there are
    middle, medians = float(np.median(times)), np.median(some[drawn], axis=1)
    lo, hi = np.quantile(medians, (0.025, 0.975))
    return min(middle, middle + (float(lo) - middle) * shrink), max(middle, middle + (float(hi) - middle) * shrink)
