"""Where the money went: the bill by phase, what of it was useful, and what a step, an epoch and a unit of energy came to.

In: parts of the bill (rank, phase, ns, micro-units), as the timeline's partition makes them. Out: a `Breakdown`.
Rule 1: parts sum to the bill, so every sum here does; nothing is estimated.
Rule 2: what is useful and what is waste, `model/phases.py` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jupyter_aicci.model.phases import KINDS, kind_of
from jupyter_aicci.model.phases import headline as sentence


class Part(Protocol):
    """What one rank spent in one phase (`timeline.partition.Part`)."""

    @property
    def phase(self) -> str: ...
    @property
    def ns(self) -> int: ...
    @property
    def micro(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseCost:
    """One phase of a run, all ranks and attempts together."""

    phase: str
    ns: int  # rank time
    micro: int

    @property
    def kind(self) -> str:
        """useful, overhead or waste."""
        return kind_of(self.phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A bill by phase, with what it paid for."""

    phases: tuple[PhaseCost, ...]  # the longest first
    steps: int = 0  # that were done for the first time; 0 = the program tells no steps
    epoch_micro: int | None = None  # None = nobody knows the epochs
    energy_kwh: float | None = None  # from the accelerators' counters; None = there is none

    def micro(self, kind: str) -> int:
        """Money of one kind."""
        return sum(phase.micro for phase in self.phases if phase.kind == kind)

    def ns(self, kind: str) -> int:
        """Rank time of one kind."""
        return sum(phase.ns for phase in self.phases if phase.kind == kind)

    def ratio(self, kind: str) -> float | None:
        """Share of the time; None where there was none."""
        total = sum(phase.ns for phase in self.phases)
        return self.ns(kind) / total if total else None

    @property
    def total_micro(self) -> int:
        return sum(phase.micro for phase in self.phases)

    @property
    def step_micro(self) -> int | None:
        """What a useful step came to, all time that was paid for included; None where no step is known."""
        return round(self.total_micro / self.steps) if self.steps else None

    def to_json(self) -> dict[str, Any]:
        """The keys beside the ledger in the answer of GET /v1/runs/REF/cost."""
        return {
            "phases": [
                {"phase": phase.phase, "kind": phase.kind, "ns": phase.ns, "amount_micro": phase.micro}
                for phase in self.phases
            ],
            **{f"{kind}_micro": self.micro(kind) for kind in KINDS},
            **{f"{kind}_ratio": _rounded(self.ratio(kind)) for kind in KINDS},
            "steps": self.steps,
            "step_micro": self.step_micro,
            "epoch_micro": self.epoch_micro,
            "energy_kwh": self.energy_kwh,
        }


def breakdown(
    parts: Iterable[Part], *, steps: int = 0, epoch_micro: int | None = None, energy_kwh: float | None = None
) -> Breakdown:
    """The bill by phase; `steps` counts those that were done for the first time."""
    sums: dict[str, list[int]] = {}
    for part in parts:
        of_phase = sums.setdefault(part.phase, [0, 0])
        of_phase[0] += part.ns
        of_phase[1] += part.micro
    phases = [PhaseCost(phase=phase, ns=ns, micro=micro) for phase, (ns, micro) in sums.items()]
    phases.sort(key=lambda phase: (-phase.ns, phase.phase))
    return Breakdown(phases=tuple(phases), steps=steps, epoch_micro=epoch_micro, energy_kwh=energy_kwh)


def breakdown_from_json(body: dict[str, Any]) -> Breakdown:
    """The breakdown that `to_json` wrote."""
    return Breakdown(
        phases=tuple(
            PhaseCost(phase=row["phase"], ns=int(row["ns"]), micro=int(row["amount_micro"])) for row in body["phases"]
        ),
        steps=int(body["steps"]),
        epoch_micro=body["epoch_micro"],
        energy_kwh=body["energy_kwh"],
    )


def headline(found: Breakdown, currency: str, *, priced: bool) -> str:
    """`61 % of $38.20 was useful; the biggest leak, $9.10, is waiting for data`; where not all is priced, in rank time."""
    ns = {phase.phase: phase.ns for phase in found.phases}
    micro = {phase.phase: phase.micro for phase in found.phases}
    return sentence(ns, micro, currency, priced=priced)


def split(amount_micro: int, weights: Sequence[int]) -> tuple[int, ...]:
    """The amount in whole parts by weight, which sum to it; the largest remainders get what is left."""
    total = sum(weights)
    if total <= 0:
        return (amount_micro, *(0 for _ in weights[1:])) if weights else ()
    parts = [amount_micro * weight // total for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda place: (-(amount_micro * weights[place] % total), place))
    for place in by_rest[: amount_micro - sum(parts)]:
        parts[place] += 1
    return tuple(parts)


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 6)
