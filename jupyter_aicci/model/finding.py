"""A finding: one diagnosis read from the timeline, with its evidence, how sure it is, what it costs, one thing to try.

Rule: data only; the rules that make findings are in timeline/findings/, and docs/reference/findings.md says what each
threshold stands on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line under the chart and its mark in it. Times are chart seconds (since the run was submitted)."""

    id: str  # "F01"
    name: str  # "input-bound"
    version: int = 1  # of the rule
    severity: str = "warning"  # "note", "warning", "high"
    from_s: float
    to_s: float
    ongoing: bool = False  # still so at the end of what was looked at
    ranks: tuple[int, ...] = ()  # () = all
    nodes: tuple[int, ...] = ()
    value: float  # what the rule measured
    threshold: float  # from where on it speaks
    inputs: dict[str, float] = field(default_factory=dict)  # the other numbers that it looked at
    confidence: float  # 0 to 1
    wasted_ns: int = 0  # rank time, summed over ranks
    wasted_micro: int = 0  # of the run's currency; 0 where the price is nothing or not known
    at_risk: bool = False  # `wasted_*` is not lost: it is what may be, if what the finding warns of comes
    text: str  # "43 % of each step waits for data; 2 loader workers, 16 CPUs idle"
    fix: str  # "Try num_workers=12."
    lanes: tuple[str, ...] = ()  # ids of the lanes that show it

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "severity": self.severity,
            "from_s": round(self.from_s, 3),
            "to_s": round(self.to_s, 3),
            "ongoing": self.ongoing,
            "ranks": list(self.ranks),
            "nodes": list(self.nodes),
            "value": self.value,
            "threshold": self.threshold,
            "inputs": dict(self.inputs),
            "confidence": self.confidence,
            "wasted_ns": self.wasted_ns,
            "wasted_micro": self.wasted_micro,
            "at_risk": self.at_risk,
            "text": self.text,
            "fix": self.fix,
            "lanes": list(self.lanes),
        }
