"""What tests of bad input and faults share: a client with more slots than cores, the terminal, and a mount namespace.

Rule: a test marked `mounts` runs in a process of its own that has its own mount namespace (root, or a user namespace), so that
it may fill, freeze and replace disks; whatever it mounts goes with its last process. It is skipped where that is forbidden.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.runner import pytest_runtest_teardown as tear_down
from cell_runner import Notebook
from live import a_client

from jupyter_aicci.client import Client

SLOTS = 8  # more than the cores of a small machine: a slot is a place, not a promise of speed
INSIDE = "AICCI_TEST_IN_A_NAMESPACE"
LIMIT_S = 100.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mounts: runs in a mount namespace of its own")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test marked `mounts`, fixtures and all, in a child that may mount, and take its verdict."""
    if item.get_closest_marker("mounts") is None or os.environ.get(INSIDE):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    call = pytest.CallInfo.from_call(lambda: _run_in_a_namespace(item), when="call")
    report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    tear_down(item, nextitem)  # what the test before this one left for it
    return True


def _run_in_a_namespace(item: pytest.Item) -> None:
    way = _way_to_mount()
    if not way:
        pytest.skip("this machine does not let tests mount anything")
    with tempfile.TemporaryDirectory(
        prefix="aicci-"
    ) as folder:  # pytest's own would not be this user's in a user namespace
        command = [*way, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--basetemp", f"{folder}/t"]
        with open(f"{folder}/said", "w+", encoding="utf-8") as said:  # a file: what a daemon holds open does not end
            child = subprocess.Popen(
                [*command, item.nodeid], cwd=item.config.rootpath, env={**os.environ, INSIDE: "1"},
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                code = child.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                code = child.wait()
            said.seek(0)
            told = said.read()
    assert code == 0, told
    if "1 passed" not in told:
        pytest.skip(told.strip().splitlines()[-1])


def _way_to_mount() -> list[str]:
    """The command that gives its child a mount namespace, [] where there is none."""
    if shutil.which("unshare") is None:
        return []
    for options in ("-m", "-rm"):
        if (
            subprocess.run(["unshare", options, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode
            == 0
        ):
            return ["unshare", options]
    return []


@pytest.fixture
def client(aicci_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client whose service has `SLOTS` slots; runs and service end with the test."""
    monkeypatch.setenv("AICCI_LOCAL_CPUS", str(SLOTS))
    with a_client() as client:
        yield client


@pytest.fixture
def notebook(client: Client, repository: Path, tmp_path: Path) -> Iterator[Notebook]:
    """A kernel beside that client."""
    notebook = Notebook(repository, tmp_path)
    yield notebook
    notebook.close()
