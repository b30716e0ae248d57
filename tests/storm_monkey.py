"""Kills processes of one home by SIGKILL, each found by the claim that it wrote, at moments that a seed decides.

    monkey = Monkey(home, seed=1)      monkey.strike("keeper") -> Claim or None      monkey.pause(mean_s)

Rule: a process is found by a claim file of this home and signalled through a pidfd, so nothing else on the machine can be hit.
"""

from __future__ import annotations

import glob
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.identity import Claim, alive, claim_from_json, read_claim, send_signal
from jupyter_aicci.store.paths import Home

NODE = "*/attempt-*/node-*"
PATTERNS = {"agent": f"{NODE}/agent.claim", "keeper": f"{NODE}/keeper.claim", "rank": f"{NODE}/rank-*.claim"}


def claims(home: Home, role: str) -> Iterator[Claim]:
    """The claims of all processes in that role, dead ones too."""
    if role in PATTERNS:
        found = (read_claim(path) for path in glob.iglob(f"{home.runs_dir}/{PATTERNS[role]}"))
    else:
        names = {"service": "service.json", "zygote": "zygote-*.json"}
        bodies = (read_json(path) for path in glob.iglob(f"{home.runtime}/{names[role]}"))
        found = (claim_from_json(body.get("claim")) for body in bodies if body)
    yield from (claim for claim in found if claim is not None)


def living(home: Home, role: str) -> list[Claim]:
    return [claim for claim in claims(home, role) if alive(claim)]


class Monkey:
    """One storm; `killed` counts its hits by role."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home, self.random, self.killed = home, random.Random(seed), Counter[str]()

    def strike(self, role: str) -> Claim | None:
        """Kill one living process of that role, None where there is none."""
        there = sorted(living(self.home, role))
        if not there:
            return None
        victim = self.random.choice(there)
        if not send_signal(victim, signal.SIGKILL):
            return None
        self.killed[role] += 1
        return victim

    def pause(self, mean_s: float) -> None:
        """Let a random time pass, as events that know nothing of each other would."""
        time.sleep(min(self.random.expovariate(1 / mean_s), 4 * mean_s))
