"""Steps and waits of torch programs that say nothing themselves; cold and forked ranks, two ranks with gloo."""

import pytest
from agent.rank.rank_builders import a_gang, forked

from jupyter_aicci.agent.rank.clock import COMM
from jupyter_aicci.agent.rank.gate import Gate
from jupyter_aicci.agent.rank.session import Session
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


FAKE = """
hooks = []
register_optimizer_step_post_hook = hooks.append
class register_optimizer_step_pre_hook:
    def __init__(self, hook): pass
"""


def spent(frames, phase):
    """ns of a phase in all records of `steps` frames."""
    return sum(
        record[2 + frame["phases"].index(phase)]
        for frame in frames
        if phase in frame["phases"]
        for record in frame["records"]
    )


def a_session(tmp_path):
    """A session of this very process, without a program."""
    gang = a_gang(tmp_path, "")
    session = Session(gang.plan, 0)
    session.begin()
    return session, gang


def test_a_hook_that_fails_three_times_takes_itself_off(tmp_path):
    """The program goes on; one note says it."""
    session, gang = a_session(tmp_path)
    gate, called = Gate(session, COMM, "collectives"), []

    def broken():
        called.append(1)
        raise RuntimeError("broken")

    for _ in range(5):
        gate.seen(broken)
    assert len(called) == 3
    assert [note["text"] for note in gang.frames("note")] == ["collectives are no longer watched: RuntimeError: broken"]


def test_a_module_is_hooked_right_after_its_own_import(tmp_path):
    """However late the program imports it; its loader stays its own, and one import hook less is left behind."""
    package = tmp_path / "src" / "torch" / "optim"  # a torch of two files, first on the rank's path
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    (package / "optimizer.py").write_text(FAKE)
    gang = a_gang(
        tmp_path,
        """
        import importlib.util, sys
        assert "torch" not in sys.modules
        from torch.optim import optimizer
        for _ in range(3):
            optimizer.hooks[0](optimizer, (), {})
        print(type(optimizer.__loader__).__name__, importlib.util.find_spec("torch.optim.optimizer").origin == optimizer.__file__)
        """,
    )
    assert gang.run() == [0]
    assert gang.log() == "SourceFileLoader True\n"
    assert gang.frames("steps")[-1]["step"] == 2


@pytest.mark.torch
@pytest.mark.parametrize("start", ["cold", "forked"])
def test_a_plain_ddp_program_shows_steps_and_waits(tmp_path, start):
    """Two ranks, gloo, nothing of ours in the program: eight steps, data waits, equal weights, OMP_NUM_THREADS by call."""
    gang = a_gang(tmp_path, DDP, ranks=2, pull=["weights", "threads"], env={**ONE_THREAD, "OMP_NUM_THREADS": "2"})
    if start == "forked":
        gang.python = ("/usr/bin/env", "OMP_NUM_THREADS=1", *forked(ZYGOTE))
    assert gang.run() == [0, 0], gang.log(0) + gang.log(1)
    for rank in (0, 1):
        steps = gang.frames("steps", rank)
        assert (steps[-1]["step"], sum(len(frame["records"]) for frame in steps)) == (7, 8)
        assert spent(steps, "data_wait") > 8 * 2 * 40_000_000
        assert spent(steps, "comm") > 0
        phases = [frame["phase"] for frame in gang.frames("phase", rank)]
        assert phases[:2] == ["starting", "compute"]
        assert phases.count("data_wait") >= 6
        assert phases[-1] == "done"
    assert load_value(tmp_path / "results", "threads") == 2
    assert gang.log(0) == ""


@pytest.mark.torch
def test_the_end_of_a_backward_pass_is_heard_where_parameters_may_be_left_out(tmp_path):
    """DDP that looks for unused parameters: which of them get a gradient nobody knows, so each pass is heard at its root."""
    cell = DDP.replace("Linear(4, 1))", "Linear(4, 1), find_unused_parameters=True)")
    gang = a_gang(tmp_path, cell, ranks=2, pull=["weights"], env=ONE_THREAD)
    gang.python = forked(ZYGOTE)
    assert gang.run() == [0, 0], gang.log(0) + gang.log(1)
    for rank in (0, 1):
        assert spent(gang.frames("steps", rank), "comm") > 0


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
