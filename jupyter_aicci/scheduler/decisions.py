"""What goes into `decide` and what comes out: waiting runs and queues; starts, waits and refusals.

Rule: every run that goes in comes out in exactly one of `starts`, `waits`, `never`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.spec import RunSpec


class WhyClass(StrEnum):
    """Why a run does not start now; the five classes that a person is told."""

    NEVER = "can never run"
    QUOTA = "quota"
    FRAGMENTATION = "fragmentation"
    RESERVED = "reserved"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A place where runs wait."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that waits, as far as the scheduler needs to know it."""

    run_id: RunId
    shapes: tuple[str, ...]
    nodes: int
    min_nodes: int = 0  # 0 = all of `nodes`
    ranks_per_node: int = 0  # 0 = one per accelerator, else 1
    queue: str = "default"
    priority: int = 0
    submitted_ns: int = 0
    not_before_ns: int = 0  # back-off after a lost attempt

    @property
    def sizes(self) -> range:
        """The numbers of nodes that it may start with, the best first."""
        return range(self.nodes, (self.min_nodes or self.nodes) - 1, -1)


def waiting_of(run: Run) -> Waiting:
    """The waiting run of a queued one."""
    return waiting_of_spec(run.id, run.spec, run.submitted_ns, run.not_before_ns)


def waiting_of_spec(run_id: RunId, spec: RunSpec, submitted_ns: int, not_before_ns: int = 0) -> Waiting:
    """The waiting run that a spec would be."""
    return Waiting(
        run_id=run_id,
        shapes=spec.shape,
        nodes=spec.nodes,
        min_nodes=spec.min_nodes,
        ranks_per_node=spec.ranks_per_node,
        queue=spec.queue,
        priority=spec.priority,
        submitted_ns=submitted_ns,
        not_before_ns=not_before_ns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start this run now, there."""

    run_id: RunId
    placement: Placement


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
class Decisions:
    """One answer for each run, each in the order in which the runs stand in line."""

    starts: tuple[Start, ...] = ()
    waits: tuple[Wait, ...] = ()
    never: tuple[Never, ...] = ()
