"""A view with everything that can be drawn: lanes that fold, a strip of heat, findings, a shaded bill; and a very large one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from timeline_builders import a_long_run, at

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.lanes import HeatLane, Lane, PhaseLane, SeriesLane, View
from jupyter_aicci.timeline.view import view

FINDINGS = (
    Finding(
        id="F01", name="input-bound", from_s=430.0, to_s=560.0, value=0.43, threshold=0.2, confidence=0.95,
        wasted_ns=130 * 10**9, wasted_micro=310_000, text="43 % of each step waited for data; 2 loader workers, CPU at 97 %",
        fix="Try num_workers=12.", lanes=("node-0", "node-1", "step_heat", "value:loss", "cpu", "memory", "cost"),
    ),
    Finding(
        id="F04", name="rank 5 is 1.7× slower", severity="high", from_s=600.0, to_s=763.0, ongoing=True, ranks=(5,),
        nodes=(0,), value=1.7, threshold=1.1, confidence=0.9, wasted_ns=90 * 10**9, wasted_micro=220_000,
        text="node 0, GPU 5, clocks capped by power", fix="Drain the node.", lanes=("step_heat",),
    ),
)  # fmt: skip


def a_heat(ranks: int = 16, columns: int = 232, *, from_s: float = 66.0, to_s: float = 763.0) -> HeatLane:
    """Steps of 0.3 s with noise; all ranks are slow from 430 to 560 s, rank 5 from 600 s on."""
    t_s = np.linspace(from_s, to_s, columns + 1)
    v = 0.3 + 0.04 * np.random.default_rng(7).random((ranks, columns))
    v[:, (t_s[:-1] >= 430) & (t_s[:-1] < 560)] += 0.26
    v[min(5, ranks - 1), t_s[:-1] >= 600] += 0.22
    return HeatLane(
        id="step_heat", name="step time", unit="s", value="310 ms", lo=float(v.min()), hi=float(v.max()),
        rows=tuple(range(ranks)), t_s=t_s, v=v,
    )  # fmt: skip


def a_full_view() -> View:
    """The run of the drawing with lanes per rank and per node, heat over 16 ranks, two findings and wasted money."""
    run, frames, cost = a_long_run()
    made = view(run, frames, cost=cost, now_ns=at(763))
    lanes: list[Lane] = []
    for lane in made.lanes:
        match lane:
            case PhaseLane() if not lane.parent:
                lanes += [replace(lane, folded=True), *_under(lane, ("rank 0", "rank 1"))]
                if lane.id == "node-1":
                    lanes.append(a_heat())
            case SeriesLane() if lane.id == "cpu":
                lanes += [replace(lane, folded=True), *_under(lane, ("node 0", "node 1"))]
            case SeriesLane() if lane.id == "cost":
                lanes.append(replace(lane, shade=((430.0, 560.0),)))
            case _ if not lane.parent and lane.kind != "heat":
                lanes.append(lane)
    return replace(
        made,
        lanes=tuple(lanes),
        findings=tuple(each.to_json() for each in FINDINGS),
        headline="61 % of $4.12 was useful; the biggest leak, $0.31, is waiting for data",
    )


def _under(lane: Any, names: tuple[str, ...]) -> list[Lane]:
    """Lanes under this one with the same data; a name occurs once in the whole view."""
    return [replace(lane, id=f"{lane.id}/{name}", name=name, note="", parent=lane.id, folded=False) for name in names]


def a_large_view(ranks: int = 1000, end_s: float = 3 * 86_400.0, columns: int = 800) -> View:
    """A thousand ranks over three days as the service sends them: thinned to the columns of the page."""
    base = a_full_view()
    scale = end_s / base.end_s
    rng = np.random.default_rng(11)
    t_s = np.linspace(60.0, end_s, 2 * columns)
    lanes: list[Lane] = []
    for lane in base.lanes:
        match lane:
            case PhaseLane() if not lane.parent:
                spans = tuple(replace(span, t0_s=span.t0_s * scale, t1_s=span.t1_s * scale) for span in lane.spans)
                lanes.append(replace(lane, spans=spans, folded=False))
            case HeatLane():
                lanes.append(a_heat(ranks, columns, from_s=60.0, to_s=end_s))
            case SeriesLane() if not lane.parent:
                v = lane.lo + (lane.hi - lane.lo) * rng.random(len(t_s))
                lanes.append(replace(lane, t_s=t_s, v=v, folded=False))
    more = [
        replace(lane, id=f"{lane.id}_{copy}", name=f"{lane.name} {copy}")
        for copy in range(2)
        for lane in lanes
        if isinstance(lane, SeriesLane) and lane.id != "cost"
    ]
    return replace(base, end_s=end_s, lanes=(*lanes[:-1], *more, lanes[-1]), findings=())
