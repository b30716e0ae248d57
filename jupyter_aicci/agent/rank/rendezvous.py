"""Ranks of one host meet as soon as rank 0 listens, not half a second later.

A client of torch's store that comes before its server tries again after 0.5 s and more (back-off in c10d/TCPStore.cpp), which
is most of a warm start. So a rank that is to connect to this very host waits here, looking every 2 ms whether the port is
listened on.
Rule: it only looks (/proc/net/tcp) and connects to nothing; when nobody listens for a minute, torch goes on as ever.
"""

from __future__ import annotations

import functools
import time
from types import ModuleType
from typing import Any

LOOK_S = 0.002
MEET_S = 60.0
LISTENS = "0A"  # the state column of /proc/net/tcp
LOCAL = ("127.", "localhost", "::1")


def hook(module: ModuleType) -> None:
    """Wrap the function by which `torch.distributed.rendezvous` makes the store that ranks meet in."""
    plain = module._create_c10d_store

    @functools.wraps(plain)
    def create(hostname: str, port: int, rank: int, *args: Any, **kwargs: Any) -> Any:
        if rank != 0 and str(hostname).startswith(LOCAL):
            wait_for_listener(int(port), limit_s=MEET_S)
        return plain(hostname, port, rank, *args, **kwargs)

    module.__dict__["_create_c10d_store"] = create


def wait_for_listener(port: int, *, limit_s: float) -> bool:
    """Whether somebody on this host listens on the port, at the latest after `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while not listens(port):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(LOOK_S)
    return True


def listens(port: int) -> bool:
    """Whether the port is listened on; True where the kernel does not say, so that nobody waits for nothing."""
    told = False
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as file:
                next(file)
                for line in file:
                    fields = line.split(None, 4)
                    if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                        return True
            told = True
        except (OSError, ValueError, IndexError, StopIteration):
            continue
    return not told
