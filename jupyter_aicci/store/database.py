"""The SQLite files of the house: how they are created, opened and held.

The journal appears whole under its name (built beside it, then renamed), so one of no bytes is a damaged one, never
a young one. Pages are 4096 bytes everywhere: `store/salvage.py` reads them without asking the header.
Rule: WAL where the file system is this machine's own, a rollback journal where it may be shared (`disk.is_network`).
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from jupyter_aicci.agent.files import fail_point, sync_directory
from jupyter_aicci.store.disk import file_system, is_network
from jupyter_aicci.store.rows import newer_journal

PAGE_BYTES = 4096
VERSION = 1  # user_version of the journal; a higher one is a newer program's
COLUMNS = "seq, run_id, kind, time_ns, body, once, crc"
INSERT = f"INSERT INTO rows ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id, once) DO NOTHING"
# seq is a plain rowid: rows are never deleted, so none comes twice. UNIQUE lets NULLs repeat: facts without a key do.
SCHEMA = """
CREATE TABLE rows (
  seq INTEGER PRIMARY KEY, run_id TEXT NOT NULL, kind TEXT NOT NULL, time_ns INTEGER NOT NULL,
  body TEXT NOT NULL, once TEXT, crc INTEGER NOT NULL);
CREATE UNIQUE INDEX facts ON rows (run_id, once);
CREATE INDEX by_run ON rows (run_id, seq);
"""
SIDE_FILES = ("-wal", "-journal", "-shm")


def open_journal(path: Path) -> sqlite3.Connection:
    """The journal's connection, created where there is none. Raises `sqlite3.Error`, `OSError`, `HostError` (newer)."""
    if not path.exists():
        create_journal(path.with_name(path.name + ".new"), path)
    db = open_database(path, durable=True)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        db.close()
        raise newer_journal(f"its format is {version}, this version writes {VERSION}")
    return db


def create_journal(building: Path, path: Path, rows: tuple[tuple[object, ...], ...] = ()) -> None:
    """Build a journal with `rows` as `building`, and rename it to `path` when it is whole and on the disk."""
    remove_database(building)
    db = sqlite3.connect(building, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.executescript(SCHEMA)
        db.execute("BEGIN")
        db.executemany(INSERT, rows)
        db.execute("COMMIT")
        db.execute(f"PRAGMA user_version = {VERSION}")
    finally:
        db.close()
    sync(building)
    rename(building, path)


def open_database(path: Path, *, durable: bool) -> sqlite3.Connection:
    """A connection in the mode that this file system bears; `durable`: what is committed survives a power cut."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        mode = "DELETE" if is_network(file_system(path)) else "WAL"
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        db.execute("PRAGMA wal_autocheckpoint = 250")  # 1 MB: little of a journal lives outside its main file
    except BaseException:
        db.close()
        raise
    return db


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, also where the folder may not be written to. Raises `sqlite3.Error`."""
    live = path.with_name(path.name + "-wal").exists()
    query = "mode=ro" if live else "mode=ro&immutable=1"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )


def remove_database(path: Path) -> None:
    """Remove a database and its side files, side files first: a database without its WAL is whole but older."""
    for suffix in (*SIDE_FILES, ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def rename(building: Path, path: Path) -> None:
    """Put a whole file in the place of another, so that it stays there."""
    fail_point("rename")
    os.replace(building, path)
    fail_point("rename")
    sync_directory(path.parent)


def sync(path: Path) -> None:
    """fsync a file."""
    fail_point("fsync")
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
