"""Runs and frames for the timeline's tests: a journal is folded, frames are made as agent and ranks write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.events import Event, NodeHeld, NodeReleased, Placed, RankExited, Stepped, Submitted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.shapes import Price, Shape
from jupyter_aicci.model.states import Step
from jupyter_aicci.model.text import NS

ORIGIN_NS = 1_780_000_000 * NS
RUN_ID = RunId("r7f3c0ab")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFrame:
    """The shape of `store.frames`' rows."""

    seq: int
    source: str
    attempt: int
    node: int
    time_ns: int
    frame: dict[str, Any]


def at(seconds: float) -> int:
    """Epoch nanoseconds of a chart time."""
    return ORIGIN_NS + round(seconds * NS)


class Journal:
    """Writes the rows of one run in seconds since it was submitted."""

    def __init__(
        self, *, nodes: int = 1, ranks_per_node: int = 2, micro_per_h: int = 0, name: str = "digits", budget: int = 0
    ) -> None:
        self.shape = Shape(name="cpux2", cpus=2, memory_bytes=4_000_000_000)
        self.nodes, self.ranks_per_node = nodes, ranks_per_node
        price = Price(micro_per_h=micro_per_h).to_json()
        spec = {"name": name, "nodes": nodes, "ranks_per_node": ranks_per_node, "budget": budget}
        self.attempt = 0
        self.rows: list[Event] = [
            Submitted(run_id=RUN_ID, time_ns=at(0), spec=spec, prices={"cpux2": price, "auto": price})
        ]
        self.step(0.001, Step.ENQUEUE)

    def step(self, seconds: float, step: Step, **more: Any) -> Journal:
        self.rows.append(Stepped(run_id=RUN_ID, time_ns=at(seconds), step=step, attempt=self.attempt, **more))
        return self

    def placed(self, seconds: float, resume_step: int = -1) -> Journal:
        self.attempt += 1
        hosts = tuple(NodePlacement(index=i, host="this host", address="127.0.0.1") for i in range(self.nodes))
        placement = Placement(shape=self.shape, ranks_per_node=self.ranks_per_node, nodes=hosts).to_json()
        self.rows.append(
            Placed(
                run_id=RUN_ID,
                time_ns=at(seconds),
                attempt=self.attempt,
                placement=placement,
                port=1,
                resume_step=resume_step,
            )
        )
        self.step(seconds, Step.PLACE)
        for node in range(self.nodes):
            self.rows.append(
                NodeHeld(run_id=RUN_ID, time_ns=at(seconds), attempt=self.attempt, node=node, shape="cpux2")
            )
        return self

    def runs(self, seconds: float) -> Journal:
        return self.step(seconds, Step.RUN)

    def exits(self, seconds: float, rank: int, code: int = 0, signal: int = 0, *, by_us: bool = False) -> Journal:
        row = RankExited(
            run_id=RUN_ID,
            time_ns=at(seconds),
            attempt=self.attempt,
            rank=rank,
            code=code,
            signal=signal,
            by_us=by_us,
        )
        self.rows.append(row)
        return self

    def released(self, seconds: float) -> Journal:
        for node in range(self.nodes):
            self.rows.append(NodeReleased(run_id=RUN_ID, time_ns=at(seconds), attempt=self.attempt, node=node))
        return self

    def run(self) -> Run:
        return fold(self.rows)


class Frames:
    """Frames in the order they are stored."""

    def __init__(self, *, attempt: int = 1, node: int = 0) -> None:
        self.stored: list[StoredFrame] = []
        self.attempt, self.node = attempt, node

    def add(self, seconds: float, kind: str, *, source: str = "rank-0", node: int | None = None, **body: Any) -> Frames:
        self.stored.append(
            StoredFrame(
                seq=len(self.stored) + 1,
                source=source,
                attempt=self.attempt,
                node=self.node if node is None else node,
                time_ns=at(seconds),
                frame={"k": kind, "t": round(seconds * NS), **body},
            )
        )
        return self

    def phase(self, seconds: float, phase: str, rank: int = 0, **more: Any) -> Frames:
        return self.add(seconds, "phase", source=f"rank-{rank}", rank=rank, phase=phase, **more)

    def step(self, seconds: float, step: int, wait_s: float = 0.0, rank: int = 0, **more: Any) -> Frames:
        """A `steps` frame of what the rank did since its last one, as its phase frames say it; `wait_s` of it was for data."""
        phases, before = self._since_last_steps(seconds, rank)
        waited_s = min(wait_s, phases["compute"])
        phases["compute"] -= waited_s
        phases["data_wait"] = phases.get("data_wait", 0.0) + waited_s
        count = step - before if before is not None and step > before else 1
        return self.steps(seconds, " ".join(phases), (count, step, *phases.values()), rank=rank, **more)

    def _since_last_steps(self, seconds: float, rank: int) -> tuple[dict[str, float], int | None]:
        """(seconds by phase since the rank's last step, or since it began to work; that step's number)."""
        phases, now_ns, before = {"compute": 0.0}, round(seconds * NS), None
        for stored in reversed(self.stored):
            frame = stored.frame
            if (
                stored.attempt != self.attempt
                or stored.source != f"rank-{rank}"
                or frame["k"] not in ("phase", "steps")
            ):
                continue
            name = "compute" if frame["k"] == "steps" else frame["phase"].replace(" ", "-")
            if name not in ("starting", "done"):
                phases[name] = phases.get(name, 0.0) + (now_ns - frame["t"]) / NS
            now_ns = frame["t"]
            if frame["k"] == "steps":
                before = frame["step"]
                break
        return phases, before

    def steps(
        self,
        seconds: float,
        phases: str,
        *records: tuple[float, ...],
        rank: int = 0,
        step: int | None = None,
        **more: Any,
    ) -> Frames:
        """A `steps` frame; each record is (count, step, seconds of each phase)."""
        told = [[int(r[0]), int(r[1]), *(round(part * NS) for part in r[2:])] for r in records]
        last = told[-1][1] if step is None else step
        return self.add(
            seconds, "steps", source=f"rank-{rank}", rank=rank, step=last, phases=phases.split(), records=told, **more
        )

    def log(self, seconds: float, rank: int = 0, step: int | None = None, **values: float) -> Frames:
        return self.add(seconds, "log", source=f"rank-{rank}", rank=rank, step=step, values=values)

    def sample(self, seconds: float, cpu: float, rss: float, **more: Any) -> Frames:
        node = {"cpu": cpu, "memory": 3e9, "memory_total": 8e9}
        first = 2 * more.get("node", self.node)
        ranks = {str(rank): {"cpu": cpu / 2, "rss": rss / 2} for rank in (first, first + 1)}
        return self.add(seconds, "sample", source="agent", ranks=ranks, node_usage=node, **more)

    def __iter__(self) -> Iterator[StoredFrame]:
        return iter(self.stored)


def a_curve(pairs: Iterable[tuple[float, int]]) -> list[tuple[int, int]]:
    """A cost curve from (chart seconds, micro)."""
    return [(at(seconds), micro) for seconds, micro in pairs]


def a_long_run(*, until_s: float = 763.0, ended: bool = False) -> tuple[Run, Frames, list[tuple[int, int]]]:
    """The run of the drawing: two nodes wait 38 s, train, wait for data from 7:10 to 9:20, checkpoint twice."""
    journal = Journal(nodes=2, ranks_per_node=2, micro_per_h=9_720_000, name="resnet-a", budget=50_000_000)
    journal.placed(38.0).runs(66.0)
    frames = Frames()
    for rank in range(4):
        frames.phase(61.0 + rank / 100, "starting", rank, node=rank // 2)
    for rank in range(4):
        frames.phase(66.0 + rank / 100, "compute", rank, node=rank // 2)
    step, seconds = 0, 66.2
    while seconds < until_s:
        slow = 430 <= seconds < 560
        if 300 <= seconds < 300.6 or 620 <= seconds < 620.6:
            for rank in range(4):
                frames.phase(seconds + 0.01, "checkpoint", rank, node=rank // 2)
            seconds += 8
            for rank in range(4):
                frames.phase(seconds, "compute", rank, node=rank // 2)
        seconds += 0.6 if slow else 0.31 + 0.02 * math.sin(step)
        step += 1
        for rank in range(4):
            frames.step(seconds, step, 0.26 if slow else 0.01, rank, node=rank // 2)
        loss = 1.7 + 5 * math.exp(-seconds / 170) + 0.04 * math.sin(step * 1.7)
        frames.log(seconds, 0, step, loss=loss, images_per_s=6400.0 if slow else 12400 + 90 * math.sin(step))
        if step % 3 == 0:
            for node in (0, 1):
                cpu = (1.9 if slow else 1.2) + 0.06 * math.sin(step)
                frames.sample(seconds, cpu, 2e8 + 2e8 * (1 - math.exp(-seconds / 200)), node=node)
    if ended:
        for rank in range(4):
            frames.phase(until_s, "done", rank, node=rank // 2)
            journal.exits(until_s, rank)
        journal.released(until_s + 0.2).step(until_s + 0.2, Step.SUCCEED)
    per_s = 2 * 9_720_000 / 3600
    cost = [(38.0, 0), (until_s, round((until_s - 38) * per_s))]
    return journal.run(), frames, a_curve(cost)


def a_failed_run() -> tuple[Run, Frames, list[tuple[int, int]]]:
    """Attempt 1 is killed at 20 s; attempt 2 redoes ten steps and fails by an exception in rank 1 at 45 s."""
    journal = Journal(ranks_per_node=2, name="vit-huge")
    journal.placed(1.0).runs(3.0).exits(20.0, 1, code=-9, signal=9).exits(20.4, 0, signal=15, by_us=True)
    journal.released(20.5).step(20.5, Step.LOSE, reason="rank 1 was killed").step(20.6, Step.REQUEUE)
    journal.placed(22.0, resume_step=20).runs(23.5).exits(45.0, 1, code=1).exits(45.2, 0, signal=15, by_us=True)
    verdict = {
        "rank": 1,
        "exit_class": "user error",
        "text": "rank 1 failed: ValueError: bad batch",
        "where": "Cell In[7], line 17: loss = step(batch)",
        "hint": "",
    }
    journal.released(45.4).step(45.4, Step.FAIL, reason=verdict["text"], exit_class="user error", verdict=verdict)
    frames = Frames()
    for attempt, first_s, from_step, to_step in ((1, 3.0, 0, 32), (2, 23.5, 21, 64)):
        frames.attempt = attempt
        for rank in (0, 1):
            frames.phase(first_s - 1, "starting", rank).phase(first_s, "compute", rank)
        for step in range(from_step, to_step):
            seconds = first_s + (step - from_step) * 0.5 + 0.5
            for rank in (0, 1):
                frames.step(seconds, step, 0.0, rank)
            frames.log(seconds, 0, step, loss=2.3 * math.exp(-step / 30))
            frames.sample(seconds, 1.8, 3e8)
    return journal.run(), frames, a_curve([(0.0, 0), (45.4, 0)])
