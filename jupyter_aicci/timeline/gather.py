"""From the run and its frames to `Evidence`: what findings, partition, exports and data frames are made from.

A `Gathered` is fed frame by frame and kept by whoever watches the run; `gather` is one that is fed once.
Rule: feeding a frame costs microseconds; what is computed is computed over whole columns, when it is asked for.
Must not import: anything but model, numpy and this room's columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jupyter_aicci.model.run import Run
from jupyter_aicci.timeline.evidence import Evidence, Steps
from jupyter_aicci.timeline.lanes import Frame
from jupyter_aicci.timeline.logged import Latest
from jupyter_aicci.timeline.lost import Gaps
from jupyter_aicci.timeline.partition import Billed, Part, Rank, Told, partition, phase_ns
from jupyter_aicci.timeline.records import Record, Records
from jupyter_aicci.timeline.samples import Samples

NS = 1_000_000_000
MOST_NOTES = 10_000


class Gathered:
    """Records, samples, told phases, logged values, hangs and notes of one run so far."""

    def __init__(self, origin_ns: int) -> None:
        self.origin_ns = origin_ns
        self.records, self.samples = Records(), Samples(origin_ns)
        self.told: dict[Rank, Told] = {}
        self.logged = Latest()
        self.gaps = Gaps()
        self.hangs: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []

    def take(self, frame: Frame) -> Sequence[Record]:
        """Keep one frame; the records of steps that were in it."""
        gap = self.gaps.take(frame)
        match frame.frame["k"]:
            case "steps":
                records = tuple(self.records.take(frame))
                self._steps_after_a_gap(frame, records)
                return records
            case "gap" if gap is not None and gap.rank >= 0:
                self.told.setdefault((gap.attempt, gap.node, gap.rank), Told()).lost.lose(gap)
            case "sample":
                self.samples.take(frame)
            case "log":
                self.logged.take(frame)
            case "phase":
                self._track(frame).phase(frame.time_ns, str(frame.frame["phase"]))
            case "exit":
                self._track(frame).phase(frame.time_ns, "ending")
            case "hang":
                self.hangs.append(self._told(frame))
            case "note" if len(self.notes) < MOST_NOTES:
                self.notes.append(self._told(frame))
            case "gap" if gap is not None and gap.hides("raw"):
                self.samples.cut(frame.node)
        return ()

    def _steps_after_a_gap(self, frame: Frame, records: Sequence[Record]) -> None:
        told = self.told.get((frame.attempt, frame.node, int(frame.frame["rank"])))
        if told is not None and told.lost.still and records:
            told.phase(records[0].from_ns, "compute")

    def parts(self, run: Run, billed: Iterable[Billed]) -> tuple[Part, ...]:
        """The bill by rank and phase; `billed` are the ledger's entries."""
        return partition(run, self.told, self.records, billed)

    def evidence(
        self, run: Run, billed: Iterable[Billed], *, now_ns: int, facts: Mapping[str, Any] | None = None
    ) -> Evidence:
        """The run up to `now_ns`; `facts` are what the service knows of the hosts beside the shape."""
        end_ns = max(run.submitted_ns, min(now_ns, run.ended_ns or now_ns))
        return Evidence(
            run=run,
            now_s=(end_ns - run.submitted_ns) / NS,
            steps=self.steps(),
            owners=self.samples.owners,
            series=self.samples.series,
            phase_ns=phase_ns(self.parts(run, billed)),
            rate_micro_per_h=_rate(run),
            hangs=tuple(self.hangs),
            notes=tuple(self.notes),
            facts=_facts(run) | dict(facts or {}),
        )

    def steps(self) -> Steps:
        """Every record of every rank, ordered by its end."""
        records = self.records
        order = np.argsort(records.column("to_ns"), kind="stable")
        comm, straggler = records.split()
        columns: dict[str, Any] = {name: records.column(name) for name in ("attempt", "node", "rank", "step", "count")}
        for name in ("from", "to"):
            columns[f"{name}_s"] = (records.column(f"{name}_ns") - self.origin_ns) / NS
        for name in ("compute", "data_wait", "checkpoint"):
            columns[f"{name}_ns"] = records.column(name)
        columns["other_ns"] = records.column("compile") + records.column("eval") + records.column("spans")
        columns |= {"comm_ns": comm, "straggler_ns": straggler, "redone": records.redone()}
        return Steps(**{name: values[order] for name, values in columns.items()})

    def _track(self, frame: Frame) -> Told:
        return self.told.setdefault((frame.attempt, frame.node, int(frame.frame["rank"])), Told())

    def _told(self, frame: Frame) -> dict[str, Any]:
        t_s = (frame.time_ns - self.origin_ns) / NS
        return dict(frame.frame) | {"t_s": t_s, "node": frame.node, "attempt": frame.attempt}


def gather(
    run: Run, frames: Iterable[Frame], billed: Iterable[Billed], *, now_ns: int, facts: Mapping[str, Any] | None = None
) -> Evidence:
    """The evidence of all `frames` (in the order of seq); arguments as in `Gathered.evidence`."""
    gathered = Gathered(run.submitted_ns)
    for frame in frames:
        gathered.take(frame)
    return gathered.evidence(run, billed, now_ns=now_ns, facts=facts)


def _rate(run: Run) -> float:
    """What one rank costs an hour."""
    attempt = run.attempt
    each = max(1, attempt.placement.ranks_per_node) if attempt else 1
    return run.price.micro_per_h / each


def _facts(run: Run) -> dict[str, Any]:
    """What the shape says of a node."""
    if run.attempt is None:
        return {}
    shape = run.attempt.placement.shape
    return {"cpus": shape.cpu_milli / 1000, "nvlink": shape.nvlink, "rdma_nics": shape.rdma_nics}
