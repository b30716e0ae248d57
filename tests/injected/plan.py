"""Which cases run side by side: rounds, one after the other, of groups that run at the same time, a service each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from injected.programs import Case, Company


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs of one service."""

    within: str
    pairs: tuple[tuple[Case, int], ...]  # with the seed of each


Round = tuple[Group, ...]
SIDE_BY_SIDE: tuple[Company, ...] = ("sleeping", "surrounded", "healthy")


def rounds(cases: Iterable[Case], seeds: Iterable[int]) -> tuple[Round, ...]:
    """Every case with every seed."""
    every, numbers = tuple(cases), tuple(seeds)
    waiting = [(case, seed) for case in every if case.company == "waiting" for seed in numbers]
    out = [_round(waiting)] if waiting else []
    for seed in numbers:
        for company in SIDE_BY_SIDE:
            beside = [(case, seed) for case in every if case.company == company]
            out += [_round(beside)] if beside else []
        out += [_round([(case, seed)]) for case in every if case.company == "alone"]
    return tuple(out)


def _round(pairs: Iterable[tuple[Case, int]]) -> Round:
    """One group for each surroundings."""
    groups: dict[str, list[tuple[Case, int]]] = {}
    for case, seed in pairs:
        groups.setdefault(case.within, []).append((case, seed))
    return tuple(Group(within=within, pairs=tuple(mine)) for within, mine in groups.items())
