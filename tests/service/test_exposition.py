"""GET /v1/metrics, as a scraper of the service reads it."""

from __future__ import annotations

from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from service_builders import Scripted, Served, submit, turn

from jupyter_aicci.agent.frames import boot_ns
from jupyter_aicci.client.connection import UnixConnection
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.text import NS


def scraped(served: Served) -> tuple[str, dict[str, list[tuple[dict[str, str], float]]]]:
    """(content type, sample name -> its (labels, value))."""
    connection = UnixConnection(served.home.service_socket, 10.0)
    connection.request("GET", "/v1/metrics")
    answer = connection.getresponse()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.read().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    connection.close()
    return str(answer.getheader("Content-Type")), found


def running(served: Served, engine: Scripted, **spec: Any) -> Any:
    served.do(lambda desk: submit(desk, "r0000001", **spec))
    served.do(turn)
    run = served.do(lambda desk: desk.runs[RunId("r0000001")])
    engine.say(run, 0, k="head", boot_id="", boot_ns=0, wall_ns=0, source="agent")
    engine.say(run, 0, k="started", rank=0, pid=1)
    return run


def test_a_service_at_rest_tells_its_queues_alone(served: Served) -> None:
    """As text of OpenMetrics."""
    kind, found = scraped(served)
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert found == {
        "aicci_queue_running": [({"queue": "default"}, 0.0)],
        "aicci_queue_waiting": [({"queue": "default"}, 0.0)],
    }


def test_a_live_run_tells_its_latest_samples_its_state_and_its_cost(served: Served, engine: Scripted) -> None:
    """The latest of each metric, also where the latest sample has not all; what is too old is not now."""
    run = running(served, engine, name="mnist")
    say = {"k": "sample", "devices": {}, "nics": {}}
    engine.say(run, 0, **say, t=boot_ns() - 60 * NS, node={"load": 9.0}, ranks={})
    engine.say(run, 0, **say, node={"cpu": 1.0, "memory": 5}, ranks={"0": {"rss": 7}})
    engine.say(run, 0, **say, node={"cpu": 2.0}, ranks={})
    served.do(turn)
    _, found = scraped(served)
    node = {"run": "r0000001", "name": "mnist", "node": "0"}
    assert found["aicci_node_cpu_cores"] == [(node, 2.0)]
    assert found["aicci_node_memory_bytes"] == [(node, 5.0)]
    assert found["aicci_rank_rss_bytes"] == [(node | {"rank": "0"}, 7.0)]
    assert "aicci_node_load" not in found
    labels = {"run": "r0000001", "name": "mnist", "queue": "default"}
    assert [each["aicci_run_state"] for each, value in found["aicci_run_state"] if value] == ["running"]
    assert found["aicci_run_price_per_hour"] == [(labels | {"currency": "USD"}, 3600.0)]
    assert 0 < found["aicci_run_cost_total"][0][1] < 3600
    assert found["aicci_queue_running"] == [({"queue": "default"}, 1.0)]


def test_a_run_that_has_ended_is_told_no_more(served: Served, engine: Scripted) -> None:
    """What runs now is asked for."""
    run = running(served, engine)
    engine.say_exit(run, 0, 0, 0)
    engine.say(run, 0, k="done", leftover=0)
    served.do(lambda desk: turn(desk, 3))
    assert set(scraped(served)[1]) == {"aicci_queue_running", "aicci_queue_waiting"}
