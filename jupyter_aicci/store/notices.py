"""What one service of a host tells the others: its part of the host, what its runs hold of it, and which wait.

In: a notice of our own, or the JSON of another user's. Out: that JSON, or a `Notice`.
Rule 1: what another user wrote is checked as a whole; whatever is not exactly a notice is refused.
Rule 2: told are slots, shapes and times; no names, programs or queues. Whose it is the kernel says, so that is not told.
Moments are nanoseconds since boot, the same for all processes of a host.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_aicci.agent.identity import Claim, claim_from_json
from jupyter_aicci.model.ids import RUN_ID

VERSION = 1
MOST_RUNS, MOST_WANTS, MOST_SHAPES, MOST_SLOTS = 1024, 32, 64, 4096
WORD = re.compile(r"[A-Za-z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one running run holds of this host; moments in nanoseconds since boot."""

    run: str
    shape: str
    cpus: tuple[int, ...]
    devices: tuple[str, ...]
    accelerator_milli: int  # of each device
    since_boot_ns: int
    limit_s: float  # the longest that it holds them, counted from then; 0 = no limit
    expected_s: float  # what it is expected to take; 0 = nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One run that waits for room."""

    run: str
    shapes: tuple[str, ...]
    nodes: int
    min_nodes: int
    ranks_per_node: int
    since_boot_ns: int
    limit_s: float
    expected_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one service says: its part of the host, its user's mean share lately, what its runs hold and which wait."""

    user: str = ""
    uid: int = -1
    source: str = ""  # the name of its file: one service
    claim: Claim | None = None
    told_boot_ns: int = 0
    lately: float = 0.0
    part_cpus: tuple[int, ...] = ()  # () = whatever the host has
    held: tuple[Held, ...] = ()
    wants: tuple[Want, ...] = ()


def notice_json(notice: Notice) -> dict[str, Any]:
    """What `parse_notice` reads."""
    body = {"version": VERSION, **asdict(notice), "claim": notice.claim.to_json() if notice.claim else None}
    return {key: value for key, value in body.items() if key not in ("user", "uid", "source")}


def parse_notice(body: Any, *, user: str, uid: int, source: str = "") -> Notice:
    """The notice in a file. Raises `ValueError`, `KeyError` or `TypeError` for anything that is not exactly one."""
    if body["version"] != VERSION:
        raise ValueError(f"version {body['version']!r}, expected {VERSION}")
    claim = claim_from_json(body["claim"])
    if claim is None:
        raise ValueError("it names no process")
    held = tuple(_held(each) for each in _list(body["held"], MOST_RUNS))
    wants = tuple(_want(each) for each in _list(body["wants"], MOST_WANTS))
    runs = [*(each.run for each in held), *(want.run for want in wants)]
    if len(set(runs)) < len(runs):
        raise ValueError("a run is in it twice")
    return Notice(
        user=user,
        uid=uid,
        source=source,
        claim=claim,
        told_boot_ns=_whole(body["told_boot_ns"]),
        lately=min(1.0, _seconds(body["lately"])),
        part_cpus=_cpus(body["part_cpus"]),
        held=held,
        wants=wants,
    )


def _held(data: Any) -> Held:
    return Held(
        run=_run(data["run"]),
        shape=_word(data["shape"]),
        cpus=_cpus(data["cpus"]),
        devices=tuple(_word(each) for each in _list(data["devices"], MOST_SLOTS)),
        accelerator_milli=min(1000, _whole(data["accelerator_milli"])),
        since_boot_ns=_whole(data["since_boot_ns"]),
        limit_s=_seconds(data["limit_s"]),
        expected_s=_seconds(data["expected_s"]),
    )


def _want(data: Any) -> Want:
    nodes, min_nodes = _whole(data["nodes"]), _whole(data["min_nodes"])
    if not 1 <= nodes <= MOST_SLOTS or min_nodes > nodes:
        raise ValueError(f"{nodes} nodes, at least {min_nodes}")
    return Want(
        run=_run(data["run"]),
        shapes=tuple(_word(each) for each in _list(data["shapes"], MOST_SHAPES)),
        nodes=nodes,
        min_nodes=min_nodes,
        ranks_per_node=min(MOST_SLOTS, _whole(data["ranks_per_node"])),
        since_boot_ns=_whole(data["since_boot_ns"]),
        limit_s=_seconds(data["limit_s"]),
        expected_s=_seconds(data["expected_s"]),
    )


def _run(value: Any) -> str:
    if not isinstance(value, str) or not RUN_ID.fullmatch(value):
        raise ValueError(f"{value!r} is no run id")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not WORD.fullmatch(value):
        raise ValueError(f"{value!r} is no name")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r} is no whole number from 0")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1e12:
        raise ValueError(f"{value!r} is no number from 0")
    return float(value)


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"expected a list of at most {most}")
    return value


def _cpus(value: Any) -> tuple[int, ...]:
    return tuple(_whole(each) for each in _list(value, MOST_SLOTS))
