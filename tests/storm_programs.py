"""The cells that the storm tests run, and how each has to end, whatever is killed around them.

Every cell appends `begin` and, at its end, `end` to one file of its run: word, attempt, rank, pid, boot time. One write with
O_APPEND a line, so the file says which program ran, how often and when, without any process of ours being asked.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

MARKS = """
import os, sys, time

def mark(word):
    who = f"{os.environ['AICCI_ATTEMPT']} {os.environ['AICCI_RANK']} {os.getpid()}"
    line = f"{word} {who} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)}\\n"
    out = os.path.join(os.environ["AICCI_HOME"], "runs", os.environ["AICCI_RUN"], "out")
    os.makedirs(out, exist_ok=True)
    fd = os.open(os.path.join(out, "marks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, line.encode())
    os.close(fd)

mark("begin")
"""
END = "\nmark('end')\n"
WORKS = """
for step in range(8):
    aicci.log(step=step, loss=1.0 / (step + 1))
    print("step", step, flush=True)
    time.sleep(0.05)
"""
REDUCES = """
total = 0.0
for step in range(10):
    total = aicci.allreduce(total + aicci.rank + step, op="mean")
    aicci.log(step=step, total=total)
    time.sleep(0.03)
"""
SAVES = """
import signal
state = aicci.checkpoint.latest({"step": 0, "sum": 0})
while state["step"] < 12:
    state = {"step": state["step"] + 1, "sum": aicci.allreduce(state["sum"] + 1, op="max")}
    aicci.checkpoint.save(state)
    aicci.log(step=state["step"], sum=state["sum"])
    if state["step"] == 6 and aicci.restart == 0 and aicci.rank == 1:
        time.sleep(0.1)  # rank 0 saves this step as well
        os.kill(os.getpid(), signal.SIGKILL)
assert state["sum"] == 12
"""
PAIR = """
for step in range(3):
    aicci.log(step=step, total=aicci.allreduce(step))
    print("step", step, flush=True)
time.sleep(0.1)
"""
LAUNCHED = """
import json
until = time.monotonic() + 0.1
while time.monotonic() < until:  # an end without a record of its own needs a keeper or an agent to be known
    keeper = json.load(open(os.path.join(os.environ["AICCI_NODE_DIR"], "keeper.claim")))["pid"]
    if not os.path.exists(f"/proc/{keeper}"):
        until = time.monotonic() + 0.1
    time.sleep(0.01)
"""
RAISES = """
for step in range(6):
    aicci.allreduce(step)
    time.sleep(0.03)
if aicci.rank == 1:
    raise ValueError("the storm's own")
aicci.allreduce(0)
"""
LEAVES = "\ntime.sleep(0.3)\nsys.exit(3)\n"
VANISHES = "\ntime.sleep(0.3)\nos._exit(7)\n"
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
time.sleep(0.3)
"""
FOREVER = "\nwhile True: time.sleep(0.02)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A cell, the options it is submitted with, and its end."""

    text: str
    state: str
    exit_class: str | None = None
    attempts: int = 1
    stop: bool = False  # the client stops it when it runs
    guilty: int | None = None  # the rank that the verdict names
    code: int = 0  # of the guilty rank
    spec: dict[str, Any] = field(default_factory=dict)

    @property
    def program(self) -> str:
        return MARKS + self.text + END

    @property
    def ranks(self) -> int:
        return int(self.spec.get("nodes", 1)) * int(self.spec.get("ranks_per_node", 1))


KINDS = {
    "works": Kind(text=WORKS, state="succeeded"),
    "pair": Kind(text=PAIR, state="succeeded", spec={"ranks_per_node": 2}),
    "launched": Kind(text=LAUNCHED, state="succeeded", spec={"launcher": sys.executable}),
    "reduces": Kind(text=REDUCES, state="succeeded", spec={"nodes": 2, "ranks_per_node": 2}),
    "saves": Kind(text=SAVES, state="succeeded", attempts=2, spec={"ranks_per_node": 2}),
    "raises": Kind(text=RAISES, state="failed", exit_class="user error", guilty=1, code=1, spec={"ranks_per_node": 2}),
    "leaves": Kind(text=LEAVES, state="failed", exit_class="user error", guilty=0, code=3),
    "vanishes": Kind(text=VANISHES, state="failed", exit_class="user error", guilty=0, code=7),
    "daemon": Kind(text=DAEMON, state="succeeded"),
    "forever": Kind(text=FOREVER, state="stopped", exit_class="stopped", stop=True, spec={"nodes": 2}),
}
