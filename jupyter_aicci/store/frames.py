"""All frames of one run, each exactly once: `frames.db` in the run's folder.

In: frames with the spool that they come from and the offset behind them. Out: the same by sequence number.
The spools are the truth and stay; so a commit that a power cut takes away is read from them again (synchronous=NORMAL).
New frames lie as rows of JSON; `store/sealing.py` packs those of a past minute into chunks, and readers see no difference.
Rule 1: a spool is read in order: a frame at or before its source's cursor has been here and is dropped; a frame keeps its number.
Rule 2: a chunk that is damaged costs its own frames and no others: in their place comes one frame of kind `gap`.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.agent.files import fail_point
from jupyter_aicci.store.database import open_database, open_read_only, remove_database
from jupyter_aicci.store.disk import from_os_error, from_sqlite_error
from jupyter_aicci.store.paths import parse_source

if TYPE_CHECKING:
    from jupyter_aicci.store.chunks import Chunk

# `round` is the last seq of the frames that were sealed together: rounds follow each other as the numbers do.
SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (seq INTEGER PRIMARY KEY, source TEXT NOT NULL, time_ns INTEGER NOT NULL, frame TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_source ON frames (source);
CREATE TABLE IF NOT EXISTS cursors (source TEXT PRIMARY KEY, next_offset INTEGER NOT NULL, boot_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
  id INTEGER PRIMARY KEY, round INTEGER NOT NULL, source TEXT NOT NULL, class TEXT NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
  count INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS by_round ON chunks (round, class, source);
CREATE INDEX IF NOT EXISTS by_time ON chunks (class, to_ns, from_ns);
CREATE TABLE IF NOT EXISTS dropped (
  id INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
  frames INTEGER NOT NULL, bytes INTEGER NOT NULL, why TEXT NOT NULL);
"""
INSERT = "INSERT INTO frames VALUES (?, ?, ?, ?)"
MOVE = """
INSERT INTO cursors VALUES (?, ?, ?)
ON CONFLICT (source) DO UPDATE SET next_offset = excluded.next_offset, boot_id = excluded.boot_id
"""
LAST_SEQ = """
SELECT max((SELECT coalesce(max(seq), 0) FROM frames), (SELECT coalesce(max(round), 0) FROM chunks),
           (SELECT coalesce(max(last_seq), 0) FROM dropped))
"""
CHUNK = "id, round, source, class, first_seq, last_seq, from_ns, to_ns, count, crc"  # what a row has without its body
CLASS_OF = {"sample": "raw", "steps": "raw", "log": "log"}  # the kinds that come by thousands; all others are "told"
CHECKED_BYTES = 64_000_000  # a file up to this is looked through when it is opened: a moment's work
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


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """One row of the table `chunks`: frames of one source and class, of one round."""

    id: int
    round: int
    source: str
    class_: str  # "raw", "log", "told"
    first_seq: int
    last_seq: int
    from_ns: int
    to_ns: int
    count: int
    crc: int
    body: bytes

    def opened(self) -> Chunk | None:
        """Its frames as columns, None where it is damaged."""
        from jupyter_aicci.store.chunks import unpack

        if zlib.crc32(self.body) != self.crc:
            return None
        try:
            return unpack(self.body)
        except ValueError:
            return None

    @property
    def gap(self) -> StoredFrame:
        """What stands in the place of its frames where it is damaged."""
        span = {"from_ns": self.from_ns, "to_ns": self.to_ns, "frames": self.count}
        frame = {"k": "gap", "t": self.to_ns, "of": self.class_, **span}
        return stored(self.last_seq, self.source, self.to_ns, frame)


class FrameStore:
    """The open frames of one run. Methods may be called from any thread; raises `HostError` when the disk fails."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.losses: tuple[str, ...] = ()  # what cannot be read any more, in sentences for people
        self._damaged: set[int] = set()
        self._guard = threading.RLock()
        try:
            self._db = _open_to_read(path) if read_only else _open(path, self._lost)
            self._seq = int(self._db.execute(LAST_SEQ).fetchone()[0])
        except sqlite3.Error as error:
            raise from_sqlite_error(error, path) from error
        except OSError as error:
            raise from_os_error(error, path, "opening") from error

    def append(self, items: Sequence[Item]) -> list[StoredFrame]:
        """Keep all `items` or none; returns those that are new, in their order. On an error nothing has changed."""
        with self._guard:
            seq, fresh = self._seq, []
            with self.writing() as db:
                cursors = _Cursors(db)
                for source, next_offset, frame, time_ns in items:
                    if not cursors.move(source, next_offset, frame):
                        continue
                    text = json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
                    seq += 1
                    fresh.append(stored(seq, source, time_ns, frame))
                    db.execute(INSERT, (seq, source, time_ns, text))
                cursors.keep()
            self._seq = seq
            return fresh

    def cursors(self) -> dict[str, int]:
        """Source -> the offset of its spool up to which every frame is here."""
        return dict(self.select("SELECT source, next_offset FROM cursors"))

    def boots(self) -> dict[str, str]:
        """Source -> the boot id that its latest head named."""
        return dict(self.select("SELECT source, boot_id FROM cursors WHERE boot_id != ''"))

    def since(self, seq: int, limit: int) -> list[StoredFrame]:
        """At most `limit` frames with a higher seq, in order; all where it is negative."""
        with self.reading():
            found = self._from(seq)
            return list(found if limit < 0 else islice(found, limit))

    def all(self) -> list[StoredFrame]:
        """Every frame, in order."""
        return self.since(0, -1)

    def told(self) -> list[StoredFrame]:
        """What happened: every frame but sealed samples, steps and values; for each chunk of those one of kind `sealed`.

        Its time is that of the chunk's last frame: until then the writer lived.
        """
        with self.reading():
            rows = list(self.chunk_rows("WHERE class = 'told'"))
            marks = self.select("SELECT last_seq, source, to_ns FROM chunks WHERE class != 'told'")
            packed = [frame for row in rows for frame in self._frames_of(row)]
            packed += [stored(seq, source, to_ns, {"k": "sealed", "t": to_ns}) for seq, source, to_ns in marks]
            fresh = [_of_row(found) for found in self.select("SELECT * FROM frames")]
            return sorted((*packed, *fresh), key=lambda frame: frame.seq)

    def sketch(self) -> list[StoredFrame]:
        """What happened, and of rank 0 its first and its last minute: all that is drawn where roll-ups have the curves."""
        ends = "SELECT min(id) AS id FROM chunks WHERE {0} UNION SELECT max(id) FROM chunks WHERE {0}"
        rank_0 = ends.format("class != 'told' AND source LIKE '%/rank-0' GROUP BY source, class")
        with self.reading():
            rows = list(self.chunk_rows(f"WHERE class = 'told' OR id IN ({rank_0})"))
            packed = [frame for row in rows for frame in self._frames_of(row)]
            fresh = [_of_row(found) for found in self.select("SELECT * FROM frames")]
            return sorted((*packed, *fresh), key=lambda frame: frame.seq)

    @property
    def last_seq(self) -> int:
        return self._seq

    def close(self) -> None:
        """Fold the WAL in, so that the run's folder can be copied away as one file each."""
        with self._guard:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; on an error nothing of it stays."""
        with self._guard:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                fail_point("commit")
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise from_sqlite_error(error, self.path) from error
                raise
            fail_point("commit")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read within is of one moment: a frame is neither missed nor met twice while it is being sealed."""
        with self._guard:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.rollback()  # nothing was written, and of a damaged file it does not raise

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise from_sqlite_error(error, self.path) from error

    def chunk_rows(self, where: str, *values: object) -> Iterator[ChunkRow]:
        """Rows of the table `chunks`, one after the other; to be used within `reading`.

        Each body is read by itself: where the pages that it lies on are damaged, the row is there with an empty one.
        """
        for found in self.select(f"SELECT {CHUNK} FROM chunks {where}", *values):
            yield ChunkRow(*(*found, self._body(found[0])))

    def _body(self, id_: int) -> bytes:
        try:
            return bytes(self._db.execute("SELECT body FROM chunks WHERE id = ?", (id_,)).fetchone()[0])
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise from_sqlite_error(error, self.path) from error
            return b""

    def opened(self, row: ChunkRow) -> Chunk | None:
        """The chunk of a row; where it is damaged, None, and `losses` says so."""
        chunk = row.opened()
        if chunk is None and row.id not in self._damaged:
            self._damaged.add(row.id)
            self._lost(f"{row.count} frames of {row.source} are damaged in {self.path.name} and are shown as a gap.")
        return chunk

    def round_after(self, seq: int) -> tuple[int, Iterator[StoredFrame]] | None:
        """The first round of chunks that ends after `seq`: its number, and its frames after `seq`, each made when it is asked for.

        To be asked for within `reading`; the frames may be taken later.
        """
        number = self.select("SELECT min(round) FROM chunks WHERE round > ?", seq)[0][0]
        if number is None:
            return None
        rows = list(self.chunk_rows("WHERE round = ? ORDER BY first_seq", number))
        merged = heapq.merge(*map(self._frames_of, rows), key=lambda frame: frame.seq)
        return number, (frame for frame in merged if frame.seq > seq)

    def fresh(self, seq: int) -> Iterator[StoredFrame]:
        """Frames after `seq` that are not sealed; to be used within `reading`."""
        try:
            yield from map(_of_row, self._db.execute("SELECT * FROM frames WHERE seq > ? ORDER BY seq", (seq,)))
        except sqlite3.Error as error:
            raise from_sqlite_error(error, self.path) from error

    def _from(self, seq: int) -> Iterator[StoredFrame]:
        """Frames after `seq`: round by round out of the chunks, then the fresh ones."""
        while (found := self.round_after(seq)) is not None:
            yield from found[1]
            seq = found[0]
        yield from self.fresh(seq)

    def _frames_of(self, row: ChunkRow) -> Iterator[StoredFrame]:
        chunk = self.opened(row)
        if chunk is None:
            yield row.gap
            return
        for seq, time_ns, frame in zip(chunk.seq.tolist(), chunk.time_ns.tolist(), chunk.frames(), strict=True):
            yield stored(seq, row.source, time_ns, frame)

    def _lost(self, sentence: str) -> None:
        self.losses = (*self.losses, sentence)


class _Cursors:
    """The cursors of the sources of one batch, read once and written once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[str, tuple[int, str]] = {}

    def move(self, source: str, next_offset: int, frame: dict[str, Any]) -> bool:
        """Whether the frame is new; the cursor then stands behind it."""
        if source not in self._known:
            row = self._db.execute("SELECT next_offset, boot_id FROM cursors WHERE source = ?", (source,)).fetchone()
            self._known[source] = row or (-1, "")
        at, boot = self._known[source]
        if next_offset <= at:
            return False
        if frame.get("k") == "head":
            boot = str(frame.get("boot_id", ""))
        self._known[source] = next_offset, boot
        return True

    def keep(self) -> None:
        self._db.executemany(MOVE, [(source, *known) for source, known in self._known.items()])


def stored(seq: int, source: str, time_ns: int, frame: dict[str, Any]) -> StoredFrame:
    """A frame with its place, which its source names."""
    attempt, node, _ = parse_source(source)
    return StoredFrame(seq=seq, source=source, attempt=attempt, node=node, time_ns=time_ns, frame=frame)


def class_of(frame: dict[str, Any]) -> str:
    """The class of chunks that a frame goes to."""
    return CLASS_OF.get(str(frame.get("k")), "told")


def _of_row(found: tuple[int, str, int, str]) -> StoredFrame:
    seq, source, time_ns, text = found
    try:
        return stored(seq, source, time_ns, dict(json.loads(text)))
    except (ValueError, TypeError):
        return stored(
            seq, source, time_ns, {"k": "gap", "t": time_ns, "from_ns": time_ns, "to_ns": time_ns, "frames": 1}
        )


def set_aside(path: Path) -> Path:
    """Move a damaged database away; where it is now."""
    aside = path.with_name(path.name + ".damaged")
    path.replace(aside)
    remove_database(path)  # its WAL belongs to the damaged one
    return aside


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _open(path: Path, lost: Callable[[str], None]) -> sqlite3.Connection:
    """The database, or a fresh one where it is damaged (set aside): the spools are read again from their start."""
    try:
        return _open_checked(path)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
    set_aside(path)
    lost(f"{path.name} was damaged and is made anew from the spools.")
    return _open_checked(path)


def _open_checked(path: Path) -> sqlite3.Connection:
    db = open_database(path, durable=False)
    return _checked(db, path, SCHEMA)


def _open_to_read(path: Path) -> sqlite3.Connection:
    return _checked(open_read_only(path), path)


def _checked(db: sqlite3.Connection, path: Path, schema: str = "") -> sqlite3.Connection:
    """The connection; an error where pages are damaged. A large file that was closed well is not looked through."""
    try:
        db.executescript(schema or "SELECT 1 FROM frames")  # reads the first page, which says how long the file must be
        unlooked = path.stat().st_size > CHECKED_BYTES and not path.with_name(path.name + "-wal").exists()
        verdict = "ok" if unlooked else db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            damaged = sqlite3.DatabaseError(verdict)
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
    except BaseException:
        db.close()
        raise
    return db
