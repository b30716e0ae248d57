"""Runs cases through a real service and says what was found in each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from injected.programs import Case
from injected.surroundings import surrounded
from live import a_client, submit

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.states import TERMINAL

LIMIT_S = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found in one run."""

    case: Case
    seed: int
    found: tuple[dict[str, Any], ...]
    state: str

    @property
    def right(self) -> bool:
        ids = [each["id"] for each in self.found]
        return ids[:1] == [self.case.expects] if self.case.expects else not ids

    @property
    def line(self) -> str:
        """`| slow rank | 3 | F04 | F04 | Rank 1 is … |`"""
        first = self.found[0]["text"] if self.found else ""
        ids = " ".join(each["id"] for each in self.found) or "–"
        mark = "" if self.right else " ✗"
        return f"| {self.case.name} | {self.seed} | {self.case.expects or '–'} | {ids}{mark} | {first} |"


def run_together(cases: Iterable[tuple[Case, int]], scratch: Path) -> list[Outcome]:
    """The cases, all with the same surroundings, at the same time in one service."""
    pairs = list(cases)
    with surrounded(pairs[0][0].within, scratch), a_client() as client:
        _settings(client)
        runs = [(_start(client, case, seed, scratch), case, seed) for case, seed in pairs]
        return [_outcome(client, run, case, seed) for run, case, seed in runs]


def quick(case: Case, seconds: float) -> Case:
    """The same fault in a shorter run."""
    return replace(case, seconds=seconds)


def _settings(client: Client) -> None:
    """More CPUs than there are: most of these programs sleep."""
    client.home.root.mkdir(parents=True, exist_ok=True)
    if not client.home.config.exists():
        client.home.config.write_text("[local]\ncpus = 16\n")


def _start(client: Client, case: Case, seed: int, scratch: Path) -> Run:
    own = scratch / f"{case.name.replace(' ', '-').replace('/', '-').replace(',', '')}-{seed}"
    own.mkdir(exist_ok=True)
    if (scratch / "data.bin").exists():
        (own / "data.bin").hardlink_to(scratch / "data.bin")
    spec = {"shape": (f"cpux{max(1, 1 << (case.ranks - 1).bit_length())}",), "ranks_per_node": case.ranks} | case.spec
    return submit(client, case.text(seed=seed, scratch=str(own)), framework="torch", **spec)


def _outcome(client: Client, run: Run, case: Case, seed: int) -> Outcome:
    deadline_s, wanted = time.monotonic() + LIMIT_S, case.stop_when_found
    while run.state not in TERMINAL:
        assert time.monotonic() < deadline_s, f"{case.name}: run {run.id} has not ended\n{run.logs()}"
        run.wait(2.0)
        if wanted and any(each["id"] == case.expects for each in run.view().findings):
            run.stop(grace_s=0.0)
            wanted = False
    summary = run.summary()
    if not case.stop_when_found:
        assert summary["state"] == "succeeded", f"{case.name}: {summary}\n{run.logs()}"
    return Outcome(case=case, seed=seed, found=tuple(run.view().findings), state=str(summary["state"]))
