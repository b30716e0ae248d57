"""Ports for rendezvous: a run of consecutive ones that nobody listens on, and that no other run was given a moment ago.

Rule: below the kernel's own range of ephemeral ports, so that no outgoing connection takes one between here and the rank's bind.
"""

from __future__ import annotations

import random
import socket
import time

from jupyter_aicci.model.errors import EngineError

FIRST, LAST = 20_000, 32_000
LEASE_S = 120.0  # from here to the rank's bind
TRIES = 500


class Ports:
    """The ports that were given out lately."""

    def __init__(self) -> None:
        self._leased: dict[int, float] = {}  # port -> until when
        self._random = random.Random()

    def lease(self, count: int) -> int:
        """The first of `count` consecutive free ports. Raises `EngineError` where there are none."""
        now_s = time.monotonic()
        self._leased = {port: until_s for port, until_s in self._leased.items() if until_s > now_s}
        for _ in range(TRIES):
            first = self._random.randrange(FIRST, LAST - count)
            ports = range(first, first + count)
            if not any(port in self._leased for port in ports) and all(map(_free, ports)):
                self._leased |= dict.fromkeys(ports, now_s + LEASE_S)
                return first
        raise EngineError("no_free_port", f"no {count} consecutive ports between {FIRST} and {LAST} are free.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
