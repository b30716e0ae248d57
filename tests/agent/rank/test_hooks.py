"""Steps and waits of torch programs that say nothing themselves; cold and forked ranks, two ranks with gloo."""

import types

import pytest
from agent.rank.rank_builders import a_gang, forked

from jupyter_aicci.agent.rank import hooks
from jupyter_aicci.agent.values import load_value

ZYGOTE = "import numpy, torch, torch.distributed, torch._dynamo"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
DDP = """
import time
import torch, torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset, Dataset

class Slow(Dataset):
    def __len__(self): return 16
    def __getitem__(self, i):
        time.sleep(0.04)
        return torch.ones(4) * i

dist.init_process_group("gloo")
torch.manual_seed(0)
net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
for x in DataLoader(Slow(), batch_size=2):
    loss = net(x + dist.get_rank()).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
weights = [parameter.detach().clone() for parameter in net.parameters()]
threads = torch.get_num_threads()
dist.destroy_process_group()
"""


class Watched:
    """A session that only counts."""

    def __init__(self, fault=None):
        self.steps, self.waits, self.notes, self.fault = 0, [], [], fault

    def optimizer_step(self):
        if self.fault:
            raise self.fault
        self.steps += 1

    def stop_point(self):
        pass

    def waited(self, from_ns, to_ns):
        self.waits.append(to_ns - from_ns)

    def write(self, kind, **fields):
        self.notes.append(fields["text"])


def a_torch():
    """A module with the one function that is hooked."""
    module = types.ModuleType("torch.optim.optimizer")
    module.hooks = []
    module.register_optimizer_step_post_hook = module.hooks.append
    return module


def test_a_hook_that_fails_three_times_takes_itself_off():
    """The program goes on; one note says it."""
    session, module = Watched(fault=RuntimeError("broken")), a_torch()
    hooks._hook_optimizers(module, session)
    for _ in range(5):
        module.hooks[0](None, (), {})
    assert session.notes == ["optimizer steps are no longer watched: RuntimeError: broken"]


def test_a_module_is_hooked_right_after_its_own_import(tmp_path):
    """However late the program imports it; its loader stays its own, and one import hook less is left behind."""
    package = tmp_path / "src" / "torch" / "optim"  # a torch of two files, first on the rank's path
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    (package / "optimizer.py").write_text("hooks = []\nregister_optimizer_step_post_hook = hooks.append\n")
    gang = a_gang(
        tmp_path,
        """
        import importlib.util, sys
        assert "torch" not in sys.modules
        from torch.optim import optimizer
        for _ in range(3):
            optimizer.hooks[0](None, (), {})
        print(type(optimizer.__loader__).__name__, importlib.util.find_spec("torch.optim.optimizer").origin == optimizer.__file__)
        """,
    )
    assert gang.run() == [0]
    assert gang.log() == "SourceFileLoader True\n"
    assert gang.frames("step")[-1]["step"] == 2


@pytest.mark.torch
@pytest.mark.parametrize("start", ["cold", "forked"])
def test_a_plain_ddp_program_shows_steps_and_waits(tmp_path, start):
    """Two ranks, gloo, nothing of ours in the program: eight steps, data waits, equal weights, OMP_NUM_THREADS by call."""
    gang = a_gang(tmp_path, DDP, ranks=2, pull=["weights", "threads"], env={**ONE_THREAD, "OMP_NUM_THREADS": "2"})
    if start == "forked":
        gang.python = ("/usr/bin/env", "OMP_NUM_THREADS=1", *forked(ZYGOTE))
    assert gang.run() == [0, 0], gang.log(0) + gang.log(1)
    for rank in (0, 1):
        steps = gang.frames("step", rank)
        assert steps[-1]["step"] == 7
        assert sum(frame["wait_s"] for frame in steps) > 8 * 2 * 0.04 * 0.8
        phases = [frame["phase"] for frame in gang.frames("phase", rank)]
        assert phases[:2] == ["starting", "compute"]
        assert phases.count("data_wait") >= 6
        assert phases[-1] == "done"
    assert load_value(tmp_path / "results", "threads") == 2
    assert gang.log(0) == ""


@pytest.mark.torch
def test_the_failing_rank_of_a_ddp_program_is_the_one_that_is_not_secondary(tmp_path):
    """gloo tells the other of a closed connection; frames of torch's module call are left out, its prefix too."""
    cell = DDP.replace("loss = net(x", "if dist.get_rank() == 1 and x[0, 0] == 6: net(x[:, :3])\n    loss = net(x")
    gang = a_gang(tmp_path, cell, ranks=2)
    assert gang.run() == [1, 1]
    assert [gang.error(rank)["secondary"] for rank in (0, 1)] == [True, False]
    assert gang.error(1)["where"] == "Cell In[7], line 18"
    assert "_call_impl" not in gang.log(1)
    assert "[rank1]" not in gang.log(1)


@pytest.mark.torch
def test_a_stop_comes_after_an_optimizer_step(tmp_path):
    """A torch program that knows nothing of us leaves with whole parameters."""
    import signal

    cell = DDP.replace("    optimizer.step()\n", "    optimizer.step()\n    print('stepped', flush=True)\n")
    gang = a_gang(tmp_path, cell.replace("return 16", "return 16000"), ranks=2).start()
    gang.until_logged("stepped\nstepped")
    for process in gang.processes:
        process.send_signal(signal.SIGTERM)
    codes = gang.wait()
    assert 143 in codes
    assert not any(gang.path("error", rank).exists() and not gang.error(rank)["secondary"] for rank in (0, 1))


@pytest.mark.torch
def test_torch_training_goes_on_bit_for_bit_from_its_checkpoint(tmp_path):
    """AdamW, dropout, the generator's state in the checkpoint: killed at two steps, and the same last bits."""
    from jupyter_aicci.agent.checkpoints import latest_complete

    cell = """
    import os, signal, torch
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    kept = aicci.checkpoint.latest()
    first, losses = 0, []
    if kept:
        first, losses = kept["step"], kept["losses"]
        net.load_state_dict(kept["net"]); optimizer.load_state_dict(kept["optimizer"]); torch.set_rng_state(kept["rng"])
    for step in range(first, 30):
        loss = net(torch.randn(16, 8)).square().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        losses.append(loss.item())
        if os.environ.get("DIE") == str(step): os.kill(os.getpid(), signal.SIGKILL)
        aicci.checkpoint.save({"step": step + 1, "losses": losses, "net": net.state_dict(),
                               "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()})
    """
    calm = a_gang(tmp_path / "calm", cell, pull=["losses"], env=ONE_THREAD)
    calm.python = forked(ZYGOTE)
    assert calm.run() == [0], calm.log()
    resume = -1
    for attempt, death in enumerate(("11", "12", ""), 1):
        gang = a_gang(
            tmp_path / "stormy",
            cell,
            attempt=attempt,
            resume_step=resume,
            pull=["losses"],
            env={**ONE_THREAD, "DIE": death},
        )
        gang.python = forked(ZYGOTE)
        assert gang.run() == ([-9] if death else [0]), gang.log()
        resume = latest_complete(tmp_path / "stormy" / "ckpt", 1)
    losses = [load_value(tmp_path / name / "results", "losses") for name in ("calm", "stormy")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 30
