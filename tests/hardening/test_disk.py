"""Disks that are full, read-only, or somewhere else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_runner import Notebook
from hard_cases import QUIET, aicci, fill, logged, mount_tmpfs
from live import billed_once, ended, kill_service, rows, submit, until

from jupyter_aicci.client import Client
from jupyter_aicci.model.states import State
from jupyter_aicci.store.disk import file_system, is_network

WRITES = """
import os, time
print("here", flush=True)
while aicci.restart == 0 and not os.path.exists({flag!r}):
    aicci.log(beat=1)
    time.sleep(0.02)
(aicci.output / "weights").write_bytes(b"w" * 1_000_000)
"""


@pytest.fixture
def ok(tmp_path: Path) -> Path:
    """A program that prints one line."""
    path = tmp_path / "ok.py"
    path.write_text("print('fine')\n")
    return path


@pytest.mark.mounts
def test_a_disk_that_fills_up_under_a_run_takes_nothing_with_it(
    client: Client, notebook: Notebook, tmp_path: Path, ok: Path
) -> None:
    """A new run is refused with what to do; one that only computes goes on, one that writes is tried again when there is space;
    what is known is still answered, and at the end every exit and every bill is known."""
    mount_tmpfs(client.home.root, "size=16m")
    flag, ballast = tmp_path / "flag", client.home.root / "ballast"
    quiet = submit(client, QUIET.format(flag=str(flag)), shape="cpux1", name="quiet")
    writes = submit(client, WRITES.format(flag=str(flag)), shape="cpux1", name="writes")
    until(lambda: quiet.state is State.RUNNING and "here" in writes.logs())
    fill(ballast)

    folders = sorted(client.home.runs_dir.iterdir())
    status, _, err = aicci("run", str(ok))
    assert status == 1
    assert "is full" in err
    assert "nothing was recorded" in err
    assert "Free some space, or set AICCI_HOME to another disk" in err
    out = notebook.run("%%aicci train\nprint(1)\n")
    assert out.error == "AicciUsageError"
    assert "Free some space, or set AICCI_HOME to another disk" in "\n".join(out.traceback)
    assert notebook.run("print(1 + 1)").text == "2\n"
    assert sorted(client.home.runs_dir.iterdir()) == folders
    assert {row["name"]: row["state"] for row in client.runs()} == {"quiet": "running", "writes": "running"}
    flag.touch()
    until(lambda: (client.home.node_dir(writes.id, 1, 0) / "rank-0.end").exists() or _gone(client, writes.id))
    ballast.unlink()

    assert ended(quiet)["state"] == "succeeded"
    assert ended(writes)["state"] == "succeeded"
    billed_once(quiet)
    details = writes.details()
    assert len(details["attempts"]) == 2
    (lost,) = [event for event in details["events"] if event.get("step") == "lose"]
    assert (lost["exit_class"], lost["verdict"]["reason"]) == ("infrastructure", "disk full")
    billed_once(writes, attempts=2)
    for run in (quiet, writes):
        kinds = rows(client, run)
        assert kinds.count("node_held") == kinds.count("node_released") == kinds.count("rank_exited")
    assert aicci("run", str(ok))[:2] == (0, "fine\n")


def _gone(client: Client, run_id: str) -> bool:
    from jupyter_aicci.agent.identity import alive, read_claim
    from jupyter_aicci.model.ids import RunId

    claim = read_claim(client.home.node_dir(RunId(run_id), 1, 0) / "rank-0.claim")
    return claim is not None and not alive(claim)


@pytest.mark.mounts
def test_a_service_killed_on_a_full_disk_comes_back_to_everything(client: Client, tmp_path: Path) -> None:
    """It says what is wrong while it cannot start; with space again the run is there, and ends well."""
    mount_tmpfs(client.home.root, "size=8m")
    flag, ballast = tmp_path / "flag", client.home.root / "ballast"
    run = submit(client, QUIET.format(flag=str(flag)), shape="cpux1")
    until(lambda: run.state is State.RUNNING)
    fill(ballast)
    kill_service(client)
    status, _, err = aicci("ps")
    assert status == 3
    assert "is full" in err
    assert "Free some space" in err
    ballast.unlink()
    assert aicci("ps")[0] == 0
    before = len(logged(client, run, "beat").get("attempt-1/node-0/rank-0", []))
    until(lambda: len(logged(client, run, "beat").get("attempt-1/node-0/rank-0", [])) > before)
    flag.touch()
    assert ended(run)["state"] == "succeeded"
    billed_once(run)


@pytest.mark.mounts
def test_a_read_only_home_is_one_sentence_and_the_kernel_goes_on(
    client: Client, notebook: Notebook, tmp_path: Path, ok: Path
) -> None:
    """In the notebook and in the terminal; made writable it works without a restart of anything."""
    mount_tmpfs(client.home.root, "ro")
    out = notebook.run("%%aicci train\nprint(1)\n")
    shown = "\n".join(out.traceback)
    assert out.error == "AicciUsageError"
    assert "read-only" in shown
    assert str(client.home.root) in shown
    assert "Set AICCI_HOME to a directory that you may write to" in shown
    assert "Traceback" not in shown
    assert notebook.run("print(1 + 1)").text == "2\n"
    status, _, err = aicci("run", str(ok))
    assert status == 3
    assert "read-only" in err
    mount_tmpfs(client.home.root, "size=32m")
    assert notebook.run("%%aicci train\nprint(1)\n").error == ""
    assert aicci("run", str(ok))[:2] == (0, "fine\n")


@pytest.mark.mounts
def test_a_workdir_on_another_disk_is_copied(client: Client, tmp_path: Path) -> None:
    """No hard link leads from one disk to the other; editing the file later changes nothing in the run."""
    work = tmp_path / "work"
    mount_tmpfs(work, "size=8m")
    (work / "helper.py").write_text("WORD = 'from the other disk'\n")
    (work / "main.py").write_text("import helper\nprint(helper.WORD)\n")
    status, out, err = aicci("run", "--workdir", ".", "main.py", cwd=work)
    assert (status, out) == (0, "from the other disk\n"), err
    (helper,) = client.home.runs_dir.glob("*/src/helper.py")
    assert helper.stat().st_dev != (work / "helper.py").stat().st_dev


@pytest.mark.mounts
def test_a_home_and_a_notebook_on_a_network_file_system_work(
    network_disk: Path, client: Client, tmp_path: Path
) -> None:
    """No hard links, no holes, no memory shared between machines: a rollback journal, claims and snapshots without links, and
    everything else as ever: two nodes, a killed service, a stop."""
    assert is_network(file_system(client.home.root))
    work, flag = network_disk / "work", tmp_path / "flag"
    work.mkdir()
    (work / "helper.py").write_text("WORD = 'from the notebook'\n")
    (work / "main.py").write_text("import helper\nprint(helper.WORD)\naicci.log(loss=1.0)\n")
    status, out, err = aicci("run", "--workdir", ".", "--nodes", "2", "main.py", cwd=work)
    assert (status, out) == (0, "from the notebook\n"), err
    assert not client.home.journal.with_name("journal.db-wal").exists()

    run = submit(client, QUIET.format(flag=str(flag)), shape="cpux1", nodes=2)
    until(lambda: run.state is State.RUNNING)
    kill_service(client)
    assert run.state is State.RUNNING
    flag.touch()
    assert ended(run)["state"] == "succeeded"
    billed_once(run, nodes=2)
    assert len(logged(client, run, "beat")) == 2
    stopped = submit(client, "import time\ntime.sleep(600)\n", shape="cpux1", grace=0.5)
    until(lambda: stopped.state is State.RUNNING)
    stopped.stop()
    assert ended(stopped)["state"] == "stopped"


@pytest.fixture
def network_disk(aicci_home: Path, tmp_path: Path) -> Iterator[Path]:
    """A disk without hard links, of a kind that machines share, with AICCI_HOME on it."""
    backing, disk = tmp_path / "backing", tmp_path / "disk"
    backing.mkdir()
    disk.mkdir()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("plain_disk.py")), str(backing), str(disk)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    if server.stdout.readline() != "mounted\n":
        pytest.skip("this machine has no /dev/fuse")
    (disk / "home").mkdir()
    aicci_home.symlink_to(disk / "home")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
    assert server.wait(30) == 0
