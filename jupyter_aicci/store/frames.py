"""All frames of one run, each exactly once: `frames.db` in the run's folder.

In: frames with the spool that they come from and the offset behind them. Out: the same by sequence number.
The spools are the truth and stay; so a commit that a power cut takes away is read from them again (synchronous=NORMAL).
Rule: a frame is known by (source, next offset); the second one is dropped, and a frame keeps its number.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_aicci.agent.files import fail_point
from jupyter_aicci.store.database import open_database, remove_database
from jupyter_aicci.store.disk import from_os_error, from_sqlite_error
from jupyter_aicci.store.paths import parse_source

SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (
  seq INTEGER PRIMARY KEY, source TEXT NOT NULL, next_offset INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  frame TEXT NOT NULL, UNIQUE (source, next_offset))
"""
INSERT = "INSERT INTO frames VALUES (?, ?, ?, ?, ?) ON CONFLICT (source, next_offset) DO NOTHING"
COLUMNS = "seq, source, time_ns, frame"
Item = tuple[str, int, dict[str, Any], int]  # (source, next_offset, frame, time_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFrame:
    """One frame of a run and when it was said."""

    seq: int  # 1 is the run's first frame; no gaps
    source: str  # the spool within the run, `paths.source_of`: "attempt-1/node-0/rank-0"
    attempt: int
    node: int
    time_ns: int  # epoch, on the axis of store/clock.py
    frame: dict[str, Any]

    @property
    def writer(self) -> str:
        """ "agent" or "rank-R"."""
        return self.source.rpartition("/")[2]


class FrameStore:
    """The open frames of one run. Methods may be called from any thread; raises `HostError` when the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        try:
            self._db = _open(path)
        except sqlite3.Error as error:
            raise from_sqlite_error(error, path) from error
        except OSError as error:
            raise from_os_error(error, path, "opening") from error
        self._seq = int(self._db.execute("SELECT coalesce(max(seq), 0) FROM frames").fetchone()[0])

    def append(self, items: Sequence[Item]) -> list[StoredFrame]:
        """Keep all `items` or none; returns those that are new, in their order. On an error nothing has changed."""
        with self._guard:
            seq, fresh = self._seq, []
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for source, next_offset, frame, time_ns in items:
                    text = json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
                    if self._db.execute(INSERT, (seq + 1, source, next_offset, time_ns, text)).rowcount:
                        seq += 1
                        fresh.append(_stored(seq, source, time_ns, frame))
                fail_point("commit")
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise from_sqlite_error(error, self.path) from error
                raise
            fail_point("commit")
            self._seq = seq
            return fresh

    def cursors(self) -> dict[str, int]:
        """Source -> the offset of its spool up to which every frame is here."""
        return dict(self._select("SELECT source, max(next_offset) FROM frames GROUP BY source"))

    def since(self, seq: int, limit: int) -> list[StoredFrame]:
        """At most `limit` frames with a higher seq, in order."""
        found = self._select(f"SELECT {COLUMNS} FROM frames WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [_stored(seq, source, time_ns, json.loads(text)) for seq, source, time_ns, text in found]

    def all(self) -> list[StoredFrame]:
        """Every frame, in order."""
        return self.since(0, -1)

    @property
    def last_seq(self) -> int:
        return self._seq

    def close(self) -> None:
        """Fold the WAL in, so that the run's folder can be copied away as one file each."""
        with self._guard:
            self._db.close()

    def _select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise from_sqlite_error(error, self.path) from error


def _stored(seq: int, source: str, time_ns: int, frame: dict[str, Any]) -> StoredFrame:
    attempt, node, _ = parse_source(source)
    return StoredFrame(seq=seq, source=source, attempt=attempt, node=node, time_ns=time_ns, frame=frame)


def _open(path: Path) -> sqlite3.Connection:
    """The database, or a fresh one where it is damaged (set aside): the spools are read again from their start."""
    try:
        return _open_checked(path)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
    path.replace(path.with_name(path.name + ".damaged"))
    remove_database(path)  # its WAL belongs to the damaged one
    return _open_checked(path)


def _open_checked(path: Path) -> sqlite3.Connection:
    closed = not path.with_name(path.name + "-wal").exists()
    db = open_database(path, durable=False)
    try:
        db.execute(SCHEMA)  # reads the first page, which says how long the file must be
        verdict = "ok" if closed else db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            damaged = sqlite3.DatabaseError(verdict)
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
    except BaseException:
        db.close()
        raise
    return db
