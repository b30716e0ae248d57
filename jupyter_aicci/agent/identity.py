"""Who a process is: claims of (boot id, pid, start time), pidfds, and how a process that is nobody's child ended.

Rule 1: no process is known, signalled or waited for by its pid alone; pids are used again.
Rule 2: a claim is taken through `link`, which fails if it is there already; a file that is half written is never seen. Where a
file system has no hard links (some network ones), a lock and a rename do the same.
Source of the exit status of a non-child: PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15 (include/uapi/linux/pidfd.h).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import struct
from collections import namedtuple

from .files import fail_point, read_json
from .frames import boot_id

TYPE_CHECKING = False  # see frames.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
PIDFD_INFO_EXIT = 1 << 3
PIDFD_INFO = struct.Struct("<QQ11Ii")  # struct pidfd_info, version 0: mask, cgroupid, 11 ids, exit_code
PIDFD_GET_INFO = (3 << 30) | (64 << 16) | (0xFF << 8) | 11  # _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)
STATE_FIELD, PPID_FIELD, SESSION_FIELD, THREADS_FIELD, STARTTIME_FIELD, EXIT_CODE_FIELD = (
    3,
    4,
    6,
    20,
    22,
    52,
)  # of /proc/PID/stat, from 1


class Claim(namedtuple("Claim", ("boot_id", "pid", "starttime"))):
    """One process, for ever; `starttime` is in clock ticks after boot."""

    __slots__ = ()
    boot_id: str
    pid: int
    starttime: int

    def to_json(self) -> dict[str, Any]:
        return {"boot_id": self.boot_id, "pid": self.pid, "starttime": self.starttime}


def claim_of(pid: int) -> Claim | None:
    """The claim of a process that is there now (a zombie is), None if it is not."""
    stat = stat_fields(pid)
    return Claim(boot_id=boot_id(), pid=pid, starttime=int(stat[STARTTIME_FIELD - 1])) if stat else None


def claim_from_json(value: Any) -> Claim | None:
    """The claim in a JSON object, None if it is not one."""
    try:
        return Claim(boot_id=str(value["boot_id"]), pid=int(value["pid"]), starttime=int(value["starttime"]))
    except (KeyError, TypeError, ValueError):
        return None


def read_claim(path: str | os.PathLike[str]) -> Claim | None:
    """The claim in a file, None where there is none."""
    return claim_from_json(read_json(path))


def take_claim(path: str | os.PathLike[str], *, replace_dead: bool = False) -> bool:
    """Write this process's claim to `path`; False if a claim is there already (with `replace_dead`: of a live process)."""
    target = os.fspath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    mine = claim_of(os.getpid())
    assert mine is not None, "a process finds itself in /proc"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump(mine.to_json(), file)
    try:
        if not replace_dead:
            return _placed(temporary, target, locked=False)
        with _locked(f"{target}.lock"):  # or of two that found a dead claim the second would replace the first one's
            there = read_claim(target)
            if there is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(target)  # what cannot be read is nobody's claim
                return _placed(temporary, target, locked=True)
            if alive(there):
                return False
            fail_point("link")
            os.replace(temporary, target)  # a reader finds the dead claim or this one, never none
            fail_point("link")
            return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _placed(temporary: str, target: str, *, locked: bool) -> bool:
    """Give the whole file its name unless that is taken; `locked`: the caller holds the lock of the name."""
    fail_point("link")
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with contextlib.nullcontext() if locked else _locked(f"{target}.lock"):
            if os.path.exists(target):
                return False
            os.rename(temporary, target)
    fail_point("link")
    return True


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat, the program's name (which may hold blanks) as one; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    number, _, name = head.partition("(")
    return [number.strip(), name, *tail.split()]


def alive(claim: Claim) -> bool:
    """Whether that very process runs (a zombie does not)."""
    if claim.boot_id != boot_id():
        return False
    stat = stat_fields(claim.pid)
    if stat is None or int(stat[STARTTIME_FIELD - 1]) != claim.starttime:
        return False
    return (
        stat[STATE_FIELD - 1] not in "ZX" or int(stat[THREADS_FIELD - 1]) > 1
    )  # a main thread may end before the others


def open_pidfd(claim: Claim) -> int | None:
    """A pidfd of that very process (a zombie too), None if it is gone. The caller closes it."""
    if claim.boot_id != boot_id():
        return None
    try:
        fd = os.pidfd_open(claim.pid)
    except OSError:
        return None
    stat = stat_fields(claim.pid)  # again, after opening: the pid may have been used anew before
    if stat is not None and int(stat[STARTTIME_FIELD - 1]) == claim.starttime:
        return fd
    os.close(fd)
    return None


def send_signal(claim: Claim, number: int) -> bool:
    """Signal that very process; False if it is gone."""
    fd = open_pidfd(claim)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def exit_status(pidfd: int) -> int | None:
    """The wait status of the process behind a pidfd after it was reaped by its parent; None where the kernel is older than 6.15
    or the process is not reaped yet."""
    buffer = bytearray(PIDFD_INFO.size)
    struct.pack_into("<Q", buffer, 0, PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, buffer, True)
    except OSError:
        return None
    mask = struct.unpack_from("<Q", buffer, 0)[0]
    if not mask & PIDFD_INFO_EXIT:
        return None
    status: int = PIDFD_INFO.unpack(buffer)[-1]
    return status


def zombie_status(claim: Claim) -> int | None:
    """The wait status of a process that ended and was not reaped yet, from /proc/PID/stat; None if it is no zombie."""
    stat = stat_fields(claim.pid)
    if not stat or int(stat[STARTTIME_FIELD - 1]) != claim.starttime or stat[STATE_FIELD - 1] != "Z":
        return None
    return int(stat[EXIT_CODE_FIELD - 1])


def split_status(status: int) -> tuple[int, int]:
    """(exit code, signal) of a wait status; the code is -signal where a signal ended it."""
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status), os.WTERMSIG(status)
    return os.WEXITSTATUS(status), 0
