"""What the runs of a service use right now, as OpenMetrics text for Prometheus and its kin.

In: the latest sample of each node of each live run, and what each run has cost. Out: one exposition.
Rule 1: names are `aicci_<scope>_<metric>_<unit>` in base units (seconds, bytes, joules, ratios); a counter ends in `_total`.
Rule 2: every series carries the run's id and name; a rank's also its rank, a device's its device, a NIC's its name.
Source: the OpenMetrics 1.0 text format (one family at a time, HELP, TYPE and UNIT before its samples, `# EOF` last).
Must not import: anything but model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.metrics import METRICS, Metric, Scope
from jupyter_aicci.model.text import MICRO

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BASE_UNITS: dict[str, tuple[str, float]] = {  # unit of the table -> (base unit, factor)
    "B": ("bytes", 1.0),
    "%": ("ratio", 0.01),
    "us": ("seconds", 1e-6),
    "ms": ("seconds", 1e-3),
    "ns": ("seconds", 1e-9),
    "mJ": ("joules", 1e-3),
    "W": ("watts", 1.0),
    "°C": ("celsius", 1.0),
    "MHz": ("hertz", 1e6),
    "Gbit/s": ("bits_per_second", 1e9),
    "cores": ("cores", 1.0),
}
GROUPS: dict[Scope, str] = {
    "node": "node",
    "rank": "ranks",
    "device": "devices",
    "nic": "nics",
}  # keys of a sample frame


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """The latest `sample` frame of one node of a live run."""

    run_id: str
    run_name: str
    node: int
    frame: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What a live run has cost up to now."""

    run_id: str
    run_name: str
    queue: str
    state: str
    cost_micro: int
    per_h_micro: int
    currency: str


Labels = tuple[tuple[str, str], ...]


def openmetrics(samples: Sequence[NodeSample], costs: Sequence[RunCost]) -> str:
    """The exposition; families in the order of the metric table, those without a sample left out."""
    lines: list[str] = []
    for metric in METRICS:
        found = [pair for sample in samples for pair in _values(sample, metric)]
        if found:
            lines += _family(metric, found)
    if costs:
        lines += _money(costs)
    return "\n".join([*lines, "# EOF", ""])


def _values(sample: NodeSample, metric: Metric) -> Iterable[tuple[Labels, float]]:
    """(labels, value) of each owner that the frame has the metric of."""
    run = (("run", sample.run_id), ("name", sample.run_name), ("node", str(sample.node)))
    group = sample.frame.get(GROUPS[metric.scope], {})
    if metric.scope == "node":
        group = {"": group}
    for owner, values in group.items():
        if metric.name in values:
            yield (run if metric.scope == "node" else (*run, (metric.scope, str(owner)))), float(values[metric.name])


def _family(metric: Metric, found: Iterable[tuple[Labels, float]]) -> list[str]:
    unit, factor = BASE_UNITS.get(metric.unit, (metric.unit, 1.0))
    name = f"aicci_{metric.scope}_{metric.name}"
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    kind, suffix = ("counter", "_total") if metric.counter else ("gauge", "")
    head = [f"# HELP {name} {_escaped(metric.label)}.", f"# TYPE {name} {kind}"]
    if unit:
        head.append(f"# UNIT {name} {unit}")
    return head + [f"{name}{suffix}{_braces(labels)} {value * factor!r}" for labels, value in found]


def _money(costs: Sequence[RunCost]) -> list[str]:
    spent = ["# HELP aicci_run_cost What the run has cost, by the ledger.", "# TYPE aicci_run_cost counter"]
    rate = ["# HELP aicci_run_price_per_hour What the nodes that it holds cost an hour.",
            "# TYPE aicci_run_price_per_hour gauge"]  # fmt: skip
    for cost in costs:
        labels = _braces((("run", cost.run_id), ("name", cost.run_name), ("queue", cost.queue), ("state", cost.state),
                          ("currency", cost.currency)))  # fmt: skip
        spent.append(f"aicci_run_cost_total{labels} {cost.cost_micro / MICRO!r}")
        rate.append(f"aicci_run_price_per_hour{labels} {cost.per_h_micro / MICRO!r}")
    return spent + rate


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
