"""One roll-up file: its blocks have room before they are written to, and a checksum once they are behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jupyter_aicci.store.buckets import STATISTICS, fold
from jupyter_aicci.store.mapped import BUCKETS, HEADER_BYTES, TRAILER_BYTES, ColumnFile

OWNERS = 1024
BLOCK_BYTES = len(STATISTICS["gauge"]) * OWNERS * BUCKETS * 4 + TRAILER_BYTES


def put(file: ColumnFile, owner: int, bucket: int, value: float = 1.0) -> None:
    """One reading of one owner."""
    buckets, folded = fold("gauge", np.array([bucket * 10.0]), np.array([[value]]), 10)
    file.add(np.array([owner]), buckets, folded)


def an_opened(path: Path) -> ColumnFile:
    return ColumnFile(path, "gauge", writable=True)


def hurt(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\x55" * 64)


def test_a_block_that_is_written_to_has_all_its_room_on_the_disk(tmp_path: Path) -> None:
    """Else a full disk would be a signal that kills the process, not an error; what lies between stays a hole."""
    path = tmp_path / "rank.cpu.10.col"
    file = an_opened(path)
    put(file, OWNERS - 1, 0)
    before = path.stat().st_blocks * 512
    put(file, 0, 5 * BUCKETS)
    grown = path.stat().st_blocks * 512 - before
    assert BLOCK_BYTES <= grown < 2 * BLOCK_BYTES
    file.close()


def test_a_block_is_closed_although_the_next_one_is_a_hole(tmp_path: Path) -> None:
    """After a long silence, damage in what was written before it is still seen."""
    path = tmp_path / "rank.cpu.10.col"
    file = an_opened(path)
    put(file, 0, 3)
    put(file, 0, 9 * BUCKETS)
    file.close()
    hurt(path, HEADER_BYTES + 700)
    again = an_opened(path)
    assert not again.read(np.array([0]), 0, BUCKETS).any()
    assert again.damaged == [(0, BUCKETS)]
    again.close()


def test_what_is_damaged_is_not_made_valid_by_clearing_behind_it(tmp_path: Path) -> None:
    """The buckets in front, of which no frame is left, are a gap and no garbage."""
    path = tmp_path / "rank.cpu.10.col"
    file = an_opened(path)
    put(file, 0, 3)
    put(file, 0, BUCKETS)
    file.close()
    hurt(path, HEADER_BYTES + 4)
    again = an_opened(path)
    again.clear(60)
    assert not again.read(np.array([0]), 0, BUCKETS).any()
    again.close()
