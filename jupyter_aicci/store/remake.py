"""A run's frames made anew where `frames.db` itself cannot be read: from the spools, or from what the damaged file still gives.

In: the run's folder and the damaged file. Out: a fresh store. A damaged chunk is no case for this: it costs its own frames only.
Rule 1: the spools are the truth; only where retention has removed them is the damaged file read, row by row.
Rule 2: nothing in the folder is changed here; whoever opens it for good sets the damaged file aside first.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jupyter_aicci.agent.frames import read_spool
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.store.database import open_read_only
from jupyter_aicci.store.frames import FrameStore, Item, set_aside
from jupyter_aicci.store.paths import source_of

SPOOL = re.compile(r"attempt-(\d+)/node-(\d+)/(agent|rank-\d+)\.spool")
DAMAGED = "journal_damaged"  # the code of `store.disk` for any database
TABLES = {"frames": ("seq", ""), "chunks": ("id", "INDEXED BY by_round"), "dropped": ("id", "")}


def remade(folder: Path, damaged: Path, path: Path) -> FrameStore:
    """A fresh store at `path` with every frame that can be had."""
    store = FrameStore(path)
    items = _by_time(frames_of_spools(folder))
    if items or not damaged.exists():
        store.append(items)
        return store
    with store.writing() as db:
        for table, rows in _rows_left(damaged):
            db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows))})", rows)
    store.close()
    return FrameStore(path)  # its last number is known now


def open_whole(folder: Path, path: Path) -> FrameStore:
    """The frames of a run that has ended, to be written to; a database that is damaged is set aside and made anew."""
    try:
        FrameStore(path, read_only=True).close()
    except HostError as error:
        if error.code != DAMAGED or not path.exists():
            raise
        remade(folder, set_aside(path), path).close()
    return FrameStore(path)


def frames_of_spools(folder: Path) -> Iterator[Item]:
    """Every frame of every spool, its time by the clocks that its writer's head named; what is torn at the end is a gap."""
    for path in sorted(folder.glob("attempt-*/node-*/*.spool")):
        found = SPOOL.fullmatch(path.relative_to(folder).as_posix())
        if found:
            source, offset, t_ns, shift_ns = source_of(int(found[1]), int(found[2]), found[3]), 0, 0, 0
            while (records := read_spool(path, offset))[0]:
                for offset, frame in records[0]:
                    shift_ns = _shift_ns(frame, shift_ns)
                    t_ns = int(frame.get("t", 0))
                    yield source, offset, frame, t_ns + shift_ns
            left_bytes = path.stat().st_size - offset
            if left_bytes:
                yield source, offset + left_bytes, {"k": "gap", "t": t_ns, "lost_bytes": left_bytes}, t_ns + shift_ns


def _by_time(items: Iterable[Item]) -> list[Item]:
    """By time, but those of one spool in its order: what began earlier may be said later, and a store goes back in no spool."""
    latest: dict[str, int] = {}
    keyed = []
    for item in items:
        source, time_ns = item[0], item[3]
        latest[source] = max(time_ns, latest.get(source, time_ns))
        keyed.append((latest[source], item))
    keyed.sort(key=lambda pair: pair[0])
    return [item for _, item in keyed]


def _shift_ns(frame: dict[str, Any], before_ns: int) -> int:
    """A head has both clocks, and a gap in front of one has them, too."""
    return int(frame["wall_ns"]) - int(frame["boot_ns"]) if "wall_ns" in frame else before_ns


def _rows_left(damaged: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(table, row) of every row on pages that are whole."""
    try:
        db = open_read_only(damaged)
    except sqlite3.Error:
        return
    try:
        for table, (key, index) in TABLES.items():
            for number in range(1, _last(db, table, key, index) + 1):
                if (row := _row(db, f"SELECT * FROM {table} WHERE {key} = {number}")) is not None:
                    yield table, row
    finally:
        db.close()


def _last(db: sqlite3.Connection, table: str, key: str, index: str) -> int:
    """The highest key that can be found: the table's end may be what is damaged."""
    for hint in ("", index):
        row = _row(db, f"SELECT max({key}) FROM {table} {hint}")
        if row is not None:
            return int(row[0] or 0)
    return 0


def _row(db: sqlite3.Connection, query: str) -> tuple[Any, ...] | None:
    try:
        found: tuple[Any, ...] | None = db.execute(query).fetchone()
    except sqlite3.DatabaseError:
        return None
    return found
