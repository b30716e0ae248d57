"""The time of one step of data-parallel training, by batch, ranks, nodes and bandwidth.

    T = (compute^g + comm^g)^(1/g)        g = 1: nothing overlaps; g large: the longer one hides the shorter
    compute = c0 + c1 * batch             of one rank
    comm    = inside(p) + across(p)       across only where there are several nodes
    inside  = a_in + k_in * 2 (p - 1) / p                  ring all-reduce with a constant latency
    across  = a_net * latency(n) + k_net * 2 (p - 1) / p / bandwidth ratio
The form is Pollux's (Qiao et al., OSDI 2021, section 3.2) with the ring's 2 (p - 1) / p in place of a line in p.
No parameter is negative, so at one batch more ranks on as many nodes, more nodes, or less bandwidth never make a step shorter.
Rule: pure functions over arrays; the last axis of `parameters` is the seven of `NAMES`. Imports numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NAMES = ("c0_s", "c1_s", "a_in_s", "k_in_s", "a_net_s", "k_net_s", "g")


class Latency(StrEnum):
    """How the latency across nodes grows with their number; the three are fitted side by side, since a small probe cannot
    tell them apart."""

    CONSTANT = "constant"
    LOGARITHMIC = "logarithmic"
    LINEAR = "linear"


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


def step_s(parameters: Floats, at: Table, latency: Latency) -> Floats:
    """Seconds of one step: shape (..., 7) and n points -> (..., n)."""
    c0, c1, a_in, k_in, a_net, k_net, g = (parameters[..., [i]] for i in range(len(NAMES)))
    compute = c0 + c1 * at.batch
    ring = 2.0 * (at.ranks - 1.0) / at.ranks
    inside = (a_in + k_in * ring) * (at.ranks > 1)
    across = (a_net * _grown(at.nodes, latency) + k_net * ring / at.bandwidth_ratio) * (at.nodes > 1)
    return _joined(compute, inside + across, g)


def _grown(nodes: Floats, latency: Latency) -> Floats:
    if latency is Latency.CONSTANT:
        return np.ones_like(nodes)
    return np.log2(nodes) if latency is Latency.LOGARITHMIC else nodes - 1.0


def _joined(compute: Floats, comm: Floats, g: Floats) -> Floats:
    """(compute^g + comm^g)^(1/g) without overflow, and never shorter than either."""
    long, short = np.maximum(compute, comm), np.minimum(compute, comm)
    joined: Floats = long * (1.0 + (short / long) ** g) ** (1.0 / g)
    return joined
