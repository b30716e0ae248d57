"""Which findings say the same: of two that share their time, the one that explains the other stays.

A table of pairs, so that the list that a person reads has one line a cause, and no cost counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from jupyter_aicci.model.finding import Finding

OVERLAP = 0.5  # of the shorter one
MOST_OF_A_KIND = 3

UNEVEN = ("F25", "F26")
EMPTY = ("F15", "F30")
EXPLAINS: dict[str, tuple[str, ...]] = {
    "F01": (*UNEVEN, *EMPTY),
    "F02": ("F01", *UNEVEN, *EMPTY),
    "F03": ("F01", *UNEVEN, *EMPTY),
    "F04": ("F08", "F09", "F10", *UNEVEN),
    "F05": ("F04", "F08", "F09", "F10", *UNEVEN),
    "F06": (*UNEVEN, *EMPTY),
    "F07": ("F06", *UNEVEN, *EMPTY),
    "F08": UNEVEN,
    "F09": UNEVEN,
    "F10": UNEVEN,
    "F12": UNEVEN,
    "F14": ("F12", *UNEVEN),
    "F17": ("F16", *UNEVEN),
    "F18": UNEVEN,
    "F22": ("F17", "F21"),
    "F23": ("F01", "F02", "F03", "F04", "F05", *UNEVEN),
    "F26": ("F25",),
}


def explained(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that no other explains."""
    every = tuple(found)
    return tuple(each for each in every if not any(_explains(other, each) for other in every))


def _explains(other: Finding, each: Finding) -> bool:
    if each.id not in EXPLAINS.get(other.id, ()) or not _shares_time(other, each):
        return False
    if other.id in ("F04", "F05"):
        return each.id in UNEVEN if not each.ranks else set(each.ranks) <= set(other.ranks)
    if other.id == "F14" and each.id == "F12":
        return each.confidence < 1.0  # a process that was killed is said
    return not other.ranks or not each.ranks or bool(set(other.ranks) & set(each.ranks))


def _shares_time(one: Finding, two: Finding) -> bool:
    shared_s = min(one.to_s, two.to_s) - max(one.from_s, two.from_s)
    return shared_s >= OVERLAP * min(one.to_s - one.from_s, two.to_s - two.from_s) and shared_s >= 0


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The costliest first; what costs the same, or is free, by the time that it wastes, then by how sure it is."""
    return tuple(
        sorted(found, key=lambda each: (-each.wasted_micro, -each.wasted_ns, -each.confidence, each.from_s, each.id))
    )


def joined(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Of more than three episodes of one kind, one line over all of them, in the words of the costliest."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for each in found:
        groups.setdefault((each.id, each.ranks, each.nodes), []).append(each)
    out: list[Finding] = []
    for group in groups.values():
        out += group if len(group) <= MOST_OF_A_KIND else [_join(group)]
    return tuple(out)


def _join(group: list[Finding]) -> Finding:
    worst = max(group, key=lambda each: each.wasted_ns)
    return replace(
        worst,
        from_s=min(each.from_s for each in group),
        to_s=max(each.to_s for each in group),
        ongoing=any(each.ongoing for each in group),
        wasted_ns=sum(each.wasted_ns for each in group),
        wasted_micro=sum(each.wasted_micro for each in group),
        inputs=worst.inputs | {"times": float(len(group))},
        text=f"{worst.text} ({len(group)} times, here the worst)",
    )
