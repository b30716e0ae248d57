"""Real runs with random caps: none ever costs more than its budget, and each leaves a checkpoint that resumes.

AICCI_BUDGET=full is 50 runs; AICCI_BUDGET_SEED other caps. A price of a unit a second makes the caps short.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from live import a_client, ended, kill_service, nothing_lives, submit, until

from jupyter_aicci.agent.checkpoints import latest_complete, read_state
from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.text import MICRO
from jupyter_aicci.service.limits import CLEAR_S, START_S

RUNS = 50 if os.environ.get("AICCI_BUDGET") == "full" else 5
SEED = int(os.environ.get("AICCI_BUDGET_SEED", "1"))
AT_ONCE = 5
GRACE_S = 2.0
COUNTS = """
import time
state = aicci.checkpoint.latest({"step": 0})
try:
    while state["step"] < 100_000:
        time.sleep(0.01)
        state["step"] += 1
        aicci.step()
except aicci.Stop:
    time.sleep(0.3)
    aicci.checkpoint.save(state)
    raise
"""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "8")
    with a_client() as client:
        client.home.root.mkdir(parents=True)
        client.home.config.write_text('[prices]\n"*" = "3600"\n')
        yield client


def stopped_within(client: Client, run: Run, cap: float) -> int:
    """The step that it can go on from."""
    summary = ended(run)
    assert (summary["state"], summary["exit_class"]) == ("stopped", "budget"), summary
    bill = run.cost()
    assert bill["total_micro"] <= round(cap * MICRO), f"cap {cap}: {summary['reason']}"
    assert bill["total_micro"] > 0
    nothing_lives(run)
    step = latest_complete(client.home.ckpt_dir(run.id), 1)
    assert step > 0, run.logs()
    _, state = read_state(client.home.ckpt_dir(run.id), step, 0)
    assert state == {"step": step}
    return step


@pytest.mark.timeout(900)
def test_no_run_costs_more_than_its_cap_and_each_leaves_a_checkpoint(client: Client) -> None:
    """Random caps, several at once; what is left is a state that a later attempt goes on from."""
    rng = random.Random(SEED)
    caps = [
        round(rng.uniform(START_S + GRACE_S + CLEAR_S + 2, START_S + GRACE_S + CLEAR_S + 6), 3) for _ in range(RUNS)
    ]
    for begin in range(0, RUNS, AT_ONCE):
        batch = caps[begin : begin + AT_ONCE]
        runs = [submit(client, COUNTS, shape="cpux1", budget=str(cap), grace=GRACE_S) for cap in batch]
        for run, cap in zip(runs, batch, strict=True):
            assert stopped_within(client, run, cap) > 10


def test_the_cap_holds_although_no_service_lives(client: Client) -> None:
    """The keeper ends the node by itself; the service that comes back finds why."""
    cap = START_S + GRACE_S + CLEAR_S + 4
    run = submit(client, COUNTS, shape="cpux1", budget=str(cap), grace=GRACE_S)
    claim = client.home.node_dir(run.id, 1, 0) / "rank-0.claim"
    until(claim.exists)
    kill_service(client)
    until((client.home.node_dir(run.id, 1, 0) / "done.json").exists)
    assert stopped_within(client, run, cap) > 10
