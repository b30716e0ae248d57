"""Budgets of users and queues: how much all runs of one may cost in a day or a month.

In: the table [budgets] of config.toml, the runs, now. Out: for each budget what is spent in its period, and until when that counts.
Days and months are those of this host's time zone; a day of 23 or 25 hours is one day. What counts is when a node was held.
Rule 1: pure; sums are integers, each run's own floor, so that a run's parts in two periods are never more than its bill.
Rule 2: a budget is in the currency of [prices], and only runs in that currency count: amounts of two are never added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from jupyter_aicci.model.errors import did_you_mean
from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.book import parse_amount
from jupyter_aicci.pricing.meter import NS_PER_S, cost_between_micro

KINDS = ("user", "queue")
PERIODS = ("day", "month")
EVERY = "*"  # each user, or each queue, that has no table of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One line of [budgets]: `[budgets.user.ann] day = "20"`."""

    kind: str  # "user" or "queue"
    name: str
    period: str  # "day" or "month"
    cap_micro: int
    currency: str = "USD"

    def counts(self, run: Run) -> bool:
        """Whether what the run costs is spent from it."""
        return self.owner(run) == self.name and run.price.currency == self.currency

    def owner(self, run: Run) -> str:
        """Whose money the run spends, as this kind of budget sees it."""
        return run.spec.owner if self.kind == "user" else run.spec.queue

    @property
    def words(self) -> str:
        """`today's budget of user ann`"""
        return f"{'today' if self.period == 'day' else 'this month'}'s budget of {self.kind} {self.name}"


def parse_budgets(table: Any, defects: list[str]) -> tuple[Budget, ...]:
    """The budgets of a table [budgets]; what is wrong with it goes to `defects`."""
    if not isinstance(table, dict):
        defects.append("budgets: expected tables such as [budgets.user.ann]")
        return ()
    found = []
    for kind, names in table.items():
        if kind not in KINDS or not isinstance(names, dict):
            defects.append(
                f"[budgets.{kind}]: {did_you_mean(kind, KINDS) or 'expected [budgets.user.NAME] or [budgets.queue.NAME]'}"
            )
            continue
        for name, caps in names.items():
            found += _of_one(kind, name, caps, defects)
    return tuple(found)


def _of_one(kind: str, name: str, caps: Any, defects: list[str]) -> list[Budget]:
    where, found = f"[budgets.{kind}.{name}]", []
    if not isinstance(caps, dict):
        defects.append(f"{where}: expected a table with day or month")
        return []
    for period, raw in caps.items():
        if period not in PERIODS:
            defects.append(f"{where} {period}: unknown; {did_you_mean(period, PERIODS) or 'day and month are known'}")
            continue
        try:
            found.append(Budget(kind=kind, name=name, period=period, cap_micro=parse_amount(raw)))
        except ValueError as error:
            defects.append(f"{where} {period}: {error}")
    return found


def budgets_of(run: Run, budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """The budgets that the run spends from; `*` stands for all that have no table of their own, each with its own sum."""
    budgets = tuple(budget for budget in budgets if budget.currency == run.price.currency)
    named = {(budget.kind, budget.name) for budget in budgets}
    found = []
    for budget in budgets:
        owner = budget.owner(run)
        if budget.name == owner:
            found.append(budget)
        elif budget.name == EVERY and (budget.kind, owner) not in named:
            found.append(replace(budget, name=owner))
    return tuple(found)


def period_ns(period: str, now_ns: int) -> tuple[int, int]:
    """(begin, end) in epoch ns of the day or the month that now is in, by this host's clock on the wall."""
    today = datetime.fromtimestamp(now_ns // NS_PER_S).astimezone().date()
    if period == "day":
        return _midnight_ns(today), _midnight_ns(today + timedelta(days=1))
    first = today.replace(day=1)
    return _midnight_ns(first), _midnight_ns((first + timedelta(days=32)).replace(day=1))


def _midnight_ns(day: date) -> int:
    """When the day begins here; without a zone in it, the datetime means the one that holds on that day."""
    return int(datetime.combine(day, time()).timestamp()) * NS_PER_S


def spent_micro(budget: Budget, runs: Iterable[Run], now_ns: int) -> int:
    """What the runs of the budget's owner have cost in its period so far."""
    begin_ns, _ = period_ns(budget.period, now_ns)
    return sum(cost_between_micro(run, begin_ns, now_ns) for run in runs if budget.counts(run))


def left_out(budget: Budget, runs: Iterable[Run], now_ns: int) -> tuple[str, ...]:
    """The other currencies in which the owner's runs have cost something in its period."""
    begin_ns, _ = period_ns(budget.period, now_ns)
    others = (run for run in runs if budget.owner(run) == budget.name and not budget.counts(run))
    return tuple(sorted({run.price.currency for run in others if cost_between_micro(run, begin_ns, now_ns)}))
