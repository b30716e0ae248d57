"""Which sizes a probe runs, what they may cost, and node counts as a person writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.speedup.sizes import SHARE, Size, budget_micro, parse_counts, sizes


def test_one_rank_then_a_node_then_nodes() -> None:
    """1, 2 and 4 ranks of one node, then 2 and 4 nodes, as far as there is room."""
    assert [size.text for size in sizes(ranks_per_node=8, room=16)] == [
        "1 rank",
        "2 ranks",
        "4 ranks",
        "2 × 4 ranks",
        "4 × 4 ranks",
    ]
    assert [size.text for size in sizes(ranks_per_node=2, room=3)] == ["1 rank", "2 ranks", "2 × 2 ranks"]
    assert [size.text for size in sizes(ranks_per_node=1, room=4)] == ["1 rank", "2 × 1 rank", "4 × 1 rank"]
    assert sizes(ranks_per_node=8, room=1) == (Size(1, 1), Size(1, 2), Size(1, 4))


@given(st.integers(1, 64), st.integers(1, 1000))
def test_no_size_is_larger_than_there_is_room_for_or_run_twice(ranks_per_node: int, room: int) -> None:
    """And the first is one rank, the baseline."""
    found = sizes(ranks_per_node=ranks_per_node, room=room)
    assert found[0] == Size(1, 1)
    assert len(set(found)) == len(found) <= 5
    assert all(size.nodes <= room and size.ranks_per_node <= ranks_per_node for size in found)


@given(st.integers(1, 10**12), st.integers(1, 5))
def test_all_probes_together_stay_in_their_share(cap_micro: int, count: int) -> None:
    """A fiftieth of the budget, to the micro-unit where it is that large."""
    assert count * budget_micro(cap_micro, count) <= max(SHARE * cap_micro, count)


def test_no_budget_is_no_limit() -> None:
    """The time limit of each remains."""
    assert budget_micro(0, 5) == 0


def test_counts_are_read_sorted_and_once() -> None:
    """As `--nodes` takes them."""
    assert parse_counts("4, 1,2,2") == (1, 2, 4)
    assert parse_counts("") == ()


@pytest.mark.parametrize("text", ["1,x", "0", "-1", "1.5", "1,,2", "99999999", ",".join(map(str, range(1, 18)))])
def test_counts_that_are_none_are_refused_whole(text: str) -> None:
    """With the option's name and an example."""
    with pytest.raises(UserError, match="expected up to 16 node counts such as 1,2,4") as refused:
        parse_counts(text)
    assert (refused.value.code, refused.value.field) == ("bad_option", "--nodes")
