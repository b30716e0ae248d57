"""What needs numpy, brought in when it is first asked for: the timeline with the first summary, the scheduler with the first run.

Rule: numpy's own threads are of no use here and cost memory; the variable that says so is not left to the ranks' environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import ModuleType

_GUARD = Lock()


def bring_timeline() -> ModuleType:
    """`timeline.summary`; costs 0.15 s and 15 MB once."""
    with _GUARD, _one_thread():
        from jupyter_aicci.timeline import summary
    return summary


def bring_line() -> ModuleType:
    """`service.line`, with the scheduler; costs 0.1 s and 15 MB once."""
    with _GUARD, _one_thread():
        from jupyter_aicci.service import line
    return line


def warm_up() -> None:
    """Both, so that the first run does not wait for them."""
    bring_line()
    bring_timeline()


@contextmanager
def _one_thread() -> Iterator[None]:
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = before
