"""The service's own log: one file of bounded size, which takes standard output and error as well.

Rule: at most 1 MB; then it becomes `service.log.1` and a new one begins.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

LIMIT_BYTES = 1_000_000


def redirect(path: Path) -> None:
    """Standard input from nowhere, output and error to the end of `path`."""
    _turn_over(path)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nowhere, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for fd in (nowhere, log):
        if fd > 2:
            os.close(fd)


class BoundedHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error, and moves on to a new file when that has grown to its limit."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        with contextlib.suppress(OSError):
            state, ours = os.fstat(2), self._path.stat()
            if state.st_ino == ours.st_ino and state.st_size > LIMIT_BYTES:
                redirect(self._path)


def set_up(path: Path) -> None:
    """Everything from warnings up, and our own news, into the log."""
    handler = BoundedHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("aicci").setLevel(logging.INFO)


def _turn_over(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size > LIMIT_BYTES:
            os.replace(path, path.with_name(path.name + ".1"))
