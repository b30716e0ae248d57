"""Who a process is: never by its pid alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_aicci.agent.identity import (
    Claim,
    alive,
    claim_of,
    exit_status,
    open_pidfd,
    read_claim,
    send_signal,
    split_status,
    take_claim,
    zombie_status,
)


def a_claim(pid: int) -> Claim:
    claim = claim_of(pid)
    assert claim is not None
    return claim


def a_sleeper() -> int:
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    return pid


def test_a_pid_that_was_used_again_is_somebody_else() -> None:
    """Same pid, another start time, or another boot: not alive, no pidfd, no signal reaches it."""
    pid = a_sleeper()
    real = a_claim(pid)
    for other in (
        Claim(boot_id=real.boot_id, pid=pid, starttime=real.starttime - 1),
        Claim(boot_id="another boot", pid=pid, starttime=real.starttime),
    ):
        assert not alive(other)
        assert open_pidfd(other) is None
        assert not send_signal(other, signal.SIGKILL)
    assert alive(real)
    assert send_signal(real, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9


def test_a_zombie_is_not_alive_but_still_tells_its_end() -> None:
    """Between its end and its reaping a process has a status and no life."""
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    claim = a_claim(pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not alive(claim)
    status = zombie_status(claim)
    assert status is not None
    assert split_status(status) == (7, 0)
    os.waitpid(pid, 0)
    assert zombie_status(claim) is None


@pytest.mark.parametrize(("how", "expected"), [("exit 7", (7, 0)), ("kill -9 $$", (-9, 9)), ("kill -11 $$", (-11, 11))])
def test_the_end_of_a_process_that_is_nobodys_child_is_known(how: str, expected: tuple[int, int]) -> None:
    """A pidfd tells the status of a stranger after it was reaped (Linux 6.15)."""
    go_read, go = os.pipe()
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os.read(go_read, 1)
            os.execvp("sh", ["sh", "-c", how])
        os.write(tell, str(grandchild).encode())
        os._exit(0)
    os.waitpid(child, 0)
    claim = a_claim(int(os.read(told, 32)))
    fd = open_pidfd(claim)
    assert fd is not None
    os.write(go, b"x")
    deadline_s = time.monotonic() + 20
    status = None
    while status is None and time.monotonic() < deadline_s:
        status = exit_status(fd)
        if status is None:
            status = zombie_status(claim)
        time.sleep(0.005)
    for each in (fd, go_read, go, told, tell):
        os.close(each)
    if status is None and tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < (6, 15):
        pytest.skip("this kernel tells nobody but the parent")
    assert status is not None
    assert split_status(status) == expected


TAKER = """
import errno, os, sys
from jupyter_aicci.agent.identity import take_claim

def no_links(*names):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))

if sys.argv[3] == "no links":
    os.link = no_links
sys.stdin.readline()
print(take_claim(sys.argv[1], replace_dead=sys.argv[2] == "True"), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("disk", ["links", "no links"])
@pytest.mark.parametrize("replace_dead", [False, True])
def test_of_many_that_claim_at_once_one_gets_it(tmp_path: Path, replace_dead: bool, disk: str) -> None:
    """Ten processes, one claim: one winner, and the file is the winner's; also where a dead one's claim lies there, and on a file
    system without hard links."""

    path = tmp_path / "it.claim"
    if replace_dead:
        path.write_text(json.dumps(Claim(boot_id=a_claim(os.getpid()).boot_id, pid=os.getpid(), starttime=1).to_json()))
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, str(path), str(replace_dead), disk],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("\n")
        taker.stdin.flush()
    answers = [taker.stdout.readline().strip() for taker in takers if taker.stdout]
    holder = read_claim(path)
    for taker in takers:
        taker.communicate("\n")
    assert answers.count("True") == 1
    assert holder is not None
    assert holder.pid == takers[answers.index("True")].pid
    assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] == []


def test_the_claim_of_a_living_process_is_not_taken(tmp_path: Path) -> None:
    """Not even with `replace_dead`."""
    path = tmp_path / "it.claim"
    pid = a_sleeper()
    path.write_text(json.dumps(a_claim(pid).to_json()))
    assert not take_claim(path, replace_dead=True)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert take_claim(path, replace_dead=True)
    assert read_claim(path) == a_claim(os.getpid())
