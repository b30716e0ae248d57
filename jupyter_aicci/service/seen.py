"""What an attempt's frames have said so far: who started, who ended and how, which nodes are free, what was noted.

In: the attempt's stored frames in the order of their seq. Out: a `Seen`, which the control compares with the run.
Rule 1: pure; feeding the same frames again in the same order gives an equal `Seen`, so a service that was killed rebuilds it.
Rule 2: the first word counts: an exit or a done that is said twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

CHECKPOINTS_KEPT = 64
NOTES_KEPT = 50  # per attempt; what the program itself notes goes to the timeline, not to the journal


class Stored(Protocol):
    """A frame as `store.frames` yields it."""

    @property
    def writer(self) -> str: ...  # "agent" or "rank-R"
    @property
    def attempt(self) -> int: ...
    @property
    def node(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def frame(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One rank's end as its agent told it."""

    rank: int
    node: int
    time_ns: int
    frame: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something for the journal; `key` is the same each time it is read."""

    key: str
    topic: str
    text: str
    time_ns: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The sum of one attempt's frames."""

    attempt: int
    started: dict[int, int] = field(default_factory=dict)  # rank -> when
    exits: dict[int, Exit] = field(default_factory=dict)  # rank -> its end
    done: dict[int, int] = field(default_factory=dict)  # node -> when it became free
    notes: tuple[Note, ...] = ()
    checkpoint_ns: tuple[int, ...] = ()  # how long the latest checkpoints took, those of earlier attempts too
    boots: dict[int, str] = field(default_factory=dict)  # node -> the boot in which its agent spoke last
    alive_ns: dict[int, int] = field(default_factory=dict)  # node -> its last sign of life
    down_ns: dict[int, int] = field(default_factory=dict)  # node -> the last one before its machine was booted again
    damaged: frozenset[int] = frozenset()  # nodes of which a part of what their agents said cannot be read


def see(seen: Seen, frames: Iterable[Stored]) -> Seen:
    """`seen` and the frames after it; frames of other attempts are passed over."""
    alive_ns = dict(seen.alive_ns)
    for stored in frames:
        if stored.attempt == seen.attempt:
            seen = _one(seen, stored, alive_ns.get(stored.node, 0))
            alive_ns[stored.node] = max(stored.time_ns, alive_ns.get(stored.node, 0))
    return replace(seen, alive_ns=alive_ns)


def _one(seen: Seen, stored: Stored, alive_ns: int) -> Seen:
    frame = stored.frame
    match frame.get("k"):
        case "head" if stored.writer == "agent":
            return _booted(seen, stored.node, str(frame["boot_id"]), alive_ns)
        case "started":
            return replace(seen, started={int(frame["rank"]): stored.time_ns, **seen.started})
        case "exit":
            rank = int(frame["rank"])
            exit_ = Exit(rank=rank, node=stored.node, time_ns=stored.time_ns, frame=frame)
            return replace(seen, exits={rank: exit_, **seen.exits})
        case "gap" if stored.writer == "agent":
            return replace(seen, damaged=seen.damaged | {stored.node})
        case "done":
            return replace(seen, done={stored.node: stored.time_ns, **seen.done})
        case "hang":
            return _noted(
                seen, stored, "hang", _hang_text(frame), {"groups": frame["groups"], "suspects": frame["suspects"]}
            )
        case "note" if stored.writer == "agent":
            return _noted(seen, stored, str(frame["topic"]), str(frame["text"]), dict(frame.get("data") or {}))
        case "note" if frame.get("topic") == "checkpoint":
            took_ns = (frame.get("data") or {}).get("ns")
            if isinstance(took_ns, int) and took_ns > 0:
                return replace(seen, checkpoint_ns=(*seen.checkpoint_ns, took_ns)[-CHECKPOINTS_KEPT:])
    return seen


def _booted(seen: Seen, node: int, boot_id: str, alive_ns: int) -> Seen:
    """A writer's first record. In another boot than the one before it, the node was gone in between."""
    before = seen.boots.get(node, boot_id)
    if before != boot_id and node not in seen.down_ns and alive_ns:
        seen = replace(seen, down_ns=seen.down_ns | {node: alive_ns})
    return replace(seen, boots=seen.boots | {node: boot_id})


def _noted(seen: Seen, stored: Stored, topic: str, text: str, data: dict[str, Any]) -> Seen:
    if len(seen.notes) >= NOTES_KEPT:
        return seen
    key = f"{stored.attempt}/{stored.node}/{stored.frame['t']}"
    return replace(seen, notes=(*seen.notes, Note(key=key, topic=topic, text=text, time_ns=stored.time_ns, data=data)))


def _hang_text(frame: Mapping[str, Any]) -> str:
    suspects = ", ".join(str(rank) for rank in frame["suspects"])
    return (
        f"no rank has made progress for a while; look at rank {suspects} first"
        if suspects
        else "no rank makes progress"
    )
