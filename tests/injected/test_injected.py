"""Real runs with a known fault: the right finding comes first; and healthy runs, in which nothing is found.

The default suite has one seed of four faults. AICCI_INJECTED=full runs twelve faults with five seeds each and twenty
healthy runs, prints a table, and takes more than an hour on an otherwise idle machine; AICCI_INJECTED=NAME,NAME… some of them.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from injected.programs import CLEAN, FAULTS, Case
from injected.runner import Outcome, quick, run_together

WANTED = os.environ.get("AICCI_INJECTED", "")
SEEDS = range(int(os.environ.get("AICCI_INJECTED_SEEDS", "5")))
QUICK = {"slow worker": 28.0, "import stall": 14.0, "slow rank": 28.0, "frequent checkpoints": 28.0}
SHARE = 0.95
TOGETHER = 4  # of those that sleep

pytestmark = pytest.mark.torch


def table(outcomes: list[Outcome]) -> str:
    head = "| fault | seed | expected | found, the costliest first | its text |\n|---|---|---|---|---|"
    return "\n".join([head, *(outcome.line for outcome in outcomes)])


def rounds(cases: tuple[Case, ...]) -> list[list[tuple[Case, int]]]:
    """What runs at the same time: those that use a CPU or have surroundings by themselves."""
    alone = ("two loader workers", "tiny batches", "clean, on the CPU", "clean, with a loader", "leak")
    out: list[list[tuple[Case, int]]] = []
    for seed in SEEDS:
        out += [[(case, seed)] for case in cases if case.within or case.name in alone]
        light = [(case, seed) for case in cases if not case.within and case.name not in alone]
        out += [light[at : at + TOGETHER] for at in range(0, len(light), TOGETHER)]
    return out


@pytest.mark.timeout(240)
@pytest.mark.skipif(bool(WANTED), reason="AICCI_INJECTED runs them all")
def test_the_right_finding_comes_first_in_four_runs_with_a_fault(tmp_path: Path) -> None:
    """A slow worker process, an import that takes long, a slow rank, checkpoints every few steps: side by side."""
    cases = [(quick(case, QUICK[case.name]), 0) for case in FAULTS if case.name in QUICK]
    outcomes = run_together(cases, tmp_path)
    assert all(outcome.right for outcome in outcomes), "\n" + table(outcomes)


@pytest.mark.timeout(4 * 3600)
@pytest.mark.skipif(not WANTED, reason="AICCI_INJECTED=full asks for it: it takes more than an hour")
def test_the_right_finding_comes_first_in_nearly_all_of_many_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 95 % of the faults are found first, and at least 95 % of the healthy runs have no finding."""
    cases = tuple(case for case in (*FAULTS, *CLEAN) if WANTED == "full" or case.name in WANTED.split(";"))
    outcomes: list[Outcome] = []
    for number, together in enumerate(rounds(cases)):
        here = tmp_path / str(number)
        here.mkdir()
        monkeypatch.setenv("AICCI_HOME", str(here / "home"))
        monkeypatch.setenv("AICCI_RUNTIME", str(here / "runtime"))
        fresh = run_together(together, here)
        outcomes += fresh
        with capsys.disabled():
            print("\n".join(outcome.line for outcome in fresh), flush=True)
    count = Counter((bool(outcome.case.expects), outcome.right) for outcome in outcomes)
    with capsys.disabled():
        print(f"\n{table(outcomes)}\nright: {count[True, True]} of {count[True, True] + count[True, False]} faults,"
              f" {count[False, True]} of {count[False, True] + count[False, False]} healthy runs")  # fmt: skip
    for fault in (True, False):
        assert count[fault, True] >= SHARE * (count[fault, True] + count[fault, False])
