"""Over what NCCL's ranks talk to each other: read from its own log, once, at the beginning.

In: the file that NCCL_DEBUG=INFO writes; it is asked for only where the rank has accelerators and its environment does not set
NCCL_DEBUG. Out: a note, topic "transport", {"kind": "P2P" | "SHM" | "NET/IB" | "NET/Socket"}: the slowest way that was chosen.
Rule: the parser does no I/O. It is tested on lines that NCCL printed elsewhere; it has not run on hardware here.
Sources: nccl src/transport/{p2p,shm,net}.cc, "Channel %02d/%d : %d[%d] -> %d[%d] via %s".
"""

from __future__ import annotations

import contextlib
import os
import re

from ..frames import boot_ns
from .session import Session

WAYS = ("P2P", "SHM", "NET/IB", "NET/Socket")  # from the fastest to the slowest
LOOK_NS = 60_000_000_000
MOST_BYTES = 1 << 20

_VIA = re.compile(r"\bvia (?:P2P|SHM|NET/(?:IB|Socket))", re.IGNORECASE)


def watch(session: Session) -> None:
    """Ask NCCL for its log and read it once a second for the first minute of work; then the file goes."""
    env = os.environ
    if not env.get("CUDA_VISIBLE_DEVICES") or "NCCL_DEBUG" in env or session.world_size == 1:
        return
    path = session.path("nccl")
    env.update(NCCL_DEBUG="INFO", NCCL_DEBUG_SUBSYS="INIT,GRAPH,NET", NCCL_DEBUG_FILE=path)
    watcher = _Watcher(session, path)
    session.every_second.append(watcher.look)


class _Watcher:
    __slots__ = ("_known", "_path", "_session", "_until_ns")

    def __init__(self, session: Session, path: str) -> None:
        self._session, self._path, self._known, self._until_ns = session, path, "", 0

    def look(self) -> None:
        now_ns = boot_ns()
        self._until_ns = self._until_ns or now_ns + LOOK_NS
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                kind = slowest(file.read(MOST_BYTES))
        except OSError:
            kind = ""
        if kind and kind != self._known:
            self._known = kind
            self._session.write("note", topic="transport", text=f"NCCL's ranks talk via {kind}", data={"kind": kind})
        if now_ns >= self._until_ns:
            self._session.every_second.remove(self.look)
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def slowest(log: str) -> str:
    """The slowest way between two ranks that a log of NCCL names, "" if it names none."""
    found = {match[0][4:].casefold() for match in _VIA.finditer(log)}
    return next((way for way in reversed(WAYS) if way.casefold() in found), "")
