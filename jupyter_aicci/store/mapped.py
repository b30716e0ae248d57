"""One roll-up on the disk: a memory-mapped file with one metric's buckets of one width, for all its owners.

A page of header, then blocks of 64 buckets, each (statistics, owners, 64) numbers and a trailer with their checksum. A block is
closed when a later one is begun; a late reading opens and closes it again. A block never written to is a hole, and reads as empty.
Rule 1: one process writes. Room for owners doubles when it is full, by a new file that is renamed into place.
Rule 2: a closed block whose checksum is wrong reads as empty, and `damaged` names its buckets; a wrong header makes the file empty.
Rule 3: a block has its room on the disk before it is written to: on a full disk a write to a mapped hole would kill the process.
"""

from __future__ import annotations

import json
import mmap
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jupyter_aicci.store.buckets import STATISTICS, Floats, Ints, Layout, put_together

HEADER_BYTES = 4096
BUCKETS = 64  # of one block: what is written each minute lies together, and so does what a window reads
TRAILER_BYTES = 64
OPEN, CLOSED = 1, 2  # 0 is a hole
LEAST_OWNERS = 8
EVERYTHING = 1 << 40  # buckets of a file whose header is wrong
Mapped = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class ColumnFile:
    """An open roll-up file. Raises `OSError` as the disk does; `damaged` holds (first bucket, behind the last) spans."""

    def __init__(self, path: Path, layout: Layout, *, writable: bool) -> None:
        self.path, self.layout, self._writable = path, layout, writable
        self.damaged: list[tuple[int, int]] = []
        self._dtype = np.dtype(np.float32 if layout == "gauge" else np.float64)  # a counter of bytes needs 53 bits
        self._statistics = len(STATISTICS[layout])
        self._map: mmap.mmap | None = None
        self._checked: set[int] = set()
        self.owners = self._read_header()
        if self.owners:
            self._open()

    @property
    def buckets(self) -> int:
        """How many buckets there is room for."""
        return self._blocks * BUCKETS if self._map is not None else 0

    def read(self, owners: Ints, first: int, behind: int, of: Sequence[int] | None = None) -> Floats:
        """(statistics, owners, buckets) of the buckets first … behind - 1; what is not there is empty.

        `of` are the places of the statistics that are wanted, by default all.
        """
        wanted = self._statistics if of is None else len(of)
        out = np.zeros((wanted, len(owners), behind - first), dtype=np.float64)
        lo, hi = max(first, 0), min(behind, self.buckets)
        here = np.flatnonzero(owners < self.owners)
        if self._map is None or lo >= hi or not len(here):
            return out
        rows, to = self._rows(owners[here]), self._rows(here)
        begin, end = lo // BUCKETS, -(-hi // BUCKETS)
        for number in range(begin, end):
            if not self._intact(number):
                continue
            a, b = max(lo, number * BUCKETS), min(hi, (number + 1) * BUCKETS)
            block = self._block(number)
            into, out_of = slice(a - first, b - first), slice(a - number * BUCKETS, b - number * BUCKETS)
            if of is None:
                out[:, to, into] = block[:, rows, out_of]
                continue
            for place, statistic in enumerate(of):
                out[place, to, into] = block[statistic, rows, out_of]
        return out

    def add(self, owners: Ints, buckets: Ints, fold: Floats) -> None:
        """Put a fold (statistics, owners, buckets) to what is there; `buckets` ascend."""
        before = self.buckets // BUCKETS
        self._make_room(int(owners.max()) + 1, int(buckets[-1]) // BUCKETS + 1)
        if before and self._blocks > before and self._state(before - 1) == OPEN:
            self._close_block(before - 1, closed=True)  # a later one is begun, perhaps not the next
        for number in np.unique(buckets // BUCKETS).tolist():
            mine = np.flatnonzero(buckets // BUCKETS == number)
            at = (slice(None), owners[:, None], (buckets[mine] - number * BUCKETS)[None, :])
            self._fill_hole(number)
            block = self._block(number)
            if not self._intact(number):
                block[:] = 0  # nothing is mixed with what is wrong
            block[at] = put_together(self.layout, block[at].astype(np.float64), fold[:, :, mine])
            self._close_block(number, closed=number < self._blocks - 1)

    def clear(self, first: int) -> None:
        """Empty the buckets from `first` on."""
        for number in range(max(first, 0) // BUCKETS, self.buckets // BUCKETS):
            if not self._state(number) and not self._raw(number).any():
                continue  # a hole stays one
            block = self._block(number)
            if not self._intact(number):
                block[:] = 0  # what is wrong gets no checksum that fits
            block[:, :, max(first - number * BUCKETS, 0) :] = 0
            self._close_block(number, closed=number < self._blocks - 1)
        self._checked.clear()
        self.damaged = []

    def flush(self) -> None:
        """Bring everything to the disk."""
        if self._map is not None and self._writable:
            self._map.flush()

    def close(self) -> None:
        if self._map is not None:
            self._array = np.empty(0, dtype=np.uint8)
            self._map.close()
            self._map = None

    @property
    def _block_bytes(self) -> int:
        return self._statistics * self.owners * BUCKETS * self._dtype.itemsize + TRAILER_BYTES

    def _read_header(self) -> int:
        """How many owners the file has room for, 0 where there is no file or it is damaged."""
        try:
            with self.path.open("rb") as file:
                head = json.loads(file.read(HEADER_BYTES).rstrip(b"\0"))
            owners = int(head["owners"])
            if head["layout"] == self.layout and head["crc"] == zlib.crc32(f"{self.layout}/{owners}".encode()):
                return owners
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError, UnicodeDecodeError):
            pass
        self.damaged.append((0, EVERYTHING))
        if self._writable:
            self.path.unlink()
        return 0

    def _open(self) -> None:
        flags = os.O_RDWR if self._writable else os.O_RDONLY
        fd = os.open(self.path, flags | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            self._blocks = max(0, size - HEADER_BYTES) // self._block_bytes
            if self._blocks:
                access = mmap.ACCESS_WRITE if self._writable else mmap.ACCESS_READ
                self._map = mmap.mmap(fd, HEADER_BYTES + self._blocks * self._block_bytes, access=access)
                self._array = np.frombuffer(self._map, dtype=np.uint8)
        finally:
            os.close(fd)

    def _raw(self, number: int) -> npt.NDArray[np.uint8]:
        begin = HEADER_BYTES + number * self._block_bytes
        return self._array[begin : begin + self._block_bytes]

    def _block(self, number: int) -> Mapped:
        """(statistics, owners, 64), in place."""
        data = self._raw(number)[:-TRAILER_BYTES].view(self._dtype)
        return data.reshape(self._statistics, self.owners, BUCKETS)

    def _close_block(self, number: int, *, closed: bool) -> None:
        """Write the trailer; the block before, if it was open so far, is closed with it."""
        for each in (number - 1, number):
            if each < number and (each < 0 or self._state(each) != OPEN):
                continue
            trailer = self._raw(each)[-TRAILER_BYTES:].view(np.uint32)
            whole = closed or each < number
            trailer[0] = _checksum(self._raw(each)) if whole else 0
            trailer[1] = CLOSED if whole else OPEN
            self._checked.add(each)

    def _state(self, number: int) -> int:
        """0 of a hole, `OPEN`, `CLOSED`."""
        return int(self._raw(number)[-TRAILER_BYTES:].view(np.uint32)[1])

    def _fill_hole(self, number: int) -> None:
        """Have the disk keep room for a block that is begun. Raises `OSError` where there is none."""
        if self._state(number):
            return
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(fd, HEADER_BYTES + number * self._block_bytes, self._block_bytes)
        finally:
            os.close(fd)

    def _intact(self, number: int) -> bool:
        if number in self._checked:
            return True
        raw = self._raw(number)
        trailer = raw[-TRAILER_BYTES:].view(np.uint32)
        if trailer[1] == CLOSED and trailer[0] != _checksum(raw):
            span = (number * BUCKETS, (number + 1) * BUCKETS)
            if span not in self.damaged:
                self.damaged.append(span)
            return False
        if trailer[1] == CLOSED:
            self._checked.add(number)
        return True

    def _make_room(self, owners: int, blocks: int) -> None:
        if owners > self.owners:
            self._widen(max(LEAST_OWNERS, 1 << (owners - 1).bit_length()))
        if self._map is None or blocks > self._blocks:
            self.close()
            os.truncate(self.path, HEADER_BYTES + blocks * self._block_bytes)
            self._open()

    def _widen(self, owners: int) -> None:
        """A file with room for more owners, with everything that is here."""
        old = [(number, self._block(number).copy()) for number in range(self.buckets // BUCKETS)]
        before, self.owners = self.owners, owners
        building = self.path.with_name(self.path.name + ".new")
        head = {"layout": self.layout, "owners": owners, "crc": zlib.crc32(f"{self.layout}/{owners}".encode())}
        with building.open("wb") as file:
            file.write(json.dumps(head).encode().ljust(HEADER_BYTES, b"\0"))
            for _, block in old:
                wide = np.zeros((self._statistics, owners, BUCKETS), dtype=self._dtype)
                wide[:, :before] = block
                trailer = np.zeros(TRAILER_BYTES // 4, dtype=np.uint32)
                trailer[:2] = zlib.crc32(wide.tobytes()), CLOSED
                file.write(wide.tobytes() + trailer.tobytes())
        self.close()
        building.replace(self.path)
        self._open()

    @staticmethod
    def _rows(owners: Ints) -> Ints | slice:
        """A slice where they follow each other: it is read, or written, without a copy of each."""
        if len(owners) and np.array_equal(owners, np.arange(owners[0], owners[0] + len(owners))):
            return slice(int(owners[0]), int(owners[0]) + len(owners))
        return owners


def _checksum(raw: npt.NDArray[np.uint8]) -> int:
    """Of a block without its trailer."""
    return zlib.crc32(raw[:-TRAILER_BYTES].tobytes())


def spans_text(spans: Iterable[tuple[int, int]], width_s: int) -> str:
    """Damaged buckets as times since the roll-ups begin: "0 s to 640 s"."""
    if any(behind >= EVERYTHING for _, behind in spans):
        return "all of it"
    return ", ".join(f"{first * width_s} s to {behind * width_s} s" for first, behind in spans)
