"""Calling a function once nothing has happened for a moment, in a thread of its own.

Rule: the kernel's main thread never waits for it; calls do not overlap, and what comes meanwhile is one call more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Later:
    """`act` is called `after_s` after the latest `poke`."""

    def __init__(self, act: Callable[[], None], after_s: float) -> None:
        self._act, self._after_s = act, after_s
        self._timer: threading.Timer | None = None
        self._timers, self._acting = threading.Lock(), threading.Lock()

    def poke(self) -> None:
        """Something has happened: wait again."""
        with self._timers:
            if self._timer:
                self._timer.cancel()
            self._timer = threading.Timer(self._after_s, self._run)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Do not call it after all."""
        with self._timers:
            if self._timer:
                self._timer.cancel()

    def _run(self) -> None:
        with self._acting:
            self._act()
