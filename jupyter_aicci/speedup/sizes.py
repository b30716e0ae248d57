"""Which sizes a probe runs: as few as tell what one rank does, what a node's own links do, and what the network does.

In: the ranks of a node of the run to come, and how many of its nodes the cluster has. Out: sizes, the smallest first.
One node of 1, 2 and 4 ranks, then 2 and, where there is room, 4 nodes: the sizes whose twelve samples forecast Pollux's tables.
More sizes on one node add nothing. Pure; imports model only.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.spec import MOST_NODES

MOST_COUNTS = 16
ON_ONE_NODE, OVER_NODES = (1, 2, 4), (2, 4)
MOST_RANKS = 4  # of a node
SHARE = 0.02  # of the run's budget that all of them together may cost


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """So many nodes with so many ranks each."""

    nodes: int
    ranks_per_node: int

    @property
    def ranks(self) -> int:
        return self.nodes * self.ranks_per_node

    @property
    def text(self) -> str:
        """`2 × 4 ranks`, `1 rank`"""
        if self.nodes > 1:
            return f"{self.nodes} × {self.ranks_per_node} rank" + ("s" if self.ranks_per_node > 1 else "")
        return f"{self.ranks} rank" + ("s" if self.ranks > 1 else "")


def sizes(*, ranks_per_node: int, room: int) -> tuple[Size, ...]:
    """The sizes to probe for a run of nodes with `ranks_per_node`, on a cluster that holds `room` nodes."""
    inside = [Size(1, ranks) for ranks in ON_ONE_NODE if ranks <= ranks_per_node]
    each = min(MOST_RANKS, ranks_per_node)
    return (*inside, *(Size(nodes, each) for nodes in OVER_NODES if nodes <= room))


def budget_micro(cap_micro: int, count: int) -> int:
    """What each of `count` probes may cost, of a run that may cost `cap_micro`; 0 = no limit was set."""
    return max(1, int(cap_micro * SHARE) // count) if cap_micro else 0


def parse_counts(text: str) -> tuple[int, ...]:
    """The node counts in `1,2,4`, () for "". Raises `UserError` "bad_option"."""
    words = [word.strip() for word in text.split(",")] if text else []
    if len(words) > MOST_COUNTS or not all(word.isdecimal() and 1 <= int(word) <= MOST_NODES for word in words):
        raise UserError(
            "bad_option", f"--nodes {text}: expected up to {MOST_COUNTS} node counts such as 1,2,4.", field="--nodes"
        )
    return tuple(sorted({int(word) for word in words}))
