"""A damaged journal: noticed when it is opened, set aside whole, and what can be read of it kept.

In: the database file and its WAL as bytes. Out: every intact row (its checksum says so), wherever its page lies.
SQLite refuses a truncated file, and drops a WAL's tail after one wrong byte without a word; so rows are looked for in
the raw pages. Method: table leaves and overflow chains of https://www.sqlite.org/fileformat2.html, 1.5, 1.6 and 2.1.
Rule: a page is never trusted, a row is believed only with its checksum.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from jupyter_aicci.agent.files import write_atomic
from jupyter_aicci.store.database import COLUMNS, PAGE_BYTES, SIDE_FILES, create_journal, open_journal, rename, sync
from jupyter_aicci.store.rows import Row

LEAF = 0x0D  # page type of a table's leaf
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
MOST_LOCAL = PAGE_BYTES - 35  # section 1.6: payload of up to this many bytes lies on the leaf itself
LEAST_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23


def mend(path: Path) -> tuple[str, ...]:
    """Make the journal at `path` one that opens. Returns what was lost and where the damaged one is kept, in words.

    Raises `OSError` (disk full while setting aside) and `HostError`; then the damaged journal still is where it was.
    """
    salvaged = path.with_name(path.name + ".salvaged")
    if salvaged.exists():  # we were killed before this became the journal
        _put_in_place(salvaged, path)
        return tuple(account.read_text() for account in sorted(path.parent.glob(f"{path.name}.damaged-*.txt"))[-1:])
    if not path.exists() and not _side(path, "-wal").exists():
        return ()
    wal = _read(_side(path, "-wal"))  # before SQLite opens it: closing may fold it in and delete it
    reason = damage(path, wal)
    if not reason:
        return ()
    kept = _set_aside(path, wal)
    rows = scan(_read(kept), wal)
    account = _account(path, reason, kept, rows)
    write_atomic(_side(kept, ".txt"), account.encode())
    create_journal(path.with_name(path.name + ".new"), salvaged, tuple(tuple(row) for row in rows))
    _put_in_place(salvaged, path)
    return (account,)


def damage(path: Path, wal: bytes) -> str:
    """What is wrong with the journal in words, "" if nothing is; `wal` is its WAL as it was before."""
    if not path.exists() or path.stat().st_size == 0:
        return "the file is empty" if path.exists() else "the file is gone, its WAL is there"
    try:
        db = open_journal(path)
        try:
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                return str(verdict)
            rows = [Row(*found) for found in db.execute(f"SELECT {COLUMNS} FROM rows ORDER BY seq")]
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, 1):
            raise  # a full disk or a lock is no damage
        return str(error)
    broken = [row.seq for row in rows if not row.intact]
    if broken:
        return f"{len(broken)} rows have wrong checksums, the first is row {broken[0]}"
    seen = rows[-1].seq if rows else 0
    unseen = [row.seq for row in _committed_rows(wal) if row.seq > seen]
    return f"the WAL breaks off before row {min(unseen)}, which is whole" if unseen else ""


def scan(database: bytes, wal: bytes) -> tuple[Row, ...]:
    """Every intact row in these bytes, by seq; of two rows with one seq the first found."""
    main = [database[at : at + PAGE_BYTES] for at in range(0, len(database), PAGE_BYTES)]
    frames = [(number, page) for number, _, page in wal_frames(wal)]
    pages = dict(enumerate(main, start=1)) | dict(frames)
    found: dict[int, Row] = {}
    for page in (*main, *(page for _, page in frames)):
        for row in _rows_of_leaf(page, pages):
            found.setdefault(row.seq, row)
    return tuple(found[seq] for seq in sorted(found))


def wal_frames(wal: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """(page number, whether it ends a transaction, page) of each whole frame of the WAL's present generation."""
    salt = wal[16:24]
    for at in range(WAL_HEADER_BYTES, len(wal) - FRAME_HEADER_BYTES - PAGE_BYTES + 1, FRAME_HEADER_BYTES + PAGE_BYTES):
        number, size = struct.unpack_from(">II", wal, at)
        if wal[at + 8 : at + 16] == salt:
            start = at + FRAME_HEADER_BYTES
            yield number, size > 0, wal[start : start + PAGE_BYTES]


def _committed_rows(wal: bytes) -> tuple[Row, ...]:
    """Intact rows in the WAL up to its last frame that ends a transaction."""
    frames = list(wal_frames(wal))
    ends = [index for index, (_, end, _) in enumerate(frames) if end]
    committed = frames[: ends[-1] + 1] if ends else []
    pages = {number: page for number, _, page in committed}
    return tuple(row for _, _, page in committed for row in _rows_of_leaf(page, pages))


def _rows_of_leaf(page: bytes, pages: dict[int, bytes]) -> Iterator[Row]:
    """The intact rows of the page if it is a table leaf (page 1, with the schema, never is one of ours)."""
    if len(page) < PAGE_BYTES or page[0] != LEAF:
        return
    count = min(struct.unpack_from(">H", page, 3)[0], (PAGE_BYTES - 8) // 2)
    for at in struct.unpack_from(f">{count}H", page, 8):
        try:
            row = _row_of_cell(page, at, pages)
        except (IndexError, ValueError, KeyError, struct.error):  # UnicodeDecodeError is a ValueError
            continue
        if row.intact:
            yield row


def _row_of_cell(page: bytes, at: int, pages: dict[int, bytes]) -> Row:
    length, at = _varint(page, at)
    seq, at = _varint(page, at)
    if length <= MOST_LOCAL:
        payload = page[at : at + length]
    else:
        local = LEAST_LOCAL + (length - LEAST_LOCAL) % (PAGE_BYTES - 4)
        local = local if local <= MOST_LOCAL else LEAST_LOCAL
        rest = _overflow(struct.unpack_from(">I", page, at + local)[0], length - local, pages)
        payload = page[at : at + local] + rest
    _, run_id, kind, time_ns, body, once, crc = _values(payload)  # the first is seq: NULL, the rowid stands for it
    if not isinstance(time_ns, int) or not isinstance(crc, int):
        raise ValueError("a record that is not ours")
    return Row(seq, str(run_id), str(kind), time_ns, str(body), once if once is None else str(once), crc)


def _overflow(number: int, length: int, pages: dict[int, bytes]) -> bytes:
    """`length` bytes of the chain of overflow pages that starts at page `number`."""
    parts = []
    while length > 0:
        page = pages[number]
        parts.append(page[4 : 4 + min(length, PAGE_BYTES - 4)])
        length -= PAGE_BYTES - 4
        number = struct.unpack_from(">I", page, 0)[0]
    return b"".join(parts)


def _values(payload: bytes) -> list[object]:
    """The columns of a record (section 2.1): NULL, integers and texts, the only types of our table."""
    header, at = _varint(payload, 0)
    types = []
    while at < header:
        kind, at = _varint(payload, at)
        types.append(kind)
    values: list[object] = []
    for kind in types:
        width = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 13) // 2
        data = payload[at : at + width]
        if len(data) != width or (kind >= 10 and kind % 2 == 0):
            raise ValueError("a record that is cut off or not ours")
        at += width
        if kind == 0:
            values.append(None)
        elif kind >= 13:
            values.append(data.decode())
        else:
            values.append(kind - 8 if kind in (8, 9) else int.from_bytes(data, "big", signed=True))
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, next position) of a variable-length integer of one to nine bytes."""
    value = 0
    for index in range(9):
        byte = data[at + index]
        if index == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    raise AssertionError("unreachable")


def _set_aside(path: Path, wal: bytes) -> Path:
    """Copy the damaged journal and its side files away; the originals stay until the salvaged one takes their place."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    count = 1
    while kept.exists():
        count += 1
        kept = path.with_name(f"{path.name}.damaged-{stamp}-{count}")
    if path.exists():
        shutil.copyfile(path, kept)
    else:
        kept.touch()
    if wal:
        _side(kept, "-wal").write_bytes(wal)
        sync(_side(kept, "-wal"))
    sync(kept)
    return kept


def _put_in_place(salvaged: Path, path: Path) -> None:
    """The old side files go first: SQLite would play an old WAL into the new database."""
    for suffix in SIDE_FILES:
        _side(path, suffix).unlink(missing_ok=True)
    rename(salvaged, path)


def _account(path: Path, reason: str, kept: Path, rows: tuple[Row, ...]) -> str:
    """What happened, for the service's log and its status."""
    gaps = (rows[-1].seq if rows else 0) - len(rows)
    lost = f"{gaps} between them are lost" if gaps else "none between them is missing"
    known = {row.run_id for row in rows}
    unknown = sorted(spec.parent.name for spec in path.parent.glob("runs/*/spec.json") if spec.parent.name not in known)
    runs = (
        f" Nothing is recorded any more of {', '.join(unknown)}; the folders are in {path.parent}/runs."
        if unknown
        else ""
    )
    return (
        f"{path} was damaged ({reason}): {len(rows)} rows were saved, {lost}.{runs} The damaged file is kept as {kept}."
    )


def _side(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
