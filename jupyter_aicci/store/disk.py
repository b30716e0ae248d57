"""What kind of file system a path is on, and what its errors mean to a person.

In: paths, `OSError` and `sqlite3.Error`. Out: a `HostError` with a code, the path, and the next step.
Rule: only errors that the machine is to blame for are translated; a wrong query of ours stays what it is.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.text import size

# File systems on which SQLite's shared memory (WAL) does not work between machines; names as in /proc/self/mounts.
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "fuse"}
)
ELSEWHERE = "Set AICCI_HOME to a directory that you may write to."
FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def file_system(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that holds `path` ("ext4", "nfs4"), "" where the kernel does not say.

    `mounts` is the text of /proc/self/mounts; without it the file is read.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(errors="replace")
        except OSError:
            return ""
    target, best, kind = os.path.realpath(path), "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescape(fields[1])
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # a later mount on the same point hides the earlier one
            best, kind = point, fields[2]
    return kind


def is_network(kind: str) -> bool:
    """Whether a file system of this type may be shared between machines (fuse.sshfs and other fuse.* included)."""
    return kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.")


def _unescape(field: str) -> str:
    """A mount point as it is, out of /proc/self/mounts, where blanks stand as \\040."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def from_os_error(error: OSError, path: Path, doing: str) -> HostError:
    """What `error` means when we were `doing` ("creating", "writing to") `path`."""
    number = error.errno or 0
    if number in FULL:
        return disk_full(path)
    if number == errno.EROFS:
        return HostError("home_read_only", f"{path} is on a file system that is read-only.", hint=ELSEWHERE)
    if number in READ_ONLY:
        return HostError("home_read_only", f"{path} is read-only for this user ({error.strerror}).", hint=ELSEWHERE)
    if number in (errno.ENOTDIR, errno.EEXIST):
        return HostError("home_not_a_directory", f"{path} is in the way of a directory: it is a file.", hint=ELSEWHERE)
    return HostError("disk_error", f"{doing} {path} failed: {error.strerror or error}.", hint=ELSEWHERE)


def from_sqlite_error(error: sqlite3.Error, path: Path) -> Exception:
    """What `error` of the database at `path` means; an error of ours (bad SQL) comes back as it is."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and free_bytes(path) < 1_000_000):
        return disk_full(path)
    if code == sqlite3.SQLITE_IOERR:
        return HostError("disk_error", f"writing to {path} failed: {error}.", hint="Look at the disk: `dmesg | tail`.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return HostError("home_read_only", f"{path} cannot be written to: {error}.", hint=ELSEWHERE)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HostError(
            "journal_locked",
            f"{path} is locked by another process; nothing was changed.",
            hint="`aicci service status`",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return HostError(
            "journal_damaged", f"{path} is damaged: {error}.",
            hint="`aicci service stop`, then any aicci command: what can be read is saved when the service starts.",
        )  # fmt: skip
    return error


def disk_full(path: Path) -> HostError:
    """The error for a full disk or a used-up quota, with what is left."""
    return HostError(
        "disk_full",
        f"the disk that holds {path} is full ({size(free_bytes(path))} free); nothing was recorded.",
        hint="Free some space, or set AICCI_HOME to another disk.",
    )


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write where `path` is (or will be); 0 where nobody can say."""
    for place in (path, *path.parents):
        try:
            state = os.statvfs(place)
        except OSError:
            continue
        return state.f_bavail * state.f_frsize
    return 0
