"""A rank's tree on real processes: workers, counters that never go back, ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_aicci.agent.sampling.trees import Finder, Tree, children_of, children_of_all

WAIT_S = 30.0
PARENT = """
import os, signal, sys, time
workers = []
def more(*_):
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        until = time.process_time() + 0.3
        while time.process_time() < until: pass
        time.sleep(600)
    workers.append(pid)
def fewer(*_):
    pid = workers.pop(); os.kill(pid, 9); os.waitpid(pid, 0)
signal.signal(signal.SIGUSR1, more); signal.signal(signal.SIGUSR2, fewer)
print('up', flush=True)
while True: time.sleep(1)
"""


@pytest.fixture
def rank() -> Iterator[subprocess.Popen[bytes]]:
    """A rank that makes a worker at SIGUSR1 and ends one at SIGUSR2."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def until(what: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def look(tree: Tree) -> dict[str, Any]:
    tree.follow(children_of)
    assert tree.look(1.0)
    return dict(tree.metrics)


def test_workers_are_what_descends_from_the_rank(rank: subprocess.Popen[bytes]) -> None:
    """Counted while they live; their CPU time is told apart and goes on counting when they end."""
    tree = Tree(rank.pid)
    assert look(tree)["workers"] == 0
    for _ in range(2):
        before = len(children_of(rank.pid))
        os.kill(rank.pid, signal.SIGUSR1)
        until(lambda before=before: len(children_of(rank.pid)) > before)
    until(lambda: look(tree)["workers"] == 2)
    used_s = [0.0]

    def grown() -> bool:
        used_s[0] += look(tree)["worker_cpu"]
        return used_s[0] > 0.3

    until(grown)
    before_s = tree.used_s
    os.kill(rank.pid, signal.SIGUSR2)
    until(lambda: look(tree)["workers"] == 1)
    assert 0 <= tree.used_s - before_s < 0.5
    tree.close()


def test_a_worker_that_is_found_late_makes_no_spike(rank: subprocess.Popen[bytes]) -> None:
    """What it used before it was found is not told as used in that one second; nor again when it is reaped."""
    tree = Tree(rank.pid)
    look(tree)
    os.kill(rank.pid, signal.SIGUSR1)
    until(lambda: any(ticks_of(child) >= 15 for child in children_of(rank.pid)))
    found = look(tree)
    assert found["workers"] == 1
    assert found["worker_cpu"] < 0.1
    os.kill(rank.pid, signal.SIGUSR2)
    until(lambda: not children_of(rank.pid))
    assert look(tree)["worker_cpu"] < 0.1
    tree.close()


def ticks_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))


def test_a_rank_that_is_gone_ends_its_tree() -> None:
    """Before and after it is reaped; nothing is told of it."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    tree = Tree(process.pid)
    process.wait()
    assert not tree.look(1.0)


def test_shared_memory_is_counted_honestly_by_pss(rank: subprocess.Popen[bytes]) -> None:
    """A forked worker shares nearly all with the rank: together they have less than twice its size."""
    tree = Tree(rank.pid)
    look(tree)
    alone = tree.pss_bytes()
    os.kill(rank.pid, signal.SIGUSR1)
    until(lambda: look(tree)["workers"] == 1)
    together = tree.pss_bytes()
    assert alone is not None
    assert together is not None
    assert 0 < together < 2 * alone
    tree.close()


def test_both_ways_to_find_children_find_the_same(rank: subprocess.Popen[bytes]) -> None:
    """By the rank's threads, and by all processes of the host."""
    os.kill(rank.pid, signal.SIGUSR1)
    until(lambda: children_of(rank.pid))
    assert children_of_all()[rank.pid] == children_of(rank.pid)


def test_a_tree_is_followed_when_processes_were_made(rank: subprocess.Popen[bytes]) -> None:
    """At every look while it is young; later every five seconds."""
    tree, finder = Tree(rank.pid), Finder()
    finder.began(100.0)
    assert finder.look(100.0, [tree]).count(b"/") == 1
    os.kill(rank.pid, signal.SIGUSR1)
    until(lambda: children_of(rank.pid))
    finder.look(101.0, [tree])
    tree.look(1.0)
    assert tree.metrics["workers"] == 1
    os.kill(rank.pid, signal.SIGUSR1)
    until(lambda: len(children_of(rank.pid)) == 2)
    finder._asked_s = 140.0
    finder.look(142.0, [tree])
    tree.look(1.0)
    assert tree.metrics["workers"] == 1
    finder.look(146.0, [tree])
    tree.look(1.0)
    assert tree.metrics["workers"] == 2
    tree.close()
