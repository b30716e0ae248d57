"""How big a data set on this host is, within a bound of time: a list must not walk a file system for minutes.

In: a path. Out: bytes and files that were counted, and whether there are more. Links are counted as links, not followed.
Rule: nothing is opened; what may not be looked into counts as nothing.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

MOST_S = 2.0
LOOK_EVERY = 256  # files between two looks at the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What was counted; `is_least`: counting ended early."""

    size_bytes: int
    files: int
    is_least: bool = False


def measure(path: Path, *, most_s: float = MOST_S) -> Size | None:
    """The size of a file or of all files under a folder; None where nothing is there."""
    try:
        if not path.is_dir():
            return Size(size_bytes=path.stat().st_size, files=1)
    except OSError:
        return None
    deadline_s, total, files = time.monotonic() + most_s, 0, 0
    for folder, _, names in os.walk(path):
        if time.monotonic() > deadline_s:
            return Size(size_bytes=total, files=files, is_least=True)
        for name in names:
            total += _size(os.path.join(folder, name))
            files += 1
            if files % LOOK_EVERY == 0 and time.monotonic() > deadline_s:
                return Size(size_bytes=total, files=files, is_least=True)
    return Size(size_bytes=total, files=files)


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
