"""Every reading of a run as it was taken: what `run.metrics()` and the exports of samples are made from.

In: the open frames of a run. Out: batches of readings, those of one spool and about a minute at a time, the oldest minute first;
so the whole of a long run is read in the room of a minute.
Rule 1: nothing is thinned, averaged or differenced; a counter is what was read. Raw samples that retention took are gone.
Rule 2: what is damaged costs itself, and `FrameStore.losses` says so. Frames that are sealed meanwhile come once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from jupyter_aicci.model.metrics import METRICS
from jupyter_aicci.store.buckets import Floats, Ints
from jupyter_aicci.store.chunks import Chunk, pack, unpack
from jupyter_aicci.store.frames import ChunkRow, FrameStore, class_of
from jupyter_aicci.store.paths import parse_source
from jupyter_aicci.store.readings import Series, readings
from jupyter_aicci.store.sealing import numbers_of, rounds

NO_STEP = -1
KNOWN: set[tuple[str, str]] = {(metric.scope, metric.name) for metric in METRICS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """`values` (moments, series) at ascending `time_ns` of one writer; NaN is "not said at this moment"."""

    attempt: int
    node: int
    time_ns: Ints  # epoch
    step: Ints  # that a logged value names; NO_STEP where none is named
    series: tuple[Series, ...]  # (scope, metric, owner)
    values: Floats


def batches(store: FrameStore) -> Iterator[Batch]:
    """All samples and logged values of a run."""
    done = 0
    while True:
        for round_ in rounds(store, done):
            for row in numbers_of(store, round_):
                chunk = store.opened(row)
                if chunk is not None:
                    yield from _of_chunk(row, chunk)
            done = round_
        with store.reading():  # nothing is sealed between the look at the rounds and the one at what is fresh
            if rounds(store, done):
                continue
            fresh = store.select("SELECT source, seq, time_ns, frame FROM frames ORDER BY source, seq")
        yield from _of_fresh(fresh)
        return


def _of_fresh(rows: list[tuple[Any, ...]]) -> Iterator[Batch]:
    """Frames that lie as JSON, packed as they will be."""
    for source, group in groupby(rows, key=lambda row: str(row[0])):
        found = [(seq, time_ns, json.loads(text)) for _, seq, time_ns, text in group]
        for class_ in ("raw", "log"):
            kept = [each for each in found if class_of(each[2]) == class_]
            if kept:
                seqs, times_ns, frames = zip(*kept, strict=True)
                chunk = unpack(pack(seqs, times_ns, frames, numbers_matter=True))
                yield from _of_chunk(_row(source, class_, seqs), chunk)


def _row(source: str, class_: str, seqs: tuple[int, ...]) -> ChunkRow:
    return ChunkRow(0, 0, source, class_, seqs[0], seqs[-1], 0, 0, len(seqs), 0, b"")


def _of_chunk(row: ChunkRow, chunk: Chunk) -> Iterator[Batch]:
    if row.class_ == "log":
        yield from _logged(row, chunk)
        return
    attempt, node, _ = parse_source(row.source)
    for part in (chunk, *_singles(chunk)):
        for found in readings(row, part):
            known = [place for place, (scope, metric, _) in enumerate(found.series) if (scope, metric) in KNOWN]
            if known:
                yield Batch(
                    attempt=attempt,
                    node=node,
                    time_ns=found.time_ns,
                    step=np.full(len(found.time_ns), NO_STEP),
                    series=tuple(found.series[place] for place in known),
                    values=found.values[:, known],
                )


def _singles(chunk: Chunk) -> Iterator[Chunk]:
    """Samples of forms so rare that they stayed JSON, each as a chunk of its own."""
    for at, frame in chunk.plain.items():
        if frame.get("k") == "sample":
            yield unpack(pack([int(chunk.seq[at])], [int(chunk.time_ns[at])], [frame], numbers_matter=True))


def _logged(row: ChunkRow, chunk: Chunk) -> Iterator[Batch]:
    """Logged values with the step that they name; a frame of another number of values is a row with gaps."""
    attempt, node, writer = parse_source(row.source)
    frames = list(chunk.frames())
    column: dict[str, int] = {}
    for frame in frames:
        for name in frame.get("values", {}):
            column.setdefault(str(name), len(column))
    values = np.full((len(frames), len(column)), np.nan)
    for at, frame in enumerate(frames):
        for name, value in frame.get("values", {}).items():
            if isinstance(value, (int, float)):
                values[at, column[name]] = value
    steps = np.array([NO_STEP if frame.get("step") is None else int(frame["step"]) for frame in frames], dtype=np.int64)
    series = tuple(("value", name, writer) for name in column)
    batch = Batch(attempt=attempt, node=node, time_ns=chunk.time_ns, step=steps, series=series, values=values)
    yield batch if np.all(np.diff(chunk.time_ns) >= 0) else _in_order(batch)


def _in_order(batch: Batch) -> Batch:
    order = np.argsort(batch.time_ns, kind="stable")
    return replace(batch, time_ns=batch.time_ns[order], step=batch.step[order], values=batch.values[order])
