"""`aicci run --probe` against a real service: sizes run, told, forecast from, not run again; then the real run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import a_client

from jupyter_aicci.client import Client
from jupyter_aicci.speedup.sizes import SHARE

AICCI = [sys.executable, "-m", "jupyter_aicci.cli"]
LIMIT_S = 180.0
FORECAST = r"forecast (0\.\d\d) \(0\.\d\d–[01]\.\d\d\) speed-up on (\d) ranks against 1, weak, estimated.*"
PROGRAM = """
import sys, time
import aicci
if aicci.world_size == {broken}:
    raise SystemExit("this size is broken")
due_s = time.monotonic()
for step in range({steps}):
    pace_s = 0.010 + 0.003 * aicci.world_size
    due_s = max(due_s + pace_s, time.monotonic())  # what a busy machine delays is not caught up with
    time.sleep(max(0.0, due_s - time.monotonic()))
    aicci.step()
print("done on", aicci.world_size)
"""


class Terminal:
    """A directory with a program; room for two nodes of two CPUs."""

    def __init__(self, directory: Path, client: Client) -> None:
        self._directory, self.client = directory, client
        self.program(broken=0)

    def program(self, *, broken: int, steps: int = 150) -> None:
        (self._directory / "train.py").write_text(PROGRAM.format(broken=broken, steps=steps))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*AICCI, *words], cwd=self._directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *words: str) -> tuple[int, str, list[str]]:
        """(exit status, standard output, lines of standard error)."""
        process = self.start(*words)
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err.splitlines()

    def probed(self, *words: str) -> tuple[int, str, list[str]]:
        """The same of a probed run on one node; of standard error what the probe said."""
        status, out, err = self.run("run", "--probe", "--shape", "cpux2", "--ranks-per-node", "2", *words, "train.py")
        return status, out, [line for line in err if line.startswith(("probe", "forecast", "no speed-up"))]


pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def terminal(tmp_path: Path, aicci_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "4")
    aicci_home.mkdir(mode=0o700)
    (aicci_home / "config.toml").write_text('[prices]\ncpux2 = "36"\n')
    with a_client() as client:
        yield Terminal(tmp_path, client)


def test_sizes_are_run_told_and_forecast_from_and_not_run_again(terminal: Terminal) -> None:
    """1 and 2 ranks, then two nodes; the real run follows. The second time what was measured stands."""
    status, out, said = terminal.probed()
    assert (status, out) == (0, "done on 2\n")
    sized = [re.match(r"probe (.*): [0-9.]+ m?s a step \(\d+ steps", line) for line in said[:3]]
    assert [found[1] for found in sized if found] == ["1 rank", "2 ranks", "2 × 2 ranks"], said
    forecasts = [re.fullmatch(FORECAST, line) for line in said[3:]]
    assert [int(found[2]) for found in forecasts if found] == [2, 4, 8]
    assert 0.5 < float(forecasts[1][1]) < 0.75  # type: ignore[index]  # 13 ms / 22 ms = 0.59
    rows = terminal.client.runs()
    assert [row["name"].rpartition("-")[2] for row in rows if row["name"].startswith("probe-")] == ["2x2", "1x2", "1x1"]
    assert {row["state"] for row in rows} <= {"stopped", "succeeded"}
    status, out, again = terminal.probed()
    assert (status, out) == (0, "done on 2\n")
    assert [line.endswith("measured before)") for line in again[:3]] == [True, True, True]
    assert len(terminal.client.runs()) == len(rows) + 1
    status, out, _ = terminal.run("compare", rows[0]["id"], "--nodes", "1,2", "--json")
    compared = json.loads(out)
    assert status == 0
    assert set(compared) == {"runs", "forecasts", "refused", "points"}
    assert compared["runs"][0]["speedup"]["ratio"] == pytest.approx(13 / 16, rel=0.12)


def test_a_size_that_fails_is_told_and_skipped(terminal: Terminal) -> None:
    """The others are measured, and the real run is submitted."""
    terminal.program(broken=4)
    status, out, said = terminal.probed()
    assert (status, out) == (0, "done on 2\n")
    assert said[2].startswith("probe 2 × 2 ranks: nothing measured: ")
    assert said[3].startswith("no speed-up is forecast: it was measured on one node only")


def test_all_probes_together_may_cost_a_fiftieth_of_the_budget(terminal: Terminal) -> None:
    """Each carries its share as its own budget; what that does not pay for is told and skipped."""
    status, _, _ = terminal.probed("--budget", "60")
    assert status == 0
    rows = terminal.client.runs()
    budgets = [terminal.client.details(row["id"])["spec"]["budget"] for row in rows if row["name"].startswith("probe-")]
    assert len(budgets) == 3
    assert 0 < sum(budgets) <= SHARE * 60_000_000
    assert sum(row["cost_micro"] for row in rows if row["name"].startswith("probe-")) <= SHARE * 60_000_000
    terminal.program(broken=0, steps=91)
    status, out, said = terminal.probed("--budget", "1")
    assert (status, out) == (0, "done on 2\n")
    assert all("nothing measured: " in line and "budget" in line for line in said[:3])


def test_ctrl_c_ends_the_probe_and_submits_nothing_more(terminal: Terminal) -> None:
    """The probe's run is stopped."""
    terminal.program(broken=0, steps=100_000)
    process = terminal.start("run", "--probe", "--shape", "cpux2", "train.py")
    deadline_s = time.monotonic() + 60.0
    while not any(row["state"] == "running" for row in terminal.client.runs()):
        assert time.monotonic() < deadline_s
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60.0)
    assert process.returncode == 1
    while not all(row["ended_at"] for row in terminal.client.runs()):
        assert time.monotonic() < deadline_s
    rows = terminal.client.runs()
    assert [(row["name"].startswith("probe-"), row["state"]) for row in rows] == [(True, "stopped")]
