"""First, fullest and any host: what the gradient is measured against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jupyter_aicci.scheduler.fragmentation import Demand
from jupyter_aicci.scheduler.scorers import Best, First, Random


def columns(*rows: tuple[int, list[int]]) -> tuple[Any, ...]:
    """(cpu_milli, free milli of each device) of hosts with memory to spare."""
    return (
        np.array([cpu_milli for cpu_milli, _ in rows], dtype=np.int64),
        np.full(len(rows), 100, dtype=np.int64),
        np.array([share for _, share in rows], dtype=np.int16),
        np.zeros(len(rows), dtype=np.int64),
    )


HOSTS = columns((64000, [1000, 1000]), (8000, [1000, 400]), (32000, [400, 1000]), (8000, [1000, 400]))


def test_first_takes_the_lowest_host_that_fits() -> None:
    """And the tightest of its devices."""
    assert First(*HOSTS).best(Demand(devices=1, milli=300)) == (0, (0,))
    assert First(*HOSTS).best(Demand(devices=1, milli=300), np.array([False, True, True, True])) == (1, (1,))


def test_best_takes_the_host_that_keeps_least() -> None:
    """CPUs and accelerators count alike; of equal hosts the lowest."""
    assert Best(*HOSTS).best(Demand(devices=1, milli=300)) == (1, (1,))
    assert Best(*HOSTS).best(Demand(cpu_milli=9000, devices=1)) == (2, (1,))


def test_random_takes_any_host_and_device_that_fit_and_the_seed_says_which() -> None:
    """All that fit come up, none that does not, and the same generator gives the same."""
    demand = Demand(cpu_milli=9000, devices=1, milli=300)

    def drawn(seed: int) -> list[tuple[int, tuple[int, ...]] | None]:
        placement = Random(*HOSTS, np.random.default_rng(seed))
        return [placement.best(demand) for _ in range(60)]

    assert set(drawn(1)) == {(0, (0,)), (0, (1,)), (2, (0,)), (2, (1,))}
    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize("rule", [First, Best, lambda *hosts: Random(*hosts, np.random.default_rng(0))])
def test_what_fits_nowhere_gets_no_place(rule: Any) -> None:
    """Too many CPUs, devices or memory, another kind, or nowhere allowed."""
    for demand in (
        Demand(cpu_milli=64001),
        Demand(devices=3),
        Demand(devices=2, milli=1000, cpu_milli=64001),
        Demand(memory=101),
        Demand(devices=1, kinds=(1,)),
    ):
        assert rule(*HOSTS).best(demand) is None
    assert rule(*HOSTS).best(Demand(devices=1), np.zeros(4, dtype=bool)) is None
