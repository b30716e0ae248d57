"""Real runs with random caps: none ever costs more than its budget, and each leaves a checkpoint that a new run goes on from.

AICCI_BUDGET=full is 50 runs; AICCI_BUDGET_SEED other caps. A price of a unit a second makes the caps short.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from live import a_client, ended, kill_service, nothing_lives, submit, until

from jupyter_aicci.agent.checkpoints import latest_complete, read_state
from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.model.ids import new_run_id
from jupyter_aicci.model.spec import spec_from_json
from jupyter_aicci.model.text import MICRO
from jupyter_aicci.service.limits import CLEAR_S, START_S

RUNS = 50 if os.environ.get("AICCI_BUDGET") == "full" else 5
SEED = int(os.environ.get("AICCI_BUDGET_SEED", "1"))
AT_ONCE = 5
GRACE_S = 2.0
MORE = 20  # steps that a run makes which goes on from where the money ended
COUNTS = """
import os, time
state = aicci.checkpoint.latest({"step": 0})
first = state["step"]
try:
    while state["step"] < int(os.environ.get("UNTIL", "100_000")):
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


def gone_on_with(client: Client, run: Run, step: int) -> Run:
    """A new run as docs/how-to/stop-and-come-back.md has it, with money for a few steps more."""
    again = new_run_id(random.randrange)
    for name in ("src", "push", "ckpt"):
        shutil.copytree(client.home.run_dir(run.id) / name, client.home.run_dir(again) / name)
    spec = spec_from_json(run.details()["spec"])
    spec = replace(spec, budget=60 * MICRO, env=(f"UNTIL={step + MORE}",), pull=("first", "state"))
    return client.submit(spec, Program(text=""), run_id=again)


def goes_on_at(run: Run, step: int) -> None:
    """Its first step is the one after the last that was paid for."""
    assert ended(run)["state"] == "succeeded", run.logs()
    assert run.details()["attempts"][0]["resume_step"] == step
    assert (run.result("first"), run.result("state")) == (step, {"step": step + MORE})


@pytest.mark.timeout(900)
def test_no_run_costs_more_than_its_cap_and_each_leaves_a_checkpoint_that_resumes(client: Client) -> None:
    """Random caps, several at once; from each of what is left, a new run goes on at its step."""
    rng = random.Random(SEED)
    caps = [
        round(rng.uniform(START_S + GRACE_S + CLEAR_S + 4, START_S + GRACE_S + CLEAR_S + 10), 3) for _ in range(RUNS)
    ]
    for begin in range(0, RUNS, AT_ONCE):
        batch = caps[begin : begin + AT_ONCE]
        runs = [submit(client, COUNTS, shape="cpux1", budget=str(cap), grace=GRACE_S) for cap in batch]
        steps = [stopped_within(client, run, cap) for run, cap in zip(runs, batch, strict=True)]
        assert min(steps) > 10
        again = [gone_on_with(client, run, step) for run, step in zip(runs, steps, strict=True)]
        for run, step in zip(again, steps, strict=True):
            goes_on_at(run, step)
        bills = [run.cost()["total_micro"] / MICRO for run in runs]
        shown = [f"{bill:.3f} of {cap} at step {step}" for bill, cap, step in zip(bills, batch, steps, strict=True)]
        print(f"\nbudgets {begin + 1} to {begin + len(batch)} of {RUNS}: {'; '.join(shown)}", file=sys.stderr)


def test_the_cap_holds_although_no_service_lives(client: Client) -> None:
    """The keeper ends the node by itself; the service that comes back finds why."""
    cap = START_S + GRACE_S + CLEAR_S + 4
    run = submit(client, COUNTS, shape="cpux1", budget=str(cap), grace=GRACE_S)
    claim = client.home.node_dir(run.id, 1, 0) / "rank-0.claim"
    until(claim.exists)
    kill_service(client)
    until((client.home.node_dir(run.id, 1, 0) / "done.json").exists)
    assert stopped_within(client, run, cap) > 10
