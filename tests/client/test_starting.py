"""The service is started when it is needed: by whoever comes first, once, and again when it died. Real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aicci.agent.identity import alive, claim_from_json, claim_of
from jupyter_aicci.client import Client, Program, ensure_service
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.store import paths
from jupyter_aicci.store.paths import Home, prepare

COMMAND = [sys.executable, "-m", "jupyter_aicci.service"]


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose service ends with the test."""
    home = Home.from_environment(os.environ)
    yield home
    Client(home).shutdown()


def pid(home: Home) -> int:
    return int(Client(home).status()["pid"])


def gone(number: int) -> None:
    """Wait until the process is."""
    deadline_s = time.monotonic() + 20
    while claim_of(number) is not None and not is_zombie(number):
        assert time.monotonic() < deadline_s, f"process {number} still lives"
        time.sleep(0.01)


def is_zombie(number: int) -> bool:
    claim = claim_of(number)
    return claim is not None and not alive(claim)


def test_the_first_call_starts_it(home: Home) -> None:
    """In a session of its own, found through one file and a socket for its user only."""
    status = Client(home).status()
    introduced = json.loads(home.service_json.read_text())
    claim = claim_from_json(introduced["claim"])
    assert claim is not None
    assert alive(claim)
    assert claim.pid == status["pid"]
    assert introduced["socket"] == str(home.service_socket)
    assert os.getsid(claim.pid) != os.getsid(0)
    assert home.service_socket.stat().st_mode & 0o777 == 0o600
    assert status["home"] == str(home.root)


def test_the_second_start_finds_the_first(home: Home) -> None:
    """Exit status 0, and the same process."""
    ensure_service(home)
    before = pid(home)
    assert subprocess.run(COMMAND).returncode == 0
    assert pid(home) == before


def test_starts_that_race_end_in_one_service(home: Home) -> None:
    """Six kernels at once: every start succeeds, one process answers, the others are gone."""
    starts = [subprocess.Popen(COMMAND) for _ in range(6)]
    assert [start.wait(60) for start in starts] == [0] * 6
    services = {pid(home) for _ in range(10)}
    assert len(services) == 1


def test_a_socket_left_by_a_dead_service_is_replaced(home: Home) -> None:
    """Nobody listens there any more."""
    prepare(home)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home.service_socket))
    home.service_json.write_text('{"socket": "", "claim": {"boot_id": "", "pid": 1, "starttime": 1}, "version": "0"}')
    assert pid(home) > 1


def test_a_killed_service_is_replaced_by_the_next_call(home: Home) -> None:
    """kill -9, then any call."""
    first = pid(home)
    os.kill(first, signal.SIGKILL)
    gone(first)
    assert pid(home) != first


def test_sigterm_ends_it_cleanly(home: Home) -> None:
    """Socket and service.json go with it, and the lock is free."""
    first = pid(home)
    os.kill(first, signal.SIGTERM)
    gone(first)
    assert not home.service_socket.exists()
    assert not home.service_json.exists()
    assert pid(home) != first


def test_shutdown_ends_it(home: Home) -> None:
    """True when one was there, and only then."""
    client = Client(home)
    number = pid(home)
    assert client.shutdown()
    gone(number)
    assert not client.shutdown()


def test_a_service_that_cannot_start_says_why(home: Home) -> None:
    """The reason itself, and where its log is."""
    prepare(home)
    home.config.write_text("[local]\ncpus = 'many'\n")
    with pytest.raises(HostError) as caught:
        ensure_service(home)
    assert caught.value.code == "service_cannot_start"
    assert "cpus" in caught.value.message
    home.config.unlink()
    ensure_service(home)


def test_a_home_that_is_a_file_says_so(home: Home) -> None:
    """What is in the way is named."""
    home.root.write_text("")
    with pytest.raises(HostError) as caught:
        ensure_service(home)
    assert str(home.root) in caught.value.message
    home.root.unlink()


def test_a_second_runtime_directory_does_not_get_a_second_writer(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has one writer, whichever socket it answers on."""
    ensure_service(home)
    other = Home(root=home.root, runtime=home.runtime.with_name("other-runtime"))
    with pytest.raises(HostError) as caught:
        ensure_service(other)
    assert "journal" in caught.value.message


def test_an_idle_service_sleeps(home: Home) -> None:
    """No timer of ours: half a second without a wake-up of the main thread."""
    number = pid(home)
    deadline_s = time.monotonic() + 20
    while True:  # until what it imports after the first answer is in
        before = switches(number)
        time.sleep(0.5)
        if switches(number) == before:
            return
        assert time.monotonic() < deadline_s, "the service never came to rest"


def switches(number: int) -> int:
    """How often the main thread has gone to sleep."""
    with open(f"/proc/{number}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))


def test_a_program_stays_when_the_service_died_with_its_submit(home: Home) -> None:
    """The first service dies right after it recorded the run, the second cannot start: the run's folder is still there."""
    env = {**os.environ, "AICCI_FAIL_AT": "commit:4"}  # the anchor has two points; the fourth is behind the submit
    assert subprocess.run(COMMAND, env=env).returncode == 0
    home.config.write_text("[local]\ncpus = 'many'\n")
    client, run_id = Client(home), RunId("r0000001")
    with pytest.raises(HostError) as caught:
        client.submit(RunSpec(python=sys.executable), Program(text="print('here')\n"), run_id=run_id)
    assert caught.value.code == "service_cannot_start"
    assert (home.src_dir(run_id) / "cell.py").exists()
    home.config.unlink()
    assert client.run(run_id).wait(60)["state"] == "succeeded"


def test_a_service_from_before_an_upgrade_makes_room(home: Home) -> None:
    """Who has the newer package starts the newer service; a run that was going is adopted and ends as it would have."""
    client = Client(home)
    old = pid(home)
    run = client.submit(RunSpec(python=sys.executable), Program(text="import time; time.sleep(1.0)"))
    introduced = json.loads(home.service_json.read_text())
    home.service_json.write_text(json.dumps(introduced | {"version": "0.0.9"}))

    ensure_service(home)

    assert pid(home) != old
    assert run.wait(timeout_s=30)["state"] == "succeeded"


def test_a_newer_service_is_left_alone(home: Home) -> None:
    """Two environments with different versions do not take the service from each other in turn."""
    newer = pid(home)
    introduced = json.loads(home.service_json.read_text())
    home.service_json.write_text(json.dumps(introduced | {"version": "99.0"}))

    ensure_service(home)

    assert pid(home) == newer


def test_nobody_speaks_to_a_socket_that_somebody_else_could_have_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit carries secrets: who listens in a directory that is open to all is not even asked."""
    open_to_all = tmp_path / "aicci-0"
    (open_to_all / "abc").mkdir(parents=True)
    open_to_all.chmod(0o777)
    monkeypatch.setattr(paths, "short_socket_dir", lambda runtime: open_to_all / "abc")
    client = Client(Home(root=tmp_path / "h", runtime=tmp_path / ("r" * 110)))
    with socket.socket(socket.AF_UNIX) as stranger, contextlib.chdir(open_to_all / "abc"):
        stranger.bind("service.sock")
        stranger.listen()
        stranger.setblocking(False)
        with pytest.raises(HostError) as caught:
            client.status()
        assert caught.value.code == "socket_dir_not_ours"
        with pytest.raises(BlockingIOError):
            stranger.accept()
