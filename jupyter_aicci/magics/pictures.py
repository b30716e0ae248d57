"""A fresh picture of a run that lives, for front ends that cannot draw one themselves.

The first after two seconds, then at a slowing pace. Rule 1: none while anybody follows the run's stream: a page that draws it
live needs none, and a notebook that is written to all the time is one that is never saved. Rule 2: none in a terminal, which
would print each. Rule 3: drawing takes a twentieth of the time at most, however large the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jupyter_aicci.model.errors import AicciError

PACE_S = (2.0, 5.0, 10.0, 20.0, 30.0)  # between two pictures; the last one goes on
REST_PER_DRAWING = 19.0


class Pictures:
    """When the next picture of one run is due, and drawing it."""

    def __init__(self, draw: Callable[[], bytes], *, wanted: bool) -> None:
        self._draw, self._at = draw, 0
        self._due_s = time.monotonic() + PACE_S[0] if wanted else float("inf")

    def left_s(self) -> float:
        """Seconds until the next one."""
        return max(0.0, self._due_s - time.monotonic())

    def next(self, watchers: int) -> bytes | None:
        """A picture where one is due and nobody watches; None where it cannot be drawn either: the last one stays."""
        if self.left_s() > 0:
            return None
        begun_s = time.monotonic()
        png = None if watchers else self._drawn()
        self._at = min(self._at + 1, len(PACE_S) - 1)
        now_s = time.monotonic()
        self._due_s = now_s + max(PACE_S[self._at], REST_PER_DRAWING * (now_s - begun_s))
        return png

    def _drawn(self) -> bytes | None:
        try:
            return self._draw()
        except (AicciError, ImportError, OSError, RuntimeError, ValueError):
            return None


def is_notebook(shell: Any) -> bool:
    """Whether what is displayed can be written over: a kernel's front end can, a terminal cannot."""
    return getattr(shell, "kernel", None) is not None
