"""What is wrong with each run: computed while somebody looks, and once more at the run's end, for good.

In: the evidence of a run, made when it is asked for. Out: findings as the view's JSON, and a `noted` row for each at the end.
Rule 1: off the hot path: a live run is looked at again after 5 s at the earliest, and later where that took long, so that it
never takes more than a fiftieth of the service's time. A run with many records is looked at in a thread, one run at a time;
meanwhile what was found before stands.
Rule 2: what an ended run's journal says stands; nothing is computed anew, whatever later versions of the rules would say.
Rule 3: a mistake in here costs the findings, never the run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
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
SMALL = 10_000  # records of steps: so many are looked at on the spot, which takes less than 0.1 s

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
        self._going: dict[RunId, asyncio.Event] = {}  # runs that a thread looks at, and what says that it has
        self._one = Lock()

    def of(self, run: Run) -> tuple[Json, ...]:
        """The run's findings, the costliest first, as they were when they were last looked for."""
        looked = self._looked.get(run.id)
        if looked is not None and (looked.final or (not run.ended and self._clock_s() < looked.again_s)):
            return looked.found
        if not run.attempts:
            return ()
        told = self.told(run) if run.ended else ()
        if not told and run.id not in self._going:
            self._look(run, self._show)
        looked = self._looked.get(run.id)
        return looked.found if looked else ()

    async def complete(self, run: Run) -> None:
        """Return when the run was looked at."""
        self.of(run)
        await self.looked(run)

    def looks_at(self, run: Run) -> bool:
        """Whether a thread looks at the run."""
        return run.id in self._going

    async def looked(self, run: Run) -> None:
        """Return when no thread looks at the run."""
        while run.id in self._going:
            await self._going[run.id].wait()

    def settle(self, run: Run) -> None:
        """The run has ended and its frames are complete: write down what was wrong with it."""
        if run.attempts and not self.told(run):
            self._look(run, self._write)

    def _look(self, run: Run, then: Callable[[Run, Looked], None]) -> None:
        """Call `then` with what is found, now or, of a run with many records, when a thread is through."""
        began_s = self._clock_s()
        try:
            evidence = self._evidence(run)
        except Exception:
            LOG.exception("the evidence of run %s", run.id)
            then(run, self._seen(run, (), began_s))
            return
        if len(evidence.steps.rank) <= SMALL:
            then(run, self._seen(run, _find(evidence), began_s))
        else:
            self._look_aside(run, evidence, then)

    def _look_aside(self, run: Run, evidence: Evidence, then: Callable[[Run, Looked], None]) -> None:
        loop = asyncio.get_running_loop()
        done = self._going[run.id] = asyncio.Event()

        def look() -> None:
            with self._one:
                began_s = self._clock_s()
                looked = self._seen(run, _find(evidence), began_s)
            with suppress(RuntimeError):  # the service has ended meanwhile
                loop.call_soon_threadsafe(finish, looked)

        def finish(looked: Looked) -> None:
            if self._going.get(run.id) is done:  # else the end has come meanwhile, and is looked at next
                del self._going[run.id]
            then(run, looked)
            done.set()

        Thread(target=look, name=f"findings-{run.id}", daemon=True).start()

    def _seen(self, run: Run, found: tuple[Json, ...], began_s: float) -> Looked:
        ended_s = self._clock_s()
        again_s = ended_s + max(EVERY_S, SHARE * (ended_s - began_s))
        return Looked(found=found, again_s=again_s, final=run.ended)

    def _show(self, run: Run, looked: Looked) -> None:
        """Keep it; around what is new what happens is sampled more often for a moment."""
        before = self._looked.get(run.id)
        known = {each["id"] for each in before.found} if before else set()
        if not run.ended and any(each["id"] not in known for each in looked.found):
            self._look_closer(run)
        self._keep(run, looked)

    def _write(self, run: Run, looked: Looked) -> None:
        """Keep it, and a row of each in the journal."""
        self._keep(run, looked)
        now_ns, line = self._runs.clock.now_ns(), _line()
        rows = [
            Noted(
                run_id=run.id,
                time_ns=now_ns,
                topic=TOPIC,
                text=line(each, run.price.currency),
                data=each | {"key": f"{TOPIC}:{place}"},
            )
            for place, each in enumerate(looked.found)
        ]
        try:
            self._runs.record(rows)
        except Exception:
            LOG.exception("the findings of run %s are not written down", run.id)

    def told(self, run: Run) -> tuple[Json, ...]:
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


def _find(evidence: Evidence) -> tuple[Json, ...]:
    from jupyter_aicci.timeline.findings import findings

    try:
        return tuple(each.to_json() for each in findings(evidence))
    except Exception:
        LOG.exception("findings of run %s", evidence.run.id)
        return ()


def _line() -> Callable[[Json, str], str]:
    from jupyter_aicci.timeline.findings.words import line

    return line
