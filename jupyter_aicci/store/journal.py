"""The journal: the append-only record of what happened to every run, and the truth about it.

In: events. Out: rows by sequence number, runs folded from them. SQLite, WAL, synchronous=FULL: what `append` returned
for is on the disk. On a network file system the rollback journal takes the WAL's place (WAL needs shared memory).
Rule 1: one writer; a lock file beside the journal holds off a second one, whichever runtime directory it uses.
Rule 2: rows are never changed or deleted. The same fact appended again (see `rows.once_key`) is no row and no error.
Rule 3: a damaged journal is set aside whole, what can be read is kept (`store/salvage.py`), `losses` says what is gone.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from jupyter_aicci.agent.files import fail_point
from jupyter_aicci.model.errors import AicciError, HostError
from jupyter_aicci.model.events import Event
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Attempt, Run, apply, fold
from jupyter_aicci.model.states import IllegalStep, State
from jupyter_aicci.store.database import COLUMNS, INSERT, open_journal
from jupyter_aicci.store.disk import from_os_error, from_sqlite_error
from jupyter_aicci.store.rows import ANCHOR, Row, anchor_of_row, event_of_row, row_of_anchor, row_of_event
from jupyter_aicci.store.salvage import mend

LOCK_WAIT_S = 2.0  # a killed writer's lock goes with it; a writer that is ending needs a moment


class Journal:
    """The open journal at `path`. All methods may be called from any thread; raises `HostError` when the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.losses: tuple[str, ...] = ()  # what a damaged journal lost, in sentences for people
        self._lock_fd = _hold(path.with_name("journal.lock"), path)
        self._guard = threading.Lock()
        try:
            self.losses = mend(path)
            self._db = open_journal(path)
        except sqlite3.Error as error:
            os.close(self._lock_fd)
            raise from_sqlite_error(error, path) from error
        except OSError as error:
            os.close(self._lock_fd)
            raise from_os_error(error, path, "opening") from error
        except HostError:
            os.close(self._lock_fd)
            raise
        self._seq = self._number("SELECT coalesce(max(seq), 0) FROM rows")
        self._time_ns = self._number("SELECT coalesce(max(time_ns), 0) FROM rows")

    def append(self, events: Iterable[Event]) -> int:
        """Record all `events` or none; when this returns they are on the disk. Returns the journal's last seq.

        Raises `HostError` "disk_full" and the like, and then nothing has changed, here and on the disk.
        """
        return self._write([partial(row_of_event, event=event) for event in events])

    def rows(self, run_id: RunId, after: int = 0) -> list[tuple[int, Event]]:
        """The run's events with a seq above `after`, in order."""
        found = self._select("WHERE run_id = ? AND seq > ? ORDER BY seq", run_id, after)
        return [(row.seq, event_of_row(row)) for row in found]

    def last_seq(self, run_id: RunId) -> int:
        """The seq of the run's latest row, 0 for a run that is not here."""
        return self._number("SELECT coalesce(max(seq), 0) FROM rows WHERE run_id = ?", run_id)

    def load(self) -> dict[RunId, Run]:
        """Every run, newest first. Rows that no longer make sense (others before them are lost) go to `losses`."""
        rows = self._select("WHERE kind != ? ORDER BY run_id, seq", ANCHOR)
        runs = {}
        for run_id, history in groupby(
            rows, key=lambda row: RunId(row.run_id)
        ):  # run by run: its events go when it is there
            run, lost = fold_what_holds([event_of_row(row) for row in history])
            if lost:
                self.losses = (*self.losses, f"run {run_id}: {lost}")
            if run is not None:
                runs[run_id] = run
        return dict(sorted(runs.items(), key=lambda item: (item[1].submitted_ns, item[0]), reverse=True))

    def last_time_ns(self) -> int:
        """The latest time that any row has; the clock never goes below it."""
        return self._time_ns

    def anchors(self) -> dict[str, int]:
        """Boot id -> offset in ns from its boot time to epoch time."""
        return dict(anchor_of_row(row) for row in self._select("WHERE kind = ? ORDER BY seq", ANCHOR))

    def add_anchor(self, boot_id: str, offset_ns: int, time_ns: int) -> None:
        """Fix the time axis of one boot for good; the first one wins."""
        self._write([partial(row_of_anchor, boot_id=boot_id, offset_ns=offset_ns, time_ns=time_ns)])

    def close(self) -> None:
        """Fold the WAL into the database and let the next writer in."""
        with self._guard:
            self._db.close()
            os.close(self._lock_fd)

    def _write(self, makers: Iterable[Callable[[int], Row]]) -> int:
        """One transaction of the rows that the makers give for their seq; a fact that is there already takes none."""
        with self._guard:
            seq, time_ns = self._seq, self._time_ns
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for make in makers:
                    row = make(seq + 1)
                    if self._db.execute(INSERT, row).rowcount:
                        seq, time_ns = row.seq, max(time_ns, row.time_ns)
                fail_point("commit")
                self._db.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise from_sqlite_error(error, self.path) from error
                raise
            fail_point("commit")
            self._seq, self._time_ns = seq, time_ns
            return seq

    def _roll_back(self) -> None:
        """Leave the transaction that failed; SQLite has left it by itself after some errors."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _select(self, where: str, *values: object) -> list[Row]:
        with self._guard:
            try:
                return [Row(*found) for found in self._db.execute(f"SELECT {COLUMNS} FROM rows {where}", values)]
            except sqlite3.Error as error:
                raise from_sqlite_error(error, self.path) from error

    def _number(self, query: str, *values: object) -> int:
        with self._guard:
            try:
                return int(self._db.execute(query, values).fetchone()[0])
            except sqlite3.Error as error:
                raise from_sqlite_error(error, self.path) from error


def fold_what_holds(history: list[Event]) -> tuple[Run | None, str]:
    """(the run, "") or, where rows before are lost, what can still be said of it and what cannot."""
    try:
        return _mended(fold(history)), ""
    except (ValueError, IllegalStep, IndexError, KeyError, AicciError):
        pass
    try:
        run = fold(history[:1])
    except (ValueError, KeyError, AicciError) as error:
        return None, f"its first row is lost or unreadable ({error}), so it is not listed"
    skipped = []
    for event in history[1:]:
        try:
            run = apply(run, event)
        except (IllegalStep, IndexError, KeyError, ValueError) as error:
            skipped.append(f"{event.kind} ({error})")
    lost = f"{len(skipped)} of {len(history)} rows do not follow from the others: {'; '.join(skipped[:3])}"
    return _mended(run), lost


def _mended(run: Run) -> Run:
    """A run whose placement is lost waits for its nodes, where what still lives of it is adopted; what is over is not billed on."""
    if run.holds_nodes and (run.attempt is None or run.attempt.ended_ns):
        run = replace(run, state=State.QUEUED)
    latest = (
        *(attempt.placed_ns for attempt in run.attempts[1:]),
        run.ended_ns,
    )  # when an attempt whose end is lost was over
    attempts = tuple(
        _freed(attempt, attempt.ended_ns or end_ns) for attempt, end_ns in zip(run.attempts, latest, strict=False)
    )
    return replace(run, attempts=attempts) if attempts != run.attempts else run


def _freed(attempt: Attempt, end_ns: int) -> Attempt:
    """An attempt that is over (`end_ns` is not 0) with every node released: rows that said so may be lost."""
    if not end_ns or attempt.held.keys() <= attempt.released.keys():
        return attempt
    return replace(attempt, released=dict.fromkeys(attempt.held, end_ns) | attempt.released)


def _hold(lock: Path, journal: Path) -> int:
    """The descriptor that holds the journal for this process; it goes with the process, however that ends."""
    try:
        lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_os_error(error, lock, "creating") from error
    deadline_s = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline_s:
                time.sleep(0.02)
                continue
            holder = os.pread(lock_fd, 20, 0).decode().strip() or "unknown"
            os.close(lock_fd)
            raise HostError(
                "journal_locked",
                f"{journal} is held by the service with pid {holder}; this one stops and changed nothing.",
                hint="`aicci service status`",
            ) from None
        except OSError:
            return lock_fd  # a file system without locks: service.lock is all there is
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
        return lock_fd
