"""Limits of a run: running time, a point in time, money.

Money is stopped for early enough that what has accrued never passes the budget: at the budget less what the nodes cost while
they end, which is the run's grace, 1.5 times what its checkpoints take (p95, at most 5 min), and a moment to be gone.
At 80 % it is told; beyond 95 % nothing is tried again and no node is taken.
Rule: pure; the deadline's text was resolved to a moment when the run was submitted, so a clock that is set later moves nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.events import Noted, StopRequested
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import ExitClass
from jupyter_aicci.model.text import NS, clock, duration, money

WARN_RATIO = 0.8
LAST_RATIO = 0.95
CHECKPOINT_FACTOR = 1.5
MOST_CHECKPOINT_S = 300.0
CLEAR_S = 5.0  # from SIGKILL until the node is free, and from the line until SIGTERM is sent
START_S = 2.0  # from its nodes to its first step at the least: a budget that ends before is of no use
S_PER_H = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a run has spent and spends; of nodes without a price, nothing is known and nothing is in it."""

    spent_micro: int = 0
    per_h_micro: int = 0
    checkpoint_ns: tuple[int, ...] = ()


def running_s(run: Run, now_ns: int) -> float:
    """Seconds that the run's attempts have run, all together."""
    ran = [attempt for attempt in run.attempts if attempt.running_ns]
    return sum((attempt.ended_ns or now_ns) - attempt.running_ns for attempt in ran) / NS


def over_limit(
    run: Run, *, deadline_ns: int, spending: Spending, now_ns: int, closed: str = ""
) -> StopRequested | None:
    """The wish to stop that a limit of the run brings about now, or None."""
    spec = run.spec
    if spec.time_limit and running_s(run, now_ns) >= spec.time_limit:
        return _stop(run, now_ns, ExitClass.TIME_LIMIT, f"its time limit of {clock(spec.time_limit)} is over")
    if deadline_ns and now_ns >= deadline_ns:
        return _stop(run, now_ns, ExitClass.TIME_LIMIT, f"its deadline {spec.deadline} has come")
    if closed and run.holds_nodes:
        return _stop(run, now_ns, ExitClass.BUDGET, closed)  # no time for checkpoints: none was kept back (`budgets`)
    return _over_budget(run, spending, now_ns) if spec.budget else None


def _over_budget(run: Run, spending: Spending, now_ns: int) -> StopRequested | None:
    if not run.holds_nodes:
        poor = too_little_left(run, spending.spent_micro)
        return _stop(run, now_ns, ExitClass.BUDGET, f"{poor}, so it gets no nodes again") if poor else None
    grace_s = end_grace_s(run.spec.grace, spending.checkpoint_ns)
    line_micro = run.spec.budget - _micro(spending.per_h_micro, grace_s + CLEAR_S)
    over_micro = spending.spent_micro - line_micro
    if over_micro < 0:
        return None
    # The moment at which the line was passed: a keeper that ended its node by itself did so after it.
    late_ns = over_micro * S_PER_H * NS // spending.per_h_micro if spending.per_h_micro else 0
    time_ns = max(run.attempts[-1].placed_ns, now_ns - late_ns)
    text = f"{_spent(run, spending.spent_micro)}, and it needs up to {duration(grace_s)} to end"
    return _stop(run, time_ns, ExitClass.BUDGET, text, grace_s)


def budget_warning(run: Run, spending: Spending, *, now_ns: int) -> Noted | None:
    """What is told once when 80 % of the budget are spent."""
    budget = run.spec.budget
    if not budget or spending.spent_micro < WARN_RATIO * budget:
        return None
    left_s = (budget - spending.spent_micro) * S_PER_H / spending.per_h_micro if spending.per_h_micro else 0.0
    ends = f"; at {_money(run, spending.per_h_micro)}/h the rest lasts {duration(max(0.0, left_s))}" if left_s else ""
    data = {"key": "budget/80", "spent_micro": spending.spent_micro, "budget_micro": budget}
    text = _spent(run, spending.spent_micro) + ends
    return Noted(run_id=run.id, time_ns=now_ns, topic="budget", text=text, data=data)


def too_little_left(run: Run, spent_micro: int) -> str:
    """Why no further attempt is paid for, "" = it may be."""
    budget = run.spec.budget
    if budget and spent_micro >= LAST_RATIO * budget:
        return _spent(run, spent_micro)
    prices = [run.prices[run.shape]] if run.shape in run.prices else list(run.prices.values())
    if budget and run.attempts and spent_micro + least_micro(run.spec, prices) > budget:
        return f"{_spent(run, spent_micro)}, and the rest does not pay for a start and an end"
    return ""


def least_micro(spec: RunSpec, prices: Sequence[Price]) -> int:
    """What the run costs at the least: starting and ending on the cheapest of these shapes."""
    per_h = min((price.micro_per_h for price in prices), default=0) * (spec.min_nodes or spec.nodes)
    return _micro(per_h, START_S + spec.grace + CLEAR_S)


def refuse_budget(spec: RunSpec, prices: Sequence[Price]) -> None:
    """Raises `UserError` for a budget that nobody can hold (no price), or that is spent before a first step."""
    if not spec.budget:
        return
    if not all(price.known for price in prices):
        raise UserError(
            "no_price", "--budget cannot be held: nobody has set a price for a shape that the run may get. Nothing was submitted.",
            hint='Set it in [prices] of config.toml, or leave --budget out and name a --time-limit.', field="budget",
        )  # fmt: skip
    least, currency = least_micro(spec, prices), prices[0].currency if prices else "USD"
    if least > spec.budget:
        raise UserError(
            "budget_too_small", f"--budget {money(spec.budget, currency)} is spent before a first step: starting and ending take "
            f"{duration(START_S + spec.grace + CLEAR_S)} and cost {money(least, currency)}. Nothing was submitted.",
            hint="Give more, or name a cheaper --shape, fewer --nodes or a shorter --grace.", field="budget",
        )  # fmt: skip


def cap_t_ns(spec: RunSpec, *, spent_micro: int, per_h_micro: int, boot_ns: int) -> int:
    """Boot time at which the nodes of an attempt that begins at `boot_ns` end by themselves; 0 = never."""
    if not spec.budget or not per_h_micro:
        return 0
    left_micro = spec.budget - spent_micro - _micro(per_h_micro, spec.grace + CLEAR_S)
    return boot_ns + max(1, left_micro * S_PER_H * NS // per_h_micro)


def end_grace_s(grace_s: float, checkpoint_ns: Sequence[int]) -> float:
    """Time to end for a run that is to leave a checkpoint: its grace, and 1.5 times what its checkpoints take (p95)."""
    took = sorted(checkpoint_ns)
    p95_s = took[math.ceil(0.95 * len(took)) - 1] / NS if took else 0.0
    return grace_s + min(MOST_CHECKPOINT_S, CHECKPOINT_FACTOR * p95_s)


def _micro(per_h_micro: int, seconds: float) -> int:
    return math.ceil(per_h_micro * seconds / S_PER_H)


def _spent(run: Run, spent_micro: int) -> str:
    ratio = spent_micro / run.spec.budget
    return f"it has cost {_money(run, spent_micro)} of its budget of {_money(run, run.spec.budget)} ({ratio:.0%})"


def _money(run: Run, micro: int) -> str:
    return money(micro, run.price.currency)


def _stop(run: Run, now_ns: int, exit_class: ExitClass, reason: str, grace_s: float | None = None) -> StopRequested:
    return StopRequested(
        run_id=run.id,
        time_ns=now_ns,
        reason=reason,
        exit_class=str(exit_class),
        grace_s=run.spec.grace if grace_s is None else grace_s,
    )


def moment_ns(moment_s: float) -> int | None:
    """Epoch ns of a moment in seconds; None for one that nobody knows (inf)."""
    return round(moment_s * NS) if math.isfinite(moment_s) else None


def parse_deadline_ns(text: str, *, submitted_ns: int) -> int:
    """Epoch ns of `18:00` (the next one after the submit, in this host's time zone) or an ISO date; 0 for no deadline."""
    if not text:
        return 0
    submitted = datetime.fromtimestamp(submitted_ns / NS).astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            hour, minute = (int(part) for part in text.split(":"))
            moment = submitted.replace(hour=hour, minute=minute, second=0, microsecond=0)
            moment += timedelta(days=1) if moment <= submitted else timedelta()
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.astimezone()
    except ValueError:
        raise UserError(
            "bad_deadline", f"--deadline {text!r}: expected a time of day or an ISO date. Nothing was submitted.",
            hint="For example --deadline 18:00 or --deadline 2026-11-30T08:00.", field="deadline",
        ) from None  # fmt: skip
    return int(moment.timestamp() * NS)
