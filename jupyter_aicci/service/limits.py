"""Limits of a run: running time, a point in time, money; and when the next of them is due.

Rule: pure; the deadline's text was resolved to a moment when the run was submitted, so a clock that is set later moves nothing.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.events import StopRequested
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import ExitClass
from jupyter_aicci.model.text import NS, clock, money


def running_s(run: Run, now_ns: int) -> float:
    """Seconds that the run's attempts have run, all together."""
    ran = [attempt for attempt in run.attempts if attempt.running_ns]
    return sum((attempt.ended_ns or now_ns) - attempt.running_ns for attempt in ran) / NS


def over_limit(run: Run, *, deadline_ns: int, spent_micro: int, now_ns: int) -> StopRequested | None:
    """The wish to stop that a limit of the run brings about now, or None."""
    spec = run.spec
    if spec.time_limit and running_s(run, now_ns) >= spec.time_limit:
        return _stop(run, now_ns, ExitClass.TIME_LIMIT, f"its time limit of {clock(spec.time_limit)} is over")
    if deadline_ns and now_ns >= deadline_ns:
        return _stop(run, now_ns, ExitClass.TIME_LIMIT, f"its deadline {spec.deadline} has come")
    if spec.budget and spent_micro >= spec.budget:
        currency = run.price.currency
        spent = f"it has cost {money(spent_micro, currency)} of its budget of {money(spec.budget, currency)}"
        return _stop(run, now_ns, ExitClass.BUDGET, spent)
    return None


def _stop(run: Run, now_ns: int, exit_class: ExitClass, reason: str) -> StopRequested:
    return StopRequested(
        run_id=run.id, time_ns=now_ns, reason=reason, exit_class=str(exit_class), grace_s=run.spec.grace
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
