"""The exposition as a Prometheus client reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from jupyter_aicci.model.metrics import METRICS
from jupyter_aicci.timeline.openmetrics import GROUPS, NodeSample, RunCost, openmetrics


def a_sample(frame: Mapping[str, Any], name: str = "mnist") -> NodeSample:
    return NodeSample(run_id="r0000001", run_name=name, node=1, frame=frame)


def read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Sample name -> its (labels, value)."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_a_gauge_and_a_counter_come_in_base_units_with_their_owner() -> None:
    """Microseconds become seconds, a counter ends in _total; what is not in the frame is not in the text."""
    frame = {"node": {"memory": 3.0, "psi_cpu": 2_000_000}, "ranks": {"5": {"cpu": 1.5}}, "devices": {}, "nics": {}}
    run = {"run": "r0000001", "name": "mnist", "node": "1"}

    assert read(openmetrics([a_sample(frame)], [])) == {
        "aicci_node_memory_bytes": [(run, 3.0)],
        "aicci_node_psi_cpu_seconds_total": [(run, 2.0)],
        "aicci_rank_cpu_cores": [(run | {"rank": "5"}, 1.5)],
    }


def test_money_is_in_units_of_the_currency() -> None:
    """Millionths are the journal's business."""
    cost = RunCost(run_id="r0000001", run_name="mnist", queue="default", state="running", cost_micro=1_250_000,
                   per_h_micro=9_720_000, currency="EUR")  # fmt: skip
    labels = {"run": "r0000001", "name": "mnist", "queue": "default", "state": "running", "currency": "EUR"}

    assert read(openmetrics([], [cost])) == {
        "aicci_run_cost_total": [(labels, 1.25)],
        "aicci_run_price_per_hour": [(labels, 9.72)],
    }


def test_a_service_at_rest_says_nothing_and_ends_it_properly() -> None:
    """An empty exposition is one line."""
    assert openmetrics([], []) == "# EOF\n"


@given(st.text(), st.dictionaries(st.sampled_from(METRICS), st.floats(min_value=0, max_value=1e15), max_size=20))
def test_every_name_and_every_metric_can_be_read_back(name: str, values: dict[Any, float]) -> None:
    """Quotes, line ends and backslashes in a run's name included; each metric of the table has a family of its own."""
    frame: dict[str, Any] = {group: {} for group in GROUPS.values()}
    for metric, value in values.items():
        place = frame[GROUPS[metric.scope]]
        (place if metric.scope == "node" else place.setdefault("0", {}))[metric.name] = value
    found = read(openmetrics([a_sample(frame, name)], []))

    assert len(found) == len(values)
    assert {labels["name"] for samples in found.values() for labels, _ in samples} <= {name}
