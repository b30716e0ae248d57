"""The small parts: what a dead child says, titles, log budgets, samples, stacks."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_aicci.agent.hang import catches, hang_frame, main_stack, suspects
from jupyter_aicci.agent.identity import split_status
from jupyter_aicci.agent.linux import look_at_dead_child, oom_kills, punch_hole
from jupyter_aicci.agent.loglimit import BUDGET_BYTES, HEAD_BYTES, TAIL_BYTES, pause_s, trim
from jupyter_aicci.agent.sampling import Sampler

DUMP = """Thread 0x00007f1 (most recent call first):
  File "/lib/threading.py", line 320 in wait

Current thread 0x00007f2 (most recent call first):
  File "/lib/torch/distributed/distributed_c10d.py", line 1 in all_reduce
  File "cell.py", line 9 in <module>
"""


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda: os._exit(7), (7, 0)),
        (lambda: os.kill(os.getpid(), 9), (-9, 9)),
        (lambda: os.kill(os.getpid(), 15), (-15, 15)),
    ],
)
def test_a_dead_child_is_looked_at_without_being_reaped(end: object, expected: tuple[int, int]) -> None:
    """The status and the memory peak are there as often as one looks; the parent's wait still works."""
    pid = os.fork()
    if pid == 0:
        end()  # type: ignore[operator]
    fd = os.pidfd_open(pid)
    select.select([fd], [], [], 20)
    for _ in range(2):
        found = look_at_dead_child(fd)
        assert found is not None
        assert split_status(found[0]) == expected
        assert found[1] > 1_000_000
    os.close(fd)
    assert split_status(os.waitpid(pid, 0)[1]) == expected


def test_a_living_child_has_no_end_yet() -> None:
    """Not a status, not an exception."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    fd = os.pidfd_open(pid)
    assert look_at_dead_child(fd) is None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)


def test_a_log_within_its_budget_is_left_alone_and_one_above_loses_its_middle(tmp_path: Path) -> None:
    """Size and offsets stay; the disk gets the middle back; a writer in append mode goes on."""
    path = tmp_path / "rank-0.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"a" * (BUDGET_BYTES // 2))
        trim(str(path))
        assert path.stat().st_blocks * 512 >= BUDGET_BYTES // 2
        for _ in range(3):
            writer.write(b"b" * (BUDGET_BYTES // 2))
        trim(str(path))
        writer.write(b"end")
    assert path.stat().st_size == 2 * BUDGET_BYTES + 3
    with path.open("rb") as file:
        assert file.read(HEAD_BYTES) == b"a" * HEAD_BYTES
        file.seek(-TAIL_BYTES, os.SEEK_END)
        assert file.read() == b"b" * (TAIL_BYTES - 3) + b"end"
    with path.open("r+b") as file:
        if punch_hole(file.fileno(), 0, 4096):
            assert path.stat().st_blocks * 512 <= BUDGET_BYTES + 8192


def test_the_faster_a_log_grows_the_sooner_it_is_looked_at() -> None:
    """At 600 MB a second every 14 ms, so that a burst does not fill the disk; a quiet one five times a second."""
    assert pause_s(60_000_000, 0.1) == pytest.approx(0.014, rel=0.01)
    assert pause_s(10**12, 0.1) == 0.01
    assert pause_s(100, 0.2) == pause_s(0, 0.2) == pause_s(-5, 0.2) == 0.2


def test_out_of_memory_kills_are_counted_by_the_first_file_that_has_the_counter(tmp_path: Path) -> None:
    """v2's memory.events, v1's memory.oom_control, the host's vmstat: one line, `oom_kill N`."""
    events, control, vmstat = tmp_path / "memory.events", tmp_path / "memory.oom_control", tmp_path / "vmstat"
    events.write_text("low 0\noom 2\noom_kill 3\noom_group_kill 0\n")
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    vmstat.write_text("nr_free_pages 1\noom_kill 9\n")
    assert oom_kills((str(events), str(control), str(vmstat))) == 3
    assert oom_kills((str(tmp_path / "none"), str(control), str(vmstat))) == 1
    assert oom_kills((str(tmp_path / "none"), str(vmstat))) == 9
    assert oom_kills(()) == 0


def test_a_sample_follows_the_ranks_whole_tree() -> None:
    """A child that computes is the rank's CPU time, and its memory is the rank's."""
    rank = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(50_000_000)\\nwhile True: pass'])",
        ],
        start_new_session=True,
    )
    sampler = Sampler()
    sampler.watch(0, rank.pid)
    try:
        deadline_s = time.monotonic() + 20
        sample = sampler.sample()["ranks"]["0"]
        while not (sample["cpu"] > 0.2 and sample["rss"] > 55_000_000) and time.monotonic() < deadline_s:
            time.sleep(0.2)  # what is sampled is a rate: it needs time to pass
            sample = sampler.sample()["ranks"]["0"]
    finally:
        os.killpg(rank.pid, signal.SIGKILL)
        rank.wait()
    assert sample["cpu"] > 0.2
    assert sample["rss"] > 55_000_000
    assert sampler.sample()["ranks"] == {}


def test_the_main_threads_stack_is_what_counts() -> None:
    """Of all threads that faulthandler shows, the one that got the signal; no addresses, so equal stacks are equal text."""
    stack = main_stack(DUMP)
    assert stack.splitlines() == [
        'File "/lib/torch/distributed/distributed_c10d.py", line 1 in all_reduce',
        'File "cell.py", line 9 in <module>',
    ]
    assert main_stack(DUMP.replace("7f2", "9a9")) == stack
    assert main_stack("") == ""


def test_who_waits_in_a_collective_is_not_the_suspect() -> None:
    """Seven wait in all_reduce, one reads data: that one. One of each: still the one that reads."""
    waits, reads = "line 1 in all_reduce", "line 2 in read_data"
    assert suspects({waits: [0, 1, 2], reads: [3]}) == [3]
    assert suspects({reads: [0, 1, 2], waits: [3]}) == [0, 1, 2]
    assert suspects({waits: [0], reads: [1]}) == [1]
    assert suspects({"a": [0, 2], "b": [1]}) == [1]
    assert suspects({waits: [0, 1]}) == []


def test_equal_stacks_are_one_group_the_largest_first() -> None:
    """The frame that the journal gets."""
    frame = hang_frame({0: "a", 1: "b", 2: "a"})
    assert frame == {
        "k": "hang", "groups": [{"ranks": [0, 2], "stack": "a"}, {"ranks": [1], "stack": "b"}], "suspects": [1],
    }  # fmt: skip


def test_a_process_without_a_handler_is_not_sent_the_signal() -> None:
    """SIGUSR2 would end it."""
    old = signal.signal(signal.SIGUSR2, lambda *_: None)
    assert catches(os.getpid(), signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    assert not catches(os.getpid(), signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, old)
