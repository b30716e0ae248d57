"""Outcomes as a table of Markdown and as a file of JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from injected.runner import Outcome

HEAD = "| fault | seed | expected | found, the costliest first | its text |\n|---|---|---|---|---|"


def line(outcome: Outcome) -> str:
    """`| slow rank | 3 | F04 | F04 | Rank 1 was … |`"""
    ids = " ".join(outcome.ids) or "–"
    mark = "" if outcome.right else " not run" if outcome.unavailable else " ✗"
    text = outcome.unavailable or outcome.problem or (outcome.found[0]["text"] if outcome.found else "")
    return f"| {outcome.case.name} | {outcome.seed} | {outcome.case.expects or '–'} | {ids}{mark} | {text} |"


def table(outcomes: Sequence[Outcome]) -> str:
    return "\n".join([HEAD, *map(line, outcomes)])


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many were run, and in how many what was found is right."""
    run = [outcome for outcome in outcomes if not outcome.unavailable]
    faults, healthy = [one for one in run if one.case.expects], [one for one in run if not one.case.expects]
    return {
        "faults": len(faults),
        "faults_found_first": sum(one.right for one in faults),
        "healthy": len(healthy),
        "healthy_without_finding": sum(one.right for one in healthy),
        "not_run": len(outcomes) - len(run),
    }


def save(path: Path, outcomes: Sequence[Outcome], took_s: float) -> None:
    """In the form of benchmarks/results, with each outcome beside the figures."""
    document = {
        "benchmark": "injected",
        "date": time.strftime("%Y-%m-%d"),
        "machine": _machine(),
        "figures": counts(outcomes) | {"took_s": round(took_s)},
        "outcomes": [_row(outcome) for outcome in outcomes],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "fault": outcome.case.name,
        "seed": outcome.seed,
        "expected": outcome.case.expects,
        "found": list(outcome.ids),
        "right": outcome.right,
        "took_s": outcome.took_s,
        "text": outcome.found[0]["text"] if outcome.found else "",
        "problem": outcome.unavailable or outcome.problem,
    }


def _machine() -> dict[str, Any]:
    """What gave the figures, and how busy it was."""
    cpu = next(
        (row.split(":")[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in row), ""
    )
    return {
        "cpu": cpu or platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1_5_15min": [round(load, 2) for load in os.getloadavg()],
    }
