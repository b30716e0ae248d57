"""Agents as this process sees them: started in sessions of their own, found again by their claims, reaped when they were ours.

Rule: an agent is never needed twice on a node; the second one finds the claim taken and ends, so starting is always safe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from jupyter_aicci.agent.identity import alive, read_claim
from jupyter_aicci.engines.local.bundle import agent_zipapp
from jupyter_aicci.model.errors import EngineError

RANKS_OWN = (
    "AICCI_RUN",
    "AICCI_ATTEMPT",
    "AICCI_NODE_DIR",
    "AICCI_RANK",
)  # the tag of a run's processes, which agents are not


class Agents:
    """The agents that this service started and has not reaped yet."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._children: dict[str, int] = {}  # node directory -> pid
        self._others: set[int] = set()

    def lives(self, node_dir: Path) -> bool:
        """Whether the node has an agent, one that was started a moment ago included."""
        self.reap()
        claim = read_claim(node_dir / "agent.claim")
        return str(node_dir) in self._children or (claim is not None and alive(claim))

    def start(self, node_dir: Path, pidfds: Mapping[int, int]) -> None:
        """Start an agent on the node directory; it inherits the pidfds of ranks that are there. Raises `EngineError`."""
        words = ["agent", str(node_dir), *(f"{rank}={fd}" for rank, fd in pidfds.items())]
        for fd in pidfds.values():
            os.set_inheritable(fd, True)
        try:
            self._children[str(node_dir)] = self._spawn(words, node_dir / "agent.log")
        finally:
            for fd in pidfds.values():
                os.set_inheritable(fd, False)

    def warm(self, python: str, framework: str) -> None:
        """Have a zygote prepared, by a process that ends when it is ready."""
        log = self._runtime / "warm.log"
        self._others.add(self._spawn(["warm", python, framework, str(self._runtime)], log))

    def reap(self) -> None:
        """Take note of children that have ended."""
        self._children = {node: pid for node, pid in self._children.items() if not _ended(pid)}
        self._others -= {pid for pid in tuple(self._others) if _ended(pid)}  # in place: `warm` adds from a thread

    def _spawn(self, words: list[str], log: Path) -> int:
        app = agent_zipapp(self._runtime)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        try:
            command = [sys.executable, "-I", "-S", str(app), *words]
            return os.posix_spawn(sys.executable, command, environment(), file_actions=actions, setsid=True)
        except OSError as error:
            raise EngineError("agent_not_started", f"no agent can be started: {error}.") from error


def environment() -> dict[str, str]:
    """Ours, without the tag of a run that we may be part of, and without a fail point that means us."""
    env = {key: value for key, value in os.environ.items() if key not in RANKS_OWN}
    if "/" not in env.get("AICCI_FAIL_AT", "/"):
        del env["AICCI_FAIL_AT"]
    return env


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
