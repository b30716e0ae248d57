"""kill -9 at random moments over service, agent, keeper, zygote and a client, while runs come, fail, resume, are stopped and end.

Afterwards, read from the disk: no run is lost, nothing lives on, no rank ran twice, every second is billed once, every exit is
known, every frame is kept once. Nothing of a program's own is killed here, so every run ends as if nothing had happened.
AICCI_STORM=full is 200 kills; AICCI_STORM_SEED another storm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import a_client, until
from storm_checks import cluster_defects, defects, journal_rows, survivors
from storm_monkey import Monkey
from storm_programs import KINDS

from jupyter_aicci.client import Client
from jupyter_aicci.model.states import TERMINAL

KILLS = 200 if os.environ.get("AICCI_STORM") == "full" else 60
SEED = int(os.environ.get("AICCI_STORM_SEED", "1"))
MEAN_S = 0.25  # between two kills
ROLES = ("service", "agent", "keeper", "zygote", "kernel")
WEIGHTS = (3, 4, 4, 1, 1)
AFTER_S = 90.0  # for what is going when the storm ends
PRICES = '[prices]\n"*" = "3600"\n'


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "8")
    with a_client() as client:
        client.home.root.mkdir(parents=True)
        client.home.config.write_text(PRICES)
        yield client


class Kernel:
    """The client process; starts again whenever it was killed."""

    def __init__(self, folder: Path) -> None:
        kinds = list(KINDS)
        wanted = [(f"r{index:07}", kinds[index % len(kinds)]) for index in range(2000)]
        self.list, self.over = folder / "list.json", folder / "over"
        self.list.write_text(json.dumps(wanted))
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        program = Path(__file__).parent.parent / "storm_kernel.py"
        return subprocess.Popen([sys.executable, str(program), str(self.list), str(self.over)])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def finish(self) -> None:
        """Nothing new; return when the last run has ended."""
        self.over.touch()
        try:
            assert self.process.wait(AFTER_S) == 0
        finally:
            self.process.kill()
            self.process.wait()


@pytest.mark.storm
@pytest.mark.timeout(600)
def test_nothing_is_lost_whatever_is_killed(
    client: Client, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """Every run reaches its own end, exactly once, and nothing of it is left."""
    kernel, monkey = Kernel(tmp_path), Monkey(client.home, SEED)
    try:
        until(lambda: list(client.home.runs_dir.glob("*/attempt-1/node-0/rank-0.claim")))
        while sum(monkey.killed.values()) < KILLS:
            monkey.pause(MEAN_S)
            (role,) = monkey.random.choices(ROLES, WEIGHTS)
            if role == "kernel":
                kernel.kill()
                monkey.killed[role] += 1
            else:
                monkey.strike(role)
    finally:
        kernel.finish()
    runs = {str(row["id"]): str(row["name"]) for row in client.runs()}
    assert all(row["state"] in TERMINAL for row in client.runs())
    assert client.status()["notes"] == []
    left = gone_after(client)
    assert set(journal_rows(client.home)) == set(runs)
    found = [text for run_id, name in runs.items() for text in defects(client.home, run_id, KINDS[name])]
    found += cluster_defects(client.home) + left
    record_property("storm", f"{dict(monkey.killed)}, {len(runs)} runs")
    print(f"\nstorm {SEED}: {dict(monkey.killed)}, {len(runs)} runs", file=sys.stderr)
    assert not found, f"storm {SEED}, {dict(monkey.killed)}:\n" + "\n".join(found)
    assert len(runs) >= len(KINDS)


def gone_after(client: Client) -> list[str]:
    """What still lives when agents had a moment to leave."""
    deadline_s = time.monotonic() + 5.0
    while (left := survivors(client.home)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return [f"still alive: {text}" for text in left]
