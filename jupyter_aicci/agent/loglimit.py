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
STEP_BYTES = 8 << 20
PAUSE_LEAST_S, PAUSE_MOST_S = 0.01, 0.2


def trim(path: str) -> int:
    """Give back the middle of a log that takes more than its budget on disk; the log's size, what was given back included."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        state = os.fstat(fd)
        if state.st_blocks * 512 > BUDGET_BYTES:
            end = (state.st_size - TAIL_BYTES) // BLOCK_BYTES * BLOCK_BYTES
            if end > HEAD_BYTES:
                punch_hole(fd, HEAD_BYTES, end)
        return state.st_size
    finally:
        os.close(fd)


def pause_s(grown_bytes: int, passed_s: float) -> float:
    """Until the logs are looked at again: they may grow by `STEP_BYTES` meanwhile, at the speed at which they grew just now."""
    if grown_bytes <= 0:
        return PAUSE_MOST_S
    return min(PAUSE_MOST_S, max(PAUSE_LEAST_S, STEP_BYTES * passed_s / grown_bytes))
