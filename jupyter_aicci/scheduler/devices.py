"""Which devices and CPUs of a host one node gets.

In: the free ones, and per device its NVLink domain and NUMA node. Out: indices, ascending.
Method: the fewest NVLink domains, then the fewest NUMA nodes; of those that do, the one with the fewest free devices, so
that whole ones stay whole. Inside, the tightest aligned block of a power of two (0-3, 4-7), as partitions of an NVSwitch
board are and as a buddy allocator keeps large blocks free.
Rule: pure and deterministic; a host has tens of devices, so that this is plain Python on bit masks. Imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence


def pick(free: Sequence[int], count: int, *, numa: Sequence[int] = (), nvlink: Sequence[int] = ()) -> tuple[int, ...]:
    """`count` of the free device indices; `numa`, `nvlink`: domain of each device of the host, () = all in one.

    Needs `count` free devices.
    """
    if count in (0, len(free)):
        return tuple(sorted(free)) if count else ()
    domains = _grouped(free, nvlink)
    nodes = _grouped(free, numa)

    def in_nodes(some: Sequence[int], wanted: int) -> list[int]:
        return _spread(_grouped(some, numa), wanted, _aligned)

    def in_domains(some: Sequence[int], wanted: int) -> list[int]:
        return _spread(_grouped(some, nvlink), wanted, _aligned)

    if _fewest(domains, count) > 1:  # no NVLink domain is enough: stay on one NUMA node if that costs no further domain
        for node in sorted((node for node in nodes if len(node) >= count), key=lambda node: (len(node), node)):
            if _fewest(_grouped(node, nvlink), count) == _fewest(domains, count):
                return tuple(sorted(in_domains(node, count)))
    return tuple(sorted(_spread(domains, count, in_nodes)))


def pick_cpus(
    free: Sequence[int], count: int, *, numa: Mapping[int, int] | None = None, near: Collection[int] = ()
) -> tuple[int, ...]:
    """`count` of the free CPU numbers, ascending: those on the NUMA nodes `near` first, then the lowest.

    `numa`: NUMA node of each CPU; None = unknown. Needs `count` free CPUs.
    """
    if not numa or not near:
        return tuple(sorted(free)[:count])
    return tuple(sorted(sorted(free, key=lambda cpu: (numa.get(cpu) not in near, cpu))[:count]))


def spread(devices: Sequence[int], domains: Sequence[int]) -> int:
    """Over how many domains the devices lie; 1 where domains are unknown."""
    return len({domains[device] for device in devices}) if domains and devices else 1


def _grouped(free: Sequence[int], domains: Sequence[int]) -> list[list[int]]:
    """The free devices of each domain, by domain."""
    if not domains:
        return [sorted(free)]
    groups: dict[int, list[int]] = {}
    for device in sorted(free):
        groups.setdefault(domains[device], []).append(device)
    return [groups[domain] for domain in sorted(groups)]


def _fewest(groups: Sequence[Sequence[int]], count: int) -> int:
    """How many of the groups hold `count` devices at least."""
    sizes = sorted(map(len, groups), reverse=True)
    return next(n for n in range(1, len(sizes) + 1) if sum(sizes[:n]) >= count)


def _spread(
    groups: Sequence[Sequence[int]], count: int, inside: Callable[[Sequence[int], int], list[int]]
) -> list[int]:
    """`count` devices over the fewest groups: the fullest whole, the rest from the tightest that has enough."""
    taken: list[int] = []
    rest = sorted(groups, key=len, reverse=True)
    while len(rest[0]) < count - len(taken):
        taken += rest.pop(0)
    wanted = count - len(taken)
    return taken + inside(min((group for group in rest if len(group) >= wanted), key=len), wanted)


def _aligned(free: Sequence[int], count: int) -> list[int]:
    """`count` devices in the smallest aligned block that has them, of these in the one with the fewest free."""
    mask = sum(1 << device for device in free)
    size = 1
    while True:
        counts = [(mask >> at & (1 << size) - 1).bit_count() for at in range(0, mask.bit_length(), size)]
        if max(counts) >= count:
            break
        size *= 2
    return _in_block(mask, _tightest_block(mask, counts, size, count), size, count)


def _tightest_block(mask: int, counts: Sequence[int], size: int, count: int) -> int:
    """Where the block begins; at a tie the one whose doubled block, and so on, has fewer free devices."""

    def key(block: int) -> tuple[int, ...]:
        at, around, widths = block * size, [counts[block]], size
        while widths < mask.bit_length():
            widths *= 2
            around.append((mask >> at // widths * widths & (1 << widths) - 1).bit_count())
        return (*around, block)

    return min((block for block, free in enumerate(counts) if free >= count), key=key) * size


def _in_block(mask: int, start: int, size: int, count: int) -> list[int]:
    """`count` devices of a block none of whose halves has them: the emptier half whole, the rest from the other."""
    if count == 0:
        return []
    if size == 1:
        return [start]
    half = size // 2
    halves = [(mask >> at & (1 << half) - 1).bit_count() for at in (start, start + half)]
    if sum(halves) == count:
        return [device for device in range(start, start + size) if mask >> device & 1]
    whole = 0 if halves[0] <= halves[1] else 1
    first = start + whole * half
    taken = [device for device in range(first, first + half) if mask >> device & 1]
    other = start + (1 - whole) * half
    return taken + _aligned([d for d in range(other, other + half) if mask >> d & 1], count - len(taken))
