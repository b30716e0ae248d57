"""Spools: files of framed, checksummed JSON records that one process appends to and others read by offset.

A record is `u32 length, u32 crc32(payload)`, little-endian, then the payload, one JSON object in UTF-8.
Rule 1: the codec does no I/O (`encode`, `Decoder`); `read_spool` and `SpoolWriter` are the thin shell around it.
Rule 2: one record is one `write` on an O_APPEND descriptor; a reader stops at the first record that is torn or wrong and reads on
from there when more has come, so a writer killed at any byte costs at most the record it was writing.
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
READ_BYTES = 4 << 20  # most that one `read_spool` takes in


def encode(frame: Mapping[str, Any]) -> bytes:
    """The record of one frame; NaN and infinities are written as Python's json does (`NaN`, `Infinity`)."""
    payload = json.dumps(frame, separators=(",", ":"), ensure_ascii=False, default=str).encode(
        "utf-8", "backslashreplace"
    )
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


class Decoder:
    """Bytes in any split in, whole frames out; `consumed` counts the bytes of the frames given out."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.consumed = 0
        self.torn = False  # whether it stands before a record whose checksum is wrong

    def receive(self, data: bytes) -> list[Frame]:
        """The frames that are whole now; what follows a damaged record is never given out."""
        self._pending += data
        frames = []
        while not self.torn and (step := self._next()) is not None:
            frames.append(step)
        return frames

    def _next(self) -> Frame | None:
        if len(self._pending) < HEADER.size:
            return None
        length, checksum = HEADER.unpack_from(self._pending)
        end = HEADER.size + length
        if not 0 < length <= MAX_PAYLOAD_BYTES:  # nought: a file system's zeros after a power cut
            self.torn = True
        if self.torn or len(self._pending) < end:
            return None
        payload = bytes(self._pending[HEADER.size : end])
        if zlib.crc32(payload) != checksum:
            self.torn = True
            return None
        del self._pending[:end]
        self.consumed += end
        frame: Frame = json.loads(payload)
        return frame


def read_spool(
    path: str | os.PathLike[str], offset: int, limit_bytes: int = READ_BYTES
) -> tuple[list[tuple[int, Frame]], int]:
    """([(offset after the frame, frame)], offset to go on from) of about `limit_bytes`; a missing file is an empty one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [], offset
    try:
        while True:
            data = os.pread(fd, limit_bytes, offset)
            found = _records(data, offset)
            if found or len(data) < limit_bytes or limit_bytes > MAX_PAYLOAD_BYTES:
                return found, found[-1][0] if found else offset
            limit_bytes *= 4  # one record is longer than what was read
    finally:
        os.close(fd)


def _records(data: bytes, offset: int) -> list[tuple[int, Frame]]:
    decoder, at, found = Decoder(), 0, []
    for frame in decoder.receive(data):
        at += HEADER.size + HEADER.unpack_from(data, at)[0]
        found.append((offset + at, frame))
    return found


class SpoolWriter:
    """Appends frames to one spool; the first of a writer's life is the head.

    A torn record that an earlier writer's death left at the end is cut off first, since nothing behind it would be read.
    """

    def __init__(self, path: str | os.PathLike[str], source: str) -> None:
        self._lock = allocate_lock()  # threads of a program log too
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._cut_torn_tail(path)
        self.write({"k": "head", "t": boot_ns(), "source": source, **clocks()})

    def _cut_torn_tail(self, path: str | os.PathLike[str]) -> None:
        whole, going_on = 0, True
        while going_on:
            found, whole = read_spool(path, whole)
            going_on = bool(found)
        os.ftruncate(self._fd, whole)

    def write(self, frame: Mapping[str, Any]) -> None:
        """Append one frame; raises OSError (ENOSPC) and leaves nothing of it behind, or all later ones would be unreadable."""
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
