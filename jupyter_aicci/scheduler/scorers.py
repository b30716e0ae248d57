"""The placements that `fragmentation` is measured against: the first host that fits, the fullest, and any.

In and out as for `fragmentation.Gradient`: columns that the caller owns, `best(demand, mask) -> (host, devices)`, `placed`, `took`.
- first: the lowest host that fits. best: the host that keeps least, CPUs and accelerators counted alike as parts of the
  largest host. random: one of those that fit, devices as well, from the generator that is handed in.
Rule: pure; no randomness but the generator's; nothing is kept between calls. Imports numpy and `fragmentation` only.
"""

from __future__ import annotations

import numpy as np

from jupyter_aicci.scheduler.fragmentation import Demand, Flags, Ints, Shares, has_room, tightest


class First:
    """The lowest host that fits; the others differ in what they choose."""

    def __init__(self, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints) -> None:
        self._cpu_milli, self._memory, self._share, self._kind = cpu_milli, memory, share, kind

    def placed(self, host: int) -> None:
        """Nothing is kept, so nothing changes."""

    def took(self, demand: Demand, host: int) -> None:
        """Nothing is kept, so nothing changes."""

    def best(self, demand: Demand, mask: Flags | None = None) -> tuple[int, tuple[int, ...]] | None:
        """(host, devices) by this rule; None where the demand fits nowhere."""
        fits = has_room(demand, self._cpu_milli, self._memory, self._share, self._kind)
        hosts = np.flatnonzero(fits if mask is None else fits & mask)
        if not hosts.size:
            return None
        host = self._choose(hosts)
        return host, self._devices(demand, host)

    def _choose(self, hosts: Ints) -> int:
        """One of these hosts, which all fit and of which there is at least one."""
        return int(hosts[0])

    def _devices(self, demand: Demand, host: int) -> tuple[int, ...]:
        return tightest(self._share[host], demand)


class Best(First):
    """The host that keeps least after the demand; of equal ones the lowest."""

    def __init__(self, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints) -> None:
        super().__init__(cpu_milli, memory, share, kind)
        self._most_cpu_milli = max(1, int(cpu_milli.max(initial=1)))
        self._most_milli = max(1, int(np.maximum(share, 0).sum(axis=1, dtype=np.int64).max(initial=1)))

    def _choose(self, hosts: Ints) -> int:
        milli = np.maximum(self._share[hosts], 0).sum(axis=1, dtype=np.int64)
        kept = self._cpu_milli[hosts] * self._most_milli + milli * self._most_cpu_milli  # whole, so ties are ties
        return int(hosts[kept.argmin()])


class Random(First):
    """Any host that fits, and any devices on it that do."""

    def __init__(self, cpu_milli: Ints, memory: Ints, share: Shares, kind: Ints, rng: np.random.Generator) -> None:
        super().__init__(cpu_milli, memory, share, kind)
        self._rng = rng

    def _choose(self, hosts: Ints) -> int:
        return int(hosts[self._rng.integers(len(hosts))])

    def _devices(self, demand: Demand, host: int) -> tuple[int, ...]:
        fitting = np.flatnonzero(self._share[host] >= demand.milli)
        return tuple(sorted(self._rng.permutation(fitting)[: demand.devices].tolist()))
