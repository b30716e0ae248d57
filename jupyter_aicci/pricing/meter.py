"""The meter: what a run has cost, from the intervals in which its nodes were held.

In: the run (folded from the journal) and now. Out: the ledger, one entry for each node of each attempt, and its corrections.
Method: price x nanoseconds summed as integers, divided once: each entry gets the floor and hands its remainder on, so
that the entries add up to the total exactly and no way of cutting the time changes it.
Two columns: `amount_micro` is what has accrued, exact to the nanosecond; `billed_micro` what the provider's rule (increments,
minimum) makes of an allocation, rounded once, when it closes.
Rule 1: `from_ns` to `to_ns` is billed, nothing else; an interval that ends before it begins (odd clocks) costs nothing.
Rule 2: a node without a price adds nothing, and the ledger says that a part is not known. Currencies are never mixed in a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.events import Corrected
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Billing, Price

NS_PER_S = 1_000_000_000
NS_PER_H = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One node of one attempt, from when it was held to when it was free."""

    attempt: int
    node: int
    shape: str
    from_ns: int
    to_ns: int  # now, while `open`
    amount_micro: int  # accrued; 0 where the price is not known
    open: bool
    price: Price
    unverified_ns: int = 0  # after `to_ns`, not billed: nobody knows whether the node was held

    @property
    def billed_micro(self) -> int:
        """By the provider's rule once it has closed; what has accrued until then."""
        rule = self.price.billing
        if self.open or not (rule.increment_s or rule.minimum_s):
            return self.amount_micro
        billed_ns = rounded_ns(self.from_ns, self.to_ns, rule)
        return (2 * self.price.micro_per_h * billed_ns + NS_PER_H) // (2 * NS_PER_H)

    def to_json(self) -> dict[str, Any]:
        return {
            "attempt": self.attempt,
            "node": self.node,
            "shape": self.shape,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "amount_micro": self.amount_micro if self.price.known else None,
            "billed_micro": self.billed_micro if self.price.known else None,
            "open": self.open,
            "unverified_ns": self.unverified_ns,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The bill of one run, up to one moment."""

    run_id: RunId
    price: Price  # of the latest attempt's shape, for the caption
    entries: tuple[Entry, ...]  # by attempt, then node
    per_h_micro: int  # what the nodes held now cost an hour, those without a price left out
    corrections: tuple[Corrected, ...] = ()

    @property
    def total_micro(self) -> int:
        """What has accrued, corrections included; nodes without a price are not in it."""
        return sum(entry.amount_micro for entry in self.entries) + self._corrected_micro

    @property
    def billed_micro(self) -> int:
        """The same by the provider's rule for every allocation that has closed."""
        return sum(entry.billed_micro for entry in self.entries) + self._corrected_micro

    @property
    def _corrected_micro(self) -> int:
        return sum(correction.amount_micro for correction in self.corrections)

    @property
    def unpriced(self) -> bool:
        """Whether a part is not in the total because nobody has set its price."""
        return any(not entry.price.known for entry in self.entries)

    @property
    def known(self) -> bool:
        """Whether the total says anything: not where no part of it has a price."""
        return not self.unpriced or bool(self.corrections) or any(entry.price.known for entry in self.entries)

    @property
    def currency(self) -> str:
        return self.price.currency

    def to_json(self) -> dict[str, Any]:
        """The ledger in the answer of GET /v1/runs/REF/cost."""
        return {
            "run_id": self.run_id,
            "total_micro": self.total_micro if self.known else None,
            "billed_micro": self.billed_micro if self.known else None,
            "unpriced": self.unpriced,
            "currency": self.currency,
            "price": self.price.to_json(),
            "entries": [entry.to_json() for entry in self.entries],
            "corrections": [
                {"time_ns": row.time_ns, "amount_micro": row.amount_micro, "reason": row.reason, "by": row.by}
                for row in self.corrections
            ],
            "per_h_micro": self.per_h_micro if self.price.known else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of an entry between two cuts; the pieces of an entry add up to it exactly."""

    entry: Entry
    from_ns: int
    to_ns: int
    amount_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hold:
    """A node in the hands of the run."""

    attempt: int
    node: int
    shape: str
    price: Price
    from_ns: int
    to_ns: int | None  # None = held still
    unverified_ns: int

    def until(self, now_ns: int) -> int:
        """When it ends as seen at `now_ns`, never before it begins."""
        end_ns = now_ns if self.to_ns is None else min(self.to_ns, now_ns)
        return max(self.from_ns, end_ns)

    def cost(self, now_ns: int) -> int:
        """Micro-units x ns per hour, so that nothing is rounded yet."""
        return self.price.micro_per_h * (self.until(now_ns) - self.from_ns)


def meter(run: Run, now_ns: int) -> Ledger:
    """The run's bill up to `now_ns`; intervals that ended later are billed up to `now_ns` too."""
    entries, carry = [], 0
    for hold in _holds(run):
        amount, carry = divmod(hold.cost(now_ns) + carry, NS_PER_H)
        entries.append(
            Entry(
                attempt=hold.attempt,
                node=hold.node,
                shape=hold.shape,
                from_ns=hold.from_ns,
                to_ns=hold.until(now_ns),
                amount_micro=amount,
                open=hold.to_ns is None,
                price=hold.price,
                unverified_ns=hold.unverified_ns,
            )
        )
    corrections = tuple(row for row in run.corrections if row.time_ns <= now_ns)
    return Ledger(
        run_id=run.id,
        price=run.price,
        entries=tuple(entries),
        per_h_micro=rate_micro_per_h(run),
        corrections=corrections,
    )


def rate_micro_per_h(run: Run) -> int:
    """What the nodes that it holds now cost an hour."""
    return sum(hold.price.micro_per_h for hold in _holds(run) if hold.to_ns is None)


def cost_micro(run: Run, now_ns: int) -> int:
    """What the run has cost up to `now_ns`: the ledger's total without its entries."""
    corrected = sum(row.amount_micro for row in run.corrections if row.time_ns <= now_ns)
    return sum(hold.cost(now_ns) for hold in _holds(run)) // NS_PER_H + corrected


def cost_between_micro(run: Run, begin_ns: int, end_ns: int) -> int:
    """What the run has cost from `begin_ns` to `end_ns`: the bill at the end less the bill at the beginning."""
    return cost_micro(run, end_ns) - cost_micro(run, begin_ns) if end_ns > begin_ns else 0


def cost_series(run: Run, now_ns: int) -> tuple[tuple[int, int], ...]:
    """The bill as a curve: (time_ns, micro-units so far) where its slope changes, and now while a node is held."""
    holds = tuple(_holds(run))
    times = {time_ns for hold in holds for time_ns in (hold.from_ns, hold.until(now_ns))}
    times |= {row.time_ns for row in run.corrections if row.time_ns <= now_ns}
    return tuple((time_ns, cost_micro(run, time_ns)) for time_ns in sorted(times))


def rounded_ns(from_ns: int, to_ns: int, rule: Billing) -> int:
    """The time that a provider bills for an allocation of `from_ns` to `to_ns` (epoch): whole increments, at least the minimum.

    Increments that count from the clock are those of UTC; zones and summer time shift the clock by whole increments or do not
    matter, since what is counted is epoch time.
    """
    increment_ns = rule.increment_s * NS_PER_S
    if to_ns <= from_ns:
        return 0
    if increment_ns and rule.boundary == "clock":
        from_ns, to_ns = from_ns // increment_ns * increment_ns, -(-to_ns // increment_ns) * increment_ns
    held_ns = to_ns - from_ns
    if increment_ns:
        held_ns = -(-held_ns // increment_ns) * increment_ns
    return max(held_ns, rule.minimum_s * NS_PER_S)


def pieces(entry: Entry, cuts_ns: Sequence[int]) -> tuple[Piece, ...]:
    """The entry cut at these moments (those outside it change nothing), such as midnights; amounts add up to the entry's."""
    points = [entry.from_ns, *sorted({cut for cut in cuts_ns if entry.from_ns < cut < entry.to_ns}), entry.to_ns]
    length_ns = max(1, entry.to_ns - entry.from_ns)
    amounts = [entry.amount_micro * (point - entry.from_ns) // length_ns for point in points]
    return tuple(
        Piece(entry=entry, from_ns=begin, to_ns=end, amount_micro=after - before)
        for begin, end, before, after in zip(points, points[1:], amounts, amounts[1:], strict=False)
    )


def _holds(run: Run) -> Iterator[_Hold]:
    """Every node of every attempt, in the ledger's order."""
    for attempt in run.attempts:
        shape = attempt.placement.shape.name
        price = run.prices.get(shape, Price(micro_per_h=0, currency=run.price.currency, known=False))
        for node, from_ns in sorted(attempt.held.items()):
            yield _Hold(
                attempt=attempt.number,
                node=node,
                shape=shape,
                price=price,
                from_ns=from_ns,
                to_ns=attempt.released.get(node),
                unverified_ns=attempt.unverified.get(node, 0),
            )
