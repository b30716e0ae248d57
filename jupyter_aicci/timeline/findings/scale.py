"""What the run as a whole is worth: F27 (a start that takes long) and F28 (more ranks than pay)."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.model.text import duration
from jupyter_aicci.timeline.findings.board import Board, percent
from jupyter_aicci.timeline.findings.rule import CALIBRATED, FACT, Rule

START_S, START_SHARE, START_LEAST_S = 300.0, 0.10, 20.0
EFFICIENT = 0.80

SLOW_START = Rule(
    id="F27",
    name="slow start",
    measures="Time from the moment at which nodes are held to the first step.",
    threshold=f"{START_S:.0f} s; or, of a run that has ended, {percent(START_SHARE)} of what it paid for and at least"
    f" {START_LEAST_S:.0f} s",
    source=f"SageMaker Debugger's MaxInitializationTime is 20 min; the share {CALIBRATED}",
    money="that time",
    needs="steps",
)
TOO_MANY = Rule(
    id="F28",
    name="more ranks than pay",
    measures="Measured efficiency: throughput beside that of the probe, rank by rank.",
    threshold=f"below {EFFICIENT}",
    source="the aim of this project: 0.8 and better",
    money="(1 - efficiency) of the steps' time",
    needs="a measured speed-up (--probe)",
)


def slow_start(board: Board) -> Iterator[Finding]:
    """F27: of the first attempt; restarts are lost work."""
    steps, run = board.evidence.steps, board.run
    if not run.attempts:
        return
    first = run.attempts[0]
    from_s = (first.placed_ns - run.submitted_ns) / 1e9
    mine = steps.attempt == first.number
    begun = bool(mine.any())
    until_s = float(steps.from_s[mine].min()) if begun else board.end_s
    took_s, paid_s = until_s - from_s, max(1e-3, board.end_s - from_s)
    if not begun and (run.ended or not _tells_steps(board)):
        return
    by_share = run.ended and took_s >= START_SHARE * paid_s and took_s >= START_LEAST_S
    if took_s < START_S and not by_share:
        return
    yield board.finding(
        SLOW_START,
        from_s=from_s,
        to_s=until_s,
        ongoing=not begun,
        value=took_s,
        threshold=START_S if took_s >= START_S else START_SHARE * paid_s,
        severity="warning",
        confidence=FACT,
        wasted_ns=took_s * 1e9 * len(board.ranks),
        inputs={"share": took_s / paid_s},
        text=f"{duration(took_s)} passed before the first step"
        + (f", {percent(took_s / paid_s)} of the time paid for" if run.ended else ""),
        fix="Look at what happens before the first step: imports, reading all data at once, compiling, a download.",
        lanes=(*(f"node-{node}" for node in board.nodes[:1]), "cost"),
    )


def _tells_steps(board: Board) -> bool:
    """Whether steps are to be expected: a program of a framework that has them."""
    return board.run.spec.framework in ("torch", "jax")


def too_many(board: Board) -> Iterator[Finding]:
    """F28: from what was measured; `facts["speedup"]` has efficiency, ranks, and the count that would pay best."""
    told = board.evidence.facts.get("speedup")
    if not told or not told.get("measured", True) or float(told["efficiency"]) >= EFFICIENT or len(board.ranks) < 2:
        return
    efficiency, steps = float(told["efficiency"]), board.warm
    if not len(steps.rank):
        return
    better = int(told.get("cheapest") or 0)
    total_ns = float(((steps.to_s - steps.from_s) * 1e9).sum())
    yield board.finding(
        TOO_MANY,
        from_s=float(steps.from_s.min()),
        to_s=float(steps.to_s.max()),
        ongoing=True,
        value=efficiency,
        threshold=EFFICIENT,
        confidence=float(told.get("confidence", 0.9)),
        wasted_ns=(1.0 - efficiency) * total_ns,
        text=f"{len(board.ranks)} ranks do the work of {efficiency * len(board.ranks):.1f}",
        fix=f"Try {better} ranks: the cheapest that is in time."
        if better
        else "Try fewer ranks, or larger batches on each.",
        lanes=("step_time", "cost"),
    )
