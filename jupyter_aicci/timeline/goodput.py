"""What a bill was spent on: useful time, the leaks, and the one sentence that says so.

In: the parts of the bill (`partition`), bars of nodes. Out: `Goodput`, its sentence, the stretches of time that were wasted.
Rule 1: useful is what the program is there for: computing, collectives at their best, evaluating, spans of its own. All else
is a leak, also where it is needed (a start, a checkpoint): the sentence names the largest, not a culprit.
Rule 2: money where a price is known, else rank time; never one as if it were the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS, duration, money
from jupyter_aicci.timeline.colours import look
from jupyter_aicci.timeline.lanes import PhaseLane
from jupyter_aicci.timeline.partition import ORDER, Part

USEFUL = frozenset(("compute", "comm", "eval", "spans"))
WASTED = frozenset(("data_wait", "straggler", "redone", "idle", "lost", "failed"))  # shaded in the cost lane
LABELS = {"comm": "communication", "straggler": "waiting for slower ranks", "spans": "spans of the program",
          "starting": "the start", "compile": "compiling", "checkpoint": "checkpoints", "ending": "the end"}  # fmt: skip
MOST_SHADES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Time and money of all ranks by phase, in `ORDER`."""

    ns: dict[str, int]
    micro: dict[str, int]

    @property
    def billed_ns(self) -> int:
        return sum(self.ns.values())

    @property
    def useful_ns(self) -> int:
        return sum(ns for phase, ns in self.ns.items() if phase in USEFUL)

    @property
    def billed_micro(self) -> int:
        """What the nodes cost; corrections of the bill are in no phase."""
        return sum(self.micro.values())

    @property
    def useful_micro(self) -> int:
        return sum(micro for phase, micro in self.micro.items() if phase in USEFUL)

    @property
    def waste_micro(self) -> int:
        return self.billed_micro - self.useful_micro

    @property
    def leak(self) -> str:
        """The phase that took most of what was not useful, "" where there is none."""
        leaks = {phase: ns for phase, ns in self.ns.items() if phase not in USEFUL}
        return max(leaks, key=lambda phase: leaks[phase], default="")

    def to_json(self) -> dict[str, Any]:
        """The phases that occur, and the sums."""
        return {
            "billed_ns": self.billed_ns,
            "useful_ns": self.useful_ns,
            "billed_micro": self.billed_micro,
            "useful_micro": self.useful_micro,
            "phases": [
                {"phase": phase, "label": label(phase), "useful": phase in USEFUL, "ns": ns, "micro": self.micro[phase]}
                for phase, ns in self.ns.items()
            ],
        }


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
    if not spent.useful_ns:
        return ""
    priced = run.cost_known and not run.unpriced and spent.billed_micro > 0
    currency = run.price.currency
    billed = money(spent.billed_micro, currency) if priced else f"{duration(spent.billed_ns / NS)} of rank time"
    share = f"{_percent(spent.useful_ns, spent.billed_ns)} % of {billed} was useful"
    if priced:
        share = f"{_percent(spent.useful_micro, spent.billed_micro)} % of {billed} was useful"
    if not spent.leak:
        return share
    lost = money(spent.micro[spent.leak], currency) if priced else duration(spent.ns[spent.leak] / NS)
    return f"{share}; the biggest leak, {lost}, is {label(spent.leak)}"


def label(phase: str) -> str:
    """The phase in words."""
    return LABELS.get(phase) or look(phase).label


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


def _percent(part: int, whole: int) -> int:
    """Rounded down, so that 100 % is all of it."""
    return 100 * part // whole if whole else 0
