"""Files of the kernel (/proc, /sys) that are read again and again.

Rule 1: what is read every second stays open and is read by `pread` from its start, which makes the kernel work the content out
anew; opening it each time would cost three times as much.
Rule 2: nothing here raises: what is not there, or is gone, reads as b"", and a number that is not one as None.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

READ_BYTES = 16_384


class KernelFile:
    """One file that stays open; `read` gives b"" where it is not there, may not be read, or its process is gone."""

    __slots__ = ("_fd",)

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def __bool__(self) -> bool:
        return self._fd >= 0

    def read(self, size: int = READ_BYTES) -> bytes:
        """Its content, at most `size` bytes. A long table comes a page at a time: what is asked for beyond `READ_BYTES` is one."""
        try:
            content = os.pread(self._fd, size, 0) if self._fd >= 0 else b""
            while size > READ_BYTES and content and (more := os.pread(self._fd, size - len(content), len(content))):
                content += more
            return content
        except OSError:
            return b""

    def number(self) -> int | None:
        """Its content as a whole number."""
        return whole(self.read(64))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_once(path: str, size: int = READ_BYTES) -> bytes:
    """The content of a file that is read seldom."""
    file = KernelFile(path)
    content = file.read(size)
    file.close()
    return content


def whole(word: bytes) -> int | None:
    """A whole number, None where it is none."""
    try:
        return int(word)
    except ValueError:
        return None


def pairs(content: bytes, names: Iterable[bytes]) -> dict[bytes, int]:
    """Those of the lines `name value` (or `name: value kB`) that are asked for."""
    wanted, found = set(names), {}
    for line in content.split(b"\n"):
        name, _, rest = line.partition(b" ")
        name = name.rstrip(b":")
        if name in wanted:
            value = whole(rest.split()[0]) if rest.split() else None
            if value is not None:
                found[name] = value
    return found


def names_in(path: str) -> list[str]:
    """The entries of a directory in order, none where there is no directory."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []
