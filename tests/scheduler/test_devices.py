"""A node's devices are near to each other, and what is left is as whole as it can be."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.devices import pick, pick_cpus, spread

TWO_SOCKETS = (0, 0, 0, 0, 1, 1, 1, 1)
PAIRS = (0, 0, 1, 1, 2, 2, 3, 3)  # NVLink bridges between two cards each
HOSTS = st.tuples(
    st.sampled_from([(), TWO_SOCKETS]),
    st.sampled_from([(), TWO_SOCKETS, PAIRS, tuple(range(8)), (0, 0, 0, 1, 1, 1, 1, 1)]),
)


@pytest.mark.parametrize(
    ("free", "count", "expected"),
    [
        ((0, 1, 2, 3, 4, 5, 6, 7), 8, (0, 1, 2, 3, 4, 5, 6, 7)),
        ((0, 1, 2, 3, 4, 5, 6, 7), 4, (0, 1, 2, 3)),
        ((0, 1, 2, 4, 5, 6, 7), 4, (4, 5, 6, 7)),  # aligned, and in one piece
        ((0, 1, 2, 3, 6, 7), 2, (6, 7)),  # 0-3 stays whole
        ((1, 2, 3, 4, 5, 6, 7), 1, (1,)),  # beside what is taken
        ((0, 1, 2, 5, 6, 7), 2, (0, 1)),  # an aligned pair, although 1 and 2 are neighbours too
        ((0, 1, 2, 3, 4, 5), 3, (0, 1, 2)),
        ((0, 1, 2, 3, 4, 5), 5, (0, 1, 2, 4, 5)),
        ((0, 2, 4, 6), 2, (0, 2)),
        ((3, 5), 0, ()),
    ],
)
def test_devices_are_taken_in_aligned_blocks(free: tuple[int, ...], count: int, expected: tuple[int, ...]) -> None:
    """The tightest block of a power of two that has them."""
    assert pick(free, count) == expected


@pytest.mark.parametrize(
    ("free", "count", "numa", "nvlink", "expected"),
    [
        ((0, 1, 2, 5, 6), 2, TWO_SOCKETS, (), (5, 6)),  # the socket that they fill
        ((1, 2, 3, 5, 6, 7), 4, TWO_SOCKETS, (), (1, 2, 3, 5)),
        ((0, 1, 2, 3, 4, 5, 6, 7), 2, TWO_SOCKETS, PAIRS, (0, 1)),
        ((0, 2, 3, 5), 2, TWO_SOCKETS, PAIRS, (2, 3)),  # the bridged pair
        ((0, 2, 5), 2, TWO_SOCKETS, PAIRS, (0, 2)),  # no pair is left: at least one socket
        ((0, 1, 2, 4, 5), 2, TWO_SOCKETS, tuple(range(8)), (4, 5)),  # no NVLink at all
        ((0, 4, 5, 6, 7), 3, TWO_SOCKETS, PAIRS, (4, 5, 6)),  # two pairs of one socket
        ((0, 1, 2, 3, 4, 5), 2, TWO_SOCKETS, TWO_SOCKETS, (4, 5)),
    ],
)
def test_a_node_stays_in_one_domain_if_one_has_room(
    free: tuple[int, ...], count: int, numa: tuple[int, ...], nvlink: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """NVLink domains first, then NUMA nodes, and of those the one with the fewest free devices."""
    assert pick(free, count, numa=numa, nvlink=nvlink) == expected


@given(HOSTS, st.sets(st.integers(0, 7)), st.integers(0, 8))
def test_no_choice_spans_fewer_nvlink_domains(
    host: tuple[tuple[int, ...], tuple[int, ...]], free: set[int], count: int
) -> None:
    """Brute force over every choice; of those with as few domains none is on fewer NUMA nodes where one domain does."""
    numa, nvlink = host
    count = min(count, len(free))
    found = pick(sorted(free), count, numa=numa, nvlink=nvlink)

    assert len(set(found)) == count
    assert set(found) <= free
    assert list(found) == sorted(found)
    spans = [(spread(some, nvlink), spread(some, numa)) for some in combinations(sorted(free), count)]
    assert spread(found, nvlink) == min(spans)[0]
    if min(spans)[0] == 1 or min(spans)[1] == 1:
        assert (spread(found, nvlink), spread(found, numa)) == min(spans)


@given(st.sets(st.integers(0, 15)), st.integers(0, 16), st.randoms())
def test_the_order_of_the_free_devices_does_not_matter(free: set[int], count: int, random: object) -> None:
    """Equal sets, equal picks."""
    shuffled = sorted(free)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    count = min(count, len(free))

    assert pick(shuffled, count) == pick(sorted(free), count)


@given(st.sampled_from([1, 2, 4]), st.sets(st.integers(0, 7)))
def test_a_free_aligned_block_is_never_passed_over(size: int, free: set[int]) -> None:
    """A power of two that is free as an aligned block is taken as one."""
    if len(free) < size:
        return
    blocks = [set(range(at, at + size)) for at in range(0, 8, size)]
    found = set(pick(sorted(free), size))

    assert found in blocks or not any(block <= free for block in blocks)


def test_cpus_of_the_devices_numa_node_come_first() -> None:
    """And the lowest others where those do not suffice."""
    numa = {cpu: cpu // 4 for cpu in range(8)}

    assert pick_cpus((0, 1, 2, 5, 6, 7), 2, numa=numa, near={1}) == (5, 6)
    assert pick_cpus((0, 1, 2, 5, 6, 7), 4, numa=numa, near={1}) == (0, 5, 6, 7)
    assert pick_cpus((7, 3, 1), 2) == (1, 3)


def test_devices_of_unknown_domains_lie_in_one() -> None:
    """Nothing is held against what nobody knows."""
    assert [spread((0, 5), ()), spread((), TWO_SOCKETS), spread((0, 5), TWO_SOCKETS)] == [1, 1, 2]
