"""The four verbs on this host: start, adopt, stop, observe.

In: runs with a placed attempt. Out: node directories, agents, and the frames that agents and ranks have written.
Rule 1: nothing is remembered that the disk does not say: what lives is found by claims, what is to be done by missing files.
Rule 2: every verb may be called again at any moment and does only what is still missing.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.agent.files import read_json, write_atomic, write_json
from jupyter_aicci.agent.frames import boot_ns, read_spool
from jupyter_aicci.agent.identity import read_claim, send_signal
from jupyter_aicci.engines.local import ascend, mounts
from jupyter_aicci.engines.local.agents import Agents
from jupyter_aicci.engines.local.inventory import inventory
from jupyter_aicci.engines.local.plans import Surroundings, plan_of, ranks_of
from jupyter_aicci.engines.local.ports import Ports
from jupyter_aicci.engines.local.rankfds import RankFds
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.provision import ports_needed
from jupyter_aicci.store.board import Board
from jupyter_aicci.store.config import Config
from jupyter_aicci.store.paths import Home, source_of

if TYPE_CHECKING:
    from jupyter_aicci.scheduler import Host

OBSERVE_BYTES = 256 << 10  # of one spool at one look; the rest comes with the next


class LocalEngine:
    """Runs placed attempts as processes of this host."""

    def __init__(self, home: Home, config: Config, board: Board | None = None) -> None:
        self._home, self._config, self._board = home, config, board
        self._agents = Agents(home.runtime)
        self._rankfds = RankFds()
        self._ports = Ports()
        self._host: Host | None = None

    def inventory(self) -> Host:
        """What runs may use of this host, looked at once."""
        if self._host is None:
            others = self._board.others() if self._board is not None else ()
            self._host = inventory(self._config.cpus, others=[cpu for notice in others for cpu in notice.part_cpus])
        return self._host

    def free_port(self, placement: Placement) -> int:
        """The first of as many consecutive free ports as the attempt needs."""
        return self._ports.lease(ports_needed(placement))

    def warm(self, python: str, framework: str) -> None:
        """Have a zygote prepared for programs of this framework; returns at once."""
        self._agents.warm(python, framework)

    def start(self, run: Run) -> None:
        """Write the plans of the latest attempt and start its agents. Raises `EngineError` when that cannot be."""
        attempt = _attempt(run)
        missing = [node for node in _nodes(attempt) if not self._path(run, attempt, node, "plan.json").exists()]
        if missing:
            around = self._surroundings(run, attempt)
            for node in missing:
                path = self._path(run, attempt, node, "plan.json")
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, json.dumps(plan_of(run, attempt, node, around), indent=1).encode())
        self.adopt(run)

    def adopt(self, run: Run) -> None:
        """See that every node that is not done has an agent; those that were killed get a new one."""
        attempt = _attempt(run)
        if any(not self._path(run, attempt, node, "plan.json").exists() for node in _nodes(attempt)):
            self.start(run)
            return
        for node in _nodes(attempt):
            node_dir = self._home.node_dir(run.id, attempt.number, node)
            if self._said_done(node_dir):
                continue
            self._rankfds.hold(node_dir, ranks_of(run, attempt, node))
            if not self._agents.lives(node_dir):
                self._agents.start(node_dir, self._rankfds.of(node_dir))

    def stop(self, run: Run, grace_s: float, reason: str) -> None:
        """Have every node of the latest attempt end; a later call can only bring the end nearer."""
        attempt = _attempt(run)
        now_ns = boot_ns()
        for node in _nodes(attempt):
            path = self._path(run, attempt, node, "stop.json")
            there = read_json(path)
            if there is None or int(there["t_ns"]) + float(there["grace_s"]) * NS > now_ns + grace_s * NS:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {"grace_s": grace_s, "reason": reason, "t_ns": now_ns})
            keeper = read_claim(self._path(run, attempt, node, "keeper.claim"))
            if keeper is not None:
                send_signal(keeper, signal.SIGTERM)
        self.adopt(run)

    def observe(self, run: Run, cursors: Mapping[str, int]) -> list[tuple[str, int, dict[str, Any]]]:
        """(spool, offset behind the frame, frame) of what the latest attempt's spools have behind the cursors."""
        found: list[tuple[str, int, dict[str, Any]]] = []
        for source, path in self._spools(run):
            offset = cursors.get(source, 0)
            if _size(path) > offset:
                records, _ = read_spool(path, offset, OBSERVE_BYTES)
                found += [(source, after, frame) for after, frame in records]
                if source.endswith("/agent"):
                    self._follow(Path(path).parent, [frame for _, frame in records])
        return found

    def look_closer(self, run: Run) -> None:
        """Touch the file that tells each agent so."""
        attempt = _attempt(run)
        for node in _nodes(attempt):
            with suppress(OSError):
                self._path(run, attempt, node, "look").touch()

    def _follow(self, node_dir: Path, frames: list[dict[str, Any]]) -> None:
        """Hold ranks that have started, let go of those that have ended."""
        for frame in frames:
            match frame.get("k"):
                case "started":
                    self._rankfds.hold(node_dir, [int(frame["rank"])])
                case "exit":
                    self._rankfds.drop(node_dir, int(frame["rank"]))
                case "done":
                    self._rankfds.drop_node(node_dir)

    def _spools(self, run: Run) -> Iterator[tuple[str, str]]:
        """Ranks before their agent: what a rank said last is read before its agent says that it ended."""
        attempt = _attempt(run)
        for node in _nodes(attempt):
            folder = str(self._home.node_dir(run.id, attempt.number, node))
            for writer in (*(f"rank-{rank}" for rank in ranks_of(run, attempt, node)), "agent"):
                yield source_of(attempt.number, node, writer), f"{folder}/{writer}.spool"

    def _path(self, run: Run, attempt: Attempt, node: int, name: str) -> Path:
        return self._home.node_dir(run.id, attempt.number, node) / name

    def _said_done(self, node_dir: Path) -> bool:
        """Whether nothing of the node lives and its agent has told so."""
        if not (node_dir / "done.json").exists():
            return False
        offset, going_on = 0, True
        while going_on:
            records, offset = read_spool(node_dir / "agent.spool", offset)
            if any(frame.get("k") == "done" for _, frame in records):
                return True
            going_on = bool(records)
        return False

    def _surroundings(self, run: Run, attempt: Attempt) -> Surroundings:
        run_dir = self._home.run_dir(run.id)
        data = mounts.resolve(run.spec.data, run_dir=run_dir, may_mount=mounts.may_mount())
        return Surroundings(
            home=self._home,
            base=dict(os.environ),
            data=data.paths,
            read_only=data.read_only,
            notes=data.notes,
            rank_table_file=ascend.write_rank_table(attempt.placement, run_dir, attempt.number),
        )


def _attempt(run: Run) -> Attempt:
    assert run.attempt is not None, "an engine gets runs that are placed"
    return run.attempt


def _nodes(attempt: Attempt) -> range:
    return range(len(attempt.placement.nodes))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
