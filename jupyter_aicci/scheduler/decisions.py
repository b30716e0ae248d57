"""What comes out of `decide`: starts, preemptions, reservations, refusals, and why each other run waits.

Rule: a run that waits starts, or it can never start, or it waits; why it waits is asked of `explain` when somebody wants to know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement


class WhyClass(StrEnum):
    """Why a run does not start now; the five classes that a person is told."""

    NEVER = "can never run"
    QUOTA = "quota"
    FRAGMENTATION = "fragmentation"
    RESERVED = "reserved"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start this run there, once the runs in `after` have gone; () = now."""

    run_id: RunId
    placement: Placement
    after: tuple[RunId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preempt:
    """This run is to give its nodes to another."""

    run_id: RunId
    for_run: RunId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """A place is kept for this run from `start_s` on."""

    run_id: RunId
    start_s: float  # seconds of the caller's clock
    shape: str
    hosts: tuple[str, ...]
    counts: tuple[int, ...]  # nodes on each
    domain: str  # the smallest that holds them all: "leaf-a"
    sure: bool  # every run that must end before has a limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """This run waits; `text` goes on its card."""

    run_id: RunId
    why_class: WhyClass
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """This run could not start even if nothing else ran."""

    run_id: RunId
    code: str  # of the error: "unknown_shape", "unknown_queue", "never_fits"
    text: str
    hint: str  # what would run
    field: str = "shape"  # the option at fault

    def error(self) -> UserError:
        """The same as an error, for whoever submits it."""
        return UserError(self.code, f"{self.text} Nothing was submitted.", hint=self.hint, field=self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """What kept a run from starting, as `decide` met it; `explain` puts it in words."""

    why: WhyClass
    quota: str = ""  # the sentence about a queue's limit
    until_s: float = 0.0  # end of its back-off
    behind: RunId | None = None  # the run that has a reservation in its way
    better: bool = False  # it could start now, and ends sooner where it has a reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The answer to one question, each part in the order in which the runs stand in line."""

    starts: tuple[Start, ...] = ()
    preempts: tuple[Preempt, ...] = ()
    reserves: tuple[Reserve, ...] = ()
    never: tuple[Never, ...] = ()
    blocked: Mapping[RunId, Blocked] = field(default_factory=dict)  # of runs that were looked at and did not start
    next_s: float = math.inf  # the order changes then by itself, seconds of the caller's clock
