"""Files that are whole or not there, and the seam where tests kill the process.

Rule 1: what others read is written to a temporary name, synced, renamed, and the directory synced: a reader sees the old file or
the new one, after a crash too.
Rule 2: `fail_point(name)` costs one dictionary look-up unless AICCI_FAIL_AT is set: `commit:3` kills this process with SIGKILL at
its third commit, `any:7` at its seventh commit, fsync, rename or link; `keeper/any:7` means only keepers (of service, agent,
keeper, zygote, rank). A frame appended to a spool is a commit. Crash tests sweep n until a process ends untouched.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal

TYPE_CHECKING = False  # see frames.py
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, BinaryIO

_COUNTS: dict[str, int] = {}
_ROLE = ["service"]


def set_role(role: str) -> None:
    """Say what kind of process this is; its fail points are counted from here on."""
    _ROLE[0] = role
    _COUNTS.clear()


def fail_point(name: str) -> None:
    """Die here by SIGKILL if AICCI_FAIL_AT asks for this occurrence of `name` (or of `any`)."""
    wanted = os.environ.get("AICCI_FAIL_AT")
    if not wanted:
        return
    role, _, point = wanted.rpartition("/")
    which, _, n = point.partition(":")
    if (role and role != _ROLE[0]) or which not in (name, "any"):
        return
    _COUNTS[which] = _COUNTS.get(which, 0) + 1
    if _COUNTS[which] == int(n or 1):
        os.write(2, f"killed by AICCI_FAIL_AT={wanted} at {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path`, durably, when the block ends, and is gone when anything is raised in it."""
    target = os.fspath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
            yield file
            file.flush()
            fail_point("fsync")
            os.fsync(file.fileno())
        fail_point("rename")
        os.replace(temporary, target)
    except BaseException:
        remove(temporary)
        raise
    sync_directory(os.path.dirname(target) or ".")


def write_atomic(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data`, durably; raises OSError and leaves the old file if that fails."""
    with replacing(path, mode=mode) as file:
        file.write(data)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make a rename within `path` survive a power cut; a file system that cannot sync directories is left alone."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fail_point("fsync")
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: str | os.PathLike[str]) -> None:
    """Unlink, if it is there and can be."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any]) -> None:
    """`write_atomic` of a JSON object."""
    write_atomic(path, json.dumps(value, separators=(",", ":")).encode())


def read_json(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The JSON object in a file, None where there is no file or no whole object in it."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
