"""Runs with nothing wrong: noise alone gives no finding, and a slow rank is found in spite of it.

The simulation of the facts: log-normal noise of a step, 1 % of spread between the ranks, ranks that wait for each other.
The seeds are fixed: the same runs every time. AICCI_NOISE_RUNS=2000 repeats the published size.
"""

from __future__ import annotations

import os

import pytest
from findings_builders import a_story

RUNS = int(os.environ.get("AICCI_NOISE_RUNS", "100"))  # of each row of a table


@pytest.mark.parametrize(
    ("ranks", "noise"), [(1, 0.05), (2, 0.15), (3, 0.15), (4, 0.15), (8, 0.05), (8, 0.15), (64, 0.15)]
)
def test_noise_alone_gives_no_finding(ranks: int, noise: float) -> None:
    """At most 0.2 % of runs have any finding of any rule: of these hundreds none."""
    told = {}
    for seed in range(RUNS if ranks < 64 else RUNS // 5):
        found = a_story(ranks=ranks, noise=noise, steps=400, seed=seed).findings()
        if found:
            told[seed] = [(each.id, each.text) for each in found]
    assert len(told) <= 0.002 * RUNS, told


@pytest.mark.parametrize(("ranks", "noise"), [(3, 0.05), (4, 0.15), (8, 0.05), (8, 0.15), (64, 0.15)])
def test_a_rank_a_third_slower_is_found_in_noise(ranks: int, noise: float) -> None:
    """1.3 times: found first, and only that rank, in at least 97 % of runs."""
    runs = RUNS if ranks < 64 else RUNS // 5
    right = 0
    for seed in range(runs):
        story = a_story(ranks=ranks, noise=noise, steps=120, seed=10_000 + seed)
        story.own_s[:, ranks - 1] *= 1.3
        found = story.findings()
        right += bool(found) and found[0].id == "F04" and found[0].ranks == (ranks - 1,)
    assert right >= 0.97 * runs
