"""Memory that runs out: F11 (accelerator), F12 (host), F13 (/dev/shm), F14 (it grows and will not end).

What is near a limit costs nothing yet; what it would cost is the attempt: everything since the last checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.model.text import duration, size
from jupyter_aicci.timeline.evidence import Floats, Series
from jupyter_aicci.timeline.findings.board import Board, listed, node_of, percent
from jupyter_aicci.timeline.findings.rule import CALIBRATED, FACT, HOUSE, Rule

DEVICE_WARN, DEVICE_HIGH, FRAGMENTED = 0.92, 0.97, 0.20
GROUP_FULL, HOST_FULL, STALLED = 0.90, 0.95, 0.05
SHM_FULL = 0.90
GROWTH_BYTES = 1 << 30
STILL_GROWING = 0.5  # of the whole slope, in the last third
TREND_POINTS = 300

DEVICE_MEMORY = Rule(
    id="F11",
    name="accelerator memory nearly full",
    measures="Memory in use of what the device has; memory that the framework holds and does not use.",
    threshold=f"{percent(DEVICE_WARN)} (high from {percent(DEVICE_HIGH)}); {percent(FRAGMENTED)} held and not used",
    source="traceml's limits",
    money="nothing yet: the attempt is at risk",
    needs="device: mem_used, mem_total; rank: gpu_allocated, gpu_reserved",
)
HOST_MEMORY = Rule(
    id="F12",
    name="host memory nearly full",
    measures="The group's memory without cache that can be given back, of its limit; else the host's; stalls; processes killed.",
    threshold=f"{percent(GROUP_FULL)} of the group's limit, {percent(HOST_FULL)} of the host's memory, all stalled"
    f" {percent(STALLED)} of the time, or any process killed",
    source=HOUSE,
    money="nothing yet: the attempt is at risk",
    needs="node: group_memory, group_memory_max, or memory, memory_total; psi_memory_full, group_oom_kills",
)
SHM = Rule(
    id="F13",
    name="/dev/shm nearly full",
    measures="Used of what it has; loader workers hand their batches over through it.",
    threshold=percent(SHM_FULL),
    source=CALIBRATED,
    money="nothing yet: the attempt is at risk",
    needs="node: shm_used, shm_total",
)
LEAK = Rule(
    id="F14",
    name="memory keeps growing",
    measures="The trend of a rank's memory (Theil-Sen, with its 95 % interval), and when it reaches the limit.",
    threshold="at least 50 steps, the interval above 0, growth of 1 GiB or more and still going on, and the limit is reached"
    " before the run ends; where nobody knows when that is, before it has run ten times as long as now",
    source=f"traceml speaks from 1 GiB on; the rest {CALIBRATED}",
    money="nothing yet: the time of the attempt, told as at risk",
    needs="rank: pss, rss or gpu_allocated; a limit",
)


def device_memory(board: Board) -> Iterator[Finding]:
    """F11."""
    for whose in board.owners("mem_used", "mem_total", scope="device"):
        used = board.peak("mem_used", whose) / board.mean("mem_total", whose)
        ranks = board.ranks_of_device(whose)
        for episode, from_s, to_s in board.on_grid(used >= DEVICE_WARN, used):
            value = float(np.nanmax(used[episode.span]))
            yield board.finding(
                DEVICE_MEMORY,
                from_s=from_s, to_s=to_s, ongoing=not episode.cleared, ranks=ranks, nodes=(node_of(whose),),
                value=value, threshold=DEVICE_WARN, severity="high" if value >= DEVICE_HIGH else "warning",
                confidence=board.confidence(from_s, to_s),
                text=f"{whose.replace('-', ' ').replace('/gpu ', ', GPU ')}: {percent(value)} of its memory is in use",
                fix="Try smaller batches, or activation checkpointing, before a larger step fails.",
                lanes=("gpu_memory",),
            )  # fmt: skip
        yield from _fragmented(board, whose, ranks)


def _fragmented(board: Board, whose: str, ranks: tuple[int, ...]) -> Iterator[Finding]:
    for rank in ranks:
        own = board.owner_of("rank", rank)
        held, used = board.mean("gpu_reserved", own), board.mean("gpu_allocated", own)
        idle = (held - used) / board.mean("mem_total", whose)
        full = held / board.mean("mem_total", whose)
        for episode, from_s, to_s in board.on_grid((idle > FRAGMENTED) & (full >= DEVICE_WARN), idle):
            value = float(np.nanmax(idle[episode.span]))
            yield board.finding(
                DEVICE_MEMORY,
                from_s=from_s, to_s=to_s, ongoing=not episode.cleared, ranks=(rank,), nodes=(node_of(whose),),
                value=value, threshold=FRAGMENTED, confidence=board.confidence(from_s, to_s),
                text=f"the framework of rank {rank} holds {percent(value)} of the device's memory and does not use it",
                fix="Try PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True.",
                lanes=("gpu_memory",),
            )  # fmt: skip


def host_memory(board: Board) -> Iterator[Finding]:
    """F12."""
    for node in board.nodes:
        whose = f"node-{node}"
        yield from _killed(board, whose, node)
        used, limit, words = _fill(board, whose)
        stalled = board.mean("psi_memory_full", whose) / 1e6
        hot = (used >= limit) | (stalled >= STALLED)
        for episode, from_s, to_s in board.on_grid(hot, np.where(np.isnan(used), stalled, used)):
            span = episode.span
            filled = float(np.nanmax(used[span])) if (~np.isnan(used[span])).any() else math.nan
            stall = float(np.nanmax(stalled[span])) if (~np.isnan(stalled[span])).any() else 0.0
            by_fill = filled >= limit
            yield board.finding(
                HOST_MEMORY,
                from_s=from_s, to_s=to_s, ongoing=not episode.cleared, nodes=(node,),
                value=filled if by_fill else stall, threshold=limit if by_fill else STALLED, severity="high",
                confidence=board.confidence(from_s, to_s), inputs={"stalled": stall},
                text=f"{percent(filled)} of {words} of node {node} is in use" if by_fill
                else f"everything on node {node} waits for memory {percent(stall)} of the time",
                fix="Try fewer loader workers, smaller buffers, or a shape with more memory.",
                lanes=("memory",),
            )  # fmt: skip


def _fill(board: Board, whose: str) -> tuple[Floats, float, str]:
    """(share in use, limit, of what)"""
    most = board.mean("group_memory_max", whose)
    if (~np.isnan(most)).any():
        cache = np.nan_to_num(board.mean("group_cache", whose))
        return (board.peak("group_memory", whose) - cache) / most, GROUP_FULL, "the memory limit"
    return board.peak("memory", whose) / board.mean("memory_total", whose), HOST_FULL, "the memory"


def _killed(board: Board, whose: str, node: int) -> Iterator[Finding]:
    t_s, per_s = board.series("group_oom_kills", whose)
    found = np.flatnonzero(per_s > 0)
    exits = [
        e.time_ns
        for attempt in board.run.attempts
        for e in attempt.exits.values()
        if e.oom and board.node_of.get(e.rank) == node
    ]
    if not len(found) and not exits:
        return
    at_s = float(t_s[found[0]]) if len(found) else (min(exits) - board.run.submitted_ns) / 1e9
    yield board.finding(
        HOST_MEMORY,
        from_s=max(0.0, at_s - 1.0), to_s=at_s, nodes=(node,), value=float(max(len(found), len(exits))), threshold=1.0,
        severity="high", confidence=FACT, text=f"the kernel killed a process of node {node}: out of memory",
        fix="Take a shape with more memory, or look at what grew before it.", lanes=("memory", f"node-{node}"),
    )  # fmt: skip


def shm_full(board: Board) -> Iterator[Finding]:
    """F13."""
    for whose in board.owners("shm_used", "shm_total", scope="node"):
        used = board.peak("shm_used", whose) / board.mean("shm_total", whose)
        for episode, from_s, to_s in board.on_grid(used >= SHM_FULL, used):
            value = float(np.nanmax(used[episode.span]))
            yield board.finding(
                SHM,
                from_s=from_s, to_s=to_s, ongoing=not episode.cleared, nodes=(node_of(whose),), value=value, threshold=SHM_FULL,
                severity="high", confidence=board.confidence(from_s, to_s),
                text=f"{percent(value)} of /dev/shm on node {node_of(whose)} is in use; loader workers fail when it is full",
                fix="Try fewer loader workers or a smaller prefetch_factor, or a larger /dev/shm.", lanes=("shm", "memory"),
            )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A straight line through a growing series."""

    from_s: float
    to_s: float
    per_s: float
    low_per_s: float  # lower end of the 95 % interval
    last_per_s: float  # in the last third
    last: float

    @property
    def growth(self) -> float:
        return self.per_s * (self.to_s - self.from_s)


def leak(board: Board) -> Iterator[Finding]:
    """F14: of each kind of memory, the ranks in which it grows."""
    for metric, words, lane in (
        ("rss", "host memory", "memory"),
        ("gpu_allocated", "accelerator memory", "gpu_memory"),
    ):
        found: dict[int, tuple[Trend, float]] = {}
        for rank in board.ranks:
            told = _trend_of(board, metric, rank)
            if told is not None:
                found[rank] = told
        if found:
            yield _leak(board, found, words, lane)


def _leak(board: Board, found: dict[int, tuple[Trend, float]], words: str, lane: str) -> Finding:
    rank = min(found, key=lambda each: found[each][1])
    trend, left_s = found[rank]
    ranks = tuple(sorted(found))
    attempt = board.run.attempts[-1]
    began_s = (attempt.placed_ns - board.run.submitted_ns) / 1e9
    soon = (
        f"the limit is reached in {duration(left_s)}"
        if not board.run.ended
        else f"the limit was {duration(left_s)} away"
    )
    return board.finding(
        LEAK,
        from_s=trend.from_s,
        to_s=trend.to_s,
        ongoing=True,
        ranks=ranks,
        value=trend.growth,
        threshold=float(GROWTH_BYTES),
        severity="high" if left_s < 3600.0 else "warning",
        confidence=board.confidence(trend.from_s, trend.to_s, _steps_in(board, rank, trend.from_s, trend.to_s)),
        wasted_ns=len(board.ranks) * max(0.0, trend.to_s - began_s) * 1e9,
        at_risk=True,
        inputs={"bytes_per_s": trend.per_s, "low_bytes_per_s": trend.low_per_s, "left_s": left_s},
        text=f"{words} of {listed('rank', ranks)} grows by {size(60 * trend.per_s)} a minute; {soon}",
        fix="Look for what each step keeps: tensors in a list (use .item() or .detach()), caches, plots that are not closed.",
        lanes=(lane, "cost"),
    )


def _trend_of(board: Board, metric: str, rank: int) -> tuple[Trend, float] | None:
    """The rank's trend and the time until it meets the limit, where that is a finding."""
    whose = board.owner_of("rank", rank)
    name = "pss" if metric == "rss" and len(board.series("pss", whose)[0]) >= board.gates.least_steps else metric
    attempts = board.run.attempts
    from_s = max(
        board.warm_s,
        (attempts[-1].running_ns - board.run.submitted_ns) / 1e9 if attempts and attempts[-1].running_ns else 0.0,
    )
    trend = trend_of(board.series(name, whose), from_s)
    if (
        trend is None
        or trend.low_per_s <= 0
        or trend.growth < GROWTH_BYTES
        or trend.last_per_s < STILL_GROWING * trend.per_s
    ):
        return None
    if _steps_in(board, rank, trend.from_s, trend.to_s) < board.gates.sure_steps:
        return None
    left = _left(board, metric, rank, trend)
    if math.isnan(left):
        return None
    left_s = max(0.0, left) / trend.per_s
    return (trend, left_s) if left_s < _remaining_s(board) else None


def trend_of(series: Series, from_s: float) -> Trend | None:
    """Theil-Sen: the median of all slopes between two points, its interval by Kendall's variance (Sen, JASA 63, 1968)."""
    t_s, v = series
    keep = (t_s >= from_s) & ~np.isnan(v)
    t_s, v = t_s[keep], v[keep]
    if len(t_s) > TREND_POINTS:
        at = np.linspace(0, len(t_s) - 1, TREND_POINTS).astype(np.int64)
        t_s, v = t_s[at], v[at]
    n = len(t_s)
    if n < 10:
        return None
    slopes = np.sort(_slopes(t_s, v))
    if not len(slopes):
        return None
    half = 1.96 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = slopes[max(0, int((len(slopes) - half) / 2))]
    third = t_s >= t_s[-1] - (t_s[-1] - t_s[0]) / 3
    last = _slopes(t_s[third], v[third])
    return Trend(
        from_s=float(t_s[0]),
        to_s=float(t_s[-1]),
        per_s=float(np.median(slopes)),
        low_per_s=float(low),
        last_per_s=float(np.median(last)) if len(last) else 0.0,
        last=float(v[-1]),
    )


def _slopes(t_s: Floats, v: Floats) -> Floats:
    first, second = np.triu_indices(len(t_s), 1)
    apart = t_s[second] - t_s[first]
    far = apart > 0
    slopes: Floats = (v[second] - v[first])[far] / apart[far]
    return slopes


def _left(board: Board, metric: str, rank: int, trend: Trend) -> float:
    """Bytes until the limit is met, NaN where no limit is known."""
    node = f"node-{board.node_of[rank]}"
    if metric != "rss":
        most = (
            board.within("mem_total", board.owner_of("device", rank), trend.from_s, trend.to_s)
            if board.device_of(rank)
            else math.nan
        )
        return most - trend.last
    since_s = trend.to_s - 10.0
    most = board.within("group_memory_max", node, since_s, trend.to_s + 1.0)
    if not math.isnan(most):
        cache = board.within("group_cache", node, since_s, trend.to_s + 1.0)
        return (
            most - board.within("group_memory", node, since_s, trend.to_s + 1.0) + (0.0 if math.isnan(cache) else cache)
        )
    return board.within("memory_total", node, since_s, trend.to_s + 1.0) - board.within(
        "memory", node, since_s, trend.to_s + 1.0
    )


def _remaining_s(board: Board) -> float:
    """How long the run goes on, as far as that is known: steps that are planned, else the limit of its time."""
    ran_s = max(1.0, board.end_s - board.start_s)
    steps = board.evidence.steps
    planned = max(
        (int((note.get("data") or {}).get("steps", 0)) for note in board.evidence.notes if note.get("topic") == "plan"),
        default=0,
    )
    if planned and len(steps.step):
        done = int(steps.step.max()) + 1
        return ran_s * max(0.0, planned / max(1, done) - 1.0) if not board.run.ended else 10 * ran_s
    limit_s = float(board.run.spec.time_limit or 0.0)
    return max(0.0, limit_s - ran_s) if limit_s and not board.run.ended else 10 * ran_s


def _steps_in(board: Board, rank: int, from_s: float, to_s: float) -> float:
    steps = board.evidence.steps
    return float(steps.count[(steps.rank == rank) & (steps.to_s >= from_s) & (steps.to_s <= to_s)].sum())
