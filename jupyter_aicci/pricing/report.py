"""What all runs cost together: by user, queue, shape or day, with what of it was useful.

In: each run's ledger and breakdown (None where nobody knows what its time was). Out: `Line`s, one for each key and currency.
Rule 1: lines add up to the ledgers exactly, however runs are cut: a run that lasts over midnight is in both days.
Rule 2: currencies are never added up; a line with nodes that have no price says so. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jupyter_aicci.model.phases import KINDS
from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.budgets import period_ns
from jupyter_aicci.pricing.meter import NS_PER_S, Entry, Ledger, Piece, pieces
from jupyter_aicci.pricing.waste import Breakdown, split

BY = ("user", "queue", "shape", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One run with its bill."""

    run: Run
    ledger: Ledger
    breakdown: Breakdown | None  # None: what its time was is not known


@dataclass(slots=True, kw_only=True)
class Line:
    """One line of the report while it is added up."""

    key: str
    currency: str
    runs: set[str] = field(default_factory=set)
    held_ns: int = 0  # node time
    amount_micro: int = 0
    useful_micro: int = 0
    overhead_micro: int = 0
    waste_micro: int = 0
    unsplit_micro: int = 0  # of runs of which nobody knows what their time was
    unpriced: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "currency": self.currency,
            "runs": len(self.runs),
            "held_s": self.held_ns / NS_PER_S,
            "amount_micro": self.amount_micro,
            "useful_micro": self.useful_micro,
            "overhead_micro": self.overhead_micro,
            "waste_micro": self.waste_micro,
            "unsplit_micro": self.unsplit_micro,
            "unpriced": self.unpriced,
        }


def report(bills: Iterable[Bill], by: str) -> tuple[Line, ...]:
    """The lines, the dearest first; days in their order. `by` is one of `BY`."""
    lines: dict[tuple[str, str], Line] = {}
    for bill in bills:
        for key, piece in _pieces(bill, by):
            _add(_line(lines, key, bill), bill, piece)
        for row in bill.ledger.corrections:
            day = _day(row.time_ns)
            key = day if by == "day" else _key(bill, by, bill.run.shape)
            line = _line(lines, key, bill)
            line.amount_micro += row.amount_micro
            line.unsplit_micro += row.amount_micro
    found = sorted(lines.values(), key=lambda line: (line.currency, -line.amount_micro, line.key))
    return tuple(sorted(found, key=lambda line: line.key) if by == "day" else found)


def _line(lines: dict[tuple[str, str], Line], key: str, bill: Bill) -> Line:
    currency = bill.ledger.currency
    line = lines.setdefault((key, currency), Line(key=key, currency=currency))
    line.runs.add(bill.run.id)
    return line


def _pieces(bill: Bill, by: str) -> Iterator[tuple[str, Piece]]:
    for entry in bill.ledger.entries:
        cuts = _midnights(entry) if by == "day" else ()
        for piece in pieces(entry, cuts):
            yield _day(piece.from_ns) if by == "day" else _key(bill, by, entry.shape), piece


def _key(bill: Bill, by: str, shape: str) -> str:
    spec = bill.run.spec
    return {"user": spec.owner or "unknown", "queue": spec.queue, "shape": shape}[by]


def _day(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S).astimezone().date().isoformat()


def _midnights(entry: Entry) -> tuple[int, ...]:
    """The midnights of this place within the entry."""
    found, at_ns = [], entry.from_ns
    while (at_ns := period_ns("day", at_ns)[1]) < entry.to_ns:
        found.append(at_ns)
    return tuple(found)


def _add(line: Line, bill: Bill, piece: Piece) -> None:
    line.held_ns += piece.to_ns - piece.from_ns
    line.amount_micro += piece.amount_micro
    line.unpriced |= not piece.entry.price.known
    known = bill.breakdown
    if known is None or not known.phases:
        line.unsplit_micro += piece.amount_micro
        return
    useful, overhead, waste = split(piece.amount_micro, [known.ns(kind) for kind in KINDS])
    line.useful_micro += useful
    line.overhead_micro += overhead
    line.waste_micro += waste
