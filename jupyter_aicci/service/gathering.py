"""What each run's frames have said: read once, behind a cursor, into one accumulator that views, bills, findings, speeds share.

In: the runs, their frames as they lie on the disk. Out: an `Accumulator` a run, with its `Gathered`.
Rule 1: all of it happens in the loop's thread, so that whoever looks needs no lock. Frames are taken in by slices of at most
`SLICE`, one slice of one run in one turn of the loop: control, streams and answers of all other runs go on between two slices.
Rule 2: `of` gives what is taken in so far. Whoever needs every frame awaits `complete` before it, or, where nothing can be
awaited, asks whether the run is `ready`, has it `read` otherwise, and does without until it is.
Rule 3: a frame that cannot be taken costs itself.
Rule 4: numpy comes in with the first run that is looked at. Runs that live stay, of those that have ended the latest few do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.service.lazy import bring_timeline
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.upkeep import tell_torn_ends
from jupyter_aicci.store.following import Following
from jupyter_aicci.store.frames import FrameStore, StoredFrame
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.remake import open_whole

if TYPE_CHECKING:
    from jupyter_aicci.timeline.incremental import Accumulator

SLICE = 500  # frames: some 10 ms
ENDED_KEPT = 8

LOG = logging.getLogger("aicci.service")
Stores = Callable[[RunId], FrameStore | None]  # the frames that the loop has open


class Gathering:
    """The accumulators of one service's runs."""

    def __init__(self, home: Home, runs: Runs, stores: Stores) -> None:
        self._home, self._runs, self._stores = home, runs, stores
        self._kept: dict[RunId, Accumulator] = {}  # the latest looked at stands last
        self._whole: set[RunId] = (
            set()
        )  # that had every frame when they were looked at; more come through the loop only
        self._reading: dict[RunId, asyncio.Task[None]] = {}
        self._hurt: set[RunId] = set()  # runs with frames that could not be taken, of which the log has the first
        self._turn = asyncio.Lock()

    def __contains__(self, run_id: RunId) -> bool:
        return run_id in self._kept

    def of(self, run: Run) -> Accumulator:
        """The run as far as its frames are taken in; of one that lives, with a last slice that is there."""
        kept = self._kept.pop(run.id, None)
        if kept is None:
            kept = _accumulator(run)
        self._kept[run.id] = kept
        store = self._stores(run.id)
        if store is not None and 0 < store.last_seq - kept.cursor <= SLICE:
            self._take(run, kept, store.since(kept.cursor, SLICE))
        self._drop_old()
        return kept

    def ready(self, run: Run) -> bool:
        """Whether `of` gives every frame."""
        store = self._stores(run.id)
        if store is None:
            return run.id in self._whole or not self._home.frames_db(run.id).exists()
        there = self.of(run).cursor >= store.last_seq
        (self._whole.add if there else self._whole.discard)(run.id)
        return there

    async def complete(self, run: Run) -> Accumulator:
        """As `of`, when every frame is taken in; raises `HostError` where the disk fails."""
        while not self.ready(run):
            await asyncio.shield(self.read(run))
        return self.of(run)

    def read(self, run: Run) -> asyncio.Task[None]:
        """What reads the run's frames to their end, begun where it is not under way."""
        task = self._reading.get(run.id)
        if task is None:
            task = self._reading[run.id] = asyncio.get_running_loop().create_task(self._read_all(run))
            task.add_done_callback(partial(self._done, run.id))
        return task

    def close(self) -> None:
        """Read nothing more: the stores are closed next."""
        for task in self._reading.values():
            task.cancel()

    def _done(self, run_id: RunId, task: asyncio.Task[None]) -> None:
        del self._reading[run_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            known = isinstance(error, AicciError)
            LOG.error("the frames of run %s: %s", run_id, error, exc_info=None if known else error)

    async def _read_all(self, run: Run) -> None:
        kept, store = self.of(run), self._stores(run.id)
        if store is not None:
            await self._take_all(run, kept, store)
            return
        store = await asyncio.to_thread(self._open, run)
        try:
            await self._take_all(run, kept, store)
        finally:
            store.close()
        self._whole.add(run.id)

    async def _take_all(self, run: Run, kept: Accumulator, store: FrameStore) -> None:
        """Slice by slice; of several runs that are read at once, each in its turn."""
        following = Following(store, kept.cursor)
        while True:
            async with self._turn:
                frames = following.take(SLICE)
                if not frames:
                    return
                self._take(run, kept, frames)
                await asyncio.sleep(0)

    def _open(self, run: Run) -> FrameStore:
        """The frames of a run that the loop has not open; how long that takes depends on how it was left, so it is done aside."""
        folder, path = self._home.run_dir(run.id), self._home.frames_db(run.id)
        store = open_whole(folder, path)
        if run.ended:
            tell_torn_ends(store, folder)
        return store

    def _take(self, run: Run, kept: Accumulator, frames: Sequence[StoredFrame]) -> None:
        """Those behind the cursor, each once, also where one of them cannot be taken."""
        while frames and kept.cursor < frames[-1].seq:
            try:
                kept.feed(frames)
            except Exception:
                if run.id not in self._hurt:
                    LOG.exception("frame %d of run %s is left out, and so is what is like it", kept.cursor, run.id)
                self._hurt.add(run.id)

    def _drop_old(self) -> None:
        ended = [run_id for run_id in self._kept if self._runs[run_id].ended and run_id not in self._reading]
        for run_id in ended[:-ENDED_KEPT]:
            del self._kept[run_id]
            self._whole.discard(run_id)


@contextmanager
def frames_of(home: Home, stores: Stores, run: Run) -> Iterator[FrameStore | None]:
    """The run's frames, closed again where the loop does not have them open; None where there are none."""
    store = stores(run.id)
    if store is not None or not home.frames_db(run.id).exists():
        yield store
        return
    store = open_whole(home.run_dir(run.id), home.frames_db(run.id))
    try:
        yield store
    finally:
        store.close()


def _accumulator(run: Run) -> Accumulator:
    bring_timeline()
    from jupyter_aicci.timeline.incremental import Accumulator

    return Accumulator(origin_ns=run.submitted_ns)
