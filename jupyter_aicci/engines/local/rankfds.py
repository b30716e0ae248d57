"""Pidfds of the ranks that live: with them the service, too, can say how a rank ended.

The keeper is a rank's parent, the agent holds a pidfd of it. When both are killed and the rank ends before others have taken their
place, nobody could tell its exit code; an agent that is started here gets these descriptors, and hands them to its keeper.
Rule: held from the rank's claim until its agent has told its end; a hint that may be missing, so nothing here raises.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from jupyter_aicci.agent.identity import open_pidfd, read_claim

MOST = 256  # the service needs descriptors for itself; ranks beyond that are the keeper's and the agent's alone


class RankFds:
    """Node directory -> rank -> pidfd."""

    def __init__(self) -> None:
        self._held: dict[Path, dict[int, int]] = {}

    def hold(self, node_dir: Path, ranks: Iterable[int]) -> None:
        """Hold those of the ranks that have a claim, live, and have no exit file."""
        held = self._held.setdefault(node_dir, {})
        for rank in ranks:
            if rank in held or sum(map(len, self._held.values())) >= MOST or (node_dir / f"rank-{rank}.exit").exists():
                continue
            claim = read_claim(node_dir / f"rank-{rank}.claim")
            fd = open_pidfd(claim) if claim else None
            if fd is not None:
                held[rank] = fd

    def of(self, node_dir: Path) -> dict[int, int]:
        """What is held of a node."""
        return dict(self._held.get(node_dir, {}))

    def drop(self, node_dir: Path, rank: int) -> None:
        """The rank's end is told."""
        fd = self._held.get(node_dir, {}).pop(rank, -1)
        if fd >= 0:
            os.close(fd)

    def drop_node(self, node_dir: Path) -> None:
        """Nothing of the node lives."""
        for fd in self._held.pop(node_dir, {}).values():
            os.close(fd)
