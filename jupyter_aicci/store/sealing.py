"""Frames of past minutes move into chunks, and raw samples that nobody will ask for again go.

In: an open `FrameStore`. Out: the same frames in a tenth of the room. One round takes every frame up to some seq, one chunk a spool
and class, in one transaction: killed before it, nothing happened; killed after it, the rows of JSON are gone and the chunks there.
A long backlog is several rounds.
Rule 1: packing happens outside of the transaction and of the store's guard, so that the loop is not held up.
Rule 2: numpy is brought in here and not before: a service at rest has no frames to seal.
Rule 3: what is dropped leaves a row in `dropped` that says how much and why.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from jupyter_aicci.store.frames import ChunkRow, FrameStore, class_of

FRESH_NS = 60_000_000_000  # frames of the last minute stay rows: a power cut may take them, the spools have them
SPAN_NS = 60_000_000_000  # about what one chunk spans
INSERT = "INSERT INTO chunks VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROUND = 100_000  # frames at most in one: who reads of it opens all of it, and the loop waits while its rows go
WASTE = 4  # the file is made anew at the end if a page in so many is empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Raw frames that went, as `dropped` keeps them."""

    from_ns: int
    to_ns: int
    frames: int
    size_bytes: int
    why: str


def seal_due(store: FrameStore, now_ns: int) -> bool:
    """Seal what is older than a minute, once a minute's worth of it is there; whether there was something."""
    oldest = store.select("SELECT time_ns FROM frames ORDER BY seq LIMIT 1")
    if not oldest or oldest[0][0] > now_ns - FRESH_NS - SPAN_NS:
        return False
    return seal(store, now_ns - FRESH_NS)


def seal(store: FrameStore, before_ns: int | None = None) -> bool:
    """Put the frames before the first one of `before_ns` or later into chunks, all where it is None; whether there were any."""
    upto = _last_before(store, before_ns)
    while upto is not None and (first := _first(store)) is not None and first <= upto:
        _seal_round(store, min(upto, first + ROUND - 1))
    return upto is not None


def _seal_round(store: FrameStore, upto: int) -> None:
    rows = list(_packed(store, upto))
    with store.writing() as db:
        db.executemany(INSERT, rows)
        db.execute("DELETE FROM frames WHERE seq <= ?", (upto,))


def finish(store: FrameStore) -> None:
    """Seal everything and give the room back: the run has ended."""
    seal(store)
    pages, free = store.select("PRAGMA page_count")[0][0], store.select("PRAGMA freelist_count")[0][0]
    if free * WASTE > pages:
        store.select("VACUUM")


def drop_raw(store: FrameStore, before_ns: int, keep: Sequence[tuple[int, int]], why: str) -> Dropped | None:
    """Delete chunks of samples and steps that end before `before_ns` and touch none of the spans `keep`; what went."""
    found = store.select(
        "SELECT id, from_ns, to_ns, count, length(body), last_seq FROM chunks WHERE class = 'raw' AND to_ns < ?",
        before_ns,
    )
    gone = [row for row in found if not any(row[1] <= to_ns and row[2] >= from_ns for from_ns, to_ns in keep)]
    if not gone:
        return None
    dropped = Dropped(
        from_ns=min(row[1] for row in gone),
        to_ns=max(row[2] for row in gone),
        frames=sum(row[3] for row in gone),
        size_bytes=sum(row[4] for row in gone),
        why=why,
    )
    with store.writing() as db:
        db.executemany("DELETE FROM chunks WHERE id = ?", [(row[0],) for row in gone])
        db.execute(
            "INSERT INTO dropped VALUES (NULL, ?, ?, ?, ?, ?, ?)",
            (max(r[5] for r in gone), dropped.from_ns, dropped.to_ns, dropped.frames, dropped.size_bytes, why),
        )
    return dropped


def drops(store: FrameStore) -> tuple[Dropped, ...]:
    """Everything that was dropped, in the order in which it went."""
    rows = store.select("SELECT from_ns, to_ns, frames, bytes, why FROM dropped ORDER BY id")
    return tuple(Dropped(from_ns=a, to_ns=b, frames=n, size_bytes=size, why=why) for a, b, n, size, why in rows)


def rounds(store: FrameStore, after: int) -> list[int]:
    """The numbers of the rounds after round `after`, ascending."""
    return [row[0] for row in store.select("SELECT DISTINCT round FROM chunks WHERE round > ? ORDER BY round", after)]


def numbers_of(store: FrameStore, round_: int) -> list[ChunkRow]:
    """The chunks of one round that hold samples, steps and logged values."""
    with store.reading():
        return list(store.chunk_rows("WHERE round = ? AND class != 'told' ORDER BY source, class", round_))


def _first(store: FrameStore) -> int | None:
    """The first seq that is not sealed, None where all are."""
    return store.select("SELECT min(seq) FROM frames")[0][0]  # type: ignore[no-any-return]


def _last_before(store: FrameStore, before_ns: int | None) -> int | None:
    """The last seq to seal, None where there is none."""
    if before_ns is None:
        return store.select("SELECT max(seq) FROM frames")[0][0]  # type: ignore[no-any-return]
    first = store.select("SELECT min(seq) FROM frames WHERE time_ns >= ?", before_ns)[0][0]
    query = "SELECT max(seq) FROM frames" + ("" if first is None else f" WHERE seq < {int(first)}")
    return store.select(query)[0][0]  # type: ignore[no-any-return]


def _packed(store: FrameStore, upto: int) -> Iterator[tuple[object, ...]]:
    """The rows of a round; of the frames, those of one spool at a time are in memory."""
    from jupyter_aicci.store.chunks import pack

    for (source,) in store.select("SELECT DISTINCT source FROM frames WHERE seq <= ? ORDER BY source", upto):
        query = "SELECT seq, time_ns, frame FROM frames WHERE seq <= ? AND source = ? ORDER BY seq"
        frames = [(seq, time_ns, json.loads(text)) for seq, time_ns, text in store.select(query, upto, source)]
        lives = accumulate(frame.get("k") == "head" for _, _, frame in frames)  # no chunk of samples spans a restart
        keyed = [((class_of(item[2]), life), item) for life, item in zip(lives, frames, strict=True)]
        keyed.sort(key=lambda pair: (pair[0][0], pair[0][1] if pair[0][0] != "told" else 0))  # stable: by seq
        for (class_, _), group in groupby(keyed, key=lambda pair: (pair[0][0], pair[0][0] == "told" or pair[0][1])):
            seqs, times_ns, bodies = zip(*(item for _, item in group), strict=True)
            blob = pack(seqs, times_ns, bodies, numbers_matter=class_ != "told")
            span = (seqs[0], seqs[-1], min(times_ns), max(times_ns), len(seqs))
            yield (upto, source, class_, *span, zlib.crc32(blob), blob)
