"""Steps that wait for their data: F01, and what the wait is due to where that can be seen, F02 (CPU) and F03 (storage).

`data_wait` is the wait that the accelerator saw, not the time in the loader. The first batch of an epoch waits for the
workers to start and is left out: single waits far above the usual one, in less than one step of twenty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.evidence import Floats
from jupyter_aicci.timeline.findings.board import Board, listed, percent, ratio
from jupyter_aicci.timeline.findings.rule import CALIBRATED, Rule

WAIT_WARN, WAIT_HIGH = 0.15, 0.30
WORKER_BUSY = 0.75  # of a core, each worker; two that only compute, beside their rank on two CPUs, were seen at 0.89
WORKER_IDLE = 0.5
CPUS_SHORT = 0.5  # of the time something waited for a CPU
WORKER_SHARES = 0.3  # of a core, that a worker which is short of CPU still gets: two or three share one
STORAGE_STALL = 0.20  # of the time, by pressure
STORAGE_BLOCKED = 0.30  # of the samples with a process in state D
STORAGE_OWN = 0.05  # of the samples: the pressure is the whole machine's, so one of the run's own must be seen waiting
SPIKE, SPIKES_MOST = 10.0, 0.05

INPUT_BOUND = Rule(
    id="F01",
    name="input-bound",
    measures="The share of the steps' time in which they waited for data, over all ranks; or one rank's own share.",
    threshold=f"{percent(WAIT_WARN)} of all ranks' time (high from {percent(WAIT_HIGH)}), or {percent(WAIT_HIGH)} of one rank's",
    source="gpuprof's rule for loader stalls",
    money="the time waited",
    needs="data_wait of the steps",
)
LOADER_CPU = Rule(
    id="F02",
    name="input-bound (CPU of the loader)",
    measures="F01 while each loader worker keeps a core busy, or would if it got one.",
    threshold=f"F01, and the workers use {WORKER_BUSY} core each on average; or {WORKER_SHARES} while the CPU pressure is"
    f" {percent(CPUS_SHORT)} or more",
    source=f"SageMaker Debugger calls a loader busy from 70 % of a core on; its place above that and the pressure {CALIBRATED}",
    money="as F01, which it replaces",
    needs="rank: workers, worker_cpu; node: psi_cpu",
)
LOADER_STORAGE = Rule(
    id="F03",
    name="input-bound (storage)",
    measures="F01 while workers wait for storage and do not compute.",
    threshold=f"F01, a process of the run blocked in {percent(STORAGE_BLOCKED)} of the samples, or in {percent(STORAGE_OWN)} at a"
    f" storage pressure from {percent(STORAGE_STALL)} on, and workers below {WORKER_IDLE} core each",
    source=CALIBRATED,
    money="as F01, which it replaces",
    needs="node: psi_io, or rank: blocked; rank: workers, worker_cpu",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One stretch in which steps waited for data."""

    from_s: float
    to_s: float
    ongoing: bool
    ranks: tuple[int, ...]
    share: float
    wait_ns: float
    steps: float  # of each rank
    step_s: float  # one step without its wait
    workers: float  # of each rank, NaN = not known
    worker_cpu: float  # cores that one worker uses; of a program without workers, the rank's own
    stall: float  # share of the time
    blocked: float  # share of the samples
    busy: float  # share of the node's CPUs
    short: float  # share of the time in which something waited for a CPU


def input_bound(board: Board) -> Iterator[Finding]:
    """F01."""
    for wait in waits(board):
        workers = _loader_words(wait)
        yield _finding(board, INPUT_BOUND, wait, workers, _advice(board, wait))


def loader_cpu(board: Board) -> Iterator[Finding]:
    """F02: as many workers as make a batch in the time of a step, within the CPUs of a rank."""
    for wait in waits(board):
        contended = wait.worker_cpu < WORKER_BUSY and wait.short >= CPUS_SHORT
        if not wait.worker_cpu >= (WORKER_SHARES if contended else WORKER_BUSY):
            continue
        wanted, most = _workers_wanted(wait), board.cpus_per_rank
        words = (
            f"{_loader_words(wait)}, each busy"
            if wait.workers >= 1
            else "the program loads its data itself, and that keeps a core busy"
        )
        if contended:
            words = f"{_loader_words(wait)}, short of CPU {percent(min(1.0, wait.short))} of the time"
            fix = "All CPUs are busy, so more workers would not help: prepare data ahead of time, or take a shape with more CPUs."
        elif wanted <= most and wanted > wait.workers:
            fix = f"Try num_workers={wanted}."
        elif wait.workers < most:
            fix = f"Try num_workers={most}, all CPUs of a rank; {wanted} would be needed, so prepare data ahead of time, too."
        else:
            fix = f"All {most} CPUs of a rank load data: prepare it ahead of time, or take a shape with more CPUs."
        yield _finding(board, LOADER_CPU, wait, words, fix)


def loader_storage(board: Board) -> Iterator[Finding]:
    """F03."""
    for wait in waits(board):
        pressed = wait.stall >= STORAGE_STALL and not wait.blocked < STORAGE_OWN
        if not (pressed or wait.blocked >= STORAGE_BLOCKED) or wait.worker_cpu >= WORKER_IDLE:
            continue
        seen = f"storage held processes up {percent(wait.stall)} of the time" if pressed else (
            f"a process waited for storage in {percent(wait.blocked)} of the samples"
        )  # fmt: skip
        fix = "Try fewer and larger reads, data on a local disk, or data that fits into memory."
        yield _finding(board, LOADER_STORAGE, wait, f"{_loader_words(wait)}; {seen}", fix)


def waits(board: Board) -> Iterator[Wait]:
    """The stretches in which data were waited for."""
    windows = board.windows
    if not len(windows):
        return
    plain_ns = windows.data_wait_ns - _spikes_ns(board)
    share = ratio(plain_ns.sum(axis=1), windows.total_ns.sum(axis=1))
    by_rank = ratio(plain_ns, windows.total_ns)
    worst = np.nanmax(np.where(np.isnan(by_rank), -1.0, by_rank), axis=1)
    for episode in board.episodes((share >= WAIT_WARN) | (worst >= WAIT_HIGH), ~np.isnan(share)):
        span = episode.span
        total, waited = windows.total_ns[span].sum(axis=0), plain_ns[span].sum(axis=0)
        one = ratio(waited, total)
        together = waited.sum() / total.sum() >= WAIT_WARN
        at = np.flatnonzero(total > 0) if together else np.flatnonzero(one >= WAIT_HIGH)
        if not len(at):
            continue
        ranks = tuple(board.ranks[i] for i in at)
        steps = float(windows.count[span][:, at].sum())
        yield _seen(board, Wait(
            from_s=float(windows.from_s[episode.first]), to_s=float(windows.to_s[episode.last]),
            ongoing=not episode.cleared, ranks=ranks, share=float(waited[at].sum() / total[at].sum()),
            wait_ns=float(waited[at].sum()), steps=steps / len(at),
            step_s=float((total[at].sum() - waited[at].sum()) / steps / 1e9),
            workers=math.nan, worker_cpu=math.nan, stall=math.nan, blocked=math.nan, busy=math.nan, short=math.nan,
        ))  # fmt: skip


def _spikes_ns(board: Board) -> Floats:
    """[w, r] wait of the few steps that waited very long, in windows where those are few."""
    steps, windows = board.warm, board.windows
    out = np.zeros_like(windows.total_ns)
    if not len(steps.rank):
        return out
    place = np.searchsorted(np.array(board.ranks), steps.rank)
    window = np.searchsorted(windows.to_s, steps.to_s)
    inside = window < len(windows)
    each = steps.data_wait_ns / np.maximum(steps.count, 1)
    for at in np.unique(window[inside]):
        mine = np.flatnonzero(inside & (window == at))
        long = mine[each[mine] > SPIKE * max(float(np.median(each[mine])), 1e6)]
        if 0 < len(long) <= SPIKES_MOST * len(mine):
            np.add.at(out[at], place[long], steps.data_wait_ns[long])
    return out


def _seen(board: Board, wait: Wait) -> Wait:
    """The wait with what CPUs and storage did meanwhile."""

    def mean(metric: str, scope: str) -> float:
        owners = {board.owner_of(scope, rank) for rank in wait.ranks}  # type: ignore[arg-type]
        found = [board.within(metric, whose, wait.from_s, wait.to_s) for whose in sorted(owners)]
        known = [number for number in found if not math.isnan(number)]
        return sum(known) / len(known) if known else math.nan

    workers, cpu = mean("workers", "rank"), mean("worker_cpu", "rank")
    each = cpu / workers if workers >= 0.5 else mean("cpu", "rank")
    blocked = [_blocked(board, rank, wait) for rank in wait.ranks]
    return replace(
        wait,
        workers=workers,
        worker_cpu=each,
        stall=mean("psi_io", "node") / 1e6,
        blocked=float(np.nanmean(blocked)) if not np.isnan(blocked).all() else math.nan,
        busy=mean("cpu", "node") / board.cpus,
        short=mean("psi_cpu", "node") / 1e6,
    )


def _blocked(board: Board, rank: int, wait: Wait) -> float:
    t_s, v = board.series("blocked", board.owner_of("rank", rank))
    inside = (t_s >= wait.from_s) & (t_s <= wait.to_s) & ~np.isnan(v)
    return float((v[inside] > 0).mean()) if inside.any() else math.nan


def _workers_wanted(wait: Wait) -> int:
    """So many that a batch is there each time a step ends."""
    workers = max(1.0, round(wait.workers) if wait.workers >= 0.5 else 1.0)
    step_s = max(wait.step_s, 1e-4)
    waited_s = wait.step_s * wait.share / max(1e-6, 1.0 - wait.share)
    return math.ceil(workers * (step_s + waited_s) / step_s)


def _loader_words(wait: Wait) -> str:
    if math.isnan(wait.workers):
        return ""
    if wait.workers < 0.5:
        return "no loader workers"
    count = round(wait.workers)
    return f"{count} loader worker" + ("s" if count > 1 else "")


def _advice(board: Board, wait: Wait) -> str:
    wanted = min(_workers_wanted(wait), board.cpus_per_rank)
    if not math.isnan(wait.workers) and wanted > max(wait.workers, 0.5) and not wait.worker_cpu < WORKER_IDLE:
        return f"Try num_workers={wanted}."
    if wait.worker_cpu < WORKER_IDLE:
        return "The workers hardly use a CPU: look at what __getitem__ waits for (a lock, a sleep, the network)."
    return "Try more loader workers, or data that is prepared ahead of time."


def _finding(board: Board, rule: Rule, wait: Wait, words: str, fix: str) -> Finding:
    whose = "" if wait.ranks == board.ranks else f" of {listed('rank', wait.ranks)}"
    cpu = "" if math.isnan(wait.busy) else f", the host's CPUs at {percent(min(1.0, wait.busy))}"
    text = f"{percent(wait.share)} of each step{whose} waited for data" + (f"; {words}" if words else "") + cpu
    inputs = {
        "workers": wait.workers,
        "worker_cpu": wait.worker_cpu,
        "storage_stall": wait.stall,
        "blocked": wait.blocked,
        "cpu_short": wait.short,
    }
    return board.finding(
        rule,
        from_s=wait.from_s,
        to_s=wait.to_s,
        ongoing=wait.ongoing,
        ranks=wait.ranks,
        value=wait.share,
        threshold=WAIT_WARN if wait.share >= WAIT_WARN else WAIT_HIGH,
        severity="high" if wait.share >= WAIT_HIGH else "warning",
        confidence=board.confidence(wait.from_s, wait.to_s, wait.steps),
        wasted_ns=wait.wait_ns,
        inputs=inputs | {"steps": wait.steps, "node_cpu": wait.busy},
        text=text,
        fix=fix,
        lanes=("step_time", "cpu", "read", "cost"),
    )
