"""Which leaf a gang of whole accelerators should go to, so that the other usual gangs still find a leaf of their own.

The idea of `fragmentation` one level up: a leaf's waste is the mean, over the usual gangs, of the free accelerators in it
that a gang could not use without leaving the leaf: all of them where it has too few nodes free for the gang, else those on
hosts that have fewer free than one node of it wants, and what remains when these are divided by it.
In: wholly free accelerators per host (0 where it must not be used), where each leaf's slice of hosts starts. Out: per leaf,
by how much its waste grows if the gang goes there, its tightest hosts first.
Rule: pure; numpy only; works on a histogram [leaf, free accelerators], no loop over hosts or leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """So many nodes, each with so many whole accelerators."""

    nodes: int
    accelerators: int


def leaf_gradient(whole: NDArray[np.int16], starts: Ints, usual: Mapping[Gang, int], gang: Gang) -> Floats:
    """[leaf] growth of waste in accelerators with the gang in that leaf; infinite where it does not fit.

    `usual` says how often each gang is asked for; without it the leaf that keeps fewest free accelerators grows least.
    """
    before = histogram(whole, starts)
    after, fits = _with(before, gang)
    total = sum(usual.values())
    if not total:
        kept = (after * np.arange(after.shape[1])).sum(axis=1).astype(np.float64)
        return np.where(fits, kept, np.inf)
    growth = np.zeros(len(before))
    for other, count in sorted(usual.items(), key=lambda item: (item[0].nodes, item[0].accelerators)):
        growth += count * (_wasted(after, other) - _wasted(before, other))
    return np.where(fits, growth / total, np.inf)


def histogram(whole: NDArray[np.int16], starts: Ints) -> Ints:
    """[leaf, n]: how many hosts of the leaf have n accelerators wholly free."""
    most = int(whole.max(initial=0))
    leaf = np.zeros(len(whole), dtype=np.int64)
    leaf[starts[1:]] = 1
    flat = leaf.cumsum() * (most + 1) + whole
    return np.bincount(flat, minlength=len(starts) * (most + 1)).reshape(len(starts), most + 1)


def _wasted(hosts: Ints, gang: Gang) -> Ints:
    """[leaf] free accelerators that the gang could not use."""
    free = np.arange(hosts.shape[1])
    nodes = free // gang.accelerators
    room = hosts @ nodes
    return np.asarray(hosts @ free - np.where(room >= gang.nodes, room * gang.accelerators, 0))


def _with(hosts: Ints, gang: Gang) -> tuple[Ints, NDArray[np.bool_]]:
    """([leaf, n] after the gang took the tightest hosts of each leaf, where it fits)"""
    free = np.arange(hosts.shape[1])
    nodes = free // gang.accelerators
    fits = hosts @ nodes >= gang.nodes
    after = hosts.copy()
    left = np.where(fits, gang.nodes, 0)
    for n in range(gang.accelerators, len(free)):
        taken = np.minimum(left, hosts[:, n] * nodes[n])
        left = left - taken
        full, part = np.divmod(taken, nodes[n])
        after[:, n] -= full + (part > 0)
        after[:, n % gang.accelerators] += full
        after[np.arange(len(after)), n - part * gang.accelerators] += part > 0
    return after, fits
