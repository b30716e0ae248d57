"""Agent and keeper killed at their n-th commit, fsync, rename or link, for n = 1, 2, …, until one lives through the whole run.

After each the service that started them is killed as well, and one that does not pass the wish to die on takes over: the run ends
as if nothing had happened. (The service's own points: tests/service/test_crash_points.py.)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import a_client, kill_service
from storm_checks import defects, survivors
from storm_kernel import submit
from storm_monkey import living
from storm_programs import KINDS

from jupyter_aicci.agent.identity import alive, send_signal
from jupyter_aicci.client import Client
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import TERMINAL

COMMAND = [sys.executable, "-m", "jupyter_aicci.service"]
WORD = b"killed by AICCI_FAIL_AT"
MOST_POINTS = 120  # far fewer are there
END_S = 60.0
STRIDE = 1 if os.environ.get("AICCI_STORM") == "full" else 3  # every third point, another third with another seed
SEED = int(os.environ.get("AICCI_STORM_SEED", "1"))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "8")
    with a_client() as client:
        client.home.root.mkdir(parents=True)
        client.home.config.write_text('[prices]\n"*" = "3600"\n')
        yield client


def deaths(client: Client) -> int:
    """How many processes have died at a point so far: each says so in the log that it writes to."""
    logs = [*client.home.runtime.glob("*.log"), *client.home.runs_dir.glob("*/attempt-*/node-*/*.log")]
    return sum(path.read_bytes().count(WORD) for path in logs)


def with_a_wish_to_die(client: Client, point: str) -> None:
    """A service whose agents and keepers die at that point; zygotes that would not are ended first."""
    client.shutdown()
    end_all(client, "zygote")
    subprocess.run(COMMAND, env={**os.environ, "AICCI_FAIL_AT": point}, check=True, timeout=60)


def without_it(client: Client, run_id: str) -> None:
    """Another service; what could still die at a point is replaced as well.

    Not an agent whose ranks run: it is the only one who can tell the end of a rank that its dead keeper was parent of. The keepers
    that it starts die at that point too, each of them a record further.
    """
    kill_service(client)
    end_all(client, "zygote")
    if not list(client.home.runs_dir.glob(f"{run_id}/attempt-*/node-*/rank-*.claim")):
        end_all(client, "agent")
    client.status()


def end_all(client: Client, role: str) -> None:
    for claim in living(client.home, role):
        send_signal(claim, signal.SIGKILL)
        while alive(claim):
            time.sleep(0.002)


def state(client: Client, run_id: str) -> str:
    return str(next(row["state"] for row in client.runs() if row["id"] == run_id))


def run_through(client: Client, run_id: str, name: str, point: str) -> bool:
    """Run one program with processes that die at `point`; whether one did."""
    with_a_wish_to_die(client, point)
    before = deaths(client)
    submit(client, run_id, name)
    deadline_s, died = time.monotonic() + END_S, False
    while state(client, run_id) not in TERMINAL:
        if not died and deaths(client) > before:
            died = True
            without_it(client, run_id)
        assert time.monotonic() < deadline_s, f"{point}: {client.details(run_id)}\n{logs(client, run_id)}"
        time.sleep(0.01)
    return died or deaths(client) > before


def logs(client: Client, run_id: str) -> str:
    paths: list[Path] = sorted(client.home.run_dir(RunId(run_id)).glob("attempt-*/node-*/*.log"))
    return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in paths)


@pytest.mark.storm
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["pair", "raises", "launched"])
@pytest.mark.parametrize("role", ["agent", "keeper"])
def test_killed_at_any_point_the_run_ends_the_same(client: Client, role: str, name: str) -> None:
    """Same end, each program once, one bill, each frame once, nothing left alive, at every n."""
    for n in range(1 + SEED % STRIDE, MOST_POINTS, STRIDE):
        died = run_through(client, f"r{n:07}", name, f"{role}/any:{n}")
        found = defects(client.home, f"r{n:07}", KINDS[name])
        assert not found, f"{role} killed at point {n}:\n" + "\n".join(found) + logs(client, f"r{n:07}")
        if not died:
            print(f"\n{role}, {name}: {n - 1} points", file=sys.stderr)
            assert n > 3
            assert survivors(client.home) == []
            return
    pytest.fail(f"no {role} lived through {MOST_POINTS} points")
