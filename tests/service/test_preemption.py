"""Real runs give way to one another: told, ended with their grace, queued again, and gone on with from the last checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live import a_client, billed_once, ended, kill_service, nothing_lives, rows, submit, until

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.states import State

STEPS = 40
SAVES = f"""
import time
state = aicci.checkpoint.latest({{"step": 0, "done": []}})
while state["step"] < {STEPS}:
    aicci.log(step=state["step"], loss=1.0 / (1 + state["step"]))
    state = {{"step": state["step"] + 1, "done": [*state["done"], state["step"]]}}
    aicci.checkpoint.save(state)
    time.sleep(0.05)
done = state["done"]
"""
SHORT = "print('here', flush=True)\n"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "2")
    with a_client() as client:
        yield client


def until_saved(client: Client, run: Run) -> None:
    """It runs, and has a checkpoint."""
    until(lambda: list(client.home.ckpt_dir(run.id).glob("step-*/rank-1.pkl")), limit_s=60)


def whole(run: Run) -> None:
    """Every step once in what was trained; in the chart from 0 on without a gap, at most the one twice that was cut off."""
    assert run.result("done") == list(range(STEPS))
    (lane,) = [lane for lane in run.view(4000).lanes if lane.id == "value:loss"]
    steps = [round(1 / value) - 1 for value in lane.v if value == value]  # type: ignore[union-attr]
    assert sorted(set(steps)) == list(range(STEPS))
    assert len(steps) <= STEPS + 1


def gave_way_to(run: Run, other: Run) -> None:
    """One preemption, not counted as a fault, and both were billed once."""
    assert ended(run)["state"] == "succeeded", run.logs()
    details = run.details()
    steps = [event["step"] for event in details["events"] if event["kind"] == "stepped"]
    assert steps == ["enqueue", "place", "run", "preempt", "requeue", "place", "run", "succeed"]
    (gone,) = [event for event in details["events"] if event.get("step") == "preempt"]
    assert (gone["exit_class"], other.id in gone["reason"]) == ("preempted", True)
    assert details["attempts"][1]["resume_step"] > 0
    whole(run)
    billed_once(run, nodes=2, attempts=2)
    billed_once(other, nodes=2)
    nothing_lives(run)


def test_a_run_of_higher_priority_takes_the_place_of_one_that_saves(client: Client) -> None:
    """The lower one comes back when the other has ended, and has every step once; --retries 0 does not end it."""
    low = submit(client, SAVES, shape="cpux1", nodes=2, retries=0, pull=["done"])
    until_saved(client, low)
    high = submit(client, SHORT, shape="cpux1", nodes=2, priority=5)
    assert ended(high)["state"] == "succeeded"
    gave_way_to(low, high)


def test_a_queue_takes_its_guarantee_back_although_the_service_is_killed(client: Client) -> None:
    """kill -9 as soon as the borrower has been told: the next service ends it and starts the other in its place."""
    client.home.root.mkdir(parents=True, exist_ok=True)
    client.home.config.write_text("[queues.mine]\nguarantee = { cpu = 2 }\n[queues.others]\n")
    low = submit(client, SAVES, shape="cpux1", nodes=2, queue="others", pull=["done"])
    until_saved(client, low)
    high = submit(client, SHORT, shape="cpux1", nodes=2, queue="mine")
    until(lambda: "preempt_requested" in rows(client, low))
    kill_service(client)
    assert ended(high)["state"] == "succeeded"
    gave_way_to(low, high)


def test_a_run_that_saves_nothing_keeps_its_place(client: Client, tmp_path: Path) -> None:
    """The one of higher priority waits, and is told so."""
    finish = tmp_path / "finish"
    waits = f"import os, time\nprint('here', flush=True)\nwhile not os.path.exists({str(finish)!r}): time.sleep(0.02)\n"
    low = submit(client, waits, shape="cpux1", nodes=2)
    until(lambda: "here" in low.logs())
    high = submit(client, SHORT, shape="cpux1", nodes=2, priority=5)
    until(lambda: high.summary()["why"] == "behind")
    assert (low.state, high.state) == (State.RUNNING, State.QUEUED)
    assert "preempt_requested" not in rows(client, low)
    finish.touch()
    assert (ended(low)["state"], ended(high)["state"]) == ("succeeded", "succeeded")
