"""Measured throughput and ratios, on steps that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_aicci.speedup.measure import Records, Throughput, speed_up, step_times, throughput, throughput_from_json


def records(*rows: tuple[int, int, int, float]) -> Records:
    """(rank, last step, count, seconds of all of them)"""
    rank, step, count, duration_s = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Records(
        rank=np.array(rank, dtype=np.int64), step=np.array(step, dtype=np.int64), count=np.array(count, dtype=np.int64),
        duration_s=np.array(duration_s, dtype=float),
    )  # fmt: skip


def a_throughput(ranks: int, step_s: float, batch: float = 32.0, nodes: int = 1) -> Throughput:
    return Throughput(
        nodes=nodes, ranks=ranks, steps=100, step_s=step_s, lo_s=step_s * 0.98, hi_s=step_s * 1.02, batch=batch
    )


def test_the_warm_up_is_left_out() -> None:
    """Ten steps, however slow."""
    rows = [(0, n, 1, 5.0 if n < 10 else 0.1) for n in range(70)]
    found = throughput(records(*rows), nodes=1, ranks=1)
    assert found is not None
    assert (found.steps, found.step_s, found.lo_s, found.hi_s) == (
        60,
        pytest.approx(0.1),
        pytest.approx(0.1),
        pytest.approx(0.1),
    )
    assert found.steady


def test_a_step_of_several_ranks_is_one_step() -> None:
    """Its time is the mean of theirs."""
    rows = [(rank, n, 1, 0.1 + 0.02 * rank) for n in range(20) for rank in (0, 1)]
    assert step_times(records(*rows)) == pytest.approx([0.11] * 10)


def test_a_record_of_many_steps_counts_as_many() -> None:
    """A program that steps faster than frames are written."""
    rows = [(0, 9, 10, 1.0), (0, 29, 20, 0.4), (0, 49, 20, 0.6)]
    assert step_times(records(*rows)) == pytest.approx([0.02] * 20 + [0.03] * 20)


def test_a_record_that_reaches_into_the_warm_up_is_left_out_whole() -> None:
    """Which of its steps were slow is not known."""
    assert step_times(records((0, 4, 5, 9.0), (0, 24, 20, 9.0), (0, 44, 20, 0.4))) == pytest.approx([0.02] * 20)


def test_too_few_steps_are_no_measurement() -> None:
    """Nor is none at all."""
    assert throughput(records(*[(0, n, 1, 0.1) for n in range(14)]), nodes=1, ranks=1) is None
    assert throughput(records(), nodes=1, ranks=1) is None


def test_few_steps_are_said_to_be_few() -> None:
    """Under 50 after the warm-up."""
    found = throughput(records(*[(0, n, 1, 0.1) for n in range(40)]), nodes=1, ranks=1)
    assert found is not None
    assert not found.steady


def test_one_slow_step_does_not_move_the_median() -> None:
    """And the interval holds it."""
    rng = np.random.default_rng(0)
    rows = [(0, n, 1, float(t)) for n, t in enumerate(rng.normal(0.1, 0.01, 210))]
    rows[100] = (0, 100, 1, 60.0)
    found = throughput(records(*rows), nodes=1, ranks=1)
    assert found is not None
    assert found.lo_s < 0.1 < found.hi_s
    assert found.hi_s - found.lo_s < 0.008


def test_the_interval_of_many_steps_is_narrow() -> None:
    """Although not all of them are drawn from."""
    rng = np.random.default_rng(0)
    few = [(0, n, 1, float(t)) for n, t in enumerate(rng.normal(0.1, 0.01, 510))]
    many = [(0, n, 1, float(t)) for n, t in enumerate(rng.normal(0.1, 0.01, 50_010))]
    narrow, wide = throughput(records(*many), nodes=1, ranks=1), throughput(records(*few), nodes=1, ranks=1)
    assert narrow is not None
    assert wide is not None
    assert narrow.hi_s - narrow.lo_s < 0.25 * (wide.hi_s - wide.lo_s)


def test_samples_a_second_where_the_batch_is_known() -> None:
    """Else steps a second."""
    assert (a_throughput(4, 0.1).per_s, a_throughput(4, 0.1).unit) == (pytest.approx(1280.0), "samples/s")
    assert (a_throughput(4, 0.1, batch=0).per_s, a_throughput(4, 0.1, batch=0).unit) == (pytest.approx(10.0), "steps/s")


def test_a_weak_ratio_is_that_of_the_step_times() -> None:
    """X(N) / (N X(1)) at one batch of a rank."""
    found = speed_up(a_throughput(16, 0.11), a_throughput(1, 0.1))
    assert (found.kind, found.ratio) == ("weak", pytest.approx(0.1 / 0.11))
    assert found.lo < found.ratio < found.hi
    assert found.text.startswith("0.91 (0.87–0.95), weak, batch 32 a rank on 16 ranks against 32 on 1")


def test_a_strong_ratio_keeps_the_batch_of_all() -> None:
    """T(1) / (N T(N)): eight ranks with an eighth of the batch, three times as fast."""
    found = speed_up(a_throughput(8, 0.1, batch=4), a_throughput(1, 0.3, batch=32))
    assert (found.kind, found.ratio) == ("strong", pytest.approx(0.3 / 0.1 / 8))


def test_a_ratio_without_batches_says_so() -> None:
    """Steps are compared, each rank's batch is taken to be the same."""
    found = speed_up(a_throughput(2, 0.125, batch=0), a_throughput(1, 0.1, batch=0))
    assert (found.kind, found.ratio) == ("steps", pytest.approx(0.8))
    assert "batch not known" in found.text


def test_a_throughput_comes_back_from_json() -> None:
    """As it was kept beside the run."""
    for one in (a_throughput(4, 0.1), a_throughput(4, 0.1, batch=0)):
        assert throughput_from_json(one.to_json()) == one
