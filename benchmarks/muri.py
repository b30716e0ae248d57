"""Muri's table: mean JCT by policy on every Muri trace in `traces/muri`, beside what was published of it.

64 accelerators on 8 hosts and the restart costs of Muri's simulator, as in figures 9 and 10 of the paper (SIGCOMM 2022). SRTF, SRSF
and Tiresias-L (here `las`) are published; EASY and the default are not. EASY is told exact run times, the default none; in the row
"with limits" it is told what people might have typed: the run time times a factor between 1 and 3, drawn from a seed.
"""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import report

from jupyter_aicci.scheduler.policies import DEFAULT_POLICY
from jupyter_aicci.traces.replay import Options, replay_trace
from jupyter_aicci.traces.trace import Trace, parse_trace

FOLDER = Path(__file__).resolve().parent / "traces" / "muri"
PUBLISHED = {"srtf": "SRTF", "srsf": "SRSF", "las": "Tiresias-L"}
POLICIES = (*PUBLISHED, "easy", DEFAULT_POLICY)
LIMITED = f"{DEFAULT_POLICY}, with limits"
SEED, LEAST, MOST = 42, 1.0, 3.0  # of the factor between a run's time and its limit


def main() -> None:
    published = published_s()
    figures: dict[str, Any] = {}
    for path in sorted(FOLDER.glob("trace*.csv")):
        trace = parse_trace(path.read_text(), "muri", path.name)
        rows = {policy: played(trace, policy) for policy in POLICIES}
        rows[LIMITED] = played(limited(trace), DEFAULT_POLICY)
        for policy, name in PUBLISHED.items():
            value = published.get(name, {}).get(path.stem)
            if value is not None:
                rows[policy] |= {"published_avg_jct_s": value, "of_published": rows[policy]["avg_jct_s"] / value}
        for row in (DEFAULT_POLICY, LIMITED):
            rows[row] |= {
                "of_las": rows[row]["avg_jct_s"] / rows["las"]["avg_jct_s"],
                "of_srsf": rows[row]["avg_jct_s"] / rows["srsf"]["avg_jct_s"],
                "p99_of_easy": rows[row]["p99_jct_s"] / rows["easy"]["p99_jct_s"],
            }
        figures[path.stem] = rows
        show(path.stem, len(trace), rows)
    report("muri", figures)


def published_s() -> dict[str, dict[str, float]]:
    """The paper's mean JCT by policy and trace."""
    with (FOLDER / "published_avg_jct_s.csv").open(newline="") as file:
        return {row.pop("policy"): {name: float(text) for name, text in row.items()} for row in csv.DictReader(file)}


def limited(trace: Trace) -> Trace:
    """The trace with a limit on every job."""
    factors = np.random.default_rng(SEED).uniform(LEAST, MOST, size=len(trace))
    return replace(trace, limit_ns=(trace.work_ns * factors).astype(np.int64))


def played(trace: Trace, policy: str) -> dict[str, Any]:
    began_s = time.perf_counter()
    numbers = replay_trace(trace, Options(policy=policy, nodes=8, gpus=8, restart_costs="muri", forecasts=0)).summary
    kept = ("avg_jct_s", "p99_jct_s", "makespan_s")
    return {name: numbers[name] for name in kept} | {"took_s": round(time.perf_counter() - began_s, 2)}


def show(name: str, jobs: int, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{name}, {jobs:,} jobs")
    print(
        f"  {'policy':<24}{'mean JCT s':>14}{'published':>14}{'ratio':>9}{'p99 s':>14}{'makespan s':>14}{'took s':>8}"
    )
    for policy, row in rows.items():
        told = row.get("published_avg_jct_s")
        beside = f"{told:>14,.0f}{row['of_published']:>9.5f}" if told else f"{'':>23}"
        print(
            f"  {policy:<24}{row['avg_jct_s']:>14,.0f}{beside}{row['p99_jct_s']:>14,.0f}{row['makespan_s']:>14,.0f}"
            f"{row['took_s']:>8.1f}"
        )
    for policy in (DEFAULT_POLICY, LIMITED):
        row = rows[policy]
        print(
            f"  {policy}: {row['of_las']:.2f} of Tiresias-L, {row['of_srsf']:.2f} of SRSF; "
            f"p99 {row['p99_of_easy']:.2f} of EASY's",
            flush=True,
        )


if __name__ == "__main__":
    main()
