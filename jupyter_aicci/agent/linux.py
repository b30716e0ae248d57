"""The few Linux calls that Python does not have: subreaper, punching holes, looking at a dead child, out-of-memory counters.

Rule: each answers False or None where the kernel does not have it; nothing here raises.
"""

from __future__ import annotations

import ctypes
import os
import platform

PR_SET_CHILD_SUBREAPER = 36
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE = 1, 2
SYS_WAITID = {"x86_64": 247, "aarch64": 95, "riscv64": 95, "loongarch64": 95}.get(platform.machine())
CLD_EXITED, CLD_DUMPED = 1, 3  # si_code: 1 = exited, 2 = killed, 3 = killed and dumped core
SIGINFO_BYTES, SI_CODE, SI_PID, SI_STATUS = 128, 8, 16, 24  # of siginfo_t on 64-bit hosts
RUSAGE_BYTES, RU_MAXRSS = 144, 32


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> bool:
    """Orphans below this process become its children instead of init's, daemons that forked twice too."""
    return bool(_libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def look_at_dead_child(pidfd: int) -> tuple[int, int] | None:
    """(wait status, bytes of its largest resident set) of a child that ended, without reaping it; None if it has not ended.

    Not reaping first matters: a keeper that is killed between reaping and recording would take the exit status with it.
    """
    if SYS_WAITID is None:
        return _look_without_usage(pidfd)
    info, usage = ctypes.create_string_buffer(SIGINFO_BYTES), ctypes.create_string_buffer(RUSAGE_BYTES)
    options = os.WEXITED | os.WNOWAIT | os.WNOHANG
    if _libc().syscall(ctypes.c_long(SYS_WAITID), os.P_PIDFD, pidfd, info, options, usage) != 0:
        return None
    code, pid, status = (
        int.from_bytes(info.raw[at : at + 4], "little", signed=True) for at in (SI_CODE, SI_PID, SI_STATUS)
    )
    if pid == 0:
        return None
    maxrss = int.from_bytes(usage.raw[RU_MAXRSS : RU_MAXRSS + 8], "little")
    return _wait_status(code, status), maxrss * 1024


def _look_without_usage(pidfd: int) -> tuple[int, int] | None:
    try:
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return None
    return (_wait_status(found.si_code, found.si_status), 0) if found else None


def _wait_status(code: int, status: int) -> int:
    """What waitpid would say: the exit code in the second byte, or the signal in the first, with the core flag."""
    if code == CLD_EXITED:
        return status << 8
    return status | (0x80 if code == CLD_DUMPED else 0)


def punch_hole(fd: int, start: int, end: int) -> bool:
    """Give the disk blocks of `start..end` back; the file keeps its size and its offsets. False where it cannot."""
    call = _libc().fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return bool(call(fd, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, start, end - start) == 0)


def unified_cgroup() -> str | None:
    """The directory of this process's own group in the cgroup v2 tree (pure or hybrid host), None without one.

    `AICCI_CGROUP=off` says that there is none, for hosts whose administrators want it so.
    """
    if os.environ.get("AICCI_CGROUP") == "off":
        return None
    own = _own_group("")
    mount = _mount("cgroup2", "")
    return os.path.join(mount, own.lstrip("/")).rstrip("/") if mount and own is not None else None


def memory_cgroup() -> str | None:
    """The directory of this process's own group in the v1 memory tree, None where memory is v2's or nobody's."""
    own = _own_group("memory")
    mount = _mount("cgroup", "memory")
    return os.path.join(mount, own.lstrip("/")).rstrip("/") if mount and own is not None else None


def _own_group(controller: str) -> str | None:
    """This process's group in a hierarchy; "" is the v2 one."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            for line in file:
                number, controllers, path = line.rstrip("\n").split(":", 2)
                if controllers == "" if not controller else controller in controllers.split(",") and number != "0":
                    return path
    except (OSError, ValueError):
        pass
    return None


def _mount(kind: str, option: str) -> str | None:
    try:
        with open("/proc/self/mounts", encoding="utf-8") as file:
            for line in file:
                _, point, found, options, *_ = line.split()
                if found == kind and (not option or option in options.split(",")):
                    return point
    except (OSError, ValueError):
        pass
    return None


def oom_counters(group: str | None = None) -> tuple[str, ...]:
    """The files that count out-of-memory kills, the most telling first: of the run's own group, of ours, of the whole host."""
    found = [os.path.join(group, name) for name in ("memory.events", "memory.oom_control")] if group else []
    for own, name in ((unified_cgroup(), "memory.events"), (memory_cgroup(), "memory.oom_control")):
        if own:
            found.append(os.path.join(own, name))
    return (*found, "/proc/vmstat")


def oom_kills(files: tuple[str, ...]) -> int:
    """How many processes the kernel has killed for want of memory, by the first of the files that says so."""
    for path in files:
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    name, _, value = line.partition(" ")
                    if name == "oom_kill":
                        return int(value)
        except (OSError, ValueError):
            continue
    return 0
