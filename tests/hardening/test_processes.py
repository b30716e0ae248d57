"""Ranks that do not want to end, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hard_cases import lives
from live import billed_once, ended, processes_of, submit, until

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.states import State

DAEMONS = """
import os, signal, time

def daemon(number, env):
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(os.path.join({pids!r}, str(number)) + ".tmp", "w") as file:
        file.write(str(os.getpid()))
    os.rename(file.name, file.name.removesuffix(".tmp"))
    os.execve("/bin/sleep", ["sleep", "600"], env)

daemon(2 * aicci.rank, dict(os.environ))
daemon(2 * aicci.rank + 1, {{}})
while len([name for name in os.listdir({pids!r}) if name.isdigit()]) < 4:
    time.sleep(0.01)
print("here", flush=True)
"""
STUBBORN = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("here", flush=True)
while True:
    time.sleep(0.05)
"""


def both_print(run: Run) -> bool:
    return run.state is State.RUNNING and all("here" in run.logs(rank) for rank in range(2))


def daemons(folder: Path) -> list[int]:
    """The four daemons that wrote their numbers down."""
    found = [int(path.read_text()) for path in folder.iterdir() if path.name.isdigit()]
    assert len(found) == 4
    return found


def test_ranks_that_ignore_sigterm_end_after_the_grace(client: Client) -> None:
    """By SIGKILL, and the end is told as what it is: a stop, not a failure."""
    beside = submit(client, STUBBORN, shape="cpux1")
    run = submit(client, STUBBORN, nodes=2, shape="cpux1")
    until(lambda: both_print(run))
    run.stop(grace_s=0.4, reason="enough")
    summary = ended(run)
    assert (summary["state"], summary["exit_class"], summary["reason"]) == ("stopped", "stopped", "enough")
    exits = run.details()["attempts"][0]["exits"]
    assert [(exit_["signal"], exit_["by_us"]) for exit_ in exits] == [(9, True)] * 2
    assert processes_of(run) == []
    billed_once(run, nodes=2)
    assert (beside.state, len(processes_of(beside))) == ("running", 1)


@pytest.mark.parametrize("way", ["stop", "end", "failure"])
def test_no_daemon_outlives_its_run(client: Client, tmp_path: Path, way: str) -> None:
    """Forked twice, in sessions of their own, deaf to SIGTERM, half of them without our variables: all go with the run."""
    pids = tmp_path / "pids"
    pids.mkdir()
    then = {
        "stop": "time.sleep(600)\n",
        "end": "",
        "failure": "if aicci.rank: raise ValueError('no')\ntime.sleep(600)\n",
    }
    run = submit(client, DAEMONS.format(pids=str(pids)) + then[way], nodes=2, shape="cpux1", grace=0.5)
    if way == "stop":
        until(lambda: both_print(run))
        assert all(lives(pid) for pid in daemons(pids))
        run.stop()
    assert ended(run)["state"] == {"stop": "stopped", "end": "succeeded", "failure": "failed"}[way]
    assert [pid for pid in daemons(pids) if lives(pid)] == []
    assert processes_of(run) == []
    billed_once(run, nodes=2)
