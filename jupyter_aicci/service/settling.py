"""The end of each run: what was wrong with it and where its money went goes into its journal, then its frames are put away.

In: the loop's word that a run has ended, while its frames are still open. Out: rows "finding" and "bill", and a word back.
Rule 1: a run of which little is left to read is settled on the spot. For one with a long backlog, or with more records than are
looked at on the spot, the loop does not wait: it is settled when `Gathering` and `Findings` are through.
Rule 2: the row "bill" is the last one. A service that begins settles every run that has ended and has none, so that one that was
killed in between loses nothing; findings that are told are not told again.
Rule 3: a mistake in here costs findings and breakdown of one run; its frames are put away all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from jupyter_aicci.model.run import Run
from jupyter_aicci.service.bills import Bills
from jupyter_aicci.service.gathering import Gathering
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.speed import Speeds
from jupyter_aicci.service.upkeep import tell_torn_ends
from jupyter_aicci.service.views import Views
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import Home

LOG = logging.getLogger("aicci.service")
Work = Callable[[Run], Awaitable[None]]


class Settling:
    """The ends of one service's runs."""

    def __init__(
        self, home: Home, runs: Runs, gathering: Gathering, views: Views, speeds: Speeds, bills: Bills
    ) -> None:
        self._home, self._runs, self._gathering = home, runs, gathering
        self._views, self._speeds, self._bills = views, speeds, bills
        self._under_way: dict[asyncio.Task[None], Callable[[], None]] = {}  # and what puts its run away

    def end(self, run: Run, store: FrameStore | None, then: Callable[[Run], None]) -> None:
        """Settle a run that has just ended, and call `then`: now, or when it is settled."""
        try:
            if store is not None:
                tell_torn_ends(store, self._home.run_dir(run.id))
            rest = self._rest(run) if run.attempts else None
        except Exception:
            LOG.exception("the end of run %s", run.id)
            rest = None
        if rest is None:
            then(run)
        else:
            self._begin(self._after(run, rest), partial(then, run))

    def resume(self) -> None:
        """Settle the runs that an earlier service left before it was through, one after the other."""
        left = [run for run in self._runs.newest_first() if run.ended and run.attempts and not run.settled]
        if left:
            self._begin(self._settle_each(left), lambda: None)

    def close(self) -> None:
        """Settle nothing more: the next service does what is left. What has ended is put away, so that its folder is whole."""
        for task in list(self._under_way):
            task.cancel()
            self._done(task)

    def _rest(self, run: Run) -> Work | None:
        """What is still to be done, None where nothing had to be waited for and the run is settled."""
        if not (self._speeds.ready(run) and self._gathering.ready(run)):
            return self._settle
        self._views.settle(run)
        if self._views.looks_at(run):
            return self._finish
        self._bills.settle(run)
        return None

    async def _settle_each(self, left: Iterable[Run]) -> None:
        for run in left:
            await self._after(run, self._settle)

    async def _after(self, run: Run, rest: Work) -> None:
        try:
            await rest(run)
        except Exception:
            LOG.exception("run %s is not settled; the next service does it", run.id)

    async def _settle(self, run: Run) -> None:
        await self._speeds.complete(run)
        await self._gathering.complete(run)
        self._views.settle(run)
        await self._finish(run)

    async def _finish(self, run: Run) -> None:
        """The last row, when the findings are written."""
        await self._views.looked(run)
        await self._gathering.complete(run)  # others may have been looked at meanwhile
        self._bills.settle(run)

    def _begin(self, work: Coroutine[Any, Any, None], then: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way[task] = then
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Put away, once, what it was about."""
        self._under_way.pop(task, lambda: None)()
