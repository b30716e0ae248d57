"""A rank and what descends from it (DataLoader workers, helpers), read from /proc.

In: a pid. Out: the rank's metrics of the table in model/metrics.py, workers included.
Rule 1: memory that a worker shares with files or with the rank is counted once; the honest number is `pss`, which is read seldom,
because the kernel walks all page tables for it and holds the process's memory lock meanwhile.
Rule 2: what a worker used before it was found, and what its parent takes over when it reaps it, is counted once: counters here are
grown by what the whole tree used more than at the last look, and never go back.
Rule 3: the tree is looked through only when a process was made anywhere since (the last pid in /proc/loadavg), in the cheaper of
two ways: by the threads of its own processes, or by all processes of the host.
"""

from __future__ import annotations

import os

from .kernel import KernelFile, pairs, read_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Places in /proc/PID/stat behind the name; utime, stime, cutime, cstime follow each other.
STATE, PPID, MAJOR_FAULTS, UTIME, THREADS, RSS, FIELDS = 0, 1, 9, 11, 17, 21, 22
READ_BYTES_WORD, WRITTEN_BYTES_WORD, IO_WORDS = 9, 11, 14  # places in /proc/PID/io, split into words
SHARED_EVERY = 5  # looks between two readings of how much of a worker's memory is shared
TICKS, WORKER_TICKS, READ, WRITTEN, FAULTS = range(5)  # what a tree counts
NOTHING = (0, 0, 0, 0, 0)


class Process:
    """One process of a tree."""

    __slots__ = ("_io", "_shared_bytes", "_shared_in", "_stat", "pid", "rss_bytes", "state", "threads")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._stat, self._io = KernelFile(f"/proc/{pid}/stat"), KernelFile(f"/proc/{pid}/io")
        self._shared_bytes = self._shared_in = 0
        self.state, self.threads, self.rss_bytes = "?", 0, 0

    def look(self) -> tuple[tuple[int, int, int, int, int], bool] | None:
        """(what it has used since it began: ticks with those of its reaped children, ticks of these alone, bytes read and
        written, major faults; whether the bytes could be read), None if it is gone."""
        fields = self._stat.read(1024).rpartition(b")")[2].split(None, FIELDS)
        if len(fields) < FIELDS:
            return None
        self.state, self.threads = fields[STATE].decode(), int(fields[THREADS])
        self.rss_bytes = int(fields[RSS]) * PAGE_BYTES
        reaped = int(fields[UTIME + 2]) + int(fields[UTIME + 3])
        ticks = int(fields[UTIME]) + int(fields[UTIME + 1]) + reaped
        faults = int(fields[MAJOR_FAULTS]) + int(fields[MAJOR_FAULTS + 1])
        words = self._io.read(512).split()
        if len(words) < IO_WORDS:
            return (ticks, reaped, 0, 0, faults), False
        return (ticks, reaped, int(words[READ_BYTES_WORD]), int(words[WRITTEN_BYTES_WORD]), faults), True

    def unshared_bytes(self) -> int:
        """Resident memory without what it shares; the shared part is read every few looks."""
        if self._shared_in == 0:
            words = read_once(f"/proc/{self.pid}/statm", 128).split()
            self._shared_bytes = int(words[2]) * PAGE_BYTES if len(words) > 2 else 0
        self._shared_in = (self._shared_in + 1) % SHARED_EVERY
        return max(0, self.rss_bytes - self._shared_bytes)

    def pss_bytes(self) -> int | None:
        """Its part of the memory that it has in use, what is shared divided by those who share it; None if it is not told."""
        found = pairs(read_once(f"/proc/{self.pid}/smaps_rollup", 4096), (b"Pss",))
        return found[b"Pss"] * 1024 if found else None

    def close(self) -> None:
        self._stat.close()
        self._io.close()


class Tree:
    """A rank and what descends from it. `used_s` is its CPU time since it is watched."""

    __slots__ = ("_fresh", "_grown", "_last", "_processes", "metrics", "pid", "state", "threads", "used_s")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._processes: dict[int, Process] = {pid: Process(pid)}
        self._fresh = {pid}  # not looked at yet
        self._grown = list(NOTHING)  # the counters that are told
        self._last = list(NOTHING)
        self.metrics: dict[str, Any] = {}
        self.state, self.threads, self.used_s = "?", 1, 0.0

    def look(self, passed_s: float) -> bool:
        """Read all of it into `metrics`; False once the rank itself is gone."""
        totals, rss, threads, blocked, workers, io_told = list(NOTHING), 0, 0, 0, 0, True
        for process in list(self._processes.values()):
            looked = process.look()
            if looked is None:
                self._drop(process.pid)
                continue
            used, told = looked
            io_told &= told
            threads += process.threads
            blocked += process.state == "D"
            if process.pid == self.pid:
                self.state = process.state
                rss += process.rss_bytes
                ours = used
            else:
                workers += process.state not in "ZX"
                rss += process.unshared_bytes()
                ours = (used[TICKS], used[TICKS], used[READ], used[WRITTEN], used[FAULTS])
            first = process.pid in self._fresh
            for place in range(5):
                totals[place] += ours[place]
                if first:
                    self._last[place] += ours[place]
        if self.pid not in self._processes:
            return False
        self._fresh.clear()
        self._count(totals, passed_s)
        self.threads = threads
        self.metrics |= {"rss": rss, "workers": workers, "blocked": blocked}
        if io_told:
            self.metrics |= {"read": self._grown[READ], "written": self._grown[WRITTEN]}
        return True

    def slow_metrics(self) -> dict[str, int]:
        """What is told seldom."""
        return {"threads": self.threads, "major_faults": self._grown[FAULTS]}

    def pss_bytes(self) -> int | None:
        """The sum over its processes, None if one does not tell."""
        parts = [process.pss_bytes() for process in self._processes.values()]
        return None if None in parts or not parts else sum(part for part in parts if part is not None)

    def follow(self, children: Callable[[int], Iterable[int]]) -> None:
        """Find what descends from the rank now."""
        todo, living = [self.pid], set[int]()
        while todo:
            pid = todo.pop()
            if pid in living:
                continue
            living.add(pid)
            if pid not in self._processes:
                self._processes[pid] = Process(pid)
                self._fresh.add(pid)
            todo += children(pid)
        for pid in self._processes.keys() - living:
            self._drop(pid)

    def close(self) -> None:
        for pid in list(self._processes):
            self._drop(pid)

    def _count(self, totals: list[int], passed_s: float) -> None:
        """Counters grow by what there is more than at the last look; less means that a process left the tree."""
        more = [max(0, now - before) for now, before in zip(totals, self._last, strict=True)]
        if not self.metrics:
            more = totals  # the first look: what was used before is told, as a counter
        self._last = totals
        self._grown = [before + each for before, each in zip(self._grown, more, strict=True)]
        seconds = [ticks / TICKS_PER_S if self.metrics else 0.0 for ticks in more[:2]]
        self.used_s += seconds[0]
        cores = [round(each / passed_s, 3) if passed_s > 0 else 0.0 for each in seconds]
        self.metrics |= {"cpu": cores[0], "worker_cpu": cores[1]}

    def _drop(self, pid: int) -> None:
        self._processes.pop(pid).close()
        self._fresh.discard(pid)


def children_of(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        found += map(int, read_once(f"/proc/{pid}/task/{thread}/children", 1 << 16).split())
    return found


def children_of_all() -> dict[int, list[int]]:
    """The children of every process of the host."""
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = read_once(f"/proc/{entry}/stat", 512).rpartition(b")")[2].split(None, 2)
            if len(fields) > PPID:
                found.setdefault(int(fields[PPID]), []).append(int(entry))
    return found


def can_ask_children() -> bool:
    """Whether this kernel tells a thread's children (CONFIG_PROC_CHILDREN)."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


class Finder:
    """Looks for new processes below the ranks, no more often and no dearer than it must."""

    __slots__ = ("_asked_s", "_last_pid", "_loadavg", "_young_until_s")

    EVERY_S = 5.0
    YOUNG_S = 30.0  # after a rank began, at every look: this is when workers are made
    ANYWAY_S = 30.0  # where /proc/loadavg does not tell the last pid

    def __init__(self) -> None:
        self._loadavg = KernelFile("/proc/loadavg")
        self._last_pid, self._asked_s, self._young_until_s = b"", float("-inf"), 0.0

    def began(self, now_s: float) -> None:
        """A rank is watched from now on."""
        self._young_until_s, self._last_pid = now_s + self.YOUNG_S, b""

    def look(self, now_s: float, trees: Iterable[Tree]) -> bytes:
        """Have the trees follow their processes if it is time; the content of /proc/loadavg, which it reads for that."""
        content = self._loadavg.read(128)
        last_pid = content.split()[-1] if content else b""
        age_s = now_s - self._asked_s
        due = age_s >= self.EVERY_S or now_s < self._young_until_s
        if (last_pid != self._last_pid and due) or age_s >= self.ANYWAY_S:
            self._last_pid, self._asked_s = last_pid, now_s
            self._follow(list(trees))
        return content

    def _follow(self, trees: list[Tree]) -> None:
        threads = sum(tree.threads for tree in trees)
        if can_ask_children() and threads < len(os.listdir("/proc")):
            for tree in trees:
                tree.follow(children_of)
        else:
            by_parent = children_of_all()
            for tree in trees:
                tree.follow(lambda pid: by_parent.get(pid, ()))
