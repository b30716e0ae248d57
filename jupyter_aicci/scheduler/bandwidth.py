"""The bandwidth that a placement costs: what a ring all-reduce over the gang gets from the links it crosses.

In: the tree, its links, the picks and the shape. Out: `Bandwidth`, per level and in all, as a share of the best possible.
Model: nodes are ranked along the tree, so that the ring leaves each domain once and enters it once: one flow per domain,
as wide as one node's network cards together. A level that carries 1/s of what its children can send is shared by hosts:
n nodes of the gang in one child are due n/s of a node's flow. So a level gives `link x min(1, least n / s)`, the gang
gets the least of its levels, and 6 + 6 nodes suffer less than 11 + 1. Shares are those of a fully loaded fabric: an
idle one gives more, never less. Inside a host the ring takes NVLink, or PCIe where there is none or two domains of it.
Bus bandwidth is as nccl-tests defines it (doc/PERFORMANCE.md). Rule: pure; an estimate, marked so, never a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jupyter_aicci.model.placement import Bandwidth, LevelBandwidth
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.fit import Picks, fit
from jupyter_aicci.scheduler.topology import CLUSTER, Ints, Link, Tree

# Bytes per second of one accelerator in one direction. NVLink: NCCL's own rate per link (src/graph/topo.h, 2.30:
# SM60 18, SM70 and SM80 20, SM90 20.6, SM100 40.1 GB/s) times the links of the data sheet (4, 6, 12, 18, 18).
NVLINK_BYTES_PER_S = {
    "p100": 72_000_000_000,
    "v100": 120_000_000_000,
    "a100": 240_000_000_000,
    "h100": 370_800_000_000,
    "h200": 370_800_000_000,
    "b200": 721_800_000_000,
}
# PCIe x16 by generation as NCCL counts it (width x speed / 80): 3, 4 and 5. An unknown one counts as the third, as there.
PCIE_BYTES_PER_S = {
    "a100": 24_000_000_000,
    "h100": 48_000_000_000,
    "h200": 48_000_000_000,
    "b200": 48_000_000_000,
}
PCIE3_BYTES_PER_S = 12_000_000_000
SOCKETS_BYTES_PER_S = 16_000_000_000  # between two sockets without NVLink: NCCL's rate for AMD CPUs, ibid.
# One RDMA network card: InfiniBand EDR in DGX-1, HDR in DGX A100, NDR in DGX H100 and B200 (their data sheets).
NIC_BYTES_PER_S = {
    "p100": 12_500_000_000,
    "v100": 12_500_000_000,
    "a100": 25_000_000_000,
    "h100": 50_000_000_000,
    "h200": 50_000_000_000,
    "b200": 50_000_000_000,
}
RDMA_BYTES_PER_S = 12_500_000_000  # a card of an accelerator that is not in the table: 100 Gbit/s
ETHERNET_BYTES_PER_S = 3_125_000_000  # a node without RDMA cards: 25 Gbit/s, assumed; shares do not depend on it
MEMORY_BYTES_PER_S = (
    10_000_000_000  # between CPU ranks of one host: a round figure, assumed; shares rarely depend on it
)
# Two levels of switches without oversubscription, 7:1 above them (The Llama 3 Herd of Models, 3.3.1: pods of 3,072
# accelerators with full bisection bandwidth, and 1:7 at the aggregation layer).
FULL_LEVELS, ABOVE_OVERSUBSCRIPTION = 2, 7.0


def links_of(levels: Sequence[str], given: Sequence[Link] = ()) -> tuple[Link, ...]:
    """One link per level of a tree, in its order: as given, else the usual one for its height above the hosts."""
    known = {link.level: link for link in given}
    above = len(levels) - 1 - FULL_LEVELS  # levels before this one are higher than the full ones
    usual = (
        Link(level=name, oversubscription=ABOVE_OVERSUBSCRIPTION if at < above else 1.0)
        for at, name in enumerate(levels)
    )
    return tuple(known.get(link.level, link) for link in usual)


def bandwidth(
    tree: Tree,
    links: Sequence[Link],
    picks: Picks,
    shape: Shape,
    *,
    best_bytes_per_s: int,
    nvlink_domains: int = 1,
    numa_nodes: int = 1,
) -> Bandwidth:
    """What the gang gets at these picks; `best_bytes_per_s` is what `best` says of its shape and size.

    `nvlink_domains`, `numa_nodes`: the most that the devices of one node are spread over.
    """
    inside = _inside(links[-1], shape, nvlink_domains, numa_nodes)
    rates = _rates(tree, links, picks, shape, inside)
    if not rates:
        return Bandwidth(bus_bytes_per_s=0, best_bytes_per_s=0, best_ratio=1.0, limited_by="", levels=())
    least = min(rates, key=lambda rate: rate[1])
    most = max(best_bytes_per_s, least[1])
    levels = tuple(
        LevelBandwidth(
            level=tree.levels[level],
            where=_where(tree, level, picks.hosts, lowest=at == 0 or level == len(tree.levels) - 2),
            bus_bytes_per_s=rate,
            ratio=min(1.0, rate / most),
        )
        for at, (level, rate) in enumerate(rates)
    )
    return Bandwidth(
        bus_bytes_per_s=least[1], best_bytes_per_s=most, best_ratio=least[1] / most,
        limited_by=tree.levels[least[0]], levels=levels,
    )  # fmt: skip


def best(tree: Tree, links: Sequence[Link], empty_room: Ints, nodes: int, shape: Shape) -> int:
    """Bus bandwidth in bytes/s of the gang on the emptied cluster, at the lowest level that could hold it.

    0 where nothing crosses a link, or where the gang does not fit at all.
    """
    picks = fit(tree, empty_room, nodes)
    rates = _rates(tree, links, picks, shape, _inside(links[-1], shape, 1, 1)) if picks else []
    return min((rate for _, rate in rates), default=0)


def step_time_ratio(bandwidth: Bandwidth, comm_ratio: float) -> float:
    """Predicted time of one step as a multiple of the best, where `comm_ratio` of the best step is communication.

    Amdahl: what is communication takes longer by the bandwidth's ratio, the rest does not; nothing overlaps.
    """
    return 1.0 - comm_ratio + comm_ratio / bandwidth.best_ratio


def _rates(tree: Tree, links: Sequence[Link], picks: Picks, shape: Shape, inside: int) -> list[tuple[int, int]]:
    """(level, bytes/s) from the host upwards to the level that holds the whole gang, where something crosses a link."""
    last = len(tree.levels) - 1
    hosts, counts = picks.hosts, picks.counts
    rates = [(last, inside)] if shape.slots > 1 or int(counts.max()) > 1 else []
    if len(hosts) == 1:
        return rates
    low, high = int(hosts[0]), int(hosts[-1])  # one domain is one slice, so that it holds all where it holds both ends
    for level in range(last - 1, -1, -1):
        link = links[level]
        rate = link.bytes_per_s or _flow(shape)
        if link.oversubscription > 1.0:
            rate = int(rate * min(1.0, _least_share(tree, level + 1, hosts, counts) / link.oversubscription))
        rates.append((level, rate))
        if tree.domain[level][low] == tree.domain[level][high]:
            break
    return rates


def _least_share(tree: Tree, level: int, hosts: Ints, counts: Ints) -> float:
    """The fewest nodes of the gang in one of its domains of the level that have an uplink of their own."""
    domains = tree.domain[level][hosts]
    first = np.concatenate(((0,), np.flatnonzero(np.diff(domains)) + 1))
    nodes = np.add.reduceat(counts, first)[tree.given[level][domains[first]]]
    return float(nodes.min(initial=np.iinfo(np.int64).max))


def _inside(link: Link, shape: Shape, nvlink_domains: int, numa_nodes: int) -> int:
    """Bytes/s between the devices of one host."""
    if link.bytes_per_s:
        return link.bytes_per_s
    if not shape.accelerators:
        return MEMORY_BYTES_PER_S
    if shape.nvlink and nvlink_domains == 1:
        return NVLINK_BYTES_PER_S.get(shape.accelerator, min(NVLINK_BYTES_PER_S.values()))
    pcie = PCIE_BYTES_PER_S.get(shape.accelerator, PCIE3_BYTES_PER_S)
    return min(pcie, SOCKETS_BYTES_PER_S) if numa_nodes > 1 else pcie


def _flow(shape: Shape) -> int:
    """Bytes/s that one node of the shape sends: all its RDMA cards together, else Ethernet."""
    card = NIC_BYTES_PER_S.get(shape.accelerator, RDMA_BYTES_PER_S)
    return shape.rdma_nics * card if shape.rdma_nics else ETHERNET_BYTES_PER_S


def _where(tree: Tree, level: int, hosts: Ints, *, lowest: bool) -> str:
    """The domains of the level in words; a level above the lowest is crossed."""
    domains = tree.domain[level][hosts]
    names = tree.names[level]
    at = [int(domains[0]), int(domains[-1])]
    if at[0] == at[1]:
        name = names[at[0]]
        return name if lowest else f"across {'the ' if level == 0 and name == CLUSTER else ''}{name}"
    count = int((domains[1:] != domains[:-1]).sum()) + 1
    some = ", ".join(names[domain] for domain in at) if count == 2 else f"{count} × {tree.levels[level]}"
    return some if lowest else f"across {some}"
