"""Forecasts: over which baseline, with which interval, and when there is none."""

from __future__ import annotations

import pytest

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.speedup.fit import Sample, fit
from jupyter_aicci.speedup.model import Where
from jupyter_aicci.speedup.predict import predict, refusal, tier


def a_sample(nodes: int, ranks: int, step_s: float, batch: float = 32.0) -> Sample:
    return Sample(at=Where(nodes=nodes, ranks=ranks, batch=batch), step_s=step_s)


ONE_NODE = (a_sample(1, 1, 0.10), a_sample(1, 2, 0.11), a_sample(1, 4, 0.12))
TWO_NODES = (*ONE_NODE, a_sample(2, 2, 0.13), a_sample(2, 8, 0.15))


def test_one_node_says_nothing_about_more() -> None:
    """Refused with the reason and the next step, however many samples it has."""
    with pytest.raises(UserError, match="one node only") as refused:
        predict(fit(ONE_NODE), Where(nodes=4, ranks=16, batch=32))
    assert refused.value.code == "no_forecast"
    assert "--probe" in refused.value.hint


def test_a_batch_that_was_never_measured_is_refused_where_only_one_was() -> None:
    """How compute grows with the batch is not known then; a strong ratio asks about other batches, too."""
    fitted = fit(TWO_NODES)
    with pytest.raises(UserError, match="batch of 32 only"):
        predict(fitted, Where(nodes=4, ranks=16, batch=64))
    with pytest.raises(UserError, match="batch of 32 only"):
        predict(fitted, Where(nodes=4, ranks=16, batch=32), kind="strong")


def test_a_weak_forecast_is_over_the_fewest_ranks_at_the_same_batch() -> None:
    """One rank here, and the ratio is that of the step times."""
    found = predict(fit(TWO_NODES), Where(nodes=4, ranks=16, batch=32))
    assert (found.baseline.ranks, found.baseline.batch, found.kind) == (1, 32, "weak")
    assert 0.55 < found.ratio < 0.75
    assert found.lo <= found.ratio <= found.hi
    assert found.samples_per_s == pytest.approx(16 * 32 / found.step_s)
    assert found.text.endswith("at 16 ranks, estimated")


def test_a_strong_forecast_keeps_the_batch_of_all() -> None:
    """The baseline's batch is all of it; what each rank loses in compute it does not win in communication."""
    more = (*TWO_NODES, *(a_sample(s.at.nodes, s.at.ranks, s.step_s * 1.6, 64.0) for s in TWO_NODES))
    strong = predict(fit(more), Where(nodes=2, ranks=8, batch=32), kind="strong")
    weak = predict(fit(more), Where(nodes=2, ranks=8, batch=32))
    assert strong.baseline.batch == 256
    assert strong.ratio != weak.ratio


def test_less_bandwidth_lowers_a_forecast() -> None:
    """Of a placement across a spine with half of what the probe had."""
    fitted = fit(TWO_NODES)
    full = predict(fitted, Where(nodes=4, ranks=16, batch=32))
    half = predict(fitted, Where(nodes=4, ranks=16, batch=32, bandwidth_ratio=0.5))
    assert half.ratio < full.ratio


def test_a_forecast_that_reaches_far_says_so() -> None:
    """More than four times the largest size that was measured."""
    fitted = fit(TWO_NODES)
    assert "8 times the largest" in predict(fitted, Where(nodes=16, ranks=64, batch=32)).note
    assert predict(fitted, Where(nodes=8, ranks=32, batch=32)).note == ""


def test_one_size_over_nodes_is_told_as_such() -> None:
    """Its error is about twice as large."""
    found = predict(fit((*ONE_NODE, a_sample(2, 8, 0.15))), Where(nodes=4, ranks=16, batch=32))
    assert "one size over nodes" in found.note


def test_what_is_missing_is_named() -> None:
    """Nothing measured, one node only, one size only, nothing missing."""
    assert "no run" in refusal(())
    assert "one node" in refusal(ONE_NODE)
    assert "one size" in refusal((a_sample(2, 8, 0.15),))
    assert refusal(TWO_NODES) == ""


def test_two_tiers() -> None:
    """0.90 and 0.80 are the lines."""
    assert [tier(ratio) for ratio in (0.90, 0.89, 0.80, 0.79)] == ["good", "acceptable", "acceptable", "low"]
