"""Real runs give way to one another: told, ended with their grace, queued again, and gone on with from the last checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import a_client, billed_once, ended, kill_service, nothing_lives, rows, submit, until

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.identity import alive, claim_from_json
from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.states import State

STEPS = 40
COMMAND = [sys.executable, "-m", "jupyter_aicci.service"]
MOST_POINTS = 300  # a preemption has far fewer
EVERY = 9  # of them; every third has been tried
SAVES = f"""
import time
state = aicci.checkpoint.latest({{"step": 0, "done": []}})
while state["step"] < {STEPS}:
    aicci.log(step=state["step"], loss=1.0 / (1 + state["step"]))
    at = int(aicci.allreduce(state["step"], op="max"))  # the ranks go in step, as in training
    state = {{"step": at + 1, "done": [*state["done"], at]}}
    aicci.checkpoint.save(state)
    time.sleep(0.02)
    while aicci.restart == 0 and at == {STEPS // 2}:  # until it is told to go
        time.sleep(0.02)
        aicci.log(beat=1)
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
    """Every step once in what was trained; in the chart from 0 on without a gap, twice only what was logged and not yet saved."""
    assert run.result("done") == list(range(STEPS))
    (lane,) = [lane for lane in run.view(4000).lanes if lane.id == "value:loss"]
    steps = [round(1 / value) - 1 for value in lane.v if value == value]  # type: ignore[union-attr]
    assert sorted(set(steps)) == list(range(STEPS))
    assert len(steps) <= STEPS + 2


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


@pytest.mark.timeout(900)
def test_a_service_killed_at_any_point_of_a_preemption_goes_on_with_it(client: Client) -> None:
    """At commits, fsyncs and renames all along while one gives way to another: both end well, each is billed once."""
    for n in range(1, MOST_POINTS, EVERY):
        low = submit(client, SAVES, run_id=f"r{n:06}1", shape="cpux1", nodes=2, retries=0, pull=["done"])
        until_saved(client, low)
        client.shutdown()
        subprocess.run(COMMAND, env={**os.environ, "AICCI_FAIL_AT": f"any:{n}"}, capture_output=True, timeout=60)
        introduction = read_json(client.home.service_json)
        doomed = claim_from_json(introduction["claim"]) if introduction else None
        high = submit_again(client, f"r{n:06}2")
        assert ended(high)["state"] == "succeeded", n
        gave_way_to(low, high)
        if doomed is not None and alive(doomed):
            return
    pytest.fail(f"no service lived through {MOST_POINTS} points")


def submit_again(client: Client, run_id: str) -> Run:
    """The same submit until it is answered; the service may die under each."""
    for _ in range(3):
        try:
            return submit(client, SHORT, run_id=run_id, shape="cpux1", nodes=2, priority=5)
        except AicciError as error:
            last = error
    raise last
