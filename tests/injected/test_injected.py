"""Real runs with a known fault: the right finding comes first; and healthy runs, in which nothing is found.

The default suite has one seed of four faults. AICCI_INJECTED=full runs twelve faults with five seeds each and twenty
healthy runs, about half an hour on an otherwise idle machine; AICCI_INJECTED="NAME;NAME" some of them.
AICCI_INJECTED_SEEDS=1 takes fewer seeds; AICCI_INJECTED_SAVE=FILE keeps the outcomes, also of a suite that is interrupted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from injected.plan import Group, rounds
from injected.programs import CLEAN, FAULTS
from injected.report import HEAD, counts, line, save, table
from injected.runner import Outcome, quick, run_round

WANTED = os.environ.get("AICCI_INJECTED", "")
SEEDS = range(int(os.environ.get("AICCI_INJECTED_SEEDS", "5")))
SAVE = os.environ.get("AICCI_INJECTED_SAVE", "")
QUICK = {"slow worker": 28.0, "import stall": 14.0, "slow rank": 28.0, "frequent checkpoints": 28.0}
SHARE = 0.95

pytestmark = pytest.mark.torch


@pytest.mark.timeout(240)
@pytest.mark.skipif(bool(WANTED), reason="AICCI_INJECTED runs them all")
def test_the_right_finding_comes_first_in_four_runs_with_a_fault(tmp_path: Path) -> None:
    """A slow worker process, an import that takes long, a slow rank, checkpoints every few steps: side by side."""
    pairs = tuple((quick(case, QUICK[case.name]), 0) for case in FAULTS if case.name in QUICK)
    outcomes: list[Outcome] = []
    run_round((Group(within="", pairs=pairs),), tmp_path, outcomes.append)
    assert all(outcome.right for outcome in outcomes), "\n" + table(outcomes)


@pytest.mark.timeout(2 * 3600)
@pytest.mark.skipif(not WANTED, reason="AICCI_INJECTED=full asks for it: it takes half an hour")
def test_the_right_finding_comes_first_in_nearly_all_of_many_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 95 % of the faults are found first, and at least 95 % of the healthy runs have no finding."""
    cases = [case for case in (*FAULTS, *CLEAN) if WANTED == "full" or case.name in WANTED.split(";")]
    assert cases, f"AICCI_INJECTED={WANTED} names none of {'; '.join(case.name for case in (*FAULTS, *CLEAN))}"
    outcomes: list[Outcome] = []
    began_s = time.monotonic()

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        with capsys.disabled():
            print(line(outcome), flush=True)

    with capsys.disabled():
        print(f"\n{HEAD}", flush=True)
    for number, together in enumerate(rounds(cases, SEEDS)):
        (tmp_path / str(number)).mkdir()
        run_round(together, tmp_path / str(number), tell)
        if SAVE:
            save(Path(SAVE), outcomes, time.monotonic() - began_s)
    count = counts(outcomes)
    with capsys.disabled():
        print(f"\n{count}, {time.monotonic() - began_s:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    assert count["faults_found_first"] >= SHARE * count["faults"]
    assert count["healthy_without_finding"] >= SHARE * count["healthy"]
