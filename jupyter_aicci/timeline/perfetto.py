"""A run as a Perfetto trace: the bytes that ui.perfetto.dev and the trace processor open.

In: tracks, slices and counters as columns. Out: one protobuf `Trace`, written without a protobuf library.
Method: every event is a packet of the same length, because its varints are padded with empty continuation bytes, which
protobuf allows; so a million events are one numpy array that is filled column by column.
Source of the field numbers: protos/perfetto/trace/{trace,trace_packet,track_event/*}.proto; tests read the result with
the protobuf of the package `perfetto`.
Must not import: anything but numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BEGIN, END = 1, 2  # TrackEvent.Type
COUNTER = 4
SEQUENCE = 1  # all packets are one writer's
STATE_CLEARED, NEEDS_STATE = 1, 2  # TracePacket.SequenceFlags
MOST_TRACKS = 1 << 21  # three bytes of a varint
MOST_NAMES = 1 << 14
NO_STEP = -1

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One row of the trace. `id` is 1 or more and below 2**21; `parent` 0 = none.

    With a `pid` it is that process's, with a `tid` as well that thread's; such tracks have no parent.
    """

    id: int
    name: str
    parent: int = 0
    pid: int = 0
    tid: int = 0
    unit: str = ""  # of a counter track
    is_counter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Events:
    """Begins and ends of slices in the order of time, within each track properly nested; equal lengths."""

    track: Ints
    time_ns: Ints  # epoch
    is_begin: npt.NDArray[np.bool_]
    name: Ints  # index into the names; of an end it is not looked at
    step: Ints  # number of the step that begins, told beside the name; NO_STEP = none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counter:
    """One curve: its track, times and values."""

    track: int
    time_ns: Ints
    value: Floats


def perfetto(tracks: Sequence[Track], names: Sequence[str], events: Events, counters: Iterable[Counter] = ()) -> bytes:
    """The trace. O(events). Raises `ValueError` for more tracks or names than the padded varints hold."""
    if len(names) >= MOST_NAMES or any(not 0 < track.id < MOST_TRACKS for track in tracks):
        raise ValueError(f"a trace holds {MOST_NAMES - 1} names and track ids below {MOST_TRACKS}")
    parts = [_packet(_head(names)), *(_packet(_descriptor(track)) for track in tracks), _slices(events)]
    return b"".join([*parts, *map(_points, counters)])


# ---- packets that are all alike ----


def _slices(events: Events) -> bytes:
    """Begins, begins of numbered steps, and ends: rows of three lengths put in one another's place by their order."""
    numbered = events.is_begin & (events.step != NO_STEP)
    plain = events.is_begin & ~numbered
    parts = []
    for mask, template in (
        (plain, _begin_template()),
        (numbered, _step_template()),
        (~events.is_begin, _end_template()),
    ):
        rows = _rows(int(mask.sum()), template)
        _put_varint(rows, 3, events.time_ns[mask], 9)
        parts.append((mask, rows))
    for mask, rows in parts[:2]:
        _put_varint(rows, 21, events.name[mask] + 1, 2)
        _put_varint(rows, 24, events.track[mask], 3)
    _put_varint(parts[1][1], parts[1][1].shape[1] - 5, events.step[numbered], 5)
    _put_varint(parts[2][1], 21, events.track[~events.is_begin], 3)
    return _merged(parts)


def _merged(parts: Sequence[tuple[npt.NDArray[np.bool_], Bytes]]) -> bytes:
    """The rows of each part in the places where its mask holds, one behind the other."""
    lengths = np.zeros(len(parts[0][0]), dtype=np.int64)
    for mask, rows in parts:
        lengths[mask] = rows.shape[1]
    starts = np.cumsum(lengths) - lengths
    out = np.empty(int(lengths.sum()), dtype=np.uint8)
    for mask, rows in parts:
        where = starts[mask]
        for column in range(rows.shape[1]):
            out[where + column] = rows[:, column]
    return out.tobytes()


def _points(counter: Counter) -> bytes:
    rows = _rows(len(counter.time_ns), _counter_template(counter.track))
    _put_varint(rows, 3, counter.time_ns, 9)
    rows[:, -8:] = np.ascontiguousarray(counter.value, dtype="<f8").view(np.uint8).reshape(-1, 8)
    return rows.tobytes()


def _rows(count: int, template: bytes) -> Bytes:
    return np.tile(np.frombuffer(template, dtype=np.uint8), (count, 1))


def _put_varint(rows: Bytes, at: int, values: Ints, width: int) -> None:
    """Write `values` as varints of exactly `width` bytes, 7 bits each, the lowest first."""
    left = values.astype(np.uint64)
    for place in range(width):
        low = (left & np.uint64(0x7F)).astype(np.uint8)
        rows[:, at + place] = low | np.uint8(0x80 if place < width - 1 else 0)
        left >>= np.uint64(7)


def _begin_template() -> bytes:
    """Time at 3, name at 21, track at 24."""
    event = _varint_field(9, BEGIN) + _tag(10, 0) + bytes(2) + _tag(11, 0) + bytes(3)
    return _packet(_timed(event))


def _step_template() -> bytes:
    """As a begin, and the number of the step in the last five bytes."""
    annotation = _bytes_field(10, b"step") + _tag(3, 0) + bytes(5)
    event = _varint_field(9, BEGIN) + _tag(10, 0) + bytes(2) + _tag(11, 0) + bytes(3) + _bytes_field(4, annotation)
    return _packet(_timed(event))


def _end_template() -> bytes:
    """Time at 3, track at 21."""
    return _packet(_timed(_varint_field(9, END) + _tag(11, 0) + bytes(3)))


def _counter_template(track: int) -> bytes:
    """Time at 3, the value in the last eight bytes."""
    return _packet(_timed(_varint_field(9, COUNTER) + _varint_field(11, track) + _tag(44, 1) + bytes(8)))


def _timed(event: bytes) -> bytes:
    state = _varint_field(10, SEQUENCE) + _varint_field(13, NEEDS_STATE)
    return _tag(8, 0) + bytes(9) + state + _bytes_field(11, event)


# ---- packets that are there once ----


def _head(names: Sequence[str]) -> bytes:
    """The first packet: names of slices by number, from 1."""
    interned = b"".join(
        _bytes_field(2, _varint_field(1, number) + _bytes_field(2, name.encode()))
        for number, name in enumerate(names, 1)
    )
    return _varint_field(10, SEQUENCE) + _varint_field(13, STATE_CLEARED) + _bytes_field(12, interned)


def _descriptor(track: Track) -> bytes:
    body = _varint_field(1, track.id) + _bytes_field(2, track.name.encode())
    if track.parent:
        body += _varint_field(5, track.parent)
    if track.tid:
        thread = _varint_field(1, track.pid) + _varint_field(2, track.tid) + _bytes_field(5, track.name.encode())
        body += _bytes_field(4, thread)
    elif track.pid:
        body += _bytes_field(3, _varint_field(1, track.pid) + _bytes_field(6, track.name.encode()))
    if track.is_counter:
        body += _bytes_field(8, _bytes_field(6, track.unit.encode()) if track.unit else b"")
    return _varint_field(10, SEQUENCE) + _bytes_field(60, body)


def _packet(body: bytes) -> bytes:
    return _bytes_field(1, body)


def _bytes_field(number: int, body: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(body)) + body


def _varint_field(number: int, value: int) -> bytes:
    return _tag(number, 0) + _varint(value)


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
