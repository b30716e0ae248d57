"""Which findings say the same: of two that share their time, the one that explains the other stays.

A table of pairs, so that the list that a person reads has one line a cause, and no cost counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from jupyter_aicci.model.finding import Finding

OVERLAP = 0.5  # of the shorter one
MOST_OF_A_KIND = 3  # episodes at one place
MOST_PLACES = 8  # of a kind: a run of a thousand devices has no thousand lines
SEVERITIES = ("note", "warning", "high")

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
    """Of more than three episodes of one kind, and of a kind at more than eight places, one line, in the words of the worst."""
    out: list[Finding] = []
    for group in _groups(found, lambda each: (each.id, each.ranks, each.nodes)):
        out += group if len(group) <= MOST_OF_A_KIND else [_join(group, f"{len(group)} times")]
    made: list[Finding] = []
    for group in _groups(out, lambda each: (each.id,)):
        places = len({(each.ranks, each.nodes) for each in group})
        made += group if places <= MOST_PLACES else [_join(group, f"so at {places} places")]
    return tuple(made)


def _groups(found: Iterable[Finding], key: Callable[[Finding], tuple[object, ...]]) -> Iterable[list[Finding]]:
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups.values()


def _join(group: list[Finding], how_often: str) -> Finding:
    worst = max(group, key=lambda each: (each.wasted_ns, SEVERITIES.index(each.severity), each.value))
    return replace(
        worst,
        severity=max((each.severity for each in group), key=SEVERITIES.index),
        ranks=_all_of([each.ranks for each in group]),
        nodes=_all_of([each.nodes for each in group]),
        from_s=min(each.from_s for each in group),
        to_s=max(each.to_s for each in group),
        ongoing=any(each.ongoing for each in group),
        wasted_ns=sum(each.wasted_ns for each in group),
        wasted_micro=sum(each.wasted_micro for each in group),
        inputs=worst.inputs | {"times": float(len(group))},
        text=f"{worst.text} ({how_often}, here the worst)",
    )


def _all_of(numbers: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Every number once; () where one of them is all."""
    known = tuple(numbers)
    return tuple(sorted({number for each in known for number in each})) if all(known) else ()
