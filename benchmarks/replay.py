"""How good start forecasts are: Philly, each virtual cluster by itself, under conservative backfill.

A virtual cluster is a partition of its own in the real clusters, so each is played alone, on as many hosts of 8 as make its
offered load 0.9 (never fewer than its largest gang needs). Those with fewer than 100 jobs are left out; of the large ones the
first 2,000 jobs are played. At most 100 jobs of each are asked about, evenly, at the moment of their submission; what is
counted is |told start - real start| / real wait over those that waited, and how many of the promised latest starts were kept.

exact: limits are the run times. loose: limits are 1 to 3 times the run time (drawn from seed 7), which is what backfill goes by
and promises are made of; the forecast expects the run time, as a history of the same program would have it.
Nothing was chosen by looking at the figures.
"""

from __future__ import annotations

import gzip
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, report

from jupyter_aicci.traces.replay import Options, Replay, replay_trace
from jupyter_aicci.traces.trace import Trace, parse_trace

PHILLY = Path(__file__).resolve().parent / "traces" / "philly" / "philly.csv.gz"
GPUS, LOAD, SEED = 8, 0.9, 7
FEWEST_JOBS, MOST_JOBS, ASKED = 100, 2_000, 100


def main() -> None:
    """Both kinds of limits, pooled and by virtual cluster."""
    arguments()
    trace = parse_trace(gzip.decompress(PHILLY.read_bytes()).decode(), "philly", PHILLY.name)
    figures: dict[str, Any] = {}
    for kind in ("exact", "loose"):
        began_s, errors, kept = time.monotonic(), [], []
        for name, part in virtual_clusters(trace):
            played = replay_trace(
                part if kind == "exact" else with_limits(part),
                Options(policy="conservative", nodes=hosts_of(part), gpus=GPUS, forecasts=ASKED),
            )
            wrong, held = told(played)
            errors.append(wrong)
            kept.append(held)
            figures[f"{kind}_{name}"] = {
                "jobs": len(part), "hosts": hosts_of(part), "waited": len(wrong),
                "median_abs_error_ratio": rounded(wrong, 0.5), "p90_abs_error_ratio": rounded(wrong, 0.9),
                "bound_kept_ratio": float(held.mean()),
            }  # fmt: skip
            print(kind, name, figures[f"{kind}_{name}"], flush=True)
        figures[f"{kind}_all"] = {
            "asked": sum(map(len, kept)), "waited": sum(map(len, errors)),
            "median_abs_error_ratio": rounded(np.concatenate(errors), 0.5),
            "p90_abs_error_ratio": rounded(np.concatenate(errors), 0.9),
            "bound_kept_ratio": float(np.concatenate(kept).mean()),
            "took_s": round(time.monotonic() - began_s, 1),
        }  # fmt: skip
    report("replay", figures)


def virtual_clusters(trace: Trace) -> Iterator[tuple[str, Trace]]:
    """Name and jobs of each, the fewest first."""
    for name in sorted(set(trace.queue), key=lambda name: (trace.queue.count(name), name)):
        part = trace.of_queue(name)
        if len(part) >= FEWEST_JOBS:
            yield name, part.only(np.arange(min(len(part), MOST_JOBS)))


def hosts_of(part: Trace) -> int:
    """Hosts that make the offered load 0.9."""
    span_ns = int(part.submit_ns.max()) or 1
    busy: float = sum(
        gpus * work / span_ns for gpus, work in zip(part.gpus.tolist(), part.work_ns.tolist(), strict=True)
    )
    largest = int(part.gpus.max())
    return max(math.ceil(busy / GPUS / LOAD), -(-largest // GPUS))


def with_limits(part: Trace) -> Trace:
    """The same jobs with limits of 1 to 3 times their run time."""
    factors = np.random.default_rng(SEED).uniform(1.0, 3.0, len(part))
    return replace(part, limit_ns=np.maximum((part.work_ns * factors).astype(np.int64), 1))


def told(played: Replay) -> tuple[np.ndarray, np.ndarray]:
    """(error ratios of those that waited, whether each promise was kept)"""
    result, submit_ns = played.played, played.trace.submit_ns
    wait_ns = result.start_ns - submit_ns
    waited = (result.predicted_ns >= 0) & (wait_ns > 0)
    promised = result.bound_ns >= 0
    errors = np.abs(result.predicted_ns - result.start_ns)[waited] / wait_ns[waited]
    return errors, (result.start_ns <= result.bound_ns + 1_000)[promised]


def rounded(values: np.ndarray, ratio: float) -> float | None:
    return round(float(np.quantile(values, ratio)), 4) if len(values) else None


if __name__ == "__main__":
    main()
