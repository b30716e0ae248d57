"""Paths that a rank may read and not write: bound onto themselves, read-only, in a mount namespace of its own.

In: absolute paths. Out: "", or why it could not be; the rank then sees them as they are.
Rule: mounts that the host makes later still arrive (the namespace is a slave); nothing that is done here is seen outside.
Needs CAP_SYS_ADMIN; whether that is there is decided before the run starts (engines/local/mounts.py).
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 1, 32, 4096, 16384, 1 << 19


def make_read_only(paths: Iterable[str]) -> str:
    """Leave the host's mount namespace and bind each path read-only."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)

    def mount(source: bytes | None, target: bytes, flags: int) -> None:
        if libc.mount(source, target, None, flags, None) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), os.fsdecode(target))

    try:
        if libc.unshare(CLONE_NEWNS) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "a mount namespace")
        mount(None, b"/", MS_REC | MS_SLAVE)
        for path in map(os.fsencode, paths):
            mount(path, path, MS_BIND | MS_REC)
            mount(None, path, MS_BIND | MS_REMOUNT | MS_RDONLY)
    except OSError as error:
        return str(error)
    return ""
