"""What a bill was spent on: the one sentence that says so, and the stretches of time that were wasted.

In: the parts of the bill (`partition`), bars of nodes. Out: time and money by phase, the headline, what the cost lane shades.
Rule: what is useful and what is waste, `model/phases.py` says; a lost or failed attempt's bar is waste as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_aicci.model.phases import KIND_OF, WASTE
from jupyter_aicci.model.phases import headline as sentence
from jupyter_aicci.model.run import Run
from jupyter_aicci.timeline.lanes import PhaseLane
from jupyter_aicci.timeline.partition import ORDER, Part

WASTED = frozenset(phase for phase, kind in KIND_OF.items() if kind == WASTE) | {"lost", "failed"}
MOST_SHADES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Time and money of all ranks by the phases that occur, in `ORDER`; corrections of the bill are in no phase."""

    ns: dict[str, int]
    micro: dict[str, int]


def goodput(parts: Iterable[Part]) -> Goodput:
    """The parts of a bill, added up over attempts, nodes and ranks."""
    ns, micro = dict.fromkeys(ORDER, 0), dict.fromkeys(ORDER, 0)
    for part in parts:
        ns[part.phase] += part.ns
        micro[part.phase] += part.micro
    return Goodput(ns={phase: each for phase, each in ns.items() if each},
                   micro={phase: micro[phase] for phase, each in ns.items() if each})  # fmt: skip


def headline(run: Run, spent: Goodput) -> str:
    """`61 % of $38.20 was useful; the biggest leak, $9.10, is waiting for data`; "" before anything useful was done."""
    return sentence(spent.ns, spent.micro, run.price.currency, priced=run.cost_known and not run.unpriced)


def shade(bars: Iterable[PhaseLane], end_s: float) -> tuple[tuple[float, float], ...]:
    """When at least half of the nodes that the run held were in a phase that is money for nothing."""
    changes: list[tuple[float, int, int]] = []  # (when, held, wasted)
    for bar in bars:
        for span in bar.spans:
            if span.phase != "queued":
                wasted = int(span.phase in WASTED)
                changes += [(span.t0_s, 1, wasted), (span.t1_s, -1, -wasted)]
    out: list[tuple[float, float]] = []
    held = wasted = 0
    since_s = -1.0
    least_s = end_s / MOST_SHADES / 2
    for t_s, more_held, more_wasted in sorted(changes):
        before = wasted > 0 and 2 * wasted >= held
        held, wasted = held + more_held, wasted + more_wasted
        now = wasted > 0 and 2 * wasted >= held
        if now and not before:
            since_s = t_s
        elif before and not now and t_s > since_s:
            _add(out, since_s, t_s, least_s)
    return tuple(out)


def _add(out: list[tuple[float, float]], from_s: float, to_s: float, least_s: float) -> None:
    """One more stretch; what is closer than a hair to the one before is one with it."""
    if out and from_s - out[-1][1] <= least_s:
        out[-1] = (out[-1][0], to_s)
    else:
        out.append((from_s, to_s))
