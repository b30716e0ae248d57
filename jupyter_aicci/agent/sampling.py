"""What the ranks and the node use, read from /proc once a second.

In: the pids of the ranks. Out: cores and bytes of each rank's process tree and of the whole node, as the `sample` frame has them.
Rule 1: files that are read every second stay open and are read by `pread`: well under a millisecond a rank and second.
Rule 2: a rank's tree is what descends from it (DataLoader workers, helpers); memory that a worker shares with it is counted once.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STATE, UTIME = 0, 11  # places in /proc/PID/stat behind the name; utime, stime, cutime, cstime follow each other


class ProcFile:
    """One file of /proc that stays open; `read` gives b"" once the process is gone."""

    __slots__ = ("_fd",)

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def read(self) -> bytes:
        try:
            return os.pread(self._fd, 16384, 0) if self._fd >= 0 else b""
        except OSError:
            return b""

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Process:
    """One process of a tree: its ticks of CPU time and its memory."""

    __slots__ = ("_stat", "_statm", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._stat, self._statm = ProcFile(f"/proc/{pid}/stat"), ProcFile(f"/proc/{pid}/statm")

    def usage(self) -> tuple[str, int] | None:
        """(state letter, ticks of CPU time with those of its waited-for children), None if it is gone."""
        fields = self._stat.read().rpartition(b")")[2].split()
        if len(fields) < UTIME + 4:
            return None
        return fields[STATE].decode(), sum(map(int, fields[UTIME : UTIME + 4]))

    def memory_bytes(self) -> tuple[int, int]:
        """(resident, of that shared with files)."""
        fields = self._statm.read().split()
        return (int(fields[1]) * PAGE_BYTES, int(fields[2]) * PAGE_BYTES) if len(fields) > 2 else (0, 0)

    def close(self) -> None:
        self._stat.close()
        self._statm.close()


class Tree:
    """A rank and what descends from it."""

    __slots__ = ("_processes", "_ticks", "cpu_cores", "pid", "rss_bytes", "state")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._processes: dict[int, Process] = {}
        self._ticks = -1
        self.cpu_cores = 0.0
        self.rss_bytes = 0
        self.state = "?"

    def look(self, passed_s: float) -> bool:
        """Read all of it; False once the rank itself is gone."""
        self._follow()
        ticks = rss = 0
        for pid, process in list(self._processes.items()):
            usage = process.usage()
            if usage is None:
                self._drop(pid)
                continue
            resident, shared = process.memory_bytes()
            ticks += usage[1]
            rss += resident if pid == self.pid else max(0, resident - shared)
            if pid == self.pid:
                self.state = usage[0]
        if self.pid not in self._processes:
            return False
        grown = max(0, ticks - self._ticks) if self._ticks >= 0 else 0
        self.cpu_cores = grown / TICKS_PER_S / passed_s if passed_s > 0 else 0.0
        self._ticks, self.rss_bytes = ticks, rss
        return True

    def close(self) -> None:
        for pid in list(self._processes):
            self._drop(pid)

    def _follow(self) -> None:
        todo, living = [self.pid], set[int]()
        while todo:
            pid = todo.pop()
            if pid in living:
                continue
            living.add(pid)
            if pid not in self._processes:
                self._processes[pid] = Process(pid)
            todo += children_of(pid)
        for pid in self._processes.keys() - living:
            self._drop(pid)

    def _drop(self, pid: int) -> None:
        self._processes.pop(pid).close()


def children_of(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            fd = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            found += map(int, os.read(fd, 1 << 16).split())
        except OSError:
            pass
        finally:
            os.close(fd)
    return found


class Sampler:
    """The ranks of one node and the node itself."""

    def __init__(self) -> None:
        self.trees: dict[int, Tree] = {}  # rank -> its tree
        self._stat, self._meminfo = ProcFile("/proc/stat"), ProcFile("/proc/meminfo")
        self._busy = self._busy_ticks()
        self._at_s = time.monotonic()

    def watch(self, rank: int, pid: int) -> None:
        if rank not in self.trees:
            self.trees[rank] = Tree(pid)
            self.trees[rank].look(0.0)

    def forget(self, rank: int) -> None:
        tree = self.trees.pop(rank, None)
        if tree:
            tree.close()

    def sample(self) -> dict[str, Any]:
        """One `sample` frame, without its time."""
        now_s = time.monotonic()
        passed_s, self._at_s = now_s - self._at_s, now_s
        ranks = {}
        for rank, tree in self.trees.items():
            if tree.look(passed_s):
                ranks[str(rank)] = {"cpu": round(tree.cpu_cores, 3), "rss": tree.rss_bytes}
        return {"k": "sample", "ranks": ranks, "node": self._node(passed_s)}

    def _node(self, passed_s: float) -> dict[str, float]:
        busy = self._busy_ticks()
        cores = max(0, busy - self._busy) / TICKS_PER_S / passed_s if passed_s > 0 else 0.0
        self._busy = busy
        total, available = self._memory_bytes()
        return {"cpu": round(cores, 3), "memory": total - available, "memory_total": total}

    def _busy_ticks(self) -> int:
        """Ticks of all CPUs that were not idle and not waiting for a disk; guests are part of user time."""
        fields = self._stat.read().split(b"\n", 1)[0].split()[1:9]
        values = list(map(int, fields))
        return sum(values) - values[3] - values[4] if len(values) > 4 else 0

    def _memory_bytes(self) -> tuple[int, int]:
        values = dict(_kilobytes(self._meminfo.read().split(b"\n")[:3]))
        total = values.get(b"MemTotal", 0)
        return total, values.get(b"MemAvailable", total)


def _kilobytes(lines: Iterable[bytes]) -> Iterable[tuple[bytes, int]]:
    for line in lines:
        name, _, rest = line.partition(b":")
        number = rest.split()
        if number:
            yield name, int(number[0]) * 1024
