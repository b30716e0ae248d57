"""Evidence for the rules' tests: ranks that step together, with whatever is wrong put in by hand.

`a_story()` is a healthy synchronous run; its fields are changed, then `evidence()` makes what `gather` would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jupyter_aicci.model.events import NodeHeld, Placed, RankExited, Stepped, Submitted
from jupyter_aicci.model.finding import Finding
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.shapes import Price, Shape
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import Step
from jupyter_aicci.timeline.evidence import Evidence, Floats, Series, Steps
from jupyter_aicci.timeline.findings import findings

ORIGIN_NS = 1_780_000_000 * 1_000_000_000
RUN_ID = RunId("r7f3c0ab")
MICRO_PER_H = 3_600_000  # of a rank: a micro-unit is a millisecond


@dataclass(kw_only=True)
class Story:
    """`[s, r]` seconds of step s of rank r; the step of all ranks ends when the slowest has done its part."""

    ranks: int
    nodes: int
    begin_s: float  # of the first step
    own_s: Floats
    wait_s: Floats  # for data
    saved_s: Floats  # checkpoint
    comm_s: Floats  # [s] at the best
    redone: Any  # [s] whether it was done before
    accelerators: int = 0  # of each node
    nvlink: bool = False
    rdma_nics: int = 0
    cpus: int = 16
    live: bool = True
    after_s: float = 0.0  # from the last step to now
    framework: str = "torch"
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    hangs: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    pinned: tuple[int, ...] = ()  # CPUs of each node
    oom_s: float = 0.0  # when rank 0 is killed

    @property
    def parts_s(self) -> Floats:
        """[s, r] what a rank is busy or waiting with before the collective."""
        return self.own_s + self.wait_s + self.saved_s

    @property
    def ends_s(self) -> Floats:
        """[s]"""
        ends: Floats = self.begin_s + np.cumsum(self.parts_s.max(axis=1) + self.comm_s)
        return ends

    @property
    def now_s(self) -> float:
        return float(self.ends_s[-1] if len(self.own_s) else self.begin_s) + self.after_s

    def measure(self, metric: str, owner: str, value: float, *, from_s: float = 0.0, to_s: float = 1e9) -> None:
        """A gauge, or the rate of a counter, once a second: `value` from `from_s` to `to_s`, else what was there or 0."""
        t_s = np.arange(0.0, self.now_s, 1.0)
        before = self.series.get((metric, owner))
        v = np.zeros_like(t_s)
        if before:
            v[: len(before[1])], v[len(before[1]) :] = before[1], before[1][-1]
        v[(t_s >= from_s) & (t_s < to_s)] = value
        self.series[metric, owner] = (t_s, v)

    def grow(self, metric: str, owner: str, first: float, per_s: float, *, until_s: float = 1e9) -> None:
        """A series that grows, and stays from `until_s` on."""
        t_s = np.arange(0.0, self.now_s, 1.0)
        self.series[metric, owner] = (t_s, first + per_s * np.minimum(t_s, until_s))

    def run(self) -> Run:
        return fold(_rows(self))

    def evidence(self) -> Evidence:
        owners: dict[str, tuple[str, ...]] = {}
        for metric, owner in self.series:
            owners[metric] = (*owners.get(metric, ()), owner)
        return Evidence(
            run=self.run(),
            now_s=self.now_s,
            steps=_steps(self),
            owners=owners,
            series=lambda metric, owner: self.series[metric, owner],
            phase_ns={},
            rate_micro_per_h=MICRO_PER_H,
            hangs=tuple(self.hangs),
            notes=tuple(self.notes),
            facts={"cpus": self.cpus} | self.facts,
        )

    def findings(self) -> tuple[Finding, ...]:
        return findings(self.evidence())

    def ids(self) -> list[str]:
        return [each.id for each in self.findings()]


def a_story(
    *, ranks: int = 4, nodes: int = 1, steps: int = 400, step_s: float = 0.2, noise: float = 0.05, comm: float = 0.05,
    seed: int = 0, **more: Any,
) -> Story:  # fmt: skip
    """Log-normal noise of so much, 1 % of spread between the ranks, as in the simulation of the facts."""
    rng = np.random.default_rng(seed)
    sigma = np.sqrt(np.log(1 + noise**2))
    own = step_s * np.exp(rng.normal(-(sigma**2) / 2, sigma, (steps, ranks))) * (1 + rng.normal(0, 0.01, ranks))
    zero = np.zeros((steps, ranks))
    return Story(
        ranks=ranks, nodes=nodes, begin_s=more.pop("begin_s", 5.0), own_s=own, wait_s=zero.copy(), saved_s=zero.copy(),
        comm_s=np.full(steps, comm * step_s if ranks > 1 else 0.0), redone=np.zeros(steps, dtype=bool), **more,
    )  # fmt: skip


def _steps(story: Story) -> Steps:
    ends, size = story.ends_s, story.ranks
    begins = np.r_[story.begin_s, ends][: len(ends)]
    count = len(ends)

    def ns(values: Floats) -> Any:
        return np.round(values.reshape(-1) * 1e9).astype(np.int64)

    waits = story.parts_s.max(axis=1, keepdims=True) - story.parts_s
    return Steps(
        attempt=np.ones(count * size, dtype=np.int64),
        node=np.tile(np.arange(size) // max(1, size // story.nodes), count),
        rank=np.tile(np.arange(size), count),
        step=np.repeat(np.arange(count), size),
        count=np.ones(count * size, dtype=np.int64),
        from_s=np.repeat(begins, size),
        to_s=np.repeat(ends, size),
        compute_ns=ns(story.own_s),
        data_wait_ns=ns(story.wait_s),
        comm_ns=ns(np.repeat(story.comm_s[:, None], size, axis=1)),
        straggler_ns=ns(waits),
        checkpoint_ns=ns(story.saved_s),
        other_ns=np.zeros(count * size, dtype=np.int64),
        redone=np.repeat(story.redone, size),
    )


def _rows(story: Story) -> list[Any]:
    shape = Shape(
        name="made", cpus=story.cpus, accelerators=story.accelerators, accelerator="h100" if story.accelerators else "",
        nvlink=story.nvlink, rdma_nics=story.rdma_nics,
    )  # fmt: skip
    places = tuple(
        NodePlacement(
            index=node,
            host=f"host-{node}",
            address="127.0.0.1",
            cpus=story.pinned,
            devices=tuple(map(str, range(story.accelerators))),
        )
        for node in range(story.nodes)
    )
    each = max(1, story.ranks // story.nodes)
    placement = Placement(shape=shape, ranks_per_node=each, nodes=places)
    spec = RunSpec(shape=("made",), nodes=story.nodes, ranks_per_node=each, framework=story.framework, **story.spec)

    def at(time_s: float) -> dict[str, Any]:
        return {"run_id": RUN_ID, "time_ns": ORIGIN_NS + round(time_s * 1e9)}

    price = {"made": Price(micro_per_h=MICRO_PER_H * each).to_json()}
    rows: list[Any] = [
        Submitted(**at(0.0), spec=spec.to_json(), prices=price),
        Stepped(**at(0.0), step=Step.ENQUEUE, attempt=0),
        Stepped(**at(0.5), step=Step.PLACE, attempt=1),
        Placed(**at(0.5), attempt=1, placement=placement.to_json(), port=29500),
        *(NodeHeld(**at(0.5), attempt=1, node=node, shape="made") for node in range(story.nodes)),
        Stepped(**at(min(1.0, story.begin_s)), step=Step.RUN, attempt=1),
    ]
    if story.oom_s:
        rows.append(RankExited(**at(story.oom_s), attempt=1, rank=0, code=0, signal=9, oom=True))
    if not story.live:
        rows.append(Stepped(**at(story.now_s), step=Step.SUCCEED, attempt=1))
    return rows
