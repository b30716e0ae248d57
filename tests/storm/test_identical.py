"""A training of 300 steps whose ranks are killed again and again has the loss curve of one that nobody disturbed, bit for bit.

Often service, agent or keeper die with a rank.
It saves after every step, its random generators among the state. Compared are all values that were ever logged for a step, redone
ones included, and what came back by --pull.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator

import pytest
from live import a_client, billed_once, ended
from storm_monkey import Monkey

from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.store.frames import FrameStore

STEPS = 300
KILLS = 12
SEED = int(os.environ.get("AICCI_STORM_SEED", "1"))

NUMPY = """
import time
import numpy as np

rng = np.random.default_rng(aicci.rank)
x = np.random.default_rng(7).normal(size=(256, 8))
y = x @ np.arange(8.0) + 0.1 * np.random.default_rng(8).normal(size=256)
start = {"step": 0, "w": np.zeros(8), "m": np.zeros(8), "rng": rng.bit_generator.state, "curve": []}
state = aicci.checkpoint.latest(start)
rng.bit_generator.state = state["rng"]
w, m, history = state["w"], state["m"], state["curve"]
for step in range(state["step"], 300):
    batch = rng.integers(0, 256, 32)
    kept = (rng.random(8) < 0.9) / 0.9
    error = (x[batch] * kept) @ w - y[batch]
    gradient = aicci.allreduce((x[batch] * kept).T @ error / 32, op="mean")
    m = 0.9 * m + gradient
    w = w - 0.01 * m
    loss = aicci.allreduce(float(error @ error) / 32, op="mean")
    history = [*history, loss.hex()]
    aicci.log(step=step, loss=loss)
    state = {"step": step + 1, "w": w, "m": m, "rng": rng.bit_generator.state, "curve": history}
    aicci.checkpoint.save(state)
    time.sleep(PAUSE)
"""
TORCH = """
import time
import torch
import torch.distributed as dist
from torch import nn

torch.set_num_threads(1)
dist.init_process_group("gloo")
torch.manual_seed(1)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
data = torch.Generator().manual_seed(7)
x = torch.randn(256, 8, generator=data)
y = x.sum(1, keepdim=True) ** 2
torch.manual_seed(100 + aicci.rank)
state = aicci.checkpoint.latest()
history, begin = [], 0
if state:
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    history, begin = state["curve"], state["step"]
ddp = nn.parallel.DistributedDataParallel(model)
for step in range(begin, 300):
    batch = torch.randint(0, 256, (32,))
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(ddp(x[batch]), y[batch])
    loss.backward()
    optimizer.step()
    total = loss.detach().clone()
    dist.all_reduce(total)
    history = [*history, float(total).hex()]
    aicci.log(step=step, loss=float(total))
    state = {
        "step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(), "curve": history,
    }
    aicci.checkpoint.save(state)
    time.sleep(PAUSE)
dist.destroy_process_group()
"""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "4")
    with a_client() as client:
        yield client


def submit(client: Client, framework: str, text: str, *, pause_s: float) -> Run:
    spec = parse_spec({
        "framework": framework, "python": sys.executable, "shape": "cpux2", "ranks_per_node": 2, "retries": 100, "grace": 1.0,
        "pull": ["history"],
    })  # fmt: skip
    return client.submit(spec, Program(text=text.replace("PAUSE", str(pause_s))))


def curve(client: Client, run: Run) -> dict[int, set[str]]:
    """Step -> every loss that rank 0 logged for it, in any attempt, as the bits that the frames have."""
    store = FrameStore(client.home.frames_db(run.id))
    try:
        frames = [stored.frame for stored in store.all() if stored.writer == "rank-0"]
    finally:
        store.close()
    found: dict[int, set[str]] = {}
    for frame in frames:
        if frame["k"] == "log" and "loss" in frame["values"]:
            found.setdefault(frame["step"], set()).add(float(frame["values"]["loss"]).hex())
    return found


def disturb(client: Client, run: Run) -> int:
    """Kill a random rank again and again, each time after some new steps, and often one of ours with it; how many ranks."""
    monkey, rng = Monkey(client.home, SEED), random.Random(SEED)
    marks = sorted(rng.sample(range(5, STEPS - 15), KILLS))
    for mark in marks:
        while newest(client, run) < mark:
            if run.summary()["ended_at"]:
                return monkey.killed["rank"]
            time.sleep(0.005)
        monkey.strike("rank")
        monkey.strike(rng.choice(("service", "agent", "keeper", "rank")))
    return monkey.killed["rank"]


def newest(client: Client, run: Run) -> int:
    steps = [int(path.name[5:]) for path in client.home.ckpt_dir(run.id).glob("step-*")]
    return max(steps, default=-1)


def compare(client: Client, framework: str, text: str, *, pause_s: float) -> None:
    calm = submit(client, framework, text, pause_s=0.0)
    assert ended(calm)["state"] == "succeeded", calm.logs()
    run = submit(client, framework, text, pause_s=pause_s)
    killed = disturb(client, run)
    summary = run.wait(240)
    assert summary["state"] == "succeeded", (summary, run.logs(), run.details()["verdict"])
    assert killed >= 10
    assert summary["attempt"] >= 10  # two kills may hit one attempt
    wanted, found = curve(client, calm), curve(client, run)
    assert sorted(wanted) == sorted(found) == list(range(STEPS))
    assert found == wanted
    assert run.result("history") == calm.result("history") == [bits for step in range(STEPS) for bits in wanted[step]]
    billed_once(run, attempts=summary["attempt"])
    print(f"\n{framework}: {killed} kills, {summary['attempt']} attempts, {STEPS} steps identical", file=sys.stderr)


@pytest.mark.storm
@pytest.mark.timeout(400)
def test_a_disturbed_loss_curve_is_bit_identical(client: Client) -> None:
    """Two ranks, numpy, momentum, a random batch and a random mask in every step."""
    compare(client, "plain", NUMPY, pause_s=0.01)


@pytest.mark.storm
@pytest.mark.torch
@pytest.mark.timeout(400)
def test_a_disturbed_torch_loss_curve_is_bit_identical(client: Client) -> None:
    """Two ranks of DistributedDataParallel, dropout, AdamW, the generator's state in the checkpoint."""
    pytest.importorskip("torch")
    compare(client, "torch", TORCH, pause_s=0.01)
