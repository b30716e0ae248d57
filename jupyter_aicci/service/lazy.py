"""What needs numpy is brought in when it is first asked for: here the timeline with the first summary.

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
    with one_thread():
        from jupyter_aicci.timeline import summary
    return summary


@contextmanager
def one_thread() -> Iterator[None]:
    """Around an import that may bring numpy in; one at a time."""
    with _GUARD:
        before = os.environ.get("OPENBLAS_NUM_THREADS")
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ["OPENBLAS_NUM_THREADS"]
            else:
                os.environ["OPENBLAS_NUM_THREADS"] = before
