"""Free shares are worth what the mix of requests makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.share_prices import GRAIN, MILLI, share_prices

mixes = st.dictionaries(st.integers(1, MILLI), st.integers(1, 500), min_size=1, max_size=12)


def rolls_by_first_fit(counts: dict[int, int]) -> int:
    """How many accelerators these shares take when each goes to the first that has room, largest first."""
    free: list[int] = []
    for milli in sorted(counts, reverse=True):
        for _ in range(counts[milli]):
            place = next((i for i, left in enumerate(free) if left >= milli), len(free))
            if place == len(free):
                free.append(MILLI)
            free[place] -= milli
    return len(free)


@pytest.mark.parametrize(
    ("counts", "free", "price"),
    [
        ({500: 9}, 500, 0.5),
        ({500: 9}, 499, 0.0),
        ({1000: 3}, 999, 0.0),
        ({810: 10, 160: 1}, 190, 0.0),  # few small ones: they fit into gaps that are there anyhow
        ({810: 10, 160: 1}, 810, 1.0),
        ({650: 100, 320: 1000}, 320, 1 / 3),  # the small ones fill whole devices, three to each
        ({650: 100, 320: 1000}, 650, 2 / 3),
        ({650: 1000, 320: 100}, 320, 0.0),
        ({335: 9}, 340, 0.5),  # counted as 340: two to a device
        ({335: 9}, 330, 0.0),
        ({}, 250, 0.25),
        ({500: 0}, 250, 0.25),
    ],
)
def test_a_free_share_is_worth_what_requests_can_make_of_it(counts: dict[int, int], free: int, price: float) -> None:
    """A gap that few requests fill is worth nothing, whatever its size; without requests size is worth."""
    assert share_prices(counts)[free] == pytest.approx(price)


@given(mixes)
def test_prices_never_fall_and_a_whole_device_is_worth_one(counts: dict[int, int]) -> None:
    """More free is never worth less, and no pattern of shares is worth more than the device that it is cut from."""
    prices = share_prices(counts)
    assert len(prices) == MILLI + 1
    assert (np.diff(prices) >= 0).all()
    assert (prices[0], prices[MILLI]) == (0, pytest.approx(1.0))


@given(mixes, st.integers(0, MILLI // GRAIN), st.integers(0, MILLI // GRAIN))
def test_two_gaps_are_worth_no_more_than_one_of_their_size(counts: dict[int, int], a: int, b: int) -> None:
    """What fits into both fits into the one."""
    prices = share_prices(counts)
    whole = min(a + b, MILLI // GRAIN) * GRAIN
    assert a + b > MILLI // GRAIN or prices[a * GRAIN] + prices[b * GRAIN] <= prices[whole] + 1e-6


@given(
    st.dictionaries(st.integers(1, MILLI // GRAIN).map(lambda grains: grains * GRAIN), st.integers(1, 30), min_size=1)
)
def test_prices_sum_to_the_fewest_devices(counts: dict[int, int]) -> None:
    """Duality: priced requests lie between their mere size and what any packing takes."""
    prices = share_prices(counts)
    worth = sum(count * prices[milli] for milli, count in counts.items())
    assert sum(milli * count for milli, count in counts.items()) / MILLI <= worth + 1e-6
    assert worth <= rolls_by_first_fit(counts) + 1e-6
