"""How the cost of a decision grows: with the hosts at a fixed line, and with the line at a fixed cluster.

Prints the exponent of each (the slope of log time over log size, by least squares, for sizes where the part that grows is seen) and
draws docs/images/scheduler-growth.png. Medians of repeated calls; O(n log n) has an exponent of 1.1 between 1,000 and 32,000.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import arguments, report
from matplotlib.figure import Figure
from scheduler_world import NOW_NS, QUEUES, SHAPES, cluster, filled, full, gang, requests

from jupyter_aicci.scheduler import decide, outlook
from jupyter_aicci.scheduler.fit import fit

HOSTS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
LINES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
CLUSTER = 10_000  # hosts, where the line grows
GANG_OF = 20  # a gang has a twentieth of the hosts
IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "scheduler-growth.png"
Curve = dict[int, float]


def main() -> None:
    repeats = max(3, arguments().launches // 4)
    by_hosts, by_line = growth_by_hosts(repeats), growth_by_line(max(3, repeats // 2))
    figures: dict[str, Any] = {}
    for over, curves in (("hosts", by_hosts), ("line", by_line)):
        for name, curve in curves.items():
            figures[f"{name}, exponent over {over}"] = round(exponent(curve), 2)
            figures[f"{name}, ms by {over}"] = {size: round(took_s * 1e3, 3) for size, took_s in curve.items()}
    draw(by_hosts, by_line)
    report("scheduler_growth", figures)


def growth_by_hosts(repeats: int) -> dict[str, Curve]:
    """Seconds by hosts: clusters half full of gangs of ten nodes at most, a gang of a twentieth of all hosts is placed."""
    curves: dict[str, Curve] = {
        "placement kernel": {},
        "decide, one gang": {},
        "decide, 100 runs": {},
        "forecast, 100 wait": {},
    }
    for count in HOSTS:
        empty = cluster(count)
        half, held = filled(empty, count // 2)
        taken, holding = full(empty)
        one = held.submitted(gang(1, count // GANG_OF))
        many, line = held.submitted(*requests(100)), holding.submitted(*requests(100, nodes=(1, 2, 4, 8)))
        acts: tuple[Callable[[], object], ...] = (
            partial(fit, empty.fabric.tree, half.free.room(SHAPES[-1]), count // GANG_OF),
            partial(decide, half, QUEUES, one, NOW_NS),
            partial(decide, half, QUEUES, many, NOW_NS),
            partial(outlook, taken, QUEUES, line, NOW_NS),
        )
        for name, act in zip(curves, acts, strict=True):
            curves[name][count] = timed_s(act, repeats)
        print(
            f"  {count:>6} hosts  "
            + "  ".join(f"{name} {curve[count] * 1e3:.2f} ms" for name, curve in curves.items()),
            flush=True,
        )
    return curves


def growth_by_line(repeats: int) -> dict[str, Curve]:
    """Seconds by runs that wait: on a full cluster nobody starts, on an empty one everybody does as far as there is room."""
    curves: dict[str, Curve] = {"decide, nobody starts": {}, "decide, all start": {}, "forecast of all": {}}
    empty = cluster(CLUSTER)
    taken, holding = full(empty)
    _, nothing = filled(empty, 0)
    for count in LINES:
        line = requests(count)
        waiting, free = holding.submitted(*line), nothing.submitted(*line)
        acts: tuple[Callable[[], object], ...] = (
            partial(decide, taken, QUEUES, waiting, NOW_NS),
            partial(decide, empty, QUEUES, free, NOW_NS),
            partial(outlook, taken, QUEUES, waiting, NOW_NS),
        )
        for name, act in zip(curves, acts, strict=True):
            curves[name][count] = timed_s(act, repeats)
        print(
            f"  {count:>6} wait  " + "  ".join(f"{name} {curve[count] * 1e3:.2f} ms" for name, curve in curves.items()),
            flush=True,
        )
    return curves


def timed_s(act: Callable[[], object], repeats: int) -> float:
    """Median of so many calls after a first one."""
    act()
    gc.collect()
    times = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        act()
        times.append(time.perf_counter() - began_s)
    return median(times)


def exponent(curve: Curve) -> float:
    """Slope of log time over log size, over the upper half of the sizes: below, what every call costs hides the growth."""
    sizes = sorted(curve)[len(curve) // 2 - 1 :]
    slope, _ = np.polyfit(np.log(sizes), np.log([curve[size] for size in sizes]), 1)
    return float(slope)


def draw(by_hosts: dict[str, Curve], by_line: dict[str, Curve]) -> None:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, curves, over in (
        (left, by_hosts, "hosts of 8 accelerators"),
        (right, by_line, f"runs that wait, {CLUSTER:,} hosts"),
    ):
        for name, curve in curves.items():
            sizes = np.array(sorted(curve))
            axes.loglog(
                sizes, [curve[size] * 1e3 for size in sizes], marker="o", label=f"{name}: n^{exponent(curve):.2f}"
            )
        top = max(curve[max(curve)] for curve in curves.values()) * 1e3
        bound = sizes * np.log(sizes)
        axes.loglog(sizes, bound / bound[-1] * top, color="0.6", linestyle="--", label="n log n")
        axes.set_xlabel(over)
        axes.grid(visible=True, which="both", alpha=0.2)
        axes.legend(fontsize=8)
    left.set_ylabel("milliseconds")
    IMAGE.parent.mkdir(exist_ok=True)
    figure.savefig(IMAGE, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main()
