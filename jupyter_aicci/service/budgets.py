"""The budgets of users and queues, held: what is spent of each, whose runs have to end, and until when nobody may start.

In: the runs, the budgets of config.toml. Out: for a run, why it is to end and until when it waits; for a request, a refusal.
A running gang ends early enough that the sum never passes the budget: at the budget less what all running gangs of its owner
cost while they end. At 95 % no run of the owner gets nodes until the period is over; what is sent then is refused.
Rule: sums are worked out at most once a second; the lead has that second in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS, money
from jupyter_aicci.pricing.budgets import Budget, budgets_of, left_out, period_ns, spent_micro
from jupyter_aicci.pricing.meter import rate_micro_per_h
from jupyter_aicci.service.limits import CLEAR_S, LAST_RATIO, S_PER_H
from jupyter_aicci.service.runs import Runs

LOOK_NS = NS


class Budgets:
    """All budgets of one service; costs nothing where none is set."""

    def __init__(self, runs: Runs, budgets: Sequence[Budget]) -> None:
        self._runs, self._budgets = runs, tuple(budgets)
        self._sums: dict[tuple[str, str, str], tuple[int, int]] = {}  # (looked at, spent)

    def must_end(self, run: Run) -> str:
        """Why the run, which holds nodes, is to end now; "" = it may go on."""
        now_ns = self._runs.clock.now_ns()
        for budget in budgets_of(run, self._budgets):
            spent, ending = self._spent(budget, now_ns), self._ending_micro(budget)
            if spent + ending >= budget.cap_micro:
                return f"{budget.words} is spent: {self._words(budget, spent, now_ns)}"
        return ""

    def closed_until_ns(self, run: Run) -> int:
        """Until when the run, which waits, may not have nodes; 0 = it may."""
        now_ns, until_ns = self._runs.clock.now_ns(), 0
        for budget in budgets_of(run, self._budgets):
            if self._spent(budget, now_ns) >= LAST_RATIO * budget.cap_micro:
                until_ns = max(until_ns, period_ns(budget.period, now_ns)[1])
        return until_ns

    def refusal(self, run: Run) -> UserError | None:
        """The error for a run that is sent after its budget is spent."""
        now_ns = self._runs.clock.now_ns()
        for budget in budgets_of(run, self._budgets):
            spent = self._spent(budget, now_ns)
            if spent >= LAST_RATIO * budget.cap_micro:
                again = datetime.fromtimestamp(period_ns(budget.period, now_ns)[1] / NS).astimezone()
                return UserError(
                    "budget_spent", f"{budget.words} is spent: {self._words(budget, spent, now_ns)}. Nothing was submitted.",
                    hint=f"It begins anew on {again:%Y-%m-%d %H:%M}; [budgets] of config.toml has its size.", field="budget",
                )  # fmt: skip
        return None

    def _spent(self, budget: Budget, now_ns: int) -> int:
        key = (budget.kind, budget.name, budget.period)
        looked_ns, spent = self._sums.get(key, (0, 0))
        if now_ns - looked_ns >= LOOK_NS:
            spent = spent_micro(budget, self._runs.newest_first(), now_ns)
            self._sums[key] = now_ns, spent
        return spent

    def _ending_micro(self, budget: Budget) -> int:
        """What the running gangs of the owner cost until they are gone, and until the sum is looked at again."""
        holding = [run for run in self._runs.holding() if budget.counts(run)]
        tail_s = CLEAR_S + LOOK_NS / NS
        return sum(round(rate_micro_per_h(run) * (run.spec.grace + tail_s) / S_PER_H) for run in holding)

    def _words(self, budget: Budget, spent: int, now_ns: int) -> str:
        told = f"{money(spent, budget.currency)} of {money(budget.cap_micro, budget.currency)}"
        others = left_out(budget, self._runs.newest_first(), now_ns)
        return f"{told}, without what was spent in {', '.join(others)}" if others else told
