"""The ledger after kill -9 upon kill -9 of the service, with a wall clock that jumps an hour either way meanwhile.

Afterwards the bill is compared with the exact sum, which is worked out from what the nodes' own files say in boot time: to the
micro-unit. AICCI_STORM=full is 1,000 kills; AICCI_STORM_SEED another storm.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from live import a_client, ended, kill_service, submit, until
from storm_checks import anchor_ns, journal_rows

from jupyter_aicci.agent.frames import read_spool
from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.events import NodeHeld
from jupyter_aicci.model.run import fold
from jupyter_aicci.pricing.meter import NS_PER_H, meter

KILLS = 1000 if os.environ.get("AICCI_STORM") == "full" else 12
SEED = int(os.environ.get("AICCI_STORM_SEED", "1"))
PRICE_MICRO = 55_040_123  # per node and hour: no round number of micro-units a second
JUMPS_S = (-3600, 0, 3600)
PROGRAM = """
import os, time
while not os.path.exists({flag!r}):
    time.sleep(0.02)
"""


class Clock:
    """The wall clock of the services that it starts."""

    def __init__(self, client: Client, file: Path) -> None:
        self._file = file
        self.set(0)
        self._env = {**os.environ, "AICCI_TEST_CLOCK": str(file)}
        self._program = str(Path(__file__).parent.parent / "hardening" / "other_clock.py")

    def set(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)

    def start_service(self) -> None:
        done = subprocess.run(
            [sys.executable, self._program, "jupyter_aicci.service"], env=self._env, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "8")
    with a_client() as client:
        client.home.root.mkdir(parents=True)
        client.home.config.write_text('[prices]\n"*" = "55.040123"\n')
        yield client


def exact(client: Client, run: Run) -> int:
    """Price times the time from the row that took each node to the word of its agent that it is free, floored once."""
    offset_ns, total = anchor_ns(client.home), Fraction()
    for row in journal_rows(client.home)[run.id]:
        if isinstance(row, NodeHeld):
            spool = client.home.node_dir(run.id, row.attempt, row.node) / "agent.spool"
            frames, _ = read_spool(str(spool), 0)
            (free_ns,) = {int(frame["t"]) for _, frame in frames if frame["k"] == "done"}
            total += Fraction(PRICE_MICRO * (free_ns + offset_ns - row.time_ns), NS_PER_H)
    return int(total)


@pytest.mark.storm
@pytest.mark.timeout(1800)
def test_the_ledger_is_exact_after_any_number_of_kills_and_jumps_of_the_clock(client: Client, tmp_path: Path) -> None:
    """Runs of one and two nodes go on through all of it; nothing is billed twice, nothing is left out."""
    rng, clock, flags = random.Random(SEED), Clock(client, tmp_path / "clock"), []
    clock.start_service()
    runs: list[Run] = []
    for kill in range(KILLS):
        if kill % 4 == 0:
            flags.append(tmp_path / f"flag-{kill}")
            nodes = 1 + kill // 4 % 2
            runs.append(submit(client, PROGRAM.format(flag=str(flags[-1])), shape="cpux1", nodes=nodes, grace=1.0))
            until(lambda: runs[-1].summary()["started_at"] or len(runs) > 3)
        if len(flags) > 2:
            flags.pop(0).touch()
        time.sleep(rng.uniform(0.0, 0.1))  # a kill at any moment of the service's life
        kill_service(client)
        clock.set(rng.choice(JUMPS_S))
        clock.start_service()
    for flag in flags:
        flag.touch()
    for run in runs:
        assert ended(run)["state"] == "succeeded"
    for run in runs:
        ledger = meter(fold(journal_rows(client.home)[run.id]), 1 << 62)
        assert ledger.total_micro == exact(client, run) == run.cost()["total_micro"]
        assert len({(entry.attempt, entry.node) for entry in ledger.entries}) == len(ledger.entries)
