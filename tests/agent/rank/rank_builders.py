"""Ranks for tests: a run directory with a plan, real processes that call `run_rank`, and what they left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.frames import read_spool
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.provision import rank_environment

DEADLINE_S = 60.0
COLD = (
    "import sys; from jupyter_aicci.agent.files import read_json; from jupyter_aicci.agent.rank.main import run_rank; "
)
START = COLD + "run_rank(read_json(sys.argv[1]), int(sys.argv[2]))"
FORKED = """
import os, sys
{imports}
plan_path, index = sys.argv[1], int(sys.argv[2])
from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.rank.main import run_rank
plan = read_json(plan_path)
assert len(os.listdir("/proc/self/task")) == 1, "a zygote with two threads"
pid = os.fork()
if pid == 0:
    os.environ.clear()
    os.environ.update(plan["ranks"][index]["env"])
    run_rank(plan, index)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
os._exit(status) if status >= 0 else os.kill(os.getpid(), -status)
"""


def forked(imports: str) -> tuple[str, ...]:
    """A start that forks the rank from a process that has run `imports` with one thread, as the zygote does."""
    return (sys.executable, "-c", FORKED.format(imports=imports))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass(kw_only=True)
class Gang:
    """One attempt of a run on one node, its ranks started by hand as the keeper would."""

    run_dir: Path
    ranks: int = 1
    attempt: int = 1
    plan: dict[str, Any] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    python: tuple[str, ...] = (sys.executable, "-c", START)

    @property
    def node_dir(self) -> Path:
        return self.run_dir / f"attempt-{self.attempt}" / "node-0"

    def path(self, kind: str, rank: int = 0) -> Path:
        return self.node_dir / f"rank-{rank}.{kind}"

    def start(self) -> Gang:
        for index in range(self.ranks):
            with self.path("log", index).open("ab") as log:
                self.processes.append(
                    subprocess.Popen(
                        [*self.python, str(self.node_dir / "plan.json"), str(index)],
                        env=self.plan["ranks"][index]["env"], cwd=self.run_dir / "src", stdin=subprocess.DEVNULL,
                        stdout=log, stderr=log, start_new_session=True,
                    )
                )  # fmt: skip
        return self

    def wait(self) -> list[int]:
        """Exit codes in the order of the ranks; a rank that does not end in time is killed and fails the test."""
        until = time.monotonic() + DEADLINE_S
        try:
            return [process.wait(max(0.1, until - time.monotonic())) for process in self.processes]
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"a rank did not end: {self.log(0)[-2000:]} … {self.log(self.ranks - 1)[-2000:]}"
            ) from None

    def run(self) -> list[int]:
        return self.start().wait()

    def kill(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def log(self, rank: int = 0) -> str:
        return self.path("log", rank).read_text(errors="replace")

    def frames(self, kind: str, rank: int = 0) -> list[dict[str, Any]]:
        found, offset = [], 0
        while True:
            records, reached = read_spool(self.path("spool", rank), offset)
            if reached == offset:
                return [frame for frame in found if frame["k"] == kind]
            found += [frame for _, frame in records]
            offset = reached

    def error(self, rank: int = 0) -> dict[str, Any]:
        record = read_json(self.path("error", rank))
        assert record is not None, self.log(rank)
        return record

    def until_logged(self, words: str, rank: int = 0) -> None:
        """Wait until the rank has printed `words`."""
        until = time.monotonic() + DEADLINE_S
        while words not in self.log(rank):
            assert time.monotonic() < until, f"{words!r} was never printed: {self.log(rank)[-2000:]}"
            assert self.processes[rank].poll() is None, f"rank {rank} ended: {self.log(rank)[-2000:]}"
            time.sleep(0.01)

    def until_there(self, kind: str, rank: int = 0) -> None:
        """Wait until the rank has written its file of that kind."""
        until = time.monotonic() + DEADLINE_S
        while not self.path(kind, rank).exists():
            assert time.monotonic() < until, f"rank-{rank}.{kind} was never written: {self.log(rank)[-2000:]}"
            time.sleep(0.01)


def a_gang(
    run_dir: Path, cell: str, *, ranks: int = 1, attempt: int = 1, env: dict[str, str] | None = None, **plan: Any
) -> Gang:
    """A run directory whose plan runs `cell` (dedented) on `ranks` ranks of one node."""
    gang = Gang(run_dir=run_dir, ranks=ranks, attempt=attempt)
    (run_dir / "src").mkdir(parents=True, exist_ok=True)
    gang.node_dir.mkdir(parents=True)
    (run_dir / "src" / plan.get("source", "cell.py")).write_text(textwrap.dedent(cell))
    placement = Placement(
        shape=Shape(name="cpux2", cpus=ranks), ranks_per_node=ranks,
        nodes=(NodePlacement(index=0, host="h", address="127.0.0.1"),),
    )  # fmt: skip
    port = free_port()
    entries = [
        {"rank": rank, "local_rank": rank, "env": rank_environment(
            os.environ, placement=placement, port=port, node=0, local_rank=rank, run_id="r0f3c2ab", attempt=attempt,
            node_dir=str(gang.node_dir), user=env,
        )}
        for rank in range(ranks)
    ]  # fmt: skip
    gang.plan = {
        "run_id": "r0f3c2ab", "attempt": attempt, "node": 0, "nodes": 1, "run_dir": str(run_dir), "python": sys.executable,
        "framework": "plain", "warm": False, "source": "cell.py", "argv": [], "launcher": "", "ranks": entries,
        "grace_s": 10.0, "settle_s": 0.5, "hang_s": 60.0, "memory_limit_bytes": 0, "cpus": [], "resume_step": -1, "push": [],
        "pull": [], "data": {}, "cell_name": "Cell In[7]", "cell_first_line": 2, "runtime_dir": str(run_dir / "runtime"), **plan,
    }  # fmt: skip
    (gang.node_dir / "plan.json").write_text(json.dumps(gang.plan))
    return gang
