"""What the journal says: one small frozen class per kind of row, and their JSON.

Rule: rows are facts about a run in the order they became true; a run's present is `model.run.fold` over them.
`time_ns` is on the host's monotonic epoch axis (store/clock.py): it never goes backwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base: which run, when."""

    kind: ClassVar[str] = ""
    run_id: RunId
    time_ns: int

    def body(self) -> dict[str, Any]:
        """Everything but run and time, as JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("run_id", "time_ns")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(Event):
    """The run exists: spec and prices are fixed from here on."""

    kind: ClassVar[str] = "submitted"
    spec: dict[str, Any]
    prices: dict[str, dict[str, Any]]  # shape name -> Price JSON, copied from the price book


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped(Event):
    """A step of the state machine."""

    kind: ClassVar[str] = "stepped"
    step: Step
    attempt: int  # 0 before the first placement
    reason: str = ""
    exit_class: str = ""
    not_before_ns: int = 0  # with REQUEUE: back-off
    verdict: dict[str, Any] = field(default_factory=dict)  # faults.Verdict JSON, with LOSE and FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Event):
    """An attempt got its nodes; written in the same transaction as its PLACE step."""

    kind: ClassVar[str] = "placed"
    attempt: int
    placement: dict[str, Any]
    port: int
    resume_step: int = -1  # checkpoint the attempt starts from, -1 = none
    cap_t_ns: int = 0  # boot time from which its nodes end by themselves, so that its budget holds without us; 0 = none


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHeld(Event):
    """A node is held for the run from here on: billing starts."""

    kind: ClassVar[str] = "node_held"
    attempt: int
    node: int
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReleased(Event):
    """Nothing of the run lives on the node any more: billing ends.

    Where the machine went down under it, that is the last sign of life, and `unverified_ns` the time after it of which nobody
    can say whether the node was held; it is told and not billed.
    """

    kind: ClassVar[str] = "node_released"
    attempt: int
    node: int
    unverified_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankExited(Event):
    """One rank ended; `code` is its exit code, `signal` the signal that killed it (0 = none)."""

    kind: ClassVar[str] = "rank_exited"
    attempt: int
    rank: int
    code: int
    signal: int = 0
    by_us: bool = False  # we sent the signal
    oom: bool = False
    source: str = "keeper"  # keeper | pidfd | end-record | unknown
    maxrss_bytes: int = 0  # its peak, 0 = not known
    error: dict[str, Any] = field(default_factory=dict)  # the rank's own record, see agent/rank/errors.py


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Event):
    """Someone, a limit or a budget wants the run to end."""

    kind: ClassVar[str] = "stop_requested"
    reason: str
    exit_class: str = "stopped"
    grace_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreemptRequested(Event):
    """An attempt is to give its nodes to another run; the run goes on from its last checkpoint when it gets nodes again."""

    kind: ClassVar[str] = "preempt_requested"
    attempt: int
    for_run: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected(Event):
    """The bill was wrong: an amount beside it, never a change of what is there."""

    kind: ClassVar[str] = "corrected"
    amount_micro: int  # of the run's currency; negative = given back
    reason: str
    by: str = ""  # whom the kernel saw at the socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Something worth telling that changes no state: waiting reason, promised start, hang, environment changed."""

    kind: ClassVar[str] = "noted"
    topic: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        *(Submitted, Stepped, Placed, NodeHeld, NodeReleased),
        *(RankExited, StopRequested, PreemptRequested, Corrected, Noted),
    )
}


def event_from_row(kind: str, run_id: str, time_ns: int, body: dict[str, Any]) -> Event:
    """The event that a journal row holds; an unknown kind is a `KeyError` (a newer version wrote it)."""
    values = dict(body)
    if kind == "stepped":
        values["step"] = Step(values["step"])
    return KINDS[kind](run_id=RunId(run_id), time_ns=time_ns, **values)
