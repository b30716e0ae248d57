"""What a free share of an accelerator is worth when the mix of requested shares is known.

In: how often each share (thousandths of one accelerator) is asked for. Out: a table, price[free milli] in 0..1, of how much of
one whole accelerator that free share stands for: where 810s and 650s are common and 320s rare, 340 free milli are worth a
third and 190 free milli nothing, because the small shares that would fill them are few and fill other gaps as well.
Method: the dual of the cutting-stock program, by column generation (Gilmore & Gomory, Operations Research 9(6), 1961):
the shares are the pieces, an accelerator is the roll, the price of a piece is what one more of it costs in accelerators.
Rule: no clock, no I/O, no randomness; equal counts give equal prices. Imports numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

MILLI = 1000  # thousandths of one accelerator
GRAIN = 10  # milli; shares are rounded up to it, so that a knapsack is 100 steps and not 1,000
MAX_PIVOTS = 500  # a mix of 25 shares needs about 60
BETTER = 1e-9  # what a new pattern must save to be worth a pivot


def share_prices(counts: Mapping[int, int]) -> NDArray[np.float64]:
    """Price of each free share 0..1000 milli in whole accelerators, never falling; `counts` is requests by share (1..1000 milli).

    Without requests a share is worth its size.
    """
    sizes, wanted = _pieces(counts)
    if not sizes.size:
        return np.arange(MILLI + 1) / MILLI
    worth = _knapsack(sizes, _piece_prices(sizes, wanted))[0]
    return np.asarray(worth[np.arange(MILLI + 1) // GRAIN])


def _pieces(counts: Mapping[int, int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Shares in grains, ascending and each once, and how often each is wanted."""
    merged: dict[int, int] = {}
    for milli, count in counts.items():
        grains = -(-milli // GRAIN)
        merged[grains] = merged.get(grains, 0) + count
    sizes = sorted(size for size, count in merged.items() if size > 0 and count > 0)
    return np.array(sizes, dtype=np.int64), np.array([merged[size] for size in sizes], dtype=np.float64)


def _piece_prices(sizes: NDArray[np.int64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dual prices of "every wanted piece is cut from as few rolls as possible"."""
    roll = MILLI // GRAIN
    patterns = np.diag((roll // sizes).astype(np.float64))  # column j: a roll cut into pieces of size j alone
    for _ in range(MAX_PIVOTS):
        prices = np.asarray(np.linalg.solve(patterns.T, np.ones(len(sizes))), dtype=np.float64)
        worth, last = _knapsack(sizes, prices)
        if worth[roll] <= 1 + BETTER:
            break
        entering = _pattern(sizes, last)
        step, rolls = np.linalg.solve(patterns, entering), np.linalg.solve(patterns, wanted)
        ratio = np.where(step > BETTER, np.maximum(rolls, 0.0) / np.where(step > BETTER, step, 1.0), np.inf)
        patterns[:, int(ratio.argmin())] = entering
    return np.asarray(np.maximum(prices, 0.0))


def _knapsack(sizes: NDArray[np.int64], prices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Best value of 0..roll grains, and the piece that comes last in it (-1: the last grain stays empty)."""
    roll = MILLI // GRAIN
    worth, last = np.zeros(roll + 1), np.full(roll + 1, -1, dtype=np.int64)
    for grains in range(1, roll + 1):
        worth[grains] = worth[grains - 1]
        fitting = int(np.searchsorted(sizes, grains, side="right"))
        if fitting:
            values = worth[grains - sizes[:fitting]] + prices[:fitting]
            piece = int(values.argmax())
            if values[piece] > worth[grains] + BETTER:
                worth[grains], last[grains] = values[piece], piece
    return worth, last


def _pattern(sizes: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many of each piece the best full roll holds."""
    pattern, grains = np.zeros(len(sizes)), len(last) - 1
    while grains > 0:
        piece = int(last[grains])
        if piece >= 0:
            pattern[piece] += 1
        grains -= int(sizes[piece]) if piece >= 0 else 1
    return pattern
