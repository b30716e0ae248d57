"""Programs with one fault each, and healthy ones: what ranks of the injected runs execute.

The work of an accelerator is stood in for by a module whose forward sleeps for as long, so that a machine with two CPUs can
run it; what the fault is about (loaders, CPU time, files, memory, collectives) is real.
`{seconds}`, `{seed}` and `{scratch}` are filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

HEAD = """
import os, random, time
import torch
from torch.utils.data import DataLoader, Dataset

random.seed({seed} + int(os.environ["RANK"]))
model = torch.nn.Linear(32, 32)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
began_s = time.monotonic()

def going():
    return time.monotonic() - began_s < {seconds}

class Work(torch.nn.Module):
    def forward(self, seconds):
        time.sleep(seconds * random.lognormvariate(0.0, 0.05))

work = Work()

def burn(seconds):
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass

def train(batch=None):
    loss = model(torch.ones(1, 32) if batch is None else batch).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

TOGETHER = """
import torch.distributed as dist
dist.init_process_group("gloo")

gradients = {}

def together(n=1000):
    if n not in gradients:
        gradients[n] = torch.ones(n)
    dist.all_reduce(gradients[n], op=dist.ReduceOp.MAX)
"""

ALL_STOP = """
def all_going():
    flag = torch.tensor([1.0 if going() else 0.0])
    dist.all_reduce(flag, op=dist.ReduceOp.MIN)
    return bool(flag.item())
"""

LOADER = """
class Data(Dataset):
    def __len__(self):
        return 1_000_000
    def __getitem__(self, index):
        make(index)
        return torch.ones(32)

def batches(workers, size=4):
    return DataLoader(Data(), batch_size=size, num_workers=workers)
"""


Company = Literal["waiting", "sleeping", "surrounded", "healthy", "alone"]
"""Beside whom a case runs: the more of a CPU it uses, the fewer.

waiting: all seeds of all such cases at once; sleeping, surrounded, healthy: one seed of all such cases; alone: nobody.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One program and what is to be found in it."""

    name: str
    expects: str  # id of the finding that must come first, "" = none at all
    company: Company
    body: str
    ranks: int = 1
    seconds: float = 36.0
    within: str = ""  # what surrounds the service: "cpu quota", "slow disk", "small shm"
    stop_when_found: bool = False  # a program that does not end by itself
    spec: dict[str, Any] = field(default_factory=dict, hash=False)

    def text(self, *, seed: int, scratch: str) -> str:
        """The program of one run."""
        parts = [HEAD, TOGETHER + ALL_STOP if self.ranks > 1 else "", LOADER, self.body]
        filled = "\n".join(parts).replace("{seed}", str(seed)).replace("{seconds}", str(self.seconds))
        return filled.replace("{scratch}", scratch)


FAULTS = (
    Case(
        name="slow worker",
        expects="F01",
        company="sleeping",
        body="""
def make(index):
    if torch.utils.data.get_worker_info().id == 1:
        time.sleep(0.06)
for batch in batches(3):
    work(0.04)
    train(batch)
    if not going():
        break
""",
    ),
    Case(
        name="two loader workers",
        expects="F02",
        company="alone",
        body="""
def make(index):
    burn(0.02)
for batch in batches(2):
    work(0.02)
    train(batch)
    if not going():
        break
""",
        spec={"shape": ("cpux4",)},
    ),
    Case(
        name="slow disk",
        expects="F03",
        company="surrounded",
        body="""
path = "{scratch}/data.bin"
size = 1 << 20
import mmap
def make(index):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, size)
    os.preadv(fd, [buffer], (index % 64) * size)
    os.close(fd)
for batch in batches(2, size=1):
    work(0.03)
    train(batch)
    if not going():
        break
""",
        within="slow disk",
    ),
    Case(
        name="CPU quota",
        expects="F23",
        company="surrounded",
        body="""
while going():
    burn(0.03 * random.lognormvariate(0.0, 0.05))
    train()
""",
        within="cpu quota",
    ),
    Case(
        name="leak",
        expects="F14",
        company="sleeping",
        body="""
kept = []
while going():
    work(0.04)
    train()
    kept.append(bytearray(os.urandom(1 << 20)) * 5)
""",
    ),
    Case(
        name="hang",
        expects="F17",
        company="waiting",
        ranks=2,
        body="""
for step in range(400):
    work(0.04)
    if step == 150 and dist.get_rank() == 1:
        time.sleep(3600)
    together()
    train()
""",
        stop_when_found=True,
    ),
    Case(
        name="crash",
        expects="F29",
        company="waiting",
        body="""
first = os.environ.get("AICCI_ATTEMPT") == "1"
for step in range(400):
    work(0.05)
    train()
    if first and step == 200:
        os.kill(os.getpid(), 9)
""",
        spec={"retries": 1},
    ),
    Case(
        name="tiny batches",
        expects="F06",
        company="alone",
        ranks=2,
        body="""
while all_going():
    for _ in range(50):
        burn(0.0005)
        together(2_000_000)
        train()
""",
    ),
    Case(
        name="import stall",
        expects="F27",
        company="waiting",
        body="""
time.sleep(25)
began_s = time.monotonic()
while going():
    work(0.04)
    train()
""",
        seconds=20.0,
    ),
    Case(
        name="slow rank",
        expects="F04",
        company="sleeping",
        ranks=3,
        body="""
while all_going():
    for _ in range(20):
        work(0.06 if dist.get_rank() == 1 else 0.04)
        together()
        train()
""",
    ),
    Case(
        name="full /dev/shm",
        expects="F13",
        company="surrounded",
        body="""
with open("/dev/shm/filled", "wb") as file:
    file.write(b"x" * 61_000_000)
while going():
    work(0.04)
    train()
os.remove("/dev/shm/filled")
""",
        within="small shm",
    ),
    Case(
        name="frequent checkpoints",
        expects="F18",
        company="sleeping",
        body="""
state = torch.randn(8_000_000)
number = 0
while going():
    work(0.04)
    train()
    number += 1
    if number % 5 == 0:
        torch.save(state, "{scratch}/state.pt")
""",
    ),
)

CLEAN = (
    Case(
        name="clean, with a loader",
        expects="",
        company="healthy",
        seconds=45.0,
        body="""
def make(index):
    burn(0.0005)
for batch in batches(2):
    work(0.05)
    train(batch)
    if not going():
        break
""",
    ),
    Case(
        name="clean, three ranks together",
        expects="",
        company="healthy",
        seconds=45.0,
        ranks=3,
        body="""
while all_going():
    for _ in range(20):
        work(0.05)
        together()
        train()
""",
    ),
    Case(
        name="clean, with checkpoints",
        expects="",
        company="healthy",
        seconds=45.0,
        body="""
state = torch.randn(100_000)
number = 0
while going():
    work(0.05)
    train()
    number += 1
    if number % 200 == 0:
        torch.save(state, "{scratch}/state.pt")
""",
    ),
    Case(
        name="clean, on the CPU",
        expects="",
        company="alone",
        seconds=45.0,
        body="""
while going():
    burn(0.04)
    train()
""",
    ),
)
