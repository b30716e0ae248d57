"""What came out of a replay, in a dozen numbers.

In: the trace, `Played`, how many accelerators there were, forecasts that were asked. Out: the object that
`aicci replay --json` prints. Definitions, the same as in docs/reference/traces.md:

- JCT of a job: end - submission. p99 is `sorted[int(0.99 n)]`, as Muri counts it. Makespan: the last end, since zero.
- Wait: JCT less the time in which it ran; for a job that was never preempted, start - submission.
- Utilisation: accelerator-seconds of work done / (accelerators x makespan). What restarts cost is no work.
- Allocation: accelerators held / accelerators, mean over the time in which a run waited (over all, if none did).
- Fragmentation: stranded accelerators (`use`) / accelerators, mean over the same time.
- Forecast, over jobs that were asked about, waited, and were told a start: |told - real| / real wait; and the share of
  promised latest starts that were kept, over jobs that were not preempted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jupyter_aicci.model.text import duration
from jupyter_aicci.traces.gangs import Gangs
from jupyter_aicci.traces.openb import Filled
from jupyter_aicci.traces.simulate import Played
from jupyter_aicci.traces.table import NS, Ints
from jupyter_aicci.traces.trace import Trace
from jupyter_aicci.traces.use import Use

JCTS = (("mean", "avg"), ("median", "median"), ("p99", "p99"))
ROUNDING_NS = 1_000  # moments of the scheduler are seconds as floats; a promise is not broken by a microsecond


def summary(trace: Trace, gangs: Gangs, played: Played, *, work_ns: Ints, accelerators: int) -> dict[str, Any]:
    """The numbers by name; seconds, and ratios of 1."""
    jct_ns = played.end_ns - trace.submit_ns
    makespan_ns = int(played.end_ns.max())
    use = played.use
    return {
        "jobs": len(trace),
        "avg_jct_s": _mean_s(jct_ns),
        "median_jct_s": float(np.median(jct_ns)) / NS,
        "p99_jct_s": p99(jct_ns) / NS,
        "makespan_s": makespan_ns / NS,
        "avg_wait_s": _mean_s(wait_ns(trace, played)),
        "utilisation": _ratio(_done(gangs, work_ns), accelerators * makespan_ns),
        "allocation_ratio": use.mean(use.held, contended=True) / accelerators,
        "fragmentation_ratio": use.mean(use.stranded, contended=True) / accelerators,
        "forecast": forecast_summary(trace, played),
    }


def filled_summary(filled: Filled) -> dict[str, Any]:
    """The same names for a cluster that was filled without a clock: what needs one is null."""
    timed = ("avg_jct_s", "median_jct_s", "p99_jct_s", "makespan_s", "avg_wait_s")
    return {
        "jobs": filled.pods,
        **dict.fromkeys(timed),
        "utilisation": filled.utilisation,
        "allocation_ratio": filled.allocation_ratio,
        "fragmentation_ratio": filled.fragmentation_ratio,
        "forecast": dict.fromkeys(("median_abs_error_ratio", "p90_abs_error_ratio", "bound_kept_ratio")),
    }


def wait_ns(trace: Trace, played: Played) -> Ints:
    """How long each job waited in all, after preemptions too."""
    return played.end_ns - trace.submit_ns - played.ran_ns


def p99(values: Ints) -> int:
    """The value at place int(0.99 n) of the sorted ones."""
    return int(np.sort(values)[int(0.99 * len(values))])


def forecast_summary(trace: Trace, played: Played) -> dict[str, float | None]:
    """How good the start forecasts were; null where none could be given."""
    real_ns = played.start_ns - trace.submit_ns
    told = (played.predicted_ns >= 0) & (real_ns > 0)
    error = np.abs(played.predicted_ns - played.start_ns)[told] / np.maximum(real_ns[told], 1)
    promised = (played.bound_ns >= 0) & (played.preemptions == 0)
    kept = (played.start_ns <= played.bound_ns + ROUNDING_NS)[promised]
    return {
        "median_abs_error_ratio": float(np.median(error)) if len(error) else None,
        "p90_abs_error_ratio": float(np.quantile(error, 0.9)) if len(error) else None,
        "bound_kept_ratio": float(kept.mean()) if len(kept) else None,
    }


def _mean_s(values: Ints) -> float:
    """Exact sum first: 82,000 waits of a year would overflow as nanoseconds in 64 bits."""
    return float(sum(values.tolist()) / len(values) / NS)


def _done(gangs: Gangs, work_ns: Ints) -> int:
    return sum(units * work for units, work in zip(gangs.units.tolist(), work_ns.tolist(), strict=True))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def job_columns(trace: Trace, played: Played) -> dict[str, Any]:
    """What became of each job, by column; moments in seconds since zero."""
    return {
        "id": list(trace.ids),
        "submit_s": trace.submit_ns / NS,
        "start_s": played.start_ns / NS,
        "end_s": played.end_ns / NS,
        "wait_s": wait_ns(trace, played) / NS,
        "jct_s": (played.end_ns - trace.submit_ns) / NS,
        "preemptions": played.preemptions,
    }


def use_columns(use: Use) -> dict[str, Any]:
    """What the cluster held after each event, by column."""
    return {
        "time_s": use.time_ns / NS,
        "held": use.held,
        "waiting": use.waiting,
        "waiting_accelerators": use.waiting_units,
        "stranded": use.stranded,
    }


def facts(summary: dict[str, Any]) -> list[str]:
    """The numbers in words, a line each."""
    lines = [f"{summary['jobs']:,} jobs · policy {summary['policy']} · placement {summary['placement']}"]
    if summary["makespan_s"] is not None:
        lines += [
            "JCT: " + ", ".join(f"{name} {duration(summary[f'{key}_jct_s'])}" for name, key in JCTS),
            f"makespan {duration(summary['makespan_s'])} · mean wait {duration(summary['avg_wait_s'])}",
        ]
    held = f"held {summary['allocation_ratio']:.1%}, stranded {summary['fragmentation_ratio']:.1%}"
    lines += [f"used {summary['utilisation']:.1%}", f"while runs waited: {held}"]
    told = summary["forecast"]
    if told["median_abs_error_ratio"] is not None:
        half, most = told["median_abs_error_ratio"], told["p90_abs_error_ratio"]
        lines.append(f"start forecasts: half within {half:.1%} of the wait, nine of ten within {most:.1%}")
    if told["bound_kept_ratio"] is not None:
        lines.append(f"latest starts kept: {told['bound_kept_ratio']:.1%}")
    return lines
