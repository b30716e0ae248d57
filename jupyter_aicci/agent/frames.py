"""Spools: files of framed, checksummed JSON records that one process appends to and others read by offset.

A record is `u32 length, u32 crc32(payload)`, little-endian, then the payload, one JSON object in UTF-8.
Rule 1: the codec does no I/O (`encode`, `decode`); `read_spool` and `SpoolWriter` are the thin shell around it.
Rule 2: one record is one `write` on an O_APPEND descriptor, so a writer killed at any byte costs at most the record it was writing.
Rule 3: a reader stops where no whole record is and reads on from there when more has come. Once a whole record stands further
on, what is in front of it is damage: it is passed over, and a frame `gap` says how many bytes it was.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import time
import zlib
from _thread import allocate_lock

from .files import fail_point

TYPE_CHECKING = False  # importing typing and abc would cost every agent's start some milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Frame = dict[str, Any]

HEADER = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 16 << 20  # a length above this is garbage, not a record
READ_BYTES = 4 << 20  # most that one `read_spool` takes in, where there is no damage
LONGEST_BYTES = HEADER.size + MAX_PAYLOAD_BYTES
LAST_BYTE = b"}"[0]  # of every payload
CLOCKS = ("boot_id", "boot_ns", "wall_ns")  # what a head says of its times
# made once: a rank writes within its steps
TO_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str)


def encode(frame: Mapping[str, Any]) -> bytes:
    """The record of one frame; NaN and infinities are written as Python's json does (`NaN`, `Infinity`)."""
    payload = TO_JSON.encode(frame).encode("utf-8", "backslashreplace")
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def decode(data: bytes, skipped: int = 0) -> list[tuple[int, Frame]]:
    """[(offset behind the frame, frame)] of every whole record; damage in front of one becomes a frame `gap`.

    What is behind the last whole record is left alone: it may be on its way still. `skipped` bytes in front of `data` are damage.
    """
    found, begin, lost_from = [], 0, -skipped
    while begin < len(data) and (record := _next_record(data, begin)) is not None:
        at, end, frame = record
        if at > lost_from:
            found.append((at, _gap(at - lost_from, frame)))
        found.append((end, frame))
        begin = lost_from = end
    return found


def _next_record(data: bytes, begin: int) -> tuple[int, int, Frame] | None:
    """(offset, offset behind it, frame) of the first whole record from `begin` on."""
    at = begin
    while at >= 0:
        if len(data) >= at + HEADER.size:
            length, checksum = HEADER.unpack_from(data, at)
            end = at + HEADER.size + length
            if 0 < length <= MAX_PAYLOAD_BYTES and end <= len(data) and data[end - 1] == LAST_BYTE:
                payload = data[at + HEADER.size : end]
                if zlib.crc32(payload) == checksum:
                    return at, end, json.loads(payload)
        at = _next_place(data, at + 1)
    return None


def _next_place(data: bytes, begin: int) -> int:
    """Where, from `begin` on, the next record may begin, -1 = nowhere.

    A length that is allowed ends in a byte of 0 or 1, which no payload holds: no record is found within another. What is looked
    for is the payload's beginning: a file's end may be megabytes of zeros, and is looked at again until more has come.
    """
    at = data.find(b"{", begin + HEADER.size)
    while at >= 0:
        if data[at - 5] <= 1 and data[at + 1 : at + 2] in (b'"', b"}"):
            return at - HEADER.size
        at = data.find(b"{", at + 1)
    return -1


def _gap(lost_bytes: int, behind: Frame) -> Frame:
    """What stands in the place of bytes that are no records, in front of the record `behind`; its time is that one's."""
    clock = {name: behind[name] for name in CLOCKS if name in behind}
    return {"k": "gap", "t": behind.get("t", 0), "lost_bytes": lost_bytes, **clock}


def read_spool(
    path: str | os.PathLike[str], offset: int, limit_bytes: int = READ_BYTES
) -> tuple[list[tuple[int, Frame]], int]:
    """([(offset after the frame, frame)], offset to go on from) of about `limit_bytes`; a missing file is an empty one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [], offset
    begin = offset  # no record begins between the two
    try:
        while True:
            data = os.pread(fd, limit_bytes, begin)
            found = decode(data, begin - offset)
            if found or len(data) < limit_bytes:
                return [(begin + end, frame) for end, frame in found], begin + found[-1][0] if found else offset
            if limit_bytes > LONGEST_BYTES:  # a record of the greatest length would have been in it
                begin += limit_bytes - LONGEST_BYTES
            else:
                limit_bytes *= 4  # one record is longer than what was read
    finally:
        os.close(fd)


class SpoolWriter:
    """Appends frames to one spool; the first of a writer's life is the head.

    What an earlier writer's death or a bad disk left behind stays as it is: readers find the next whole record.
    """

    def __init__(self, path: str | os.PathLike[str], source: str) -> None:
        self._lock = allocate_lock()  # threads of a program log too
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.write({"k": "head", "t": boot_ns(), "source": source, **clocks()})

    def write(self, frame: Mapping[str, Any]) -> None:
        """Append one frame; raises OSError (ENOSPC) and leaves nothing of it behind."""
        record = encode(frame)
        with self._lock:
            before = os.fstat(self._fd).st_size
            try:
                fail_point("commit")
                if os.write(self._fd, record) == len(record):
                    fail_point("commit")
                    return
            except OSError:
                os.ftruncate(self._fd, before)
                raise
            os.ftruncate(self._fd, before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)


def boot_ns() -> int:
    """Nanoseconds since boot, suspend included; the same for every process of this host."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """This boot's id, "" where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def clocks() -> Frame:
    """What a reader needs to place this host's boot time on the epoch: boot id and both clocks at one moment."""
    return {"boot_id": boot_id(), "boot_ns": boot_ns(), "wall_ns": time.time_ns()}
