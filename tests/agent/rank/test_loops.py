"""Real programs without a line of ours: transformers' Trainer, Lightning, tqdm's bars, JAX; what is seen of them.

transformers and lightning are not in the test extra: `pip install transformers accelerate lightning` has their tests run.
"""

import pytest
from agent.rank.rank_builders import Gang, a_gang

TRAINER = """
import torch, transformers

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def forward(self, x=None, labels=None):
        return {"loss": (self.layer(x) - labels).square().mean()}

rows = [{"x": torch.ones(4) * i, "labels": torch.ones(1)} for i in range(24)]
arguments = transformers.TrainingArguments(
    output_dir="saved", max_steps=12, per_device_train_batch_size=2, logging_steps=3, save_steps=6, report_to=[],
    eval_strategy="steps", eval_steps=6, use_cpu=True, disable_tqdm=True, prediction_loss_only=True)
transformers.Trainer(model=Net(), args=arguments, train_dataset=rows, eval_dataset=rows).train()
"""
LIGHTNING = """
import lightning, torch
from torch.utils.data import DataLoader

class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, _):
        loss = self.layer(batch).square().mean()
        self.log("train_loss", loss)
        return loss
    def validation_step(self, batch, _):
        self.log("val_loss", self.layer(batch).square().mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

rows = DataLoader(torch.ones(24, 4), batch_size=2)
lightning.Trainer(max_steps=24, val_check_interval=6, log_every_n_steps=3, accelerator="cpu", logger=False,
                  enable_progress_bar=False, default_root_dir="saved").fit(Net(), rows, rows)
"""
BARS = """
import torch
from tqdm import tqdm, trange
net = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for row in tqdm(range(100), desc="reading"):
    pass
for epoch in trange(3):
    bar = tqdm(range(10))
    for batch in bar:
        loss = net(torch.ones(4)).square().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        bar.set_postfix(loss=loss.item(), note="fine")
"""
JAX = """
import jax, jax.numpy as jnp, numpy as np
from tqdm import tqdm, trange
rows = [np.ones(4) * i for i in tqdm(range(20), desc="reading")]

@jax.jit
def train(w, x):
    def loss_of(w):
        for _ in range(12):
            w = jnp.tanh(w) * jnp.sin(w) + jnp.sort(w)
        return (x @ w - 1) ** 2
    loss, slope = jax.value_and_grad(loss_of)(w)
    return w - 0.001 * slope, loss

score = jax.jit(lambda w, x: x @ w)
w = jnp.zeros(4)
for epoch in trange(3):
    bar = tqdm(rows[:10])
    for x in bar:
        w, loss = train(w, x)
        bar.set_postfix(loss=float(loss))
    for x in tqdm(rows[:5]):
        score(w, x)
"""
BY_HAND = """
import jax, jax.numpy as jnp
from tqdm import tqdm
train = jax.jit(lambda w, x: w - 0.1 * (x @ w - 1) * x)
w = jnp.zeros(4)
with tqdm(total=12) as bar:
    for step in range(12):
        w = train(w, jnp.ones(4))
        bar.update()
"""
ANNOTATED = """
import jax, jax.numpy as jnp
train = jax.jit(lambda w, x: w - 0.1 * (x @ w - 1) * x)
w = jnp.zeros(4)
for step in range(5, 17):
    with jax.profiler.StepTraceAnnotation("train", step_num=step):
        w = train(w, jnp.ones(4))
    with jax.profiler.StepTraceAnnotation("score", step_num=step):
        w.sum()
"""


def seen(tmp_path, cell: str, **more) -> Gang:
    gang = a_gang(tmp_path, cell, env={"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}, **more)
    assert gang.run() == [0], gang.log()
    return gang


def told(gang: Gang) -> tuple[int, int]:
    """(steps in all records, number of the last)."""
    frames = gang.frames("steps")
    return sum(record[0] for frame in frames for record in frame["records"]), frames[-1]["step"]


def spent_in(gang: Gang) -> set[str]:
    """Phases in which any step spent time."""
    return {phase for frame in gang.frames("steps") for phase in frame["phases"]}


def planned(gang: Gang) -> list[int]:
    return [note["data"]["steps"] for note in gang.frames("note") if note["topic"] == "plan"]


def logged(gang: Gang, name: str) -> list[int | None]:
    """The steps at which a value of that name was told."""
    return [frame["step"] for frame in gang.frames("log") if name in frame["values"]]


@pytest.mark.torch
def test_a_trainer_of_transformers_shows_steps_waits_evaluations_checkpoints_plan_and_losses(tmp_path):
    """Twelve steps, a loss every third, evaluated and saved after six."""
    pytest.importorskip("transformers", reason="transformers is not installed here")
    gang = seen(tmp_path, TRAINER)
    assert told(gang) == (12, 11)
    assert {"compute", "data_wait", "eval", "checkpoint"} <= spent_in(gang)
    assert planned(gang) == [12]
    assert logged(gang, "loss") == [2, 5, 8, 11]
    assert logged(gang, "eval_loss") == [5, 11]


@pytest.mark.torch
def test_a_trainer_of_lightning_shows_the_same(tmp_path):
    """What it tries before the first step is not told as a validation of the program."""
    pytest.importorskip("lightning", reason="lightning is not installed here")
    gang = seen(tmp_path, LIGHTNING)
    assert told(gang) == (24, 23)
    assert {"compute", "data_wait", "eval", "checkpoint"} <= spent_in(gang)
    assert planned(gang) == [24]
    assert logged(gang, "train_loss")[:3] == [2, 5, 5]
    assert logged(gang, "val_loss")[0] == 5


@pytest.mark.torch
def test_a_bar_of_tqdm_tells_how_many_steps_there_will_be_and_its_numbers(tmp_path):
    """Steps are the optimizer's; text in a postfix is no number; a bar that reads files is no plan."""
    gang = seen(tmp_path, BARS)
    assert told(gang) == (30, 29)
    assert planned(gang) == [30]
    assert set(gang.frames("log")[0]["values"]) == {"loss"}


@pytest.mark.jax
def test_turns_of_the_bar_that_trains_are_the_steps_of_a_jax_program(tmp_path):
    """Reading and evaluating have bars, too; what compiles longest trains. A recompilation is seen as such."""
    gang = seen(tmp_path, JAX)
    assert told(gang) == (30, 29)
    assert planned(gang) == [30]
    assert logged(gang, "loss")
    assert "compile" in {frame["phase"] for frame in gang.frames("phase")}


@pytest.mark.jax
def test_a_bar_that_a_jax_program_moves_by_hand_is_one(tmp_path):
    """`bar.update()` after each step."""
    assert told(seen(tmp_path, BY_HAND)) == (12, 11)


@pytest.mark.jax
def test_steps_that_a_jax_program_marks_for_its_profiler_are_steps(tmp_path):
    """With the program's own numbers; a second kind of annotation counts nothing."""
    assert told(seen(tmp_path, ANNOTATED)) == (12, 16)


@pytest.mark.jax
def test_a_bar_over_steps_that_the_program_names_counts_nothing_beside(tmp_path):
    """`aicci.log(step=)` is the program's word; its numbers stand."""
    cell = BY_HAND.replace("bar.update()", "aicci.log(step=100 + step, w=float(w[0])); bar.update()")
    assert told(seen(tmp_path, cell)) == (12, 111)


@pytest.mark.jax
@pytest.mark.parametrize("cell", [JAX, ANNOTATED], ids=["bar", "annotation"])
def test_with_telemetry_turned_off_nothing_is_seen(tmp_path, cell):
    """`AICCI_TELEMETRY=off`."""
    gang = a_gang(tmp_path, cell, env={"AICCI_TELEMETRY": "off"})
    assert gang.run() == [0], gang.log()
    assert gang.frames("steps") == gang.frames("log") == []
