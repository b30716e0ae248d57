"""Timeline views of runs and what changed since one, drawn from what is gathered from their frames.

Rule 1: a view shows what is gathered so far; who shows one to somebody awaits `complete` before it.
Rule 2: a long run that has ended is drawn from its roll-ups, and its frames are not read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.meter import cost_series, meter
from jupyter_aicci.service.bills import TOPIC as BILL
from jupyter_aicci.service.findings import Findings, Json
from jupyter_aicci.service.gathering import Gathering, Stores, frames_of
from jupyter_aicci.service.logs import tail_text
from jupyter_aicci.service.long_runs import LongRuns
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.paths import Home

if TYPE_CHECKING:
    from jupyter_aicci.store.rollups import Rollups
    from jupyter_aicci.timeline.deltas import Delta, Mark
    from jupyter_aicci.timeline.evidence import Evidence
    from jupyter_aicci.timeline.incremental import Accumulator
    from jupyter_aicci.timeline.lanes import View


class Views:
    """Views and deltas of every run."""

    def __init__(
        self, home: Home, runs: Runs, gathering: Gathering, stores: Stores, look_closer: Callable[[Run], None]
    ) -> None:
        self._home, self._runs, self._gathering, self._stores = home, runs, gathering, stores
        self._long = LongRuns(home)
        self.facts: Callable[[Run], Json] = lambda run: {}  # what else is known of a run for its findings
        self.whole: Callable[[Run], bool] = lambda run: True  # whether a run that has ended is put away
        self.facts_known: Callable[[Run], Awaitable[None]] = _known  # returns when all of that can be told
        self._findings = Findings(runs, lambda run: self.evidence(run, self._told_facts(run)), look_closer)

    def view(self, run: Run, *, width_px: int = 800, window: tuple[float, float] | None = None) -> View:
        """The run as it looks now, with the end of rank 0's log."""
        found = self.findings(run)
        if run.ended and self._drawn(run).speedup is None:
            self._told_facts(run)  # the journal had its findings, so nothing was looked for
        now_ns = self._runs.clock.now_ns()
        view = self._drawn(run).view(
            run,
            cost=cost_series(run, now_ns),
            billed=meter(run, now_ns).entries,
            now_ns=now_ns,
            width_px=width_px,
            window=window,
            log_text=tail_text(self._home, run),
            seq=self._runs.seq(run.id),
            told=self._runs.told(run),
        )
        if (long := self._long_run(run)) is not None:
            from jupyter_aicci.timeline.overview import overview

            view = replace(overview(view, long[1], run, width_px), headline=self._billed(run))
        return replace(view, findings=found)

    def _billed(self, run: Run) -> str:
        """Where a long run's money went, as its journal says it with the bill: not all of its steps are at hand."""
        rows = (event for _, event in self._runs.journal.rows(run.id, 0) if isinstance(event, Noted))
        return next((row.text for row in rows if row.topic == BILL), "")

    def _told_facts(self, run: Run) -> Json:
        """What else is known of the run; its speed-up stands among its tiles from now on."""
        facts = self.facts(run)
        if told := facts.get("speedup"):
            self._drawn(run).speedup = (told["efficiency"], told["ranks"])
        return facts

    def findings(self, run: Run) -> tuple[Json, ...]:
        """What is wrong with the run, the costliest first; of a long one that has ended, what its journal says."""
        return self._findings.of(run) if self._long_run(run) is None else self._findings.told(run)

    async def complete(self, run: Run) -> Run:
        """Return when a view of the run shows all there is, which of most runs is at once; the run as it is then."""
        if self._long_run(run) is None:
            await self.facts_known(run)
            await self._gathering.complete(run)
            if run.ended:
                await self._findings.complete(run)
                await self._gathering.complete(run)  # others may have been looked at meanwhile
        return self._runs[run.id]

    def settle(self, run: Run) -> None:
        """The run has ended and its frames are read: what was wrong with it goes into its journal, now or by a thread."""
        self._findings.settle(run)

    def looks_at(self, run: Run) -> bool:
        """Whether a thread looks for what is wrong with the run."""
        return self._findings.looks_at(run)

    async def looked(self, run: Run) -> None:
        """Return when no thread does."""
        await self._findings.looked(run)

    def evidence(self, run: Run, facts: Json | None = None) -> Evidence:
        """What findings are read from, as of now."""
        now_ns = self._runs.clock.now_ns()
        gathered = self._gathering.of(run).gathered
        return gathered.evidence(run, meter(run, now_ns).entries, now_ns=now_ns, facts=facts)

    def mark(self, run: Run, view: View, *, width_px: int) -> Mark:
        return self._drawn(run).mark(view, width_px)

    def delta(self, run: Run, mark: Mark) -> Delta:
        """What a watcher at `mark` does not have yet."""
        if self._long_run(run):
            from jupyter_aicci.timeline.deltas import Delta

            return Delta(body=None, mark=mark)  # it has ended: nothing comes after the view
        now_ns = self._runs.clock.now_ns()
        cost = cost_series(run, now_ns)
        return self._gathering.of(run).delta(
            mark,
            run,
            cost=cost,
            billed=meter(run, now_ns).entries,
            now_ns=now_ns,
            seq=self._runs.seq(run.id),
            told=self._runs.told(run),
        )

    def _drawn(self, run: Run) -> Accumulator:
        """What bars, tiles and cost are drawn from."""
        long = self._long_run(run)
        return long[0] if long else self._gathering.of(run)

    def _long_run(self, run: Run) -> tuple[Accumulator, Rollups] | None:
        """What a long run that has ended is drawn from; one that was watched to its end has all of its frames at hand."""
        if not run.ended or run.id in self._gathering or not self.whole(run):
            return None
        with frames_of(self._home, self._stores, run) if run.id not in self._long else nullcontext() as store:
            return self._long.of(run, store)


async def _known(run: Run) -> None:
    """Nothing is to be waited for."""
