"""The programs that the benchmarks run. They know nothing of aicci where a peer runs the very same file."""

# Two DDP ranks and one optimizer step; each rank writes the boot time of its end into $BENCH_OUT.
FIRST_STEP = """\
import os, pathlib, time
import torch, torch.distributed as dist

dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(8, 64)).sum().backward()
optimizer.step()
now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
pathlib.Path(os.environ["BENCH_OUT"], "step-" + os.environ["RANK"]).write_text(str(now_s))
dist.destroy_process_group()
"""

# Steps for ever, a checkpoint after each tenth; every step is a line "rank pid boot_time step" in $BENCH_OUT.
STEPS = """\
import os, pathlib, time
import torch, torch.distributed as dist

dist.init_process_group("gloo")
torch.manual_seed(0)
network = torch.nn.Linear(64, 10)
model = torch.nn.parallel.DistributedDataParallel(network)
optimizer = torch.optim.AdamW(model.parameters())
state = aicci.checkpoint.latest()
first = 0
if state:
    first = state["step"]
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
with open(pathlib.Path(os.environ["BENCH_OUT"], "steps-" + os.environ["RANK"]), "a", buffering=1) as out:
    for step in range(first, 1_000_000):
        optimizer.zero_grad()
        model(torch.ones(8, 64)).square().sum().backward()
        optimizer.step()
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        out.write(f"{os.environ['RANK']} {os.getpid()} {now_s} {step}\\n")
        if step % 10 == 9:
            kept = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            aicci.checkpoint.save({"step": step + 1, **kept})
        time.sleep(0.005)
"""

# Does not go away: ignores SIGTERM, and so does a daemon that it has forked twice.
STUBBORN = """\
import os, signal, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(1)
    os._exit(0)
aicci.log(ready=1)
print("ready", flush=True)
while True:
    time.sleep(1)
"""

SLEEP = """\
import time

print("ready", flush=True)
time.sleep(3600)
"""

BIG_RESULT = """\
import numpy as np

big = np.random.default_rng(aicci.rank).random(32 * 1024 * 1024)
"""
