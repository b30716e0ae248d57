"""Timeline views of runs: one accumulator a run, fed from its frames when somebody looks, shared by all who look.

Rule 1: numpy and the timeline come in with the first view, so that a service nobody looks at stays small.
Rule 2: runs that live keep their accumulator; of those that have ended the latest few do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.meter import cost_series, meter
from jupyter_aicci.service.bills import TOPIC as BILL
from jupyter_aicci.service.findings import Findings, Json
from jupyter_aicci.service.lazy import bring_timeline
from jupyter_aicci.service.logs import tail_text
from jupyter_aicci.service.long_runs import LongRuns
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.remake import open_whole

if TYPE_CHECKING:
    from jupyter_aicci.store.rollups import Rollups
    from jupyter_aicci.timeline.deltas import Delta, Mark
    from jupyter_aicci.timeline.evidence import Evidence
    from jupyter_aicci.timeline.incremental import Accumulator
    from jupyter_aicci.timeline.lanes import View

ENDED_KEPT = 8
BATCH = 5000


class Views:
    """Views and deltas of every run."""

    def __init__(
        self,
        home: Home,
        runs: Runs,
        open_store: Callable[[RunId], FrameStore | None],
        look_closer: Callable[[Run], None],
    ) -> None:
        self._home, self._runs = home, runs
        self._open_store = open_store  # the store that the loop has open, if it has
        self._kept: dict[RunId, Accumulator] = {}
        self._long = LongRuns(home)
        self.facts: Callable[[Run], Json] = lambda run: {}  # what else is known of a run for its findings
        self.whole: Callable[[Run], bool] = lambda run: True  # whether a run that has ended is put away
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

    async def complete(self, run: Run) -> None:
        """Return when the findings of a run that has ended are known, which of most runs is at once."""
        if run.ended and self._long_run(run) is None:
            await self._findings.complete(run)

    def settle(self, run: Run) -> None:
        """The run has ended: what was wrong with it goes into its journal."""
        self._findings.settle(run)

    def evidence(self, run: Run, facts: Json | None = None) -> Evidence:
        """What findings are read from, as of now."""
        now_ns = self._runs.clock.now_ns()
        return self.accumulator(run).gathered.evidence(run, meter(run, now_ns).entries, now_ns=now_ns, facts=facts)

    def mark(self, run: Run, view: View, *, width_px: int) -> Mark:
        return self._drawn(run).mark(view, width_px)

    def delta(self, run: Run, mark: Mark) -> Delta:
        """What a watcher at `mark` does not have yet."""
        if self._long_run(run):
            from jupyter_aicci.timeline.deltas import Delta

            return Delta(body=None, mark=mark)  # it has ended: nothing comes after the view
        now_ns = self._runs.clock.now_ns()
        cost = cost_series(run, now_ns)
        return self.accumulator(run).delta(
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
        return long[0] if long else self.accumulator(run)

    def _long_run(self, run: Run) -> tuple[Accumulator, Rollups] | None:
        """What a long run that has ended is drawn from; one that was watched to its end has all of its frames at hand."""
        if not run.ended or run.id in self._kept or not self.whole(run):
            return None
        with self._store(run) if run.id not in self._long else nullcontext() as store:
            return self._long.of(run, store)

    def accumulator(self, run: Run) -> Accumulator:
        """The run's accumulator with every stored frame in it."""
        kept = self._kept.pop(run.id, None)
        if kept is None:
            bring_timeline()
            from jupyter_aicci.timeline.incremental import Accumulator

            kept = Accumulator(origin_ns=run.submitted_ns)
        self._kept[run.id] = kept  # the latest looked at stands last
        self._feed(run, kept)
        self._drop_old()
        return kept

    def _feed(self, run: Run, kept: Accumulator) -> None:
        with self._store(run) as store:
            if store is not None:
                _feed_all(kept, store)

    @contextmanager
    def _store(self, run: Run) -> Iterator[FrameStore | None]:
        """The run's frames, closed again where the loop does not have them open; None where there are none."""
        store = self._open_store(run.id)
        if store is not None or not self._home.frames_db(run.id).exists():
            yield store
            return
        store = open_whole(self._home.run_dir(run.id), self._home.frames_db(run.id))
        try:
            yield store
        finally:
            store.close()

    def _drop_old(self) -> None:
        ended = [run_id for run_id in self._kept if self._runs[run_id].ended]
        for run_id in ended[:-ENDED_KEPT]:
            del self._kept[run_id]


def _feed_all(kept: Accumulator, store: FrameStore) -> None:
    while kept.cursor < store.last_seq:
        batch: list[Any] = store.since(kept.cursor, BATCH)
        if not batch:
            return
        kept.feed(batch)
