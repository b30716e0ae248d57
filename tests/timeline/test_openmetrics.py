"""The exposition as a Prometheus client reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from jupyter_aicci.model.metrics import METRICS
from jupyter_aicci.model.states import State
from jupyter_aicci.timeline.openmetrics import GROUPS, LiveRun, NodeSample, QueueLength, openmetrics


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


def a_live_run(**more: Any) -> LiveRun:
    known: dict[str, Any] = {"cost_micro": 1_250_000, "per_h_micro": 9_720_000, "state": "running"} | more
    return LiveRun(run_id="r0000001", run_name="mnist", queue="default", currency="EUR", **known)


LABELS = {"run": "r0000001", "name": "mnist", "queue": "default"}


def test_money_is_in_units_of_the_currency() -> None:
    """Millionths are the journal's business."""
    found = read(openmetrics([], [a_live_run()]))
    assert found["aicci_run_cost_total"] == [(LABELS | {"currency": "EUR"}, 1.25)]
    assert found["aicci_run_price_per_hour"] == [(LABELS | {"currency": "EUR"}, 9.72)]


def test_a_cost_that_nobody_knows_is_left_out() -> None:
    """It is not 0."""
    assert set(read(openmetrics([], [a_live_run(cost_micro=None, per_h_micro=None)]))) == {"aicci_run_state"}


def test_the_state_of_a_run_is_the_one_state_that_is_1() -> None:
    """A series goes on when the state changes."""
    states = read(openmetrics([], [a_live_run(state="queued")]))["aicci_run_state"]
    assert {labels["aicci_run_state"] for labels, _ in states} == set(State)
    assert [labels["aicci_run_state"] for labels, value in states if value] == ["queued"]


def test_a_queue_says_how_many_run_and_wait() -> None:
    """Also an empty one."""
    found = read(openmetrics([], [], [QueueLength(name="vision", running=2, waiting=0)]))
    assert found == {
        "aicci_queue_running": [({"queue": "vision"}, 2.0)],
        "aicci_queue_waiting": [({"queue": "vision"}, 0.0)],
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
