"""A rank's log stays within its budget on disk, without the rank's help and without moving an offset.

The middle of a file over 64 MB is given back to the disk by punching a hole: first 8 MB and last 56 MB stay, size and offsets are
what they were, and the writer's O_APPEND descriptor notices nothing. Where holes cannot be punched, the file grows.
"""

from __future__ import annotations

import os

from .linux import punch_hole

BUDGET_BYTES = 64 << 20
HEAD_BYTES = 8 << 20
TAIL_BYTES = BUDGET_BYTES - HEAD_BYTES
BLOCK_BYTES = 4096


def trim(path: str) -> None:
    """Give back the middle of a log that takes more than its budget on disk."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        state = os.fstat(fd)
        if state.st_blocks * 512 > BUDGET_BYTES:
            end = (state.st_size - TAIL_BYTES) // BLOCK_BYTES * BLOCK_BYTES
            if end > HEAD_BYTES:
                punch_hole(fd, HEAD_BYTES, end)
    finally:
        os.close(fd)
