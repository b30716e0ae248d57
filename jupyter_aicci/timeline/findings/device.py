"""Accelerators that do less than they could: F08 to F10 (clocks held down), F15, F21, F22, F24, F30.

Time counters of the driver are used, not its momentary bits: a bit that is read once a second misses what is short.
None of this ran on an accelerator: the rules are tested on series made after the drivers' documentation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.evidence import Floats
from jupyter_aicci.timeline.findings.board import Board, node_of, percent
from jupyter_aicci.timeline.findings.rule import FACT, UNSEEN, Rule

CAPPED, CLOCK_LOW, CAP_BUSY = 0.20, 0.90, 50.0
HEAT = 0.01
BRAKE = 1e-4
BUSY, SM_EMPTY, TENSOR_EMPTY = 90.0, 30.0, 10.0
UNDER_USED = 70.0  # percent, p95
HARDWARE_XIDS = frozenset({48, 63, 64, 74, 79, 94, 95, 119})
PROGRAM_XIDS = frozenset({13, 31, 43, 45})

POWER_CAP = Rule(
    id="F08",
    name="clocks capped by power",
    measures="The share of time in which the driver capped the clocks by power, and the clock beside its highest.",
    threshold=f"{percent(CAPPED)} of the time, clock below {CLOCK_LOW} of its highest, SM busy above {CAP_BUSY:.0f} %",
    source=UNSEEN,
    money="(1 - clock / highest clock) × compute of the device's ranks",
    needs="device: throttle_power, clock, clock_max",
)
HEAT_CAP = Rule(
    id="F09",
    name="clocks capped by heat",
    measures="The share of time in which the driver capped the clocks by heat.",
    threshold=f"{percent(HEAT)} of the time",
    source=UNSEEN,
    money="as F08",
    needs="device: throttle_thermal",
)
BRAKED = Rule(
    id="F10",
    name="braked by hardware",
    measures="Time in which the power brake or the hardware's slowdown was on.",
    threshold="any",
    source=UNSEEN,
    money="as F08",
    needs="device: throttle_brake",
)
BUSY_EMPTY = Rule(
    id="F15",
    name="busy, with little in it",
    measures="Whether a device that always has a kernel running uses its SMs and tensor cores.",
    threshold=f"busy from {BUSY:.0f} %, and SMs below {SM_EMPTY:.0f} % or tensor cores below {TENSOR_EMPTY:.0f} %",
    source="the driver's 'utilization' is the share of time with at least one kernel; it can be 100 % at 1 % of the FLOPs (Trainy)",
    money="nothing: advice",
    needs="device: util, sm_util or tensor",
)
LINK_DOWN = Rule(
    id="F21",
    name="link below its best",
    measures="PCIe generation and lanes beside the highest while the device is busy; links that go down.",
    threshold="any",
    source=UNSEEN,
    money="nothing: note",
    needs="device: pcie_gen, pcie_width, link_up",
)
FAULTY = Rule(
    id="F22",
    name="hardware fault",
    measures="XID errors of the driver.",
    threshold="XID 48, 63, 64, 74, 79, 94, 95, 119 are the hardware's; 13, 31, 43, 45 the program's",
    source="NVIDIA's table of XIDs",
    money="the device's time from there on",
    needs="note xid",
)
FAR_CPUS = Rule(
    id="F24",
    name="CPUs far from the device",
    measures="Whether a rank's CPUs are among those that are near its device.",
    threshold="none of them is",
    source="the kernel's local_cpulist of the device",
    money="nothing: note",
    needs="note device with cpus; placement with CPUs",
)
UNDER = Rule(
    id="F30",
    name="batch too small for the device",
    measures="Memory and SMs that the device's ranks leave unused.",
    threshold=f"both below {UNDER_USED:.0f} % in 95 of 100 samples",
    source="SageMaker Debugger's BatchSize",
    money="nothing: advice",
    needs="device: sm_util, mem_used, mem_total",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """One way in which clocks are held down."""

    rule: Rule
    metric: str
    share: float
    words: str
    fix: str


CAPS = (
    Cap(rule=POWER_CAP, metric="throttle_power", share=CAPPED, words="capped by power",
        fix="Ask for a higher power limit, or take the cap as given: fewer devices at full clock may cost less."),
    Cap(rule=HEAT_CAP, metric="throttle_thermal", share=HEAT, words="capped by heat",
        fix="Have this node's cooling looked at, and leave it out until then."),
    Cap(rule=BRAKED, metric="throttle_brake", share=BRAKE, words="braked by hardware",
        fix="Have this node's power supply looked at, and leave it out until then."),
)  # fmt: skip


def power_cap(board: Board) -> Iterator[Finding]:
    """F08."""
    yield from _capped(board, CAPS[0])


def heat_cap(board: Board) -> Iterator[Finding]:
    """F09."""
    yield from _capped(board, CAPS[1])


def braked(board: Board) -> Iterator[Finding]:
    """F10."""
    yield from _capped(board, CAPS[2])


def _capped(board: Board, cap: Cap) -> Iterator[Finding]:
    for whose in board.owners(cap.metric, scope="device"):
        share = board.mean(cap.metric, whose) / 1e9
        clock = board.mean("clock", whose) / board.mean("clock_max", whose)
        hot = share >= cap.share
        if cap.rule is POWER_CAP:
            busy = board.mean("sm_util", whose)
            busy = np.where(np.isnan(busy), board.mean("util", whose), busy)
            hot &= (clock < CLOCK_LOW) & ~(busy <= CAP_BUSY)
        for episode, from_s, to_s in board.on_grid(hot, share):
            span = episode.span
            lost = _middle(1.0 - clock[span])
            ranks = board.ranks_of_device(whose)
            yield board.finding(
                cap.rule,
                from_s=from_s,
                to_s=to_s,
                ongoing=not episode.cleared,
                ranks=ranks,
                nodes=(node_of(whose),),
                value=_middle(share[span]),
                threshold=cap.share,
                severity="warning" if cap.rule is POWER_CAP else "high",
                confidence=board.confidence(from_s, to_s),
                wasted_ns=max(0.0, lost) * _compute_ns(board, ranks, from_s, to_s) if lost == lost else 0.0,
                inputs={"clock_ratio": 1.0 - lost, "temp": board.within("temp", whose, from_s, to_s)},
                text=f"{_name(whose)}: clocks {cap.words} {percent(_middle(share[span]))} of the time"
                + (f", at {percent(1.0 - lost)} of the highest" if lost > 0.005 else ""),
                fix=cap.fix,
                lanes=("throttle", "power", "gpu", "step_time"),
            )


def busy_empty(board: Board) -> Iterator[Finding]:
    """F15: all devices in which it is so are one finding."""
    found: dict[str, tuple[float, float, bool, float, float]] = {}
    for whose in board.owners("util", scope="device"):
        util, sm, tensor = (board.mean(metric, whose) for metric in ("util", "sm_util", "tensor"))
        hot = (util >= BUSY) & ((sm < SM_EMPTY) | (tensor < TENSOR_EMPTY))
        for episode, from_s, to_s in board.on_grid(hot, util, np.where(np.isnan(sm), tensor, sm)):
            found[whose] = (from_s, to_s, not episode.cleared, _middle(sm[episode.span]), _middle(tensor[episode.span]))
    if not found:
        return
    from_s, to_s = min(each[0] for each in found.values()), max(each[1] for each in found.values())
    sm_busy, tensor_busy = (
        _middle(np.array([each[3] for each in found.values()])),
        _middle(np.array([each[4] for each in found.values()])),
    )
    parts = [
        f"{what} at {number:.0f} %"
        for what, number in (("SMs", sm_busy), ("tensor cores", tensor_busy))
        if number == number
    ]
    yield board.finding(
        BUSY_EMPTY,
        severity="note",
        from_s=from_s,
        to_s=to_s,
        ongoing=any(each[2] for each in found.values()),
        nodes=tuple(sorted({node_of(whose) for whose in found})),
        value=sm_busy if sm_busy == sm_busy else tensor_busy,
        threshold=SM_EMPTY if sm_busy == sm_busy else TENSOR_EMPTY,
        confidence=board.confidence(from_s, to_s),
        inputs={"tensor": tensor_busy, "devices": float(len(found))},
        text=f"a kernel runs nearly all the time, with {' and '.join(parts)}: many small kernels",
        fix="Try torch.compile, larger batches, bf16, or fused kernels.",
        lanes=("gpu",),
    )


def link_down(board: Board) -> Iterator[Finding]:
    """F21."""
    for metric, most, words in (
        ("pcie_gen", "pcie_gen_max", "PCIe generation"),
        ("pcie_width", "pcie_width_max", "PCIe lanes"),
    ):
        for whose in board.owners(metric, most, scope="device"):
            now, best, busy = (board.mean(each, whose) for each in (metric, most, "util"))
            for episode, from_s, to_s in board.on_grid((now < best - 0.5) & ~(busy < CAP_BUSY), now, best):
                value, limit = _middle(now[episode.span]), _middle(best[episode.span])
                yield _link(
                    board,
                    whose,
                    from_s,
                    to_s,
                    not episode.cleared,
                    value,
                    limit,
                    f"{words} {value:.0f} of {limit:.0f} while busy",
                )
    for whose in board.owners("link_up", scope="device"):
        up = board.mean("link_up", whose)
        most_up = float(np.nanmax(up)) if (~np.isnan(up)).any() else 0.0
        for episode, from_s, to_s in board.on_grid(up < most_up - 0.5, up):
            value = _middle(up[episode.span])
            yield _link(
                board,
                whose,
                from_s,
                to_s,
                not episode.cleared,
                value,
                most_up,
                f"{most_up - value:.0f} of {most_up:.0f} links are down",
            )


def _link(
    board: Board, whose: str, from_s: float, to_s: float, ongoing: bool, value: float, limit: float, words: str
) -> Finding:
    return board.finding(
        LINK_DOWN,
        from_s=from_s,
        to_s=to_s,
        ongoing=ongoing,
        ranks=board.ranks_of_device(whose),
        nodes=(node_of(whose),),
        value=value,
        threshold=limit,
        confidence=board.confidence(from_s, to_s),
        text=f"{_name(whose)}: {words}",
        fix="Leave this node out, and have the device's seat and cables looked at.",
        lanes=("gpu", "nvlink"),
    )


def faulty(board: Board) -> Iterator[Finding]:
    """F22: the first error of a device stands for those that follow."""
    seen: set[tuple[int, str, int]] = set()
    for note in board.evidence.notes:
        data = note.get("data") or {}
        code, device, node = int(data.get("code", 0)), str(data.get("device", "")), int(note.get("node", 0))
        if note.get("topic") != "xid" or (node, device, code) in seen or code not in HARDWARE_XIDS | PROGRAM_XIDS:
            continue
        seen.add((node, device, code))
        hardware, whose = code in HARDWARE_XIDS, f"node-{node}/gpu-{device}"
        ranks, t_s = board.ranks_of_device(whose), float(note["t_s"])
        yield board.finding(
            FAULTY,
            severity="high" if hardware else "warning",
            from_s=t_s,
            to_s=board.end_s if hardware else t_s,
            ongoing=hardware,
            ranks=ranks,
            nodes=(node,),
            value=float(code),
            threshold=0.0,
            confidence=FACT,
            wasted_ns=len(ranks) * (board.end_s - t_s) * 1e9 if hardware and board.run.exit_class else 0.0,
            text=f"{_name(whose)} reported XID {code}, {'a fault of the hardware' if hardware else 'which programs cause'}",
            fix="Leave this node out until it was repaired."
            if hardware
            else "Look for an illegal access in the program's kernels.",
            lanes=(f"node-{node}", "gpu"),
        )


def far_cpus(board: Board) -> Iterator[Finding]:
    """F24."""
    attempt = board.run.attempt
    if attempt is None:
        return
    for note in board.evidence.notes:
        data = note.get("data") or {}
        near = frozenset(int(cpu) for cpu in data.get("cpus") or ())
        node = int(note.get("node", 0))
        place = next((place for place in attempt.placement.nodes if place.index == node), None)
        if note.get("topic") != "device" or not near or place is None or not place.cpus or near & set(place.cpus):
            continue
        whose = f"node-{node}/gpu-{data.get('index')}"
        yield board.finding(
            FAR_CPUS,
            severity="note",
            from_s=float(note["t_s"]),
            to_s=board.end_s,
            ongoing=True,
            ranks=board.ranks_of_device(whose),
            nodes=(node,),
            value=0.0,
            threshold=1.0,
            confidence=FACT,
            text=f"{_name(whose)} is near CPUs {min(near)} to {max(near)}, and its rank has none of them",
            fix="Ask for a shape whose CPUs are near its devices, or take whole nodes.",
            lanes=("gpu", "cpu"),
        )


def under_used(board: Board) -> Iterator[Finding]:
    """F30: over the whole run, of all its devices."""
    owners = board.owners("sm_util", "mem_used", "mem_total", scope="device")
    busy, filled = [], []
    for whose in owners:
        t_s, sm = board.series("sm_util", whose)
        memory = board.series("mem_used", whose)[1] / np.nanmax(np.r_[board.series("mem_total", whose)[1], 1.0])
        busy.append(_p95(sm[t_s >= board.warm_s]))
        filled.append(100 * _p95(memory))
    if (
        not owners
        or not len(board.windows)
        or max(busy) >= UNDER_USED
        or max(filled) >= UNDER_USED
        or math.isnan(max(busy))
    ):
        return
    from_s, to_s = board.warm_s, board.end_s
    steps = float(board.windows.count.sum() / max(1, len(board.ranks)))
    if steps < board.gates.sure_steps or to_s - from_s < board.gates.sure_s:
        return
    yield board.finding(
        UNDER,
        severity="note",
        from_s=from_s,
        to_s=to_s,
        ongoing=True,
        value=max(busy),
        threshold=UNDER_USED,
        confidence=board.confidence(from_s, to_s, steps),
        inputs={"memory": max(filled)},
        text=f"SMs stay below {max(busy):.0f} % and memory below {max(filled):.0f} %",
        fix="Try a batch twice as large; or a smaller shape.",
        lanes=("gpu",),
    )


def _compute_ns(board: Board, ranks: tuple[int, ...], from_s: float, to_s: float) -> float:
    steps = board.evidence.steps
    mine = (steps.to_s > from_s) & (steps.to_s <= to_s) & np.isin(steps.rank, ranks)
    return float(steps.compute_ns[mine].sum())


def _name(whose: str) -> str:
    node, _, device = whose.partition("/")
    return f"{node.replace('-', ' ')}, GPU {device.removeprefix('gpu-')}"


def _middle(values: Floats) -> float:
    """The median, NaN where nothing was seen."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def _p95(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, 0.95)) if len(known) else math.nan
