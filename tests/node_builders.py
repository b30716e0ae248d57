"""One node of an attempt on disk, with real agents, keepers and ranks, for tests that kill them.

`a_node(tmp_path, text)` writes plan.json for ranks that run `text`; nothing is started before the test says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_aicci.agent.files import read_json, write_json
from jupyter_aicci.agent.frames import boot_ns, read_spool
from jupyter_aicci.agent.identity import Claim, alive, read_claim, send_signal
from jupyter_aicci.engines.local.bundle import agent_zipapp

WAIT_S = 30.0


@dataclass(slots=True, kw_only=True)
class Node:
    """A node directory and the processes that the test started on it."""

    path: Path
    runtime: Path
    plan: dict[str, Any]
    env: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def keeper(self) -> subprocess.Popen[bytes]:
        """A cold keeper, as an agent starts it."""
        return self._start("keeper")

    def agent(self, **env: str) -> subprocess.Popen[bytes]:
        """An agent, as the engine starts it."""
        return self._start("agent", **env)

    def _start(self, word: str, **env: str) -> subprocess.Popen[bytes]:
        app = agent_zipapp(self.runtime)
        with (self.path / f"{word}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(app), word, str(self.path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env={**self.env, **env},
            )  # fmt: skip
        self.started.append(process)
        return process

    # what it says

    def json(self, name: str) -> dict[str, Any]:
        found = read_json(self.path / name)
        assert found is not None, f"{name} is not there: {sorted(os.listdir(self.path))}"
        return found

    def exit(self, rank: int) -> dict[str, Any]:
        return self.json(f"rank-{rank}.exit")

    def log(self, rank: int = 0) -> str:
        try:
            return (self.path / f"rank-{rank}.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def frames(self, kind: str = "", spool: str = "agent") -> list[dict[str, Any]]:
        found, offset, going_on = [], 0, True
        while going_on:
            records, offset = read_spool(self.path / f"{spool}.spool", offset)
            found += [frame for _, frame in records]
            going_on = bool(records)
        return [frame for frame in found if not kind or frame["k"] == kind]

    def claim(self, name: str) -> Claim:
        found = read_claim(self.path / f"{name}.claim")
        assert found is not None
        return found

    def kept(self) -> bool:
        """Whether a keeper lives that has claimed the node; between two of them there is no claim."""
        found = read_claim(self.path / "keeper.claim")
        return found is not None and alive(found)

    # what happens

    def until(self, what: Callable[[], Any], limit_s: float = WAIT_S) -> Any:
        deadline_s = time.monotonic() + limit_s
        while not (found := what()):
            assert time.monotonic() < deadline_s, f"it did not come true in {limit_s:.0f} s; {self.story()}"
            time.sleep(0.005)
        return found

    def until_printed(self, text: str, rank: int = 0) -> None:
        self.until(lambda: text in self.log(rank))

    def until_done(self, limit_s: float = WAIT_S) -> None:
        self.until(lambda: (self.path / "done.json").exists(), limit_s)

    def until_said_done(self, limit_s: float = WAIT_S) -> None:
        self.until(lambda: self.frames("done"), limit_s)
        for process in self.started:
            process.wait(WAIT_S)

    def kill(self, name: str) -> None:
        """kill -9 of the process that holds a claim, and wait until it is dead."""
        claim = self.claim(name)
        send_signal(claim, signal.SIGKILL)
        self.until(lambda: not alive(claim))

    def stop(self, grace_s: float) -> int:
        """As the engine stops it; the time of the wish."""
        now_ns = boot_ns()
        write_json(self.path / "stop.json", {"grace_s": grace_s, "reason": "the test", "t_ns": now_ns})
        send_signal(self.claim("keeper"), signal.SIGTERM)
        return now_ns

    def story(self) -> str:
        """What there is to read when a test fails."""
        names = sorted(os.listdir(self.path))
        texts = [
            f"{name}: {(self.path / name).read_text(errors='replace')[-600:]}"
            for name in names
            if name.endswith((".log", ".exit"))
        ]
        return f"{names}\n" + "\n".join(texts)


def a_node(
    tmp_path: Path,
    text: str = "",
    *,
    ranks: int = 1,
    framework: str = "plain",
    env: dict[str, str] | None = None,
    **plan: Any,
) -> Node:
    """A node whose ranks run `text`. Further values go into the plan as they are."""
    run_dir, runtime = tmp_path / "run", tmp_path / "aicci-runtime"
    node_dir = run_dir / "attempt-1" / "node-0"
    (run_dir / "src").mkdir(parents=True)
    node_dir.mkdir(parents=True)
    runtime.mkdir(exist_ok=True)
    (run_dir / "src" / "cell.py").write_text(text)
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **(env or {})}
    own = {"AICCI_RUN": "r0000001", "AICCI_ATTEMPT": "1", "AICCI_NODE_DIR": str(node_dir)}
    whole = {
        "run_id": "r0000001", "attempt": 1, "node": 0, "nodes": 1, "run_dir": str(run_dir), "python": sys.executable,
        "framework": framework, "warm": False, "source": "cell.py", "argv": [], "launcher": "",
        "ranks": [
            {"rank": rank, "local_rank": rank,
             "env": {**base, **own, "AICCI_RANK": str(rank), "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}}
            for rank in range(ranks)
        ],
        "grace_s": 1.0, "settle_s": 0.1, "hang_s": 0.0, "memory_limit_bytes": 0, "cpus": [], "resume_step": -1, "push": [],
        "pull": [], "secrets": [], "data": {}, "read_only": [], "notes": [], "cell_name": "", "cell_first_line": 1,
        "runtime_dir": str(runtime),
        **plan,
    }  # fmt: skip
    (node_dir / "plan.json").write_text(json.dumps(whole))
    return Node(path=node_dir, runtime=runtime, plan=whole, env={**os.environ, "HOME": str(tmp_path), **(env or {})})


def pids_of(node_dir: Path) -> list[int]:
    """Every living process whose environment in /proc names the node directory as its own, the test's own look at it."""
    found, needle = [], f"AICCI_NODE_DIR={node_dir}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[0]
                if needle in Path("/proc", entry, "environ").read_bytes().split(b"\0") and state not in "ZX":
                    found.append(int(entry))
            except OSError:
                continue
    return found
