"""What the journal keeps of runs that wait: why they do, and the place that is kept for them.

In: the runs, the scheduler's latest answer and promises. Out: rows to record.
Rule 1: a reason is a row when its class changes: the numbers in it change too often, and who watches is told them anyway.
Rule 2: pure but for the clock of the runs; nothing is recorded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service.runs import Runs

if TYPE_CHECKING:
    from jupyter_aicci.service.answer import Answer

NOTES_AT_ONCE = 50  # each is a commit; the next answer has the rest
PLACE = ("hosts", "counts", "shape")  # of a promise


def reasons(runs: Runs, answer: Answer) -> tuple[Noted, ...]:
    """Why each run waits for which that is another class now than the journal has."""
    changed = [run_id for run_id in answer.waiting if runs[run_id].why != answer.why_class(run_id)]
    line = _by_submission(runs, answer) if changed else ()
    waits = [answer.why(run_id, line) for run_id in changed[:NOTES_AT_ONCE]]
    return tuple(_noted(runs, wait.run_id, "waiting", wait.text, {"class": str(wait.why_class)}) for wait in waits)


def promises(runs: Runs, told: Mapping[RunId, dict[str, Any]]) -> tuple[Noted, ...]:
    """The starts that were promised, where the place is another one than the journal has; a later service keeps them, too."""
    return tuple(
        _noted(runs, run_id, "promise", f"a place on {', '.join(promise['hosts'])} is kept for it", promise)
        for run_id, promise in told.items()
        if any(runs[run_id].promise.get(key) != promise[key] for key in PLACE)
    )


def _by_submission(runs: Runs, answer: Answer) -> tuple[RunId, ...]:
    """The line as it stands by priority and time; the exact one is worked out for those who watch."""
    waiting = [runs[run_id] for run_id in answer.waiting]
    return tuple(run.id for run in sorted(waiting, key=lambda run: (-run.spec.priority, run.submitted_ns, run.id)))


def _noted(runs: Runs, run_id: RunId, topic: str, text: str, data: dict[str, Any]) -> Noted:
    return Noted(run_id=run_id, time_ns=runs.clock.now_ns(), topic=topic, text=text, data=data)
