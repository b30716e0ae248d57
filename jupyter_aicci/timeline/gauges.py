"""The lanes of what the agents sampled: accelerators, links, CPU, memory, storage, network, throttling, power.

Each row of `GAUGES` is one lane: a metric (or several, added) summed or averaged over all its owners. Under it stand the
owners' own curves, folded. A lane is there once a machine has the metric, and, where `least` says so, once it is worth a look.
Rule 1: a point is made at each sample of the run's lowest node, from the latest value of every owner that was heard of
within `GAP_S`; so views and deltas show the same, whoever looks when.
Rule 2: values are in the lane's unit; `factor` brings the metric's there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jupyter_aicci.model.metrics import Scope
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import size
from jupyter_aicci.timeline.lanes import Floats, Frame, SeriesLane
from jupyter_aicci.timeline.lost import Gap
from jupyter_aicci.timeline.samples import GAP_S, Column, Samples
from jupyter_aicci.timeline.series import Series, thinned

MOST_OWNERS = 16  # that get a curve of their own
CHILD_COLUMNS = 100  # a folded curve is thinned to so many
MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One lane and what it is made of."""

    id: str
    name: str
    scope: Scope
    metrics: tuple[str, ...]  # added
    unit: str
    factor: float = 1.0
    mean: bool = False  # over the owners, else their sum
    least: float = -math.inf  # the lane is there once it has reached this
    share_of: str = ""  # a metric of the same owner: `least` is a share of that


GAUGES: tuple[Gauge, ...] = (
    Gauge(id="gpu", name="GPU busy", scope="device", metrics=("util",), unit="%", mean=True),
    Gauge(id="gpu_memory", name="GPU memory", scope="device", metrics=("mem_used",), unit="B"),
    Gauge(id="nvlink", name="NVLink", scope="device", metrics=("link_tx",), unit="B/s"),
    Gauge(id="rdma", name="RDMA", scope="nic", metrics=("rdma_tx",), unit="B/s"),
    Gauge(id="cpu", name="CPU cores", scope="rank", metrics=("cpu",), unit="cores"),
    Gauge(id="memory", name="memory", scope="rank", metrics=("rss",), unit="B"),
    Gauge(id="read", name="read", scope="rank", metrics=("read",), unit="B/s", least=MB),
    Gauge(id="written", name="written", scope="rank", metrics=("written",), unit="B/s", least=MB),
    Gauge(id="network", name="network", scope="node", metrics=("net_rx", "net_tx"), unit="B/s", least=MB),
    Gauge(id="shm", name="/dev/shm", scope="node", metrics=("shm_used",), unit="B", least=0.5, share_of="shm_total"),
    Gauge(
        id="throttle", name="throttled", scope="device", unit="%", factor=1e-7, mean=True, least=1.0,
        metrics=("throttle_power", "throttle_thermal", "throttle_brake"),
    ),
    Gauge(id="quota", name="CPU quota wait", scope="node", metrics=("group_throttled_us",), unit="cores", factor=1e-6, least=0.01),
    Gauge(id="power", name="power", scope="device", metrics=("power",), unit="W"),
)  # fmt: skip


class Gauges:
    """The combined curves so far, one a row of the table."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._attempt = 0
        self._nodes: set[int] = set()  # of this attempt
        self.curves = {gauge.id: Series(gap_s=GAP_S) for gauge in GAUGES}
        self._worth: set[str] = set()  # lanes that have reached what makes them worth a look

    def take(self, frame: Frame, t_s: float) -> None:
        """A sample frame that `samples` has taken."""
        if frame.source.rpartition("/")[2] != "agent":
            return
        if frame.attempt != self._attempt:
            self._attempt = frame.attempt
            self._nodes.clear()
            for curve in self.curves.values():
                curve.break_off(t_s, frame.seq)
        self._nodes.add(frame.node)
        if frame.node != min(self._nodes):
            return
        for gauge in GAUGES:
            value = self._combined(gauge, t_s)
            if not math.isnan(value):
                self.curves[gauge.id].add(t_s, value, frame.seq)
                if not gauge.share_of and value >= gauge.least:
                    self._worth.add(gauge.id)

    def lose(self, gap: Gap, from_s: float, to_s: float, seq: int) -> None:
        """What an agent sampled is damaged: nobody knows a sum over all nodes then."""
        for curve in self.curves.values():
            curve.blank(from_s, to_s)
            if gap.node == min(self._nodes, default=gap.node):
                curve.break_off(from_s, seq)

    def lanes(self, run: Run) -> Iterator[tuple[SeriesLane, Series]]:
        """The lanes that are there, in the table's order, without their points."""
        for gauge in GAUGES:
            curve = self.curves[gauge.id]
            if not curve.count or gauge.id not in self._worth:
                continue
            hi = ceiling(run, gauge, curve.hi)
            folded = bool(self._shown(gauge))
            none = np.empty(0)
            yield (
                SeriesLane(
                    id=gauge.id, name=lane_name(run, gauge), unit=gauge.unit, value=lane_value(run, gauge, curve.last),
                    lo=0.0, hi=hi, t_s=none, v=none, folded=folded,
                ),
                curve,
            )  # fmt: skip

    def under(self, lane: SeriesLane, window: tuple[float, float] | None, width_px: int) -> tuple[SeriesLane, ...]:
        """The owners' own curves under a lane, thinned; all on one scale."""
        gauge = next(each for each in GAUGES if each.id == lane.id)
        owners, hi = self._shown(gauge), self._top(gauge)
        columns = width_px if window else CHILD_COLUMNS
        return tuple(self._child(lane, gauge, whose, hi, window, columns) for whose in owners)

    def under_since(self, lane: SeriesLane, seq: int) -> Iterator[tuple[SeriesLane, Floats, Floats]]:
        """(lane without points, t_s, v) of every curve under a lane that has points after the frame `seq`."""
        gauge = next(each for each in GAUGES if each.id == lane.id)
        hi = self._top(gauge)
        for whose in self._shown(gauge):
            columns = self._columns(gauge, whose)
            if columns and columns[0].last_seq > seq:
                t_s, v = _added([column.points(seq) for column in columns])
                yield self._lane(lane, gauge, whose, hi), t_s, v * gauge.factor

    def under_ids(self, lane: SeriesLane) -> tuple[str, ...]:
        gauge = next(each for each in GAUGES if each.id == lane.id)
        return tuple(f"{gauge.id}/{whose}" for whose in self._shown(gauge))

    def _combined(self, gauge: Gauge, t_s: float) -> float:
        total, owners = 0.0, 0
        for whose in self._samples.whose.get((gauge.scope, gauge.metrics[0]), ()):
            columns = self._columns(gauge, whose)
            values = [column.now for column in columns if t_s - column.last_t_s <= GAP_S]
            known = [value for value in values if not math.isnan(value)]
            if known:
                total, owners = total + sum(known), owners + 1
                if gauge.share_of and gauge.id not in self._worth:
                    self._look_at_share(gauge, whose, sum(known))
        if not owners:
            return math.nan
        return total * gauge.factor / (owners if gauge.mean else 1)

    def _look_at_share(self, gauge: Gauge, whose: str, value: float) -> None:
        whole = self._samples.column(gauge.share_of, whose)
        if whole is not None and whole.last > 0 and value >= gauge.least * whole.last:
            self._worth.add(gauge.id)

    def _columns(self, gauge: Gauge, whose: str) -> list[Column]:
        found = (self._samples.column(metric, whose) for metric in gauge.metrics)
        return [column for column in found if column is not None]

    def _shown(self, gauge: Gauge) -> Sequence[str]:
        """The owners that get a curve."""
        owners = self._samples.whose.get((gauge.scope, gauge.metrics[0]), [])
        return sorted(owners, key=_by_number) if have_curves(owners) else ()

    def _top(self, gauge: Gauge) -> float:
        if gauge.unit == "%":
            return 100.0
        columns = [column for whose in self._shown(gauge) for column in self._columns(gauge, whose)]
        return max((column.hi * gauge.factor for column in columns), default=0.0)

    def _lane(self, lane: SeriesLane, gauge: Gauge, whose: str, hi: float) -> SeriesLane:
        now = sum(column.now for column in self._columns(gauge, whose)) * gauge.factor
        none = np.empty(0)
        return SeriesLane(
            id=f"{gauge.id}/{whose}", name=owner_name(whose), unit=gauge.unit, value=written(now, gauge.unit),
            lo=0.0, hi=max(hi, 0.0), t_s=none, v=none, parent=lane.id,
        )  # fmt: skip

    def _child(
        self, lane: SeriesLane, gauge: Gauge, whose: str, hi: float, window: tuple[float, float] | None, columns: int
    ) -> SeriesLane:
        t_s, v = _added([column.points() for column in self._columns(gauge, whose)])
        if window:
            first = max(0, int(np.searchsorted(t_s, window[0])) - 1)
            last = int(np.searchsorted(t_s, window[1], side="right")) + 1
            t_s, v = t_s[first:last], v[first:last]
        if len(t_s):
            from_s, to_s = window or (float(t_s[0]), float(t_s[-1]))
            t_s, v = thinned(t_s, v, from_s, to_s, columns)
        return replace(self._lane(lane, gauge, whose, hi), t_s=t_s, v=v * gauge.factor)


def _added(points: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """The sum of curves that were sampled together; the first alone where they were not."""
    if not points:
        return np.empty(0), np.empty(0)
    t_s, v = points[0]
    for _, other in points[1:]:
        v = v + other if len(other) == len(v) else v
    return t_s, v


def have_curves(owners: Sequence[str]) -> bool:
    """Whether the owners get curves of their own: not a single one, and not hundreds."""
    return 1 < len(owners) <= MOST_OWNERS


def ceiling(run: Run, gauge: Gauge, hi: float) -> float:
    """The upper end of a lane's scale, of which `hi` is the highest value: what there is at most, where that is known."""
    if gauge.unit == "%":
        return 100.0
    return max(float(_cores(run)), hi) if gauge.id == "cpu" else hi


def _cores(run: Run) -> int:
    placement = run.attempt.placement if run.attempt else None
    return placement.shape.cpus * len(placement.nodes) if placement else 0


def lane_name(run: Run, gauge: Gauge) -> str:
    """An Ascend is no GPU."""
    kind = run.attempt.placement.shape.accelerator if run.attempt else ""
    return gauge.name.replace("GPU", "NPU").replace("NVLink", "HCCS") if kind.startswith("ascend") else gauge.name


def lane_value(run: Run, gauge: Gauge, value: float) -> str:
    text = written(max(0.0, value), gauge.unit)
    return f"{text} / {_cores(run)}" if gauge.id == "cpu" and _cores(run) else text


UNITS: dict[str, Callable[[float], str]] = {
    "B": size,
    "B/s": lambda value: f"{size(value)}/s",
    "%": lambda value: f"{value:.0f} %",
    "cores": lambda value: f"{value:.1f}",
    "W": lambda value: f"{value:.0f} W" if value < 10_000 else f"{value / 1000:.1f} kW",
}


def written(value: float, unit: str) -> str:
    """A value with its unit, "" where it is not known."""
    return "" if math.isnan(value) else UNITS[unit](value)


def owner_name(whose: str) -> str:
    """ "node-0/gpu-3" is "GPU 3 · node 0"."""
    node, _, unit = whose.partition("/")
    node = node.replace("-", " ")
    if not unit:
        return node
    return f"{unit.replace('gpu-', 'GPU ')} · {node}"


def _by_number(whose: str) -> tuple[tuple[int, str], ...]:
    """Rank 10 behind rank 9."""
    parts = whose.replace("/", "-").split("-")
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
