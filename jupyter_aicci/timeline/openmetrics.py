"""What the runs of a service use right now, as OpenMetrics text for Prometheus and its kin.

In: the latest sample of each node of each live run, how each run stands, how long each queue is. Out: one exposition.
Rule 1: names are `aicci_<scope>_<metric>_<unit>` in base units (seconds, bytes, joules, ratios); a counter ends in `_total`.
Rule 2: every series carries the run's id and name; a rank's also its rank, a device's its device, a NIC's its name. Whatever
changes while a run lives is a value and no label. What nobody knows, such as a cost without a price, is left out.
Source: the OpenMetrics 1.0 text format (one family at a time, HELP, TYPE and UNIT before its samples, `# EOF` last).
Must not import: anything but model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.metrics import METRICS, Metric, Scope
from jupyter_aicci.model.states import State
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
class LiveRun:
    """How a run that has not ended stands."""

    run_id: str
    run_name: str
    queue: str
    state: str
    cost_micro: int | None  # None: nobody has set a price
    per_h_micro: int | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLength:
    """How many runs a queue has, those of the queues under it included."""

    name: str
    running: int
    waiting: int


Labels = tuple[tuple[str, str], ...]
Pair = tuple[Labels, float]


def openmetrics(samples: Sequence[NodeSample], runs: Sequence[LiveRun], queues: Sequence[QueueLength] = ()) -> str:
    """The exposition; metrics in the order of the table, families without a sample left out."""
    lines: list[str] = []
    for metric in METRICS:
        found = [pair for sample in samples for pair in _values(sample, metric)]
        if found:
            lines += _sampled(metric, found)
    lines += _runs(runs)
    lines += _lengths(queues)
    return "\n".join([*lines, "# EOF", ""])


def _values(sample: NodeSample, metric: Metric) -> Iterable[Pair]:
    """(labels, value) of each owner that the frame has the metric of."""
    run = (("run", sample.run_id), ("name", sample.run_name), ("node", str(sample.node)))
    group = sample.frame.get(GROUPS[metric.scope], {})
    if metric.scope == "node":
        group = {"": group}
    for owner, values in group.items():
        if metric.name in values:
            yield (run if metric.scope == "node" else (*run, (metric.scope, str(owner)))), float(values[metric.name])


def _sampled(metric: Metric, found: Sequence[Pair]) -> list[str]:
    unit, factor = BASE_UNITS.get(metric.unit, (metric.unit, 1.0))
    name = f"aicci_{metric.scope}_{metric.name}"
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    scaled = [(labels, value * factor) for labels, value in found]
    return _family(name, "counter" if metric.counter else "gauge", f"{metric.label}.", scaled, unit=unit)


def _runs(runs: Sequence[LiveRun]) -> list[str]:
    states, spent, rate = [], [], []
    for run in runs:
        labels = (("run", run.run_id), ("name", run.run_name), ("queue", run.queue))
        paid = (*labels, ("currency", run.currency))
        states += [((*labels, ("aicci_run_state", state)), float(state == run.state)) for state in State]
        spent += [(paid, run.cost_micro / MICRO)] if run.cost_micro is not None else []
        rate += [(paid, run.per_h_micro / MICRO)] if run.per_h_micro is not None else []
    return [
        *_family("aicci_run_state", "stateset", "In which state the run is.", states),
        *_family("aicci_run_cost", "counter", "What the run has cost, by the ledger, in its currency.", spent),
        *_family("aicci_run_price_per_hour", "gauge", "What the nodes that it holds cost an hour.", rate),
    ]


def _lengths(queues: Sequence[QueueLength]) -> list[str]:
    running = [((("queue", queue.name),), float(queue.running)) for queue in queues]
    waiting = [((("queue", queue.name),), float(queue.waiting)) for queue in queues]
    return [
        *_family("aicci_queue_running", "gauge", "Runs of the queue that hold nodes.", running),
        *_family("aicci_queue_waiting", "gauge", "Runs of the queue that wait.", waiting),
    ]


def _family(name: str, kind: str, about: str, found: Sequence[Pair], *, unit: str = "") -> list[str]:
    """The lines of one family, none where it has no sample."""
    if not found:
        return []
    head = [f"# HELP {name} {_escaped(about)}", f"# TYPE {name} {kind}", *([f"# UNIT {name} {unit}"] if unit else [])]
    suffix = "_total" if kind == "counter" else ""
    return head + [f"{name}{suffix}{_braces(labels)} {value!r}" for labels, value in found]


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
