"""What is done to runs' frames beside the loop: sealing, roll-ups, retention, and the copy of the journal in each run's folder.

In: the loop's word that it looked at a run or let it go. Out: chunks, `rollups/`, `events.jsonl`; drops are told in the log.
Rule 1: all of it happens in one thread of its own, which is there only while runs are; a request and the loop never wait for it.
Rule 2: whatever goes wrong here costs room or the speed of a look, never a frame or a run: it is told and tried again.
Rule 3: raw samples of up to `RAW_RANKS` ranks stay for ever; of more they stay 2 h and 5 min around what happened, their 10 s
roll-ups as long as the run lives, 60 s for 90 days, 600 s for ever (facts: 1,000 ranks are 5 GB of samples a day).
Rule 4: spools of ended runs go after 90 days, those of which every byte was taken over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_aicci.agent.frames import read_spool
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS, size
from jupyter_aicci.service.lazy import bring_timeline
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.frames import FrameStore, Item
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.remake import open_whole
from jupyter_aicci.store.sealing import drop_raw, finish, seal_due

if TYPE_CHECKING:
    from jupyter_aicci.store.rollups import Rollups

EVERY_NS = 10 * NS
RAW_RANKS = 64
RAW_NS = 2 * 3600 * NS
AROUND_NS = 300 * NS  # of an event, before and after
MINUTES_NS = 90 * 86_400 * NS
HOUR_NS = 3600 * NS
TELLING = ("started", "exit", "hang", "note", "done")  # frames around which samples are kept
LOG = logging.getLogger("aicci.service")


@dataclass(slots=True)
class _Kept:
    """What the upkeep knows of a run that is open."""

    looked_ns: int = 0
    dropped_ns: int = 0
    events_seq: int = -1
    busy: bool = False
    rollups: Rollups | None = None


class Upkeep:
    """The upkeep of one service's runs; methods are called from the loop's thread."""

    def __init__(self, home: Home, runs: Runs) -> None:
        self._home, self._runs = home, runs
        self._worker: ThreadPoolExecutor | None = None
        self._kept: dict[RunId, _Kept] = {}
        self._left: set[RunId] = set()  # runs that have ended and are not put away yet, or could not be
        self._ending = False

    def look(self, run: Run, store: FrameStore) -> None:
        """Have the run's frames looked after if that is due."""
        kept, now_ns = self._kept.setdefault(run.id, _Kept()), self._runs.clock.now_ns()
        if kept.busy or now_ns - kept.looked_ns < EVERY_NS:
            return
        kept.looked_ns, kept.busy = now_ns, True
        self._if_there_is_time(lambda: self._tend(run, store, kept, now_ns))

    def put_away(self, run: Run, store: FrameStore | None) -> None:
        """The run has ended: everything is sealed, and its folder can be copied away; closes the store, if it ever had one."""
        kept = self._kept.pop(run.id, _Kept())
        if store is None:
            self._later(lambda: self._events(run, kept))
            return
        self._left.add(run.id)
        self._later(lambda: self._put_away(run, store, kept))

    def tend_ended(self) -> None:
        """Look after runs that ended before this service began, and after what has become old."""
        for run in self._runs.newest_first():
            if run.ended and self._home.frames_db(run.id).exists():
                self._if_there_is_time(lambda run=run: self._tend_ended(run))  # type: ignore[misc]

    def is_whole(self, run: Run) -> bool:
        """Whether nothing of a run that has ended is on its way into its roll-ups: opened meanwhile they would stay half made."""
        return run.id not in self._left

    def rollups(self, run_id: RunId) -> Rollups | None:
        """The roll-ups of a run that is open, None where there are none yet."""
        kept = self._kept.get(run_id)
        return kept.rollups if kept else None

    def wait(self) -> None:
        """Return when everything that was asked for is done."""
        if self._worker is not None:
            self._worker.shutdown(wait=True)
            self._worker = None

    def close(self) -> None:
        """Put the runs away that have ended, so that their folders are whole; the next service does what else is left."""
        self._ending = True
        self.wait()

    def _if_there_is_time(self, work: Callable[[], None]) -> None:
        self._later(lambda: None if self._ending else work())

    def _later(self, work: Callable[[], None]) -> None:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "upkeep")
        self._worker.submit(_told, work)

    def _tend(self, run: Run, store: FrameStore, kept: _Kept, now_ns: int) -> None:
        try:
            self._events(run, kept)
            if seal_due(store, now_ns):
                kept.rollups = kept.rollups or _open_rollups(self._home.run_dir(run.id), run)
                kept.rollups.take(store)
            if _ranks(run) > RAW_RANKS and now_ns - kept.dropped_ns > HOUR_NS // 6:
                kept.dropped_ns = now_ns
                drop_old(store, now_ns - RAW_NS, run.id)
        finally:
            kept.busy = False

    def _put_away(self, run: Run, store: FrameStore, kept: _Kept) -> None:
        self._left.add(run.id)
        try:
            if store.last_seq:
                bring_timeline()
                tell_torn_ends(store, self._home.run_dir(run.id))
                finish(store)
                rollups = kept.rollups or _open_rollups(self._home.run_dir(run.id), run)
                rollups.take(store)
                if _ranks(run) > RAW_RANKS:
                    rollups.forget(10)
                rollups.flush()
                rollups.close()
        finally:
            store.close()
        self._events(run, kept)
        self._left.discard(run.id)

    def _tend_ended(self, run: Run) -> None:
        """Finish what a service that was killed left open, and let go what is too old to be looked at closely."""
        folder, now_ns = self._home.run_dir(run.id), self._runs.clock.now_ns()
        path, age_ns = self._home.frames_db(run.id), now_ns - (run.ended_ns or now_ns)
        left = run.id in self._left or path.with_name(path.name + "-wal").exists()
        if left or not (folder / "rollups" / "state.json").exists():
            self._put_away(run, open_whole(folder, path), _Kept())
        if _ranks(run) > RAW_RANKS and age_ns > RAW_NS:
            store = open_whole(folder, path)
            try:
                drop_old(store, now_ns - RAW_NS, run.id)
            finally:
                store.close()
        if age_ns > MINUTES_NS and any(folder.glob("rollups/*.60.col")):
            rollups = _open_rollups(folder, run)
            rollups.forget(10)
            rollups.forget(60)
            rollups.close()
            self._remove_spools(run, folder)
            LOG.info("run %s ended more than 90 days ago: of its curves ten minutes each are kept", run.id)

    def _remove_spools(self, run: Run, folder: Path) -> None:
        """Spools of which every byte is in the frames go; without them a damaged database is what can be read of it."""
        store = open_whole(folder, self._home.frames_db(run.id))
        try:
            for source, offset in store.cursors().items():
                spool = folder / f"{source}.spool"
                if spool.exists() and spool.stat().st_size == offset:
                    spool.unlink()
        finally:
            store.close()

    def _events(self, run: Run, kept: _Kept) -> None:
        seq = self._runs.journal.last_seq(run.id)
        if seq != kept.events_seq and self._home.run_dir(run.id).is_dir():
            write_events(self._home.run_dir(run.id), self._runs.journal.rows(run.id))
            kept.events_seq = seq


def drop_old(store: FrameStore, before_ns: int, run_id: RunId) -> None:
    """Drop raw samples of a large run from before `before_ns` but those around what happened; says how much went."""
    events = [frame.time_ns for frame in store.told() if frame.frame.get("k") in TELLING]
    keep = [(at_ns - AROUND_NS, at_ns + AROUND_NS) for at_ns in events]
    gone = drop_raw(store, before_ns, keep, f"more than {RAW_RANKS} ranks: samples are kept for 2 h, roll-ups stay")
    if gone is not None:
        words = f"{gone.frames:,} frames, {size(gone.size_bytes)}"
        LOG.info("run %s: samples from before the last 2 h are dropped (%s): %s", run_id, words, gone.why)


def tell_torn_ends(store: FrameStore, folder: Path) -> None:
    """What stands behind the last whole record of a spool is no longer waited for: its writer has ended."""
    items: list[Item] = []
    for source, offset in store.cursors().items():
        spool = folder / f"{source}.spool"
        left_bytes = spool.stat().st_size - offset if spool.exists() else 0
        if left_bytes > 0 and not read_spool(spool, offset)[0]:
            last_ns = store.select("SELECT max(time_ns) FROM frames WHERE source = ?", source)[0][0]
            last_ns = last_ns or store.select("SELECT max(to_ns) FROM chunks WHERE source = ?", source)[0][0] or 0
            gap = {"k": "gap", "t": 0, "from_ns": last_ns, "to_ns": last_ns, "lost_bytes": left_bytes}
            items.append((source, offset + left_bytes, gap, last_ns))
    store.append(items)


def _open_rollups(folder: Path, run: Run) -> Rollups:
    bring_timeline()
    from jupyter_aicci.store.rollups import Rollups

    return Rollups(folder / "rollups", origin_ns=run.submitted_ns, writable=True)


def _ranks(run: Run) -> int:
    return max((attempt.placement.world_size for attempt in run.attempts), default=0)


def _told(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        LOG.error("upkeep: %s", error, exc_info=not isinstance(error, AicciError))
