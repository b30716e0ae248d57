"""Time in which nothing gets on: F16 (an allocation that nobody uses) and F17 (a program that hangs).

A hang is told by the agent, with the stacks of the ranks, or seen as steps that stopped coming. The end of training is
no hang: ranks that work on are busy, and so are ranks in a span, an evaluation or a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.model.text import duration
from jupyter_aicci.timeline.evidence import Floats
from jupyter_aicci.timeline.findings.board import Board, Bools, listed
from jupyter_aicci.timeline.findings.rule import FACT, HOUSE, SURE, Rule

IDLE_S, IDLE_CPU, IDLE_SM = 600.0, 0.05, 5.0
HANG_P95, HANG_S = 10.0, 120.0
ASLEEP_CORES = 0.05  # a rank that uses less waits

IDLE = Rule(
    id="F16",
    name="nobody uses the allocation",
    measures="Time without a step in which CPUs and accelerators of all nodes do nothing.",
    threshold=f"{IDLE_S:.0f} s with CPUs below {IDLE_CPU:.0%} and SMs below {IDLE_SM:.0f} %",
    source=HOUSE,
    money="that time",
    needs="rank: cpu; device: sm_util or util where there is one",
)
HANG = Rule(
    id="F17",
    name="hang",
    measures="Time since the last step of any rank; or what the agent found: no output, no step, no CPU time, and the stacks.",
    threshold=f"{HANG_P95:.0f} × the 95th percentile of a step and at least {HANG_S:.0f} s, while the ranks wait; the agent's own"
    " after 60 s",
    source=HOUSE,
    money="the time since the last step, of all ranks",
    needs="steps, or the agent's hang frames; rank: cpu",
)


def idle(board: Board) -> Iterator[Finding]:
    """F16."""
    quiet = _quiet(board)
    if quiet is None:
        return
    ends = board.evidence.steps.to_s
    for episode, from_s, to_s in board.on_grid(quiet, np.where(quiet, 1.0, 0.0)):
        inside = ends[(ends > from_s) & (ends < to_s)]
        pauses = np.diff(np.r_[from_s, inside, to_s])
        if not len(pauses) or pauses.max() < IDLE_S:
            continue
        at = int(pauses.argmax())
        edges = np.r_[from_s, inside, to_s]
        from_s, to_s = float(edges[at]), float(edges[at + 1])
        yield board.finding(
            IDLE,
            from_s=from_s,
            to_s=to_s,
            ongoing=not episode.cleared,
            value=to_s - from_s,
            threshold=IDLE_S,
            severity="high",
            confidence=SURE,
            wasted_ns=len(board.ranks) * (to_s - from_s) * 1e9,
            text=f"no step and hardly any CPU time for {duration(to_s - from_s)}",
            fix="Stop the run, or look at what it waits for in the log of rank 0.",
            lanes=("cpu", "gpu", "cost"),
        )


def _quiet(board: Board) -> Bools | None:
    """[g] whether no rank and no device does anything; None where nothing was measured."""
    used: list[Floats] = [board.mean("cpu", board.owner_of("rank", rank)) for rank in board.ranks]
    if not used or np.isnan(np.array(used)).all():
        return None
    quiet: Bools = np.nansum(np.array(used), axis=0) < IDLE_CPU * board.cpus * max(1, len(board.nodes))
    quiet &= ~np.isnan(np.array(used)).all(axis=0)
    for metric in ("sm_util", "util"):
        for whose in board.owners(metric, scope="device"):
            quiet &= ~(board.mean(metric, whose) >= IDLE_SM)
    return quiet


def hang(board: Board) -> Iterator[Finding]:
    """F17: what the agent told; else the longest pause of all ranks."""
    told = list(_told(board))
    yield from told
    pause = _pause(board)
    if pause is None or any(each.to_s > pause[0] for each in told):
        return
    from_s, to_s, limit_s = pause
    yield board.finding(
        HANG,
        from_s=from_s,
        to_s=to_s,
        ongoing=to_s >= board.end_s,
        value=to_s - from_s,
        threshold=limit_s,
        severity="high",
        confidence=SURE,
        wasted_ns=len(board.ranks) * (to_s - from_s) * 1e9,
        text=f"no rank made a step for {duration(to_s - from_s)}, and all of them wait",
        fix="Look at the ranks' stacks: `kill -USR2 PID` writes them to rank-R.stacks in the run's folder.",
        lanes=("step_time", "cpu", "cost"),
    )


def _told(board: Board) -> Iterator[Finding]:
    for frame in board.evidence.hangs:
        at_s = float(frame["t_s"])
        from_s, to_s = _stretch(board, at_s)
        suspects = tuple(int(rank) for rank in frame.get("suspects") or ())
        yield board.finding(
            HANG,
            from_s=from_s,
            to_s=to_s,
            ongoing=to_s >= board.end_s,
            ranks=suspects,
            value=to_s - from_s,
            threshold=max(0.0, at_s - from_s),
            severity="high",
            confidence=FACT,
            wasted_ns=len(board.ranks) * (to_s - from_s) * 1e9,
            inputs={"groups": float(len(frame.get("groups") or ()))},
            text=_words(board, frame, suspects, to_s - from_s),
            fix="Look at the line where it stands: a collective that not all ranks call, a lock, a queue.",
            lanes=("step_time", "cpu", "cost"),
        )


def _stretch(board: Board, at_s: float) -> tuple[float, float]:
    """From the last step before the frame to the next one after it."""
    ends = board.evidence.steps.to_s
    before, after = ends[ends <= at_s], board.evidence.steps.from_s[ends > at_s]
    from_s = float(before.max()) if len(before) else max(board.start_s, at_s - 60.0)
    return from_s, max(at_s, float(after.min()) if len(after) else board.end_s)


def _words(board: Board, frame: Mapping[str, Any], suspects: tuple[int, ...], lasts_s: float) -> str:
    groups = frame.get("groups") or ()
    chosen = next((group for group in groups if set(group["ranks"]) & set(suspects)), groups[0] if groups else None)
    lines = str(chosen["stack"]).strip().splitlines() if chosen else []
    where = f": {lines[0].strip()}" if lines else ""
    who = (
        listed("rank", suspects) + " first of all"
        if suspects
        else "all ranks"
        if len(board.ranks) > 1
        else "the program"
    )
    return f"nothing moved for {duration(lasts_s)}; {who} stands still{where}"


def _pause(board: Board) -> tuple[float, float, float] | None:
    """(from, to, limit) of the longest time without a step, where that is a hang."""
    steps = board.warm
    if len(steps.to_s) < board.gates.least_steps:
        return None
    each_s = (steps.to_s - steps.from_s) / np.maximum(steps.count, 1)
    limit_s = max(HANG_P95 * float(np.quantile(each_s, 0.95)), HANG_S)
    end_s = board.end_s
    if board.run.attempts and board.run.attempts[-1].exits:
        first = min(each.time_ns for each in board.run.attempts[-1].exits.values())
        end_s = min(end_s, (first - board.run.submitted_ns) / 1e9)
    last_s = float(steps.to_s.max())
    if end_s - last_s < limit_s or not _asleep(board, last_s, end_s):
        return None
    return last_s, end_s, limit_s


def _asleep(board: Board, from_s: float, to_s: float) -> bool:
    """Whether the ranks wait; with accelerators a wait may look busy, so there it counts that no step comes."""
    attempt = board.run.attempt
    if attempt is not None and attempt.placement.shape.accelerators:
        return True
    loads = [board.within("cpu", board.owner_of("rank", rank), from_s, to_s) for rank in board.ranks]
    known = [load for load in loads if load == load]
    return bool(known) and max(known) < ASLEEP_CORES
