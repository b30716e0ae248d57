"""Checkpoints that are made too often or too seldom, F18, and work that was done twice, F29.

The interval that loses least is sqrt(2 C MTBF) (Young, CACM 17(9), 1974; Daly, FGCS 22(3), 2006), C being what one
checkpoint costs. MTBF is what this run has seen; before it has seen a fault, one in 5,000 hours of a node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.model.text import duration
from jupyter_aicci.timeline.evidence import Floats
from jupyter_aicci.timeline.findings.board import Board, percent
from jupyter_aicci.timeline.findings.rule import CALIBRATED, FACT, SURE, Rule

OFTEN = 0.05
SELDOM = 3.0  # times the best interval
NODE_MTBF_S = 5000 * 3600.0  # of the order of Llama 3's 419 interruptions in 54 days of 2,048 nodes
SHORTEST_S = 600.0  # nobody is told to make checkpoints more often than that

COSTLY = Rule(
    id="F18",
    name="checkpoints too often or too seldom",
    measures="The share of time in which a rank writes checkpoints and does not compute; the time between two of them.",
    threshold=f"{percent(OFTEN)} of the time, made more often than sqrt(2 C MTBF); or none for {SELDOM:.0f} × that and at least"
    " 10 min",
    source=f"Young 1974, Daly 2006; MTBF of 5,000 h a node after Llama 3's report; {percent(OFTEN)} {CALIBRATED}",
    money="what is above the cost at the best interval; of too few, what a fault is expected to cost, told as at risk",
    needs="checkpoint of the steps",
)
LOST_WORK = Rule(
    id="F29",
    name="work done twice",
    measures="Steps that an earlier attempt had done already.",
    threshold="any",
    source="a fact",
    money="the time of these steps",
    needs="steps of several attempts",
)


def checkpoints(board: Board) -> Iterator[Finding]:
    """F18."""
    yield from _too_often(board)
    yield from _too_seldom(board)


def _too_often(board: Board) -> Iterator[Finding]:
    windows = board.windows
    if not len(windows):
        return
    by_rank = windows.rank_share("checkpoint_ns")
    share = np.nanmax(np.where(np.isnan(by_rank), 0.0, by_rank), axis=1)
    for episode in board.episodes(share > OFTEN):
        span = episode.span
        from_s, to_s = float(windows.from_s[episode.first]), float(windows.to_s[episode.last])
        of_rank = windows.checkpoint_ns[span].sum(axis=0)
        at = int(of_rank.argmax())
        value = float(of_rank[at] / windows.total_ns[span][:, at].sum())
        number, each_s = _made(board, board.ranks[at], from_s, to_s)
        best_s = best_interval_s(board, each_s)
        every_s = (to_s - from_s) / max(1, number)
        if value <= OFTEN or number < 2 or every_s >= best_s:
            continue
        waited_ns = _others_wait_ns(board, from_s, to_s)
        cost_ns = float(of_rank.sum()) + waited_ns
        steps = float(windows.count[span][:, at].sum())
        yield board.finding(
            COSTLY,
            from_s=from_s,
            to_s=to_s,
            ongoing=not episode.cleared,
            value=value,
            threshold=OFTEN,
            severity="high" if value >= 0.2 else "warning",
            confidence=board.confidence(from_s, to_s, steps),
            wasted_ns=cost_ns * max(0.0, 1.0 - every_s / best_s),
            inputs={"every_s": every_s, "each_s": each_s, "best_s": best_s, "checkpoints": float(number)},
            text=f"{percent(value)} of the time goes into checkpoints: one of {duration(each_s)} every {duration(every_s)}",
            fix=f"Make one every {duration(best_s)}: at one fault in {duration(_mtbf_s(board))} that loses least.",
            lanes=("step_time", "written", "cost"),
        )


def _too_seldom(board: Board) -> Iterator[Finding]:
    """A run that had a checkpoint knows what one costs; of a run without any nothing can be said but by its length."""
    steps = board.evidence.steps
    if not len(steps.to_s):
        return
    made_s = _times(board)
    each_s = _made(board, None, 0.0, board.end_s)[1] if len(made_s) else 10.0
    best_s = max(SHORTEST_S, best_interval_s(board, each_s))
    since_s = float(made_s.max()) if len(made_s) else float(steps.from_s.min())
    if board.end_s - since_s < SELDOM * best_s:
        return
    lost_share = (board.end_s - since_s) / 2.0 / _mtbf_s(board)
    yield board.finding(
        COSTLY,
        from_s=since_s,
        to_s=board.end_s,
        ongoing=True,
        value=board.end_s - since_s,
        threshold=SELDOM * best_s,
        severity="warning",
        confidence=SURE if len(made_s) else 0.6,
        wasted_ns=len(board.ranks) * (board.end_s - since_s) * 1e9 * min(1.0, lost_share),
        at_risk=True,
        inputs={"best_s": best_s, "each_s": each_s},
        text=f"no checkpoint for {duration(board.end_s - since_s)}: a fault would lose all of that",
        fix=f"Make one every {duration(best_s)}, with aicci.checkpoint.save(state) or torch.save.",
        lanes=("step_time", "cost"),
    )


def best_interval_s(board: Board, each_s: float) -> float:
    """sqrt(2 C MTBF) of the whole gang."""
    return math.sqrt(2.0 * max(each_s, 1e-3) * _mtbf_s(board))


def _mtbf_s(board: Board) -> float:
    """Of the whole gang: what was seen where anything was, else the assumption."""
    if board.run.lost:
        return max(60.0, (board.end_s - board.start_s) / board.run.lost)
    return NODE_MTBF_S / max(1, len(board.nodes))


def _made(board: Board, rank: int | None, from_s: float, to_s: float) -> tuple[int, float]:
    """(how many checkpoints, seconds of each) as a rank's steps show them; of `None`, of the rank that made most."""
    steps = board.evidence.steps
    inside = (steps.to_s > from_s) & (steps.to_s <= to_s) & (steps.checkpoint_ns > 0)
    if rank is not None:
        inside &= steps.rank == rank
    spent = steps.checkpoint_ns[inside]
    told = [
        note
        for note in board.evidence.notes
        if note.get("topic") == "checkpoint"
        and from_s < float(note["t_s"]) <= to_s
        and rank in (None, note.get("rank"))
    ]
    number = max(int(inside.sum()), len(told)) // (
        1 if rank is not None else max(1, len(np.unique(steps.rank[inside])))
    )
    ranks = 1 if rank is not None else max(1, len(np.unique(steps.rank[inside])))
    return number, float(spent.sum()) / ranks / max(1, number) / 1e9


def _times(board: Board) -> Floats:
    steps = board.evidence.steps
    told = [float(note["t_s"]) for note in board.evidence.notes if note.get("topic") == "checkpoint"]
    both: Floats = np.r_[steps.to_s[steps.checkpoint_ns > 0], np.array(told)]
    return both


def _others_wait_ns(board: Board, from_s: float, to_s: float) -> float:
    """What ranks waited for others in steps in which one of those wrote a checkpoint."""
    steps = board.evidence.steps
    inside = (steps.to_s > from_s) & (steps.to_s <= to_s)
    saved = np.unique(steps.step[inside & (steps.checkpoint_ns > 0)])
    return float(steps.straggler_ns[inside & np.isin(steps.step, saved) & (steps.checkpoint_ns == 0)].sum())


def lost_work(board: Board) -> Iterator[Finding]:
    """F29."""
    steps = board.evidence.steps
    if not steps.redone.any():
        return
    again = steps.of(steps.redone)
    lost_ns = float(((again.to_s - again.from_s) * 1e9).sum())
    number = int(again.step.max() - again.step.min()) + 1
    total_ns = float(((steps.to_s - steps.from_s) * 1e9).sum())
    each_s = _made(board, None, 0.0, board.end_s)[1]
    best_s = max(10.0, best_interval_s(board, each_s if each_s else 1.0))
    fix = (
        f"A checkpoint every {duration(best_s)} would lose least at this rate of faults."
        if any(attempt.resume_step >= 0 for attempt in board.run.attempts)
        else "Make checkpoints with aicci.checkpoint.save(state): the next attempt goes on from the latest."
    )
    yield board.finding(
        LOST_WORK,
        from_s=float(again.from_s.min()),
        to_s=float(again.to_s.max()),
        value=float(number),
        threshold=1.0,
        severity="high" if lost_ns > 0.1 * total_ns else "warning",
        confidence=FACT,
        wasted_ns=lost_ns,
        inputs={"share": lost_ns / max(1.0, total_ns)},
        text=f"{number} steps were done a second time after {board.run.lost or 1} restart"
        + ("s" if board.run.lost > 1 else ""),
        fix=fix,
        lanes=("step_time", "cost", *(f"node-{node}" for node in board.nodes[:1])),
    )
