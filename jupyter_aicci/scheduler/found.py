"""A place for a whole gang, before it is taken: the shape, the hosts, and devices where they were part of the choice."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_aicci.scheduler.choose import Choice
from jupyter_aicci.scheduler.fit import Picks


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place for a whole gang."""

    choice: Choice
    nodes: int
    picks: Picks
    columns: tuple[int, ...] | None = None  # devices of a single node, where they were part of the choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A place in time that is kept for a run."""

    found: Found
    start_s: float
    sure: bool  # every run that must end before has a limit
