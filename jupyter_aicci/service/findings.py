"""What is wrong with each run: computed while somebody looks, and once more at the run's end, for good.

In: the evidence of a run, made when it is asked for. Out: findings as the view's JSON, and a `noted` row for each at the end.
Rule 1: off the hot path: a live run is looked at again after 5 s at the earliest, and later where that took long, so that it
never takes more than a fiftieth of the service's time.
Rule 2: what an ended run's journal says stands; nothing is computed anew, whatever later versions of the rules would say.
Rule 3: a mistake in here costs the findings, never the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.service.runs import Runs

if TYPE_CHECKING:
    from jupyter_aicci.timeline.evidence import Evidence

TOPIC = "finding"
EVERY_S = 5.0
SHARE = 50.0  # of the time that a look took, before the next
ENDED_KEPT = 50

LOG = logging.getLogger("aicci.service")

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Looked:
    """The latest look at one run."""

    found: tuple[Json, ...]
    again_s: float  # monotonic
    final: bool


class Findings:
    """Findings of every run."""

    def __init__(
        self,
        runs: Runs,
        evidence: Callable[[Run], Evidence],
        look_closer: Callable[[Run], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs, self._evidence, self._look_closer, self._clock_s = runs, evidence, look_closer, clock_s
        self._looked: dict[RunId, Looked] = {}

    def of(self, run: Run) -> tuple[Json, ...]:
        """The run's findings, the costliest first, as they were when they were last looked for."""
        looked = self._looked.get(run.id)
        if looked is not None and (looked.final or (not run.ended and self._clock_s() < looked.again_s)):
            return looked.found
        if not run.attempts:
            return ()
        told = self._told(run) if run.ended else ()
        return told or self._look(run)

    def settle(self, run: Run) -> None:
        """The run has ended and its frames are complete: write down what was wrong with it."""
        try:
            self._settle(run)
        except Exception:
            LOG.exception("the findings of run %s are not written down", run.id)

    def _settle(self, run: Run) -> None:
        if not run.attempts or self._told(run):
            return
        found = self._look(run)
        if not found:
            return
        now_ns, line = self._runs.clock.now_ns(), _line()
        rows = [
            Noted(
                run_id=run.id,
                time_ns=now_ns,
                topic=TOPIC,
                text=line(each, run.price.currency),
                data=each | {"key": f"{TOPIC}:{place}"},
            )
            for place, each in enumerate(found)
        ]
        self._runs.record(rows)

    def _look(self, run: Run) -> tuple[Json, ...]:
        began_s = self._clock_s()
        try:
            from jupyter_aicci.timeline.findings import findings

            found = tuple(each.to_json() for each in findings(self._evidence(run)))
        except Exception:
            LOG.exception("findings of run %s", run.id)
            found = ()
        if not run.ended:
            self._zoom(run, found)
        ended_s = self._clock_s()
        again_s = ended_s + max(EVERY_S, SHARE * (ended_s - began_s))
        self._keep(run, Looked(found=found, again_s=again_s, final=run.ended))
        return found

    def _zoom(self, run: Run, found: tuple[Json, ...]) -> None:
        """Something new was found: what happens around it is sampled more often for a moment."""
        before = self._looked.get(run.id)
        known = {each["id"] for each in before.found} if before else set()
        if any(each["id"] not in known for each in found):
            self._look_closer(run)

    def _told(self, run: Run) -> tuple[Json, ...]:
        """What the journal says; () where it says nothing: nothing was found, or the service ended before it could."""
        rows = [event for _, event in self._runs.journal.rows(run.id, 0) if isinstance(event, Noted)]
        found = tuple(
            {key: value for key, value in row.data.items() if key != "key"} for row in rows if row.topic == TOPIC
        )
        if found:
            self._keep(run, Looked(found=found, again_s=0.0, final=True))
        return found

    def _keep(self, run: Run, looked: Looked) -> None:
        self._looked.pop(run.id, None)
        self._looked[run.id] = looked
        final = [run_id for run_id, each in self._looked.items() if each.final]
        for run_id in final[:-ENDED_KEPT]:
            del self._looked[run_id]


def _line() -> Callable[[Json, str], str]:
    from jupyter_aicci.timeline.findings.words import line

    return line
