"""The time of one step of data-parallel training, by batch, ranks, nodes and bandwidth.

    T = (compute^g + comm^g)^(1/g)        g = 1: nothing overlaps; g large: the longer one hides the shorter
    compute = c0 + c1 * batch             of one rank
    comm    = inside(m) + across(p)       m ranks on the fullest node; across only where there are several nodes
    inside  = a_in + k_in * 2 (m - 1) / m                               ring all-reduce with a constant latency
    across  = (a_net + k_net * 2 (p - 1) / p / bandwidth ratio) * growth(p)
The form is Pollux's (Qiao et al., OSDI 2021, section 3.2) with the ring's 2 (p - 1) / p in place of a line in p, and a network
that more ranks keep waiting longer. No parameter is negative, so at one batch more ranks on each node, more nodes as full as
these, or less bandwidth never make a step shorter.
Rule: pure functions over arrays; the last axis of `parameters` is the seven of `NAMES`. Imports numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NAMES = ("c0_s", "c1_s", "a_in_s", "k_in_s", "a_net_s", "k_net_s", "g")


class Growth(StrEnum):
    """How the network's part grows with the ranks, the likeliest first; the three are fitted side by side, since a small
    probe cannot tell them apart."""

    LOGARITHMIC = "logarithmic"
    NONE = "none"
    ROOT = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A point of the model: how many ranks on how many nodes, each with which batch."""

    nodes: int
    ranks: int
    batch: float  # samples a rank and step
    bandwidth_ratio: float = 1.0  # of the bandwidth that the samples across nodes had

    def __post_init__(self) -> None:
        if not (1 <= self.nodes <= self.ranks and self.batch > 0 and self.bandwidth_ratio > 0):
            raise ValueError(f"{self}: expected 1 <= nodes <= ranks, and a batch and a bandwidth above 0")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Points as columns."""

    nodes: Floats
    ranks: Floats
    batch: Floats
    bandwidth_ratio: Floats


def table(points: tuple[Where, ...]) -> Table:
    """The points as columns, in their order."""
    return Table(
        nodes=np.array([point.nodes for point in points], dtype=float),
        ranks=np.array([point.ranks for point in points], dtype=float),
        batch=np.array([point.batch for point in points], dtype=float),
        bandwidth_ratio=np.array([point.bandwidth_ratio for point in points], dtype=float),
    )


def step_s(parameters: Floats, at: Table, growth: Growth) -> Floats:
    """Seconds of one step: shape (..., 7) and n points -> (..., n)."""
    c0, c1, a_in, k_in, a_net, k_net, g = (parameters[..., [i]] for i in range(len(NAMES)))
    compute = c0 + c1 * at.batch
    fullest = np.ceil(at.ranks / at.nodes)
    inside = (a_in + k_in * _ring(fullest)) * (fullest > 1)
    across = (a_net + k_net * _ring(at.ranks) / at.bandwidth_ratio) * _grown(at.ranks, growth) * (at.nodes > 1)
    return _joined(compute, inside + across, g)


def _ring(ranks: Floats) -> Floats:
    """What each rank sends and receives of an all-reduce in a ring."""
    moved: Floats = 2.0 * (ranks - 1.0) / ranks
    return moved


def _grown(ranks: Floats, growth: Growth) -> Floats:
    if growth is Growth.NONE:
        return np.ones_like(ranks)
    return np.log2(ranks) if growth is Growth.LOGARITHMIC else np.sqrt(ranks)


def _joined(compute: Floats, comm: Floats, g: Floats) -> Floats:
    """(compute^g + comm^g)^(1/g) without overflow, and never shorter than either."""
    long, short = np.maximum(compute, comm), np.minimum(compute, comm)
    joined: Floats = long * (1.0 + (short / long) ** g) ** (1.0 / g)
    return joined
