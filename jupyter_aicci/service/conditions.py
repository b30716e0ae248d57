"""`--stop-if`, held: its numbers are looked at while the run holds nodes, and the run ends when it has been true for long enough.

In: a run, the numbers of `bills.values`. Out: rows: since when it is true (so that a service killed meanwhile goes on counting),
that it is no longer, and the wish to stop with the numbers that brought it about.
Rule 1: at most once a second, and no more than a fiftieth of the service's time.
Rule 2: what is not known is not true; a number that goes missing begins the time anew. While the run's frames are still being
read, as after a start of the service, nothing is decided and nothing begins anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jupyter_aicci.model.condition import Condition, parse_condition
from jupyter_aicci.model.events import Event, Noted, StopRequested
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import ExitClass
from jupyter_aicci.model.text import NS, duration, number

TOPIC = "stop-if"
EVERY_S = 1.0
SHARE = 50.0
TELL_S = 10.0  # a condition that is true for less is not written down: it may come and go every second

LOG = logging.getLogger("aicci.service")
Values = Callable[[Run, tuple[str, ...]], Mapping[str, float] | None]
parsed = lru_cache(maxsize=256)(parse_condition)


@dataclass(slots=True, kw_only=True)
class Looked:
    """The latest look at one run."""

    again_s: float  # monotonic
    since_ns: int = 0  # since when it is true, 0 = it is not


class Conditions:
    """The conditions of all runs that have one."""

    def __init__(self, values: Values, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._values, self._clock_s = values, clock_s
        self._looked: dict[RunId, Looked] = {}

    def rows(self, run: Run, now_ns: int) -> tuple[Event, ...]:
        """What is to be recorded now; called at every look at a run that holds nodes."""
        if not run.spec.stop_if or run.stop is not None:
            return ()
        looked = self._looked.setdefault(run.id, Looked(again_s=0.0, since_ns=run.true_since_ns))
        begin_s = self._clock_s()
        if begin_s < looked.again_s:
            return ()
        try:
            found = self._look(run, looked, now_ns)
        except Exception:
            LOG.exception("--stop-if of run %s", run.id)
            found = ()
        looked.again_s = self._clock_s() + max(EVERY_S, SHARE * (self._clock_s() - begin_s))
        return found

    def forget(self, run: Run) -> None:
        self._looked.pop(run.id, None)

    def _look(self, run: Run, looked: Looked, now_ns: int) -> tuple[Event, ...]:
        condition = parsed(run.spec.stop_if)
        values = self._values(run, condition.names)
        if values is None:
            return ()
        if not condition.of(values):
            looked.since_ns = 0
            return (_note(run, now_ns, 0, f"{condition.text}: no longer so"),) if run.true_since_ns else ()
        looked.since_ns = looked.since_ns or now_ns
        true_s = (now_ns - looked.since_ns) / NS
        if true_s >= condition.for_s:
            return (_stop(run, condition, values, now_ns),)
        if not run.true_since_ns and true_s >= TELL_S:
            text = f"{condition.text}: so since {duration(true_s)} ({_words(condition, values)})"
            return (_note(run, now_ns, looked.since_ns, text),)
        return ()


def _note(run: Run, now_ns: int, since_ns: int, text: str) -> Noted:
    return Noted(run_id=run.id, time_ns=now_ns, topic=TOPIC, text=text, data={"since_ns": since_ns})


def _stop(run: Run, condition: Condition, values: Mapping[str, float], now_ns: int) -> StopRequested:
    return StopRequested(
        run_id=run.id,
        time_ns=now_ns,
        reason=f"its --stop-if has come true: {condition.text} ({_words(condition, values)})",
        exit_class=str(ExitClass.CONDITION),
        grace_s=run.spec.grace,
    )


def _words(condition: Condition, values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number(values[name])}" for name in condition.names if name in values)
