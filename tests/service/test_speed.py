"""How fast real runs are: measured from their steps, a ratio over fewer ranks, kept beside the run, forecast for more nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from live import a_client, ended, kill_service, submit

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.service.speed import _forecasts
from jupyter_aicci.speedup.measure import Throughput

# Each step of a rank among `n` takes 20 ms and 6 ms more for every doubling.
PACE_S = {1: 0.020, 2: 0.026, 4: 0.032}
STEADY = """
import time
import numpy as np
import aicci
pace_s = {pace}[aicci.world_size]
weight, due_s = np.zeros(8), time.monotonic()
for step in range({steps}):
    x = np.random.default_rng((step, aicci.rank)).normal(size=8)
    weight -= 0.1 * aicci.allreduce(weight - x, "mean")
    due_s = max(due_s + pace_s, time.monotonic())  # what a busy machine delays is not caught up with
    time.sleep(max(0.0, due_s - time.monotonic()))
    aicci.step()
"""


def steady(steps: int = 90) -> str:
    return STEADY.format(pace=PACE_S, steps=steps)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "8")  # of which there may be fewer: ranks that sleep do not mind
    with a_client() as client:
        yield client


def run_of(client: Client, ranks: int, *, nodes: int = 1, text: str = "", **spec: Any) -> Run:
    """A run that has ended well."""
    run = submit(client, text or steady(), shape="cpux2", nodes=nodes, ranks_per_node=ranks // nodes, **spec)
    assert ended(run)["state"] == "succeeded", run.logs()
    return run


def test_the_measured_ratio_is_the_true_one(client: Client) -> None:
    """1, 2 and 4 ranks on one and on two nodes; by steps, as a plain program has told no batch."""
    one, two, four = (run_of(client, 1), run_of(client, 2), run_of(client, 4, nodes=2))
    speeds = [client.speed(run.id) for run in (one, two, four)]
    for speed, ranks in zip(speeds, PACE_S, strict=True):
        assert speed["measured"]["ranks"] == ranks
        assert speed["measured"]["step_s"] == pytest.approx(PACE_S[ranks], rel=0.1)
        assert speed["measured"]["steady"]
        assert (speed["measured"]["batch"], speed["measured"]["unit"]) == (None, "steps/s")
        assert speed["measured"]["lo_s"] <= speed["measured"]["step_s"] <= speed["measured"]["hi_s"]
        assert speed["measured"]["startup_s"] > 0
    assert speeds[0]["speedup"] is None
    assert speeds[0]["speedup_why"] == "it has one rank"
    for speed, ranks in zip(speeds[1:], (2, 4), strict=True):
        ratio = speed["speedup"]
        assert ratio["ratio"] == pytest.approx(PACE_S[1] / PACE_S[ranks], rel=0.1)
        assert (ratio["kind"], ratio["ranks"], ratio["baseline_ranks"]) == ("steps", ranks, 1)
        assert ratio["baseline_id"] == one.id
    assert speeds[2]["siblings"] == [four.id, two.id, one.id]


def test_the_ratio_stands_among_the_tiles_and_speaks_as_a_finding(client: Client) -> None:
    """0.62 on 4 is less than 0.8: F28, in the journal, too. One rank has neither, and a restarted service says the same."""
    one, four = run_of(client, 1), run_of(client, 4, nodes=2)
    assert not [tile for tile in one.view().tiles if "speed-up" in tile.label]
    for _ in range(2):
        view, ratio = four.view(), client.speed(four.id)["speedup"]["ratio"]
        assert [tile.value for tile in view.tiles if tile.label == "speed-up on 4"] == [f"{ratio:.2f}"]
        (found,) = (each for each in view.findings if each["id"] == "F28")
        assert found["value"] == pytest.approx(ratio, abs=1e-3)
        kill_service(client)


def test_more_nodes_are_forecast_from_runs_over_nodes_and_refused_without(client: Client) -> None:
    """One node says nothing; with a second size over nodes there is a ratio with an interval, and room is told."""
    run_of(client, 1)
    inside = run_of(client, 2)
    refused = client.speed(inside.id, nodes=(4,))
    assert (refused["forecasts"], "one node only" in refused["forecast_refused"]) == ([], True)
    run_of(client, 2, nodes=2)
    across = run_of(client, 4, nodes=4)
    told = client.speed(across.id, nodes=(2, 4, 8))
    assert told["forecast_refused"] is None
    two, four, eight = told["forecasts"]
    assert four["ratio"] == pytest.approx(PACE_S[1] / PACE_S[4], rel=0.15)
    assert two["ratio"] > four["ratio"] > eight["ratio"] > 0.3
    assert all(one["lo"] <= one["ratio"] <= one["hi"] and one["estimated"] for one in told["forecasts"])
    assert "no room" in eight["note"]
    assert "no room" not in four["note"]


def test_where_one_sibling_told_no_batch_steps_are_compared() -> None:
    """The run that told its batch is then asked about as all the others were measured."""
    kept = {"per_node_micro": None, "bandwidth_bytes_per_s": 0}
    sizes = ((1, 1, 0.020, 0.0), (2, 2, 0.026, 32.0), (2, 4, 0.032, 32.0))
    siblings = [
        kept | {"nodes": nodes, "measured": Throughput(
            nodes=nodes, ranks=ranks, steps=90, step_s=step_s, lo_s=step_s, hi_s=step_s, batch=batch,
        ).to_json()} for nodes, ranks, step_s, batch in sizes
    ]  # fmt: skip
    (told,), refused = _forecasts(siblings[-1], siblings, {4: 0})
    assert (refused, told["samples_per_s"]) == ("", None)
    assert told["ratio"] < 0.8


def test_what_an_ended_run_showed_outlives_the_service_and_its_frames(client: Client) -> None:
    """It is in the run's folder; another service reads it there."""
    run = run_of(client, 1)
    before = client.speed(run.id)
    kept = client.home.speed_json(run.id)
    assert json.loads(kept.read_text())["measured"] == before["measured"]
    kill_service(client)
    client.home.frames_db(run.id).unlink()
    assert client.speed(run.id)["measured"] == before["measured"]


def test_another_program_is_no_sibling(client: Client) -> None:
    """Nor is the same text with other words."""
    first, other = run_of(client, 1), run_of(client, 2, text=steady() + "\n# another one\n")
    speed = client.speed(other.id)
    assert speed["siblings"] == [other.id]
    assert speed["speedup_why"] == "no run of this program with fewer ranks has been measured"
    assert client.speed(first.id)["fingerprint"] != speed["fingerprint"]


def test_too_few_steps_are_no_measurement(client: Client) -> None:
    """With the reason, and no forecast."""
    run = run_of(client, 1, text=steady(steps=12))
    speed = client.speed(run.id, nodes=(2,))
    assert (speed["measured"], speed["speedup"], speed["forecasts"]) == (None, None, [])
    assert "too few steps" in speed["why"]
    assert "no run of this program has been measured" in speed["forecast_refused"]


def test_node_counts_that_are_none_are_refused(client: Client) -> None:
    """Whole, with what was expected."""
    run = run_of(client, 1, text="pass")
    with pytest.raises(UserError, match="expected up to 16 node counts") as refused:
        client.request("GET", f"/v1/runs/{run.id}/speed", nodes="2,x")
    assert refused.value.code == "bad_option"
