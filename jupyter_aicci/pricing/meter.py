"""The meter: what a run has cost, from the intervals in which its nodes were held.

In: the run (folded from the journal) and now. Out: the ledger, one entry for each node of each attempt.
Method: price x nanoseconds summed as integers, divided once: each entry gets the floor and hands its remainder on, so
that the entries add up to the total exactly and no way of cutting the time changes it.
Rule: `from_ns` to `to_ns` is billed, nothing else; an interval that ends before it begins (odd clocks) costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Price

NS_PER_H = 3_600_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One node of one attempt, from when it was held to when it was free."""

    attempt: int
    node: int
    shape: str
    from_ns: int
    to_ns: int  # now, while `open`
    amount_micro: int
    open: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "attempt": self.attempt,
            "node": self.node,
            "shape": self.shape,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "amount_micro": self.amount_micro,
            "open": self.open,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The bill of one run, up to one moment."""

    run_id: RunId
    price: Price  # of the latest attempt's shape, for the caption
    entries: tuple[Entry, ...]  # by attempt, then node
    per_h_micro: int  # what the nodes held now cost an hour

    @property
    def total_micro(self) -> int:
        return sum(entry.amount_micro for entry in self.entries)

    @property
    def currency(self) -> str:
        return self.price.currency

    def to_json(self) -> dict[str, Any]:
        """The answer of GET /v1/runs/REF/cost."""
        return {
            "run_id": self.run_id,
            "total_micro": self.total_micro,
            "currency": self.currency,
            "price": self.price.to_json(),
            "entries": [entry.to_json() for entry in self.entries],
            "per_h_micro": self.per_h_micro,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hold:
    """A node in the hands of the run."""

    attempt: int
    node: int
    shape: str
    micro_per_h: int
    from_ns: int
    to_ns: int | None  # None = held still

    def until(self, now_ns: int) -> int:
        """When it ends as seen at `now_ns`, never before it begins."""
        end_ns = now_ns if self.to_ns is None else min(self.to_ns, now_ns)
        return max(self.from_ns, end_ns)

    def cost(self, now_ns: int) -> int:
        """Micro-units x ns per hour, so that nothing is rounded yet."""
        return self.micro_per_h * (self.until(now_ns) - self.from_ns)


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
            )
        )
    held = sum(hold.micro_per_h for hold in _holds(run) if hold.to_ns is None)
    return Ledger(run_id=run.id, price=run.price, entries=tuple(entries), per_h_micro=held)


def cost_micro(run: Run, now_ns: int) -> int:
    """What the run has cost up to `now_ns`: the ledger's total without its entries."""
    return sum(hold.cost(now_ns) for hold in _holds(run)) // NS_PER_H


def cost_series(run: Run, now_ns: int) -> tuple[tuple[int, int], ...]:
    """The bill as a curve: (time_ns, micro-units so far) where its slope changes, and now while a node is held."""
    holds = tuple(_holds(run))
    times = {time_ns for hold in holds for time_ns in (hold.from_ns, hold.until(now_ns))}
    return tuple((time_ns, cost_micro(run, time_ns)) for time_ns in sorted(times))


def _holds(run: Run) -> Iterator[_Hold]:
    """Every node of every attempt, in the ledger's order."""
    for attempt in run.attempts:
        shape = attempt.placement.shape.name
        price = run.prices.get(shape, Price(micro_per_h=0))
        for node, from_ns in sorted(attempt.held.items()):
            yield _Hold(
                attempt=attempt.number,
                node=node,
                shape=shape,
                micro_per_h=price.micro_per_h,
                from_ns=from_ns,
                to_ns=attempt.released.get(node),
            )
