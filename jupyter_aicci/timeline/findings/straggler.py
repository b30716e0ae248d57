"""Ranks that hold the others up: F04, and whole nodes that do, F05.

In synchronous training all ranks have the same step time; a straggler is seen in its own time, the step without waits.
Method: the rank's median own time over 50 steps is more than 5 robust deviations (1.4826 MAD over the ranks) and 1.10
times above the other ranks' median. The limit is also five standard errors of such medians, because the deviation of a few
ranks is itself uncertain; two ranks are compared with each other, from 1.20 times on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.evidence import Floats, Ints, Steps
from jupyter_aicci.timeline.findings.board import Board, Bools, Episode, listed
from jupyter_aicci.timeline.findings.rule import FACT, LIKELY, Rule

WINDOW_STEPS, SUSPECT_STEPS = 50, 20
DEVIATIONS, SLOWER, SLOWER_OF_TWO = 5.0, 1.10, 1.20
MANY = 16  # ranks, of which one moves the middle no more
MAD_TO_SIGMA = 1.4826
MEDIAN_ERROR = 1.2533  # standard error of a median, in those of a mean
NODE_SHARE = 0.75
CAUSES = {
    "throttle_thermal": "clocks capped by heat",
    "throttle_brake": "braked by hardware",
    "throttle_power": "clocks capped by power",
}

STRAGGLER = Rule(
    id="F04",
    name="slow rank",
    measures="Each rank's median own time of a step (without waits and collectives), beside the other ranks'.",
    threshold=f"over {WINDOW_STEPS} steps more than {DEVIATIONS:.0f} × 1.4826 MAD and {SLOWER:.2f} × above the ranks' median,"
    f" and more than {DEVIATIONS:.0f} standard errors; of two ranks {SLOWER_OF_TWO:.2f} × the other's; with {SUSPECT_STEPS} steps"
    " it is only suspected",
    source="simulation of 2,000 runs with log-normal noise: 1.3 × is found in at least 97 % of runs, false alarms in at most 0.2 %"
    " (tests/timeline/findings/test_straggler.py repeats it)",
    money="what the other ranks waited for it",
    needs="steps of at least two ranks",
)
SLOW_NODE = Rule(
    id="F05",
    name="slow node",
    measures="F04 for most ranks of one node, or the median of its ranks beside the other nodes'.",
    threshold=f"{NODE_SHARE:.0%} of the ranks of a node that has at least two, or {SLOWER:.2f} × the other nodes' median",
    source="a choice of this project, not yet calibrated",
    money="as F04, which it replaces",
    needs="steps of at least two nodes",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Own:
    """Each rank's median own time, in windows of so many steps that overlap by half."""

    from_s: Floats
    to_s: Floats
    median_ns: Floats  # [w, r], NaN = the rank has none there
    error: Floats  # [w] standard error of these medians, as a share of them
    steps: int  # of each rank in a window


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """One rank's stretch."""

    rank: int
    from_s: float
    to_s: float
    cleared: bool
    times: float  # its own time as a multiple of the others'
    limit: float
    confidence: float


def straggler(board: Board) -> Iterator[Finding]:
    """F04: ranks that are slow at the same time are one finding."""
    for group in _together(slow_ranks(board)):
        yield _finding(board, STRAGGLER, group)


def slow_node(board: Board) -> Iterator[Finding]:
    """F05."""
    slow = list(slow_ranks(board))
    if len(board.nodes) < 2:
        return
    for node in board.nodes:
        mine = board.on_node(node)
        found = [each for each in slow if each.rank in mine]
        for group in _together(found):
            ranks = {each.rank for each in group}
            if len(mine) >= 2 and len(ranks) >= NODE_SHARE * len(mine):
                yield _finding(board, SLOW_NODE, group, node=node)


def own_time(board: Board, window_steps: int) -> Own:
    """Medians of the warm steps, rank by rank; a long run has longer windows."""
    steps, size = board.warm, len(board.ranks)
    if not len(steps.rank):
        return _nothing(size)
    each_ns = steps.compute_ns / np.maximum(steps.count, 1)
    place = np.searchsorted(np.array(board.ranks), steps.rank)
    done = _done(steps, place, size)
    length = max(window_steps, int(done.max()) // board.gates.most_windows)
    hop = max(1, length // 2)
    order = np.argsort(done, kind="stable")
    ordered = done[order]
    rows, from_s, to_s, errors = [], [], [], []
    for first in range(0, max(1, int(done.max()) - length + 1), hop):
        bounds = np.searchsorted(ordered, (first, first + length), side="right")
        inside = order[bounds[0] : bounds[1]]
        if not len(inside):
            continue
        medians, error = _medians(each_ns[inside], place[inside], size)
        rows.append(medians)
        errors.append(error / math.sqrt(length))
        from_s.append(float(steps.from_s[inside].min()))
        to_s.append(float(steps.to_s[inside].max()))
    return Own(
        from_s=np.array(from_s),
        to_s=np.array(to_s),
        median_ns=np.array(rows),
        error=np.array(errors),
        steps=min(length, int(done.max())),
    )


def slow_ranks(board: Board) -> Iterator[Slow]:
    """Every rank's stretches of being slow."""
    own = own_time(board, WINDOW_STEPS)
    many = len(own.from_s) >= board.gates.raise_windows
    if not many:
        own = own_time(board, min(WINDOW_STEPS, max(SUSPECT_STEPS, own.steps)))
    if own.steps < SUSPECT_STEPS or len(board.ranks) < 2:
        return
    middle, limit = limits(own)
    hot = own.median_ns > limit
    for at, rank in enumerate(board.ranks):
        for episode in _stretches(board, hot[:, at], ~np.isnan(own.median_ns[:, at]), many):
            span = episode.span
            from_s, to_s = float(own.from_s[episode.first]), float(own.to_s[episode.last])
            sure = board.confidence(from_s, to_s, own.steps) if many else LIKELY
            yield Slow(
                rank=rank,
                from_s=from_s,
                to_s=to_s,
                cleared=episode.cleared,
                times=float(np.nanmedian(own.median_ns[span, at] / middle[span, at])),
                limit=float(np.nanmedian(limit[span, at] / middle[span, at])),
                confidence=sure,
            )


def limits(own: Own) -> tuple[Floats, Floats]:
    """[w, r] what the other ranks take in the middle, and from where on this one is slow; NaN and inf where it is alone.

    A rank is judged by the others; of many ranks it changes nothing in the middle, and all are judged by all.
    """
    size = own.median_ns.shape[1]
    if size > MANY:
        middle, limit = _limits(own.median_ns, own.error)
        return np.repeat(middle[:, None], size, axis=1), np.repeat(limit[:, None], size, axis=1)
    both = [_limits(np.delete(own.median_ns, at, axis=1), own.error) for at in range(size)]
    return np.stack([one[0] for one in both], axis=1), np.stack([one[1] for one in both], axis=1)


def _limits(others_ns: Floats, error: Floats) -> tuple[Floats, Floats]:
    """[w] of these ranks."""
    ranks = (~np.isnan(others_ns)).sum(axis=1)
    table = np.where((ranks > 0)[:, None], others_ns, 0.0)
    middle = np.nanmedian(table, axis=1)
    spread = MAD_TO_SIGMA * np.nanmedian(np.abs(table - middle[:, None]), axis=1)
    alone = ranks == 1
    margin = np.where(alone, math.sqrt(2.0), 1.0) * DEVIATIONS * error * middle
    slower = np.where(alone, SLOWER_OF_TWO, SLOWER) * middle
    limit = np.maximum.reduce([middle + DEVIATIONS * spread, middle + margin, slower])
    return np.where(ranks > 0, middle, np.nan), np.where(ranks > 0, limit, np.inf)


def _nothing(size: int) -> Own:
    none = np.empty(0)
    return Own(from_s=none, to_s=none, median_ns=np.empty((0, size)), error=none, steps=0)


def _done(steps: Steps, place: Ints, size: int) -> Ints:
    """How many warm steps the rank has done with each record, the attempts one after the other."""
    done = np.empty(len(place), dtype=np.int64)
    for at in range(size):
        mine = place == at
        done[mine] = np.cumsum(steps.count[mine])
    return done


def _medians(each_ns: Floats, place: Ints, size: int) -> tuple[Floats, float]:
    """Each rank's median, and the standard error of one step's own time as a share of it, in the middle of the ranks."""
    medians, errors = np.full(size, np.nan), np.full(size, np.nan)
    order = np.lexsort((each_ns, place))
    values, owners = each_ns[order], place[order]
    bounds = np.searchsorted(owners, np.arange(size + 1))
    for at in range(size):
        mine = values[bounds[at] : bounds[at + 1]]
        if len(mine):
            medians[at] = middle = (
                mine[len(mine) // 2] if len(mine) % 2 else mine[len(mine) // 2 - 1 : len(mine) // 2 + 1].mean()
            )
            errors[at] = (
                MEDIAN_ERROR * MAD_TO_SIGMA * float(np.median(np.abs(mine - middle))) / middle if middle > 0 else 0.0
            )
    return medians, float(np.nanmedian(errors)) if not np.isnan(errors).all() else 0.0


def _stretches(board: Board, hot: Bools, known: Bools, many: bool) -> Iterator[Episode]:
    if many:
        yield from board.episodes(hot, known)
    elif len(hot) and hot[-1] and known[-1]:
        yield Episode(first=len(hot) - 1, last=len(hot) - 1, cleared=False)


def _together(slow: Iterator[Slow] | list[Slow]) -> list[list[Slow]]:
    """Stretches that begin and end at about the same time, as groups."""
    groups: list[list[Slow]] = []
    for each in sorted(slow, key=lambda one: (one.from_s, one.rank)):
        for group in groups:
            overlap = min(each.to_s, group[0].to_s) - max(each.from_s, group[0].from_s)
            longer = max(each.to_s - each.from_s, group[0].to_s - group[0].from_s)
            if overlap >= 0.7 * longer and all(one.rank != each.rank for one in group):
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def _finding(board: Board, rule: Rule, group: list[Slow], node: int = -1) -> Finding:
    ranks = tuple(sorted(one.rank for one in group))
    from_s, to_s = min(one.from_s for one in group), max(one.to_s for one in group)
    worst = max(group, key=lambda one: one.times)
    cause, fix = _cause(board, ranks, from_s, to_s)
    ongoing = not all(one.cleared for one in group)
    who = f"Node {node}" if node >= 0 else listed("Rank", ranks)
    is_one = node < 0 and len(ranks) == 1 and (len(board.nodes) > 1 or board.device_of(ranks[0]))
    where = f"node {board.node_of[ranks[0]]}" + _device_words(board, ranks[0]) if is_one else ""
    notes = f" ({where}, {cause})" if where and cause else f" ({where or cause})" if where or cause else ""
    doubt = "" if worst.confidence > LIKELY else ", as far as few steps show,"
    verb = "is" if ongoing and not board.run.ended else "was"
    return board.finding(
        rule,
        from_s=from_s,
        to_s=to_s,
        ongoing=ongoing,
        ranks=ranks,
        nodes=(node,) if node >= 0 else tuple(sorted({board.node_of[rank] for rank in ranks})),
        value=worst.times,
        threshold=round(worst.limit, 3),
        severity="high" if worst.times >= 1.5 else "warning",
        confidence=min(one.confidence for one in group) if worst.confidence < FACT else FACT,
        wasted_ns=_waited_ns(board, ranks, from_s, to_s),
        inputs={"ranks": float(len(board.ranks))},
        text=f"{who} {verb} {worst.times:.1f}× slower{doubt} than the others{notes}",
        fix=fix,
        lanes=("step_heat", *(f"node-{board.node_of[rank]}" for rank in ranks[:1]), "cost"),
    )


def _device_words(board: Board, rank: int) -> str:
    device = board.device_of(rank)
    return f", GPU {device}" if device else ""


def _cause(board: Board, ranks: tuple[int, ...], from_s: float, to_s: float) -> tuple[str, str]:
    """(why it is slow, where that can be seen; what to try)"""
    for metric, words in CAUSES.items():
        shares = [
            board.within(metric, board.owner_of("device", rank), from_s, to_s) / 1e9
            for rank in ranks
            if board.device_of(rank)
        ]
        if any(share >= 0.01 for share in shares):
            return words, "Leave this node out, or have its cooling and power looked at."
    loads = [(board.within("cpu", board.owner_of("rank", rank), from_s, to_s), rank) for rank in ranks]
    if any(load < 0.5 for load, _ in loads):
        return (
            "it hardly uses its CPU",
            "Look at what this rank does that the others do not: a wait, a file, a debug print.",
        )
    return "", "Look at what shares this rank's CPU, and whether its part of the work is larger."


def _waited_ns(board: Board, ranks: tuple[int, ...], from_s: float, to_s: float) -> float:
    """What the other ranks waited longer than the collective takes."""
    steps = board.evidence.steps
    others = (steps.to_s > from_s) & (steps.to_s <= to_s) & ~np.isin(steps.rank, ranks)
    return float(steps.straggler_ns[others].sum())
