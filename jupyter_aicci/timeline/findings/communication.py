"""Steps that wait for the network at its best: F06, and collectives that take another way than the hardware has: F07.

`comm` is what a collective takes for the rank that waits least; what the others wait longer is straggler time (F04).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.findings.board import Board, percent
from jupyter_aicci.timeline.findings.rule import FACT, Rule

COMM_WARN, COMM_HIGH = 0.25, 0.40
WAYS = {"P2P": 3, "NET/IB": 3, "SHM": 2, "NET/Socket": 1}  # the better the higher

COMM_BOUND = Rule(
    id="F06",
    name="bound by communication",
    measures="The share of the steps' time in which every rank waited for collectives.",
    threshold=f"{percent(COMM_WARN)} of the time (high from {percent(COMM_HIGH)})",
    source=f"gpuprof's rule speaks from {percent(COMM_HIGH)}",
    money=f"the share above {percent(COMM_WARN)}",
    needs="comm of the steps, at least two ranks",
)
WRONG_PATH = Rule(
    id="F07",
    name="collectives take a slower way",
    measures="The way that NCCL says its channels take, beside what the shape has.",
    threshold="SHM or NET/Socket between devices with NVLink, NET/Socket between nodes with RDMA",
    source="NCCL's own log; its silent fallback is issues 766, 1817 and 602 of NVIDIA/nccl",
    money="the time of collectives, as an upper bound",
    needs="note transport; shape with nvlink or rdma_nics",
)


def comm_bound(board: Board) -> Iterator[Finding]:
    """F06."""
    windows = board.windows
    if len(board.ranks) < 2 or not len(windows):
        return
    share = windows.share("comm_ns")
    for episode in board.episodes(share >= COMM_WARN, ~np.isnan(share)):
        span = episode.span
        total, comm = windows.total_ns[span].sum(), windows.comm_ns[span].sum()
        if comm / total < COMM_WARN:
            continue
        from_s, to_s = float(windows.from_s[episode.first]), float(windows.to_s[episode.last])
        steps = float(windows.count[span].sum()) / len(board.ranks)
        step_s = float(total / windows.count[span].sum() / 1e9)
        small = step_s < 0.1
        yield board.finding(
            COMM_BOUND,
            from_s=from_s,
            to_s=to_s,
            ongoing=not episode.cleared,
            value=float(comm / total),
            threshold=COMM_WARN,
            severity="high" if comm / total >= COMM_HIGH else "warning",
            confidence=board.confidence(from_s, to_s, steps),
            wasted_ns=float(comm - COMM_WARN * total),
            inputs={"step_s": step_s, "steps": steps, "ranks": float(len(board.ranks))},
            text=f"{percent(float(comm / total))} of each step goes into collectives"
            + (f"; a step takes only {1000 * step_s:.0f} ms" if small else ""),
            fix="Try larger batches, or gradients of several batches before one step."
            if small
            else "Try larger batches, larger buckets, gradients in half precision, or fewer nodes closer together.",
            lanes=("step_time", "network", "nvlink", "rdma", "cost"),
        )


def wrong_path(board: Board) -> Iterator[Finding]:
    """F07."""
    attempt, facts = board.run.attempt, board.evidence.facts
    if attempt is None:
        return
    shape = attempt.placement.shape
    nvlink, rdma = bool(facts.get("nvlink", shape.nvlink)), int(facts.get("rdma_nics", shape.rdma_nics) or 0)
    for kind, t_s in _told(board).items():
        better = nvlink if kind == "SHM" else rdma > 0 or (nvlink and len(board.nodes) == 1)
        if kind not in ("SHM", "NET/Socket") or not better:
            continue
        steps = board.evidence.steps
        after = steps.to_s > t_s
        wanted = "NVLink" if nvlink and (kind == "SHM" or not rdma) else "RDMA"
        yield board.finding(
            WRONG_PATH,
            from_s=t_s,
            to_s=board.end_s,
            ongoing=True,
            value=float(WAYS[kind]),
            threshold=float(WAYS["P2P"]),
            severity="high",
            confidence=FACT,
            wasted_ns=float(steps.comm_ns[after].sum()),
            text=f"collectives go over {'TCP sockets' if kind == 'NET/Socket' else 'host memory'} although the shape has {wanted}",
            fix=f"Run with NCCL_DEBUG=INFO: its first lines say why {wanted} is not used ({_suspects(wanted)}).",
            lanes=("nvlink", "rdma", "network", "step_time"),
        )


def _told(board: Board) -> dict[str, float]:
    """kind -> when it was first told."""
    found: dict[str, float] = {}
    for note in board.evidence.notes:
        kind = str((note.get("data") or {}).get("kind", "")) if note.get("topic") == "transport" else ""
        if kind in WAYS:
            found.setdefault(kind, float(note["t_s"]))
    return found


def _suspects(wanted: str) -> str:
    return (
        "NCCL_P2P_DISABLE, IOMMU, a container without access"
        if wanted == "NVLink"
        else "NCCL_IB_DISABLE, NCCL_IB_HCA, no /dev/infiniband"
    )
