"""openb: how much of 6,212 accelerators is allocated when pods that ask for 130 % of them have arrived; ten seeds.

The workload is `default`, the recorded mix; all choices of the placement were made on `multigpu20`. Beside it stand the placements
that others use, on the same arrivals, and what was published of them (mean of ten seeds of other shuffles, FGD's artifact).
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from common import report

from jupyter_aicci.traces.openb import Placing, parse_nodes, parse_pods, replay_openb

FOLDER = Path(__file__).resolve().parent / "traces" / "openb"
NODES, PODS = FOLDER / "openb_node_list_gpu_node.csv", FOLDER / "openb_pod_list_default.csv"
SEEDS = range(42, 52)
PUBLISHED = {"fgd": (0.9539, 0.0457), "best": (0.9308, 0.0685), "random": (0.8747, 0.1243)}


def main() -> None:
    nodes, pods = parse_nodes(NODES.read_text(), NODES.name), parse_pods(PODS.read_text(), PODS.name)
    figures: dict[str, Any] = {"seeds": len(SEEDS), "nodes": len(nodes), "pods": len(pods)}
    print(
        f"  {'placement':<10}{'allocated':>11}{'spread':>9}{'fragments':>11}{'published':>20}{'a seed took s':>15}",
        flush=True,
    )
    for placing in Placing:
        began_s = time.perf_counter()
        filled = [replay_openb(nodes, pods, source=PODS.name, seed=seed, placing=placing) for seed in SEEDS]
        took_s = (time.perf_counter() - began_s) / len(SEEDS)
        allocated = [each.allocation_ratio for each in filled]
        fragments = fmean(each.fragmentation_ratio for each in filled)
        row = {
            "allocation_ratio": fmean(allocated),
            "allocation_spread": pstdev(allocated),
            "fragmentation_ratio": fragments,
        }
        told = PUBLISHED.get(str(placing))
        beside = f"{told[0]:>11.2%}{told[1]:>9.2%}" if told else ""
        print(
            f"  {placing:<10}{fmean(allocated):>11.2%}{pstdev(allocated):>9.2%}{fragments:>11.2%}{beside:>20}{took_s:>15.1f}",
            flush=True,
        )
        figures[str(placing)] = {name: round(value, 5) for name, value in row.items()} | {"took_s": round(took_s, 2)}
    report("openb", figures)


if __name__ == "__main__":
    main()
