"""Steps that take unequally long without another reason: F25 (unstable) and F26 (slower than before).

Noise alone gives neither: F25 needs the long steps to cost something, F26 compares pairs of windows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.evidence import Floats
from jupyter_aicci.timeline.findings.board import Board, listed, percent
from jupyter_aicci.timeline.findings.rule import CALIBRATED, Rule
from jupyter_aicci.timeline.findings.straggler import MAD_TO_SIGMA, WINDOW_STEPS, own_time

VARIES = 0.15
FAR, FAR_STEPS, FAR_OF = 3.0, 10, 500
EXCESS_VARIES, EXCESS_FAR = 0.10, 0.05
SLOWER_NOW = 1.15
ERRORS = 5.0

UNSTABLE = Rule(
    id="F25",
    name="unstable steps",
    measures="The spread of a rank's own time, and its time above ideal steps: those within three robust deviations of the median.",
    threshold=f"coefficient of variation above {VARIES} and {percent(EXCESS_VARIES)} of the time above ideal; or {FAR_STEPS} of"
    f" {FAR_OF} steps beyond {FAR:.0f} deviations and {percent(EXCESS_FAR)}",
    source=f"SageMaker Debugger's StepOutlier and gpuprof; the share above ideal {CALIBRATED}",
    money="the time above ideal",
    needs="steps",
)
REGRESSION = Rule(
    id="F26",
    name="slower than before",
    measures="The median own time of the last windows beside the best of the run.",
    threshold=f"{SLOWER_NOW} × and more than {ERRORS:.0f} standard errors, both of the last two windows beside"
    " the better of two that follow",
    source="a choice of this project; the standard errors keep noise out (tests/timeline/findings/test_noise.py)",
    money="(ratio - 1) / ratio of the time since then",
    needs="at least 200 steps",
)


def unstable(board: Board) -> Iterator[Finding]:
    """F25: the ranks whose steps vary, over the whole run."""
    steps, found = board.warm, {}
    for rank in board.ranks:
        mine = steps.rank == rank
        told = _spread(steps.compute_ns[mine] / np.maximum(steps.count[mine], 1), steps.count[mine])
        if told is not None and int(steps.count[mine].sum()) >= board.gates.sure_steps:
            found[rank] = told
    if not found:
        return
    ranks, worst = tuple(sorted(found)), max(found, key=lambda each: found[each][1])
    varies, excess, _ = found[worst]
    mine = np.isin(steps.rank, ranks)
    from_s, to_s = float(steps.from_s[mine].min()), float(steps.to_s[mine].max())
    if to_s - from_s < board.gates.sure_s:
        return
    yield board.finding(
        UNSTABLE,
        from_s=from_s,
        to_s=to_s,
        ongoing=True,
        ranks=ranks,
        value=varies,
        threshold=VARIES,
        confidence=0.6,
        wasted_ns=sum(each[2] for each in found.values()),
        inputs={"excess": excess},
        text=f"the own time of a step varies by {percent(varies)} on {listed('rank', (worst,))}; "
        f"{percent(excess)} of it is above an even step",
        fix="Look at what runs beside it on this machine, at garbage collection, and at inputs of unequal size.",
        lanes=("step_time", "cost"),
    )


def _spread(each_ns: Floats, count: Floats) -> tuple[float, float, float] | None:
    """(coefficient of variation, share above ideal, ns above ideal) where that is a finding."""
    if len(each_ns) < 20 or not each_ns.sum():
        return None
    mean = float(np.average(each_ns, weights=count))
    deviation = float(np.sqrt(np.average((each_ns - mean) ** 2, weights=count)))
    middle = float(np.median(each_ns))
    robust = MAD_TO_SIGMA * float(np.median(np.abs(each_ns - middle)))
    ideal = each_ns <= middle + FAR * max(robust, 0.02 * middle)
    best = float(np.average(each_ns[ideal], weights=count[ideal]))
    excess_ns = float((np.maximum(0.0, each_ns - best) * count)[~ideal].sum())
    excess = excess_ns / float((each_ns * count).sum())
    far = int((each_ns > mean + FAR * deviation).sum()) / len(each_ns)
    varies = deviation / mean
    if (varies > VARIES and excess >= EXCESS_VARIES) or (
        far >= FAR_STEPS / FAR_OF and excess >= EXCESS_FAR and varies > VARIES
    ):
        return varies, excess, excess_ns
    return None


def regression(board: Board) -> Iterator[Finding]:
    """F26: the middle of all ranks."""
    own = own_time(board, WINDOW_STEPS)
    if len(own.from_s) < 8:
        return
    middle = np.nanmedian(own.median_ns, axis=1)
    pairs = np.maximum(middle[:-1], middle[1:])
    best_at = int(pairs.argmin())
    best, last = float(pairs[best_at]), float(middle[-2:].min())
    times = last / best
    limit = max(SLOWER_NOW, 1.0 + ERRORS * float(np.nanmedian(own.error)))
    if times <= limit or best_at >= len(middle) - 3:
        return
    since = int(np.flatnonzero(middle <= limit * best)[-1]) + 1
    from_s, to_s = float(own.from_s[since]), float(own.to_s[-1])
    if to_s - from_s < board.gates.sure_s:
        return
    steps = board.warm
    after = steps.to_s > from_s
    yield board.finding(
        REGRESSION,
        from_s=from_s,
        to_s=to_s,
        ongoing=True,
        value=times,
        threshold=limit,
        confidence=board.confidence(from_s, to_s),
        wasted_ns=float(steps.compute_ns[after].sum()) * (times - 1.0) / times,
        inputs={"best_ms": best / 1e6, "now_ms": last / 1e6},
        text=f"a step takes {times:.2f}× the time that it took at {_minutes(float(own.to_s[best_at]))}",
        fix="Look at what grew since then: inputs, a list that each step walks through, another program on this machine.",
        lanes=("step_time", "cost"),
    )


def _minutes(at_s: float) -> str:
    return f"{int(at_s) // 60}:{int(at_s) % 60:02}"
