"""The cgroups that bound a rank: how much of its memory and CPU time the group used, and how often it was held back.

In: a rank's /proc/PID/cgroup and this process's mount table. Out: the `group_*` metrics of a node.
Rule 1: v1, v2 and hybrid hosts are told apart by what is mounted, once; of hybrid ones each number is read where its controller is.
Rule 2: of a group and those above it the one with the smallest limit is meant, since that one holds the rank back; without any
limit the rank's own. The root of the whole host is no group: nothing is told, not zero.
Rule 3: `root` stands before every path, so that recorded trees can be read.
"""

from __future__ import annotations

import os
from collections import namedtuple

from .kernel import KernelFile, pairs, read_once, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_LIMIT_BYTES = 1 << 60  # v1 writes its largest number where there is no limit
NEAR_LIMIT = 0.8  # of the limit; above it the page cache is read every time
_Mount = namedtuple("_Mount", ("point", "inside", "kind", "options"))


class Group:
    """The open files of the groups of one rank; `metrics` once a look."""

    __slots__ = ("_cpu", "_memory")

    def __init__(self, pid: int, root: str = "") -> None:
        text = read_once(f"{root}/proc/{pid}/cgroup", 1 << 16).decode("utf-8", "replace")
        mounts = _mounts(root)
        unified = _folders("", text, mounts, root)
        memory = _folders("memory", text, mounts, root)
        cpu = _folders("cpu", text, mounts, root)
        account = _folders("cpuacct", text, mounts, root)
        self._memory: _MemoryV1 | _MemoryV2 | None = None
        self._cpu: _CpuV1 | _CpuV2 | None = None
        if any(os.path.exists(f"{folder}/memory.current") for folder in unified):
            self._memory = _MemoryV2(_tightest(unified, _memory_v2_limit))
        elif memory:
            self._memory = _MemoryV1(_tightest(memory, _memory_v1_limit))
        if cpu:
            self._cpu = _CpuV1(_tightest(cpu, _cpu_v1_limit), _own(account))
        elif unified:
            self._cpu = _CpuV2(_tightest(unified, _cpu_v2_limit))

    def metrics(self, *, slow: bool) -> dict[str, float]:
        """What is told now; `slow` with what is told seldom."""
        found: dict[str, float] = {}
        for part in (self._memory, self._cpu):
            if part is not None:
                found |= part.metrics(slow=slow)
        return found

    def close(self) -> None:
        for part in (self._memory, self._cpu):
            if part is not None:
                part.close()


class _MemoryV2:
    __slots__ = ("_events", "_folder", "_limit", "_stat", "_usage")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._usage, self._events = KernelFile(f"{folder}/memory.current"), KernelFile(f"{folder}/memory.events")
        self._stat = KernelFile(f"{folder}/memory.stat")
        self._limit = _memory_v2_limit(folder)

    def metrics(self, *, slow: bool) -> dict[str, float]:
        if slow:
            self._limit = _memory_v2_limit(self._folder)  # it can be changed while the run lives
        kills = pairs(self._events.read(), (b"oom_kill",)).get(b"oom_kill")
        cache = (b"active_file", b"inactive_file")
        return _memory(self._usage.number(), self._limit, kills, self._stat, cache, slow=slow)

    def close(self) -> None:
        for file in (self._usage, self._events, self._stat):
            file.close()


class _MemoryV1:
    __slots__ = ("_control", "_folder", "_limit", "_stat", "_usage")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._usage = KernelFile(f"{folder}/memory.usage_in_bytes")
        self._control, self._stat = KernelFile(f"{folder}/memory.oom_control"), KernelFile(f"{folder}/memory.stat")
        self._limit = _memory_v1_limit(folder)

    def metrics(self, *, slow: bool) -> dict[str, float]:
        if slow:
            self._limit = _memory_v1_limit(self._folder)
        kills = pairs(self._control.read(), (b"oom_kill",)).get(b"oom_kill")
        cache = (b"total_active_file", b"total_inactive_file")
        return _memory(self._usage.number(), self._limit, kills, self._stat, cache, slow=slow)

    def close(self) -> None:
        for file in (self._usage, self._control, self._stat):
            file.close()


def _memory(
    usage: int | None, limit: float, kills: int | None, stat: KernelFile, cache: tuple[bytes, ...], *, slow: bool
) -> dict[str, float]:
    found: dict[str, float] = {}
    if usage is not None:
        found["group_memory"] = usage
    if limit < NO_LIMIT_BYTES:
        found["group_memory_max"] = limit
    if kills is not None:
        found["group_oom_kills"] = kills
    if slow or (usage or 0) > NEAR_LIMIT * limit:
        parts = pairs(stat.read(), cache)
        if parts:
            found["group_cache"] = sum(parts.values())
    return found


class _CpuV2:
    __slots__ = ("_folder", "_limit", "_stat")

    def __init__(self, folder: str) -> None:
        self._folder, self._stat = folder, KernelFile(f"{folder}/cpu.stat")
        self._limit = _cpu_v2_limit(folder)

    def metrics(self, *, slow: bool) -> dict[str, float]:
        if slow:
            self._limit = _cpu_v2_limit(self._folder)
        names = (b"usage_usec", b"nr_periods", b"nr_throttled", b"throttled_usec")
        found = pairs(self._stat.read(2048), names)
        usage = found.get(names[0])
        return _cpu(usage, self._limit, found.get(names[1]), found.get(names[2]), found.get(names[3]))

    def close(self) -> None:
        self._stat.close()


class _CpuV1:
    __slots__ = ("_folder", "_limit", "_stat", "_usage")

    def __init__(self, folder: str, account: str) -> None:
        self._folder, self._stat = folder, KernelFile(f"{folder}/cpu.stat")
        self._usage = KernelFile(f"{account}/cpuacct.usage" if account else "")
        self._limit = _cpu_v1_limit(folder)

    def metrics(self, *, slow: bool) -> dict[str, float]:
        if slow:
            self._limit = _cpu_v1_limit(self._folder)
        names = (b"nr_periods", b"nr_throttled", b"throttled_time")
        found, usage_ns, held_ns = pairs(self._stat.read(2048), names), self._usage.number(), None
        if names[2] in found:
            held_ns = found[names[2]]
        usage = None if usage_ns is None else usage_ns // 1000
        held = None if held_ns is None else held_ns // 1000
        return _cpu(usage, self._limit, found.get(names[0]), found.get(names[1]), held)

    def close(self) -> None:
        self._stat.close()
        self._usage.close()


def _cpu(
    usage_us: int | None, limit: float, periods: int | None, throttled: int | None, throttled_us: int | None
) -> dict[str, float]:
    """Periods and throttling are told of a group with a quota only: without one they stay nought for ever."""
    found: dict[str, float] = {}
    if usage_us is not None:
        found["group_cpu"] = usage_us
    if limit < float("inf"):
        found["group_cpu_limit"] = round(limit, 3)
        told = {"group_periods": periods, "group_throttled": throttled, "group_throttled_us": throttled_us}
        found |= {name: value for name, value in told.items() if value is not None}
    return found


def _memory_v2_limit(folder: str) -> float:
    limits = [whole(read_once(f"{folder}/{name}", 64)) for name in ("memory.max", "memory.high")]
    return min([limit for limit in limits if limit is not None], default=float("inf"))


def _memory_v1_limit(folder: str) -> float:
    limit = whole(read_once(f"{folder}/memory.limit_in_bytes", 64))
    return float("inf") if limit is None or limit >= NO_LIMIT_BYTES else limit


def _cpu_v2_limit(folder: str) -> float:
    words = read_once(f"{folder}/cpu.max", 64).split()
    return _quota(*(words if len(words) == 2 else (b"max", b"1")))


def _cpu_v1_limit(folder: str) -> float:
    return _quota(*(read_once(f"{folder}/cpu.cfs_{name}_us", 64) for name in ("quota", "period")))


def _quota(quota: bytes, period: bytes) -> float:
    """Cores that the quota pays for; none is infinity."""
    used, of = whole(quota), whole(period)
    return used / of if used is not None and of and used > 0 else float("inf")


def _tightest(folders: list[str], limit: Callable[[str], float]) -> str:
    """Of a group and those above it the one with the smallest limit; the group itself where none has one."""
    return min(folders, key=limit)  # of equal ones the first, which is the lowest


def _own(folders: list[str]) -> str:
    return folders[0] if folders else ""


def _folders(controller: str, text: str, mounts: list[_Mount], root: str) -> list[str]:
    """The group's directory and those above it that can be seen, the lowest first; [] where there is none. "" is v2."""
    path = _path(controller, text)
    mount = next((each for each in mounts if _holds(each, controller)), None)
    if path is None or mount is None:
        return []
    # In a container without a cgroup namespace the path is the host's, and the mount shows the part below `inside` only.
    within = path[len(mount.inside) :] if mount.inside != "/" and path.startswith(mount.inside) else path
    top = f"{root}{mount.point}"
    folder = f"{top}/{within.strip('/')}".rstrip("/")
    if not os.path.isdir(folder):
        folder = top
    found = []
    while len(folder) >= len(top):
        if not _is_root(folder, controller):
            found.append(folder)
        folder = folder.rpartition("/")[0]
    return found


def _is_root(folder: str, controller: str) -> bool:
    """Whether it is the group of the whole host (a container's root group is not)."""
    if controller:
        return os.path.exists(f"{folder}/release_agent")
    return not os.path.exists(f"{folder}/cgroup.type")


def _path(controller: str, text: str) -> str | None:
    """The group's path in a hierarchy, of the text of /proc/PID/cgroup."""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and (controllers == "" if not controller else controller in controllers.split(",")):
            return path
    return None


def _holds(mount: _Mount, controller: str) -> bool:
    if not controller:
        return bool(mount.kind == "cgroup2")
    return mount.kind == "cgroup" and controller in mount.options.split(",")


def _mounts(root: str) -> list[_Mount]:
    """The cgroup mounts of /proc/self/mountinfo."""
    found = []
    for line in read_once(f"{root}/proc/self/mountinfo", 1 << 20).decode("utf-8", "replace").splitlines():
        before, dash, after = line.partition(" - ")
        first, last = before.split(), after.split()
        if dash and len(first) > 4 and len(last) > 2 and last[0] in ("cgroup", "cgroup2"):
            found.append(_Mount(point=first[4], inside=first[3], kind=last[0], options=last[2]))
    return found
