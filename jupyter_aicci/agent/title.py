"""What a forked process shows of itself: its title in `ps`, and the tag by which a run's processes are found.

A process that was forked, not executed, keeps the command line and the environment of its parent in /proc, whatever it does to
`os.environ`. Both are plain memory of the process, so they are written over there: the title over the arguments, the tag over a
variable that the zygote was started with for that purpose (`AICCI_PAD`).
Rule: where it does not work (no /proc/self/mem, no room), nothing happens; the cgroup and the sessions still know the process.
"""

from __future__ import annotations

import os

PAD = "AICCI_PAD"
PAD_BYTES = 5000  # room for a node directory of the longest path, and a few names beside it
ARG_START, ENV_START = 48, 50  # fields of /proc/self/stat, counted from 1; the ends follow


def set_title(text: str) -> bool:
    """Show `text` as this process's command line; cut off where the old one ended."""
    start, end = _region(ARG_START)
    room = end - start
    return room > 1 and _overwrite(start, text.encode()[: room - 1].ljust(room, b"\0"))


def set_tag(pairs: dict[str, str]) -> bool:
    """Show `pairs` among this process's environment in /proc, in place of the pad. What it forks and executes shows them too."""
    start, end = _region(ENV_START)
    try:
        with open("/proc/self/environ", "rb") as file:
            shown = file.read()
    except OSError:
        return False
    at = (b"\0" + shown).find(b"\0" + PAD.encode() + b"=")
    size = shown.find(b"\0", at) - at if at >= 0 else 0
    data = b"\0".join(f"{key}={value}".encode() for key, value in pairs.items())
    if at < 0 or len(data) > size or start + at + size > end:
        return False
    return _overwrite(start + at, data.ljust(size, b"\0"))


def _region(field: int) -> tuple[int, int]:
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[field - 3]), int(fields[field - 2])


def _overwrite(address: int, data: bytes) -> bool:
    try:
        fd = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.pwrite(fd, data, address) == len(data)
    except OSError:
        return False
    finally:
        os.close(fd)
