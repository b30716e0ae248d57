"""Pollux's tables of measured step times: what the forecast is judged by.

In: `traces/pollux`; `MODEL-placements.csv` (the digits of a placement are accelerators on each node) has up to 16
accelerators, `MODEL-scalability.csv` more nodes. Out: `Sample`s, and a model's case: what is probed, what is to be forecast.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from jupyter_aicci.speedup.fit import Sample
from jupyter_aicci.speedup.model import Where

PROBE = ("1", "4", "44", "4444")  # 1 rank, one node, 2 and 4 nodes of four
FOLDER = Path(__file__).resolve().parent / "traces" / "pollux"
MODELS = ("bert", "cifar10", "imagenet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model's table: twelve samples, and the measured efficiency of every larger size."""

    model: str
    probe: tuple[Sample, ...]
    larger: tuple[Where, ...]  # more ranks than any that was probed
    alone_s: tuple[float, ...]  # T(1) at the same batch of a rank, as measured
    efficiency: tuple[float, ...]  # T(1) / T(N) at the same batch of a rank, as measured


def case(model: str, folder: Path = FOLDER) -> Case:
    """The case of one model."""
    placements = parse_placements((folder / f"{model}-placements.csv").read_text())
    rows = parse_scalability((folder / f"{model}-scalability.csv").read_text())
    larger = [row for row in rows if row.at.ranks > 16 and ("1", int(row.at.batch)) in placements]
    alone = [placements["1", int(row.at.batch)].step_s for row in larger]
    return Case(
        model=model,
        probe=probe_of(placements),
        larger=tuple(row.at for row in larger),
        alone_s=tuple(alone),
        efficiency=tuple(one / row.step_s for one, row in zip(alone, larger, strict=True)),
    )


def parse_placements(text: str) -> dict[tuple[str, int], Sample]:
    """The median step by placement and batch of a rank."""
    times = defaultdict(list)
    for row in csv.DictReader(text.splitlines()):
        times[row["placement"], int(row["local_bsz"])].append(float(row["step_time"]))
    return {
        (place, batch): Sample(
            at=Where(nodes=len(place), ranks=sum(map(int, place)), batch=batch), step_s=median(seconds)
        )
        for (place, batch), seconds in times.items()
    }


def parse_scalability(text: str) -> tuple[Sample, ...]:
    """Every row."""
    return tuple(
        Sample(
            at=Where(nodes=int(row["num_nodes"]), ranks=int(row["num_replicas"]), batch=int(row["local_bsz"])),
            step_s=float(row["step_time"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def probe_of(placements: dict[tuple[str, int], Sample]) -> tuple[Sample, ...]:
    """Twelve samples: four placements, each with the smallest, the middle and the largest batch."""
    tried = {batch for _, batch in placements}
    batches = sorted(batch for batch in tried if all((place, batch) in placements for place in PROBE))
    chosen = (batches[0], batches[len(batches) // 2], batches[-1])
    return tuple(placements[place, batch] for place in PROBE for batch in chosen)
