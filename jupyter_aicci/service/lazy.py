"""The timeline, and numpy with it, brought in when the first summary or view is asked for.

Rule: numpy's own threads are of no use here and cost memory; the variable that says so is not left to the ranks' environment.
"""

from __future__ import annotations

import os
from threading import Lock
from types import ModuleType

_GUARD = Lock()


def bring_timeline() -> ModuleType:
    """`timeline.summary`; costs 0.15 s and 15 MB once."""
    with _GUARD:
        before = os.environ.get("OPENBLAS_NUM_THREADS")
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        try:
            from jupyter_aicci.timeline import summary
        finally:
            if before is None:
                del os.environ["OPENBLAS_NUM_THREADS"]
            else:
                os.environ["OPENBLAS_NUM_THREADS"] = before
    return summary
