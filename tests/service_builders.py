"""An engine that says what a test wants, on a real journal: for what real processes do too seldom or too slowly.

`a_desk(home)` is a whole service without a socket; `turn(desk)` is one look of its loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from jupyter_aicci.agent.frames import boot_ns
from jupyter_aicci.client.transport import call
from jupyter_aicci.model.errors import EngineError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.pricing.book import parse_book
from jupyter_aicci.scheduler import Host
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.http import serve
from jupyter_aicci.service.loop import Loop
from jupyter_aicci.service.main import listen
from jupyter_aicci.service.routes import ROUTES
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.board import Board
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.config import Scheduling
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare, source_of

SHAPES = (Shape(name="cpux1", cpus=1), Shape(name="cpux2", cpus=2))
PRICES = 'currency = "USD"\ndated = "2026-11-01"\nsource = "a test"\n[prices]\ncpux1 = "3600"\ncpux2 = "7200"\n'


@dataclass(slots=True)
class Scripted:
    """Remembers what it was asked, and gives out the frames that `say` put in."""

    cpus: int = 4
    broken: str = ""  # `start` fails with this
    calls: list[tuple[str, RunId, Any]] = field(default_factory=list)
    spools: dict[RunId, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def inventory(self) -> Host:
        return Host(
            name="laptop", address="127.0.0.1", cpus=tuple(range(self.cpus)), memory_bytes=1 << 34, shapes=SHAPES
        )

    def start(self, run: Run) -> None:
        self.calls.append(("start", run.id, run.attempts[-1].number))
        if self.broken:
            raise EngineError("cannot_start", self.broken)

    def adopt(self, run: Run) -> None:
        self.calls.append(("adopt", run.id, run.attempts[-1].number))

    def stop(self, run: Run, grace_s: float, reason: str) -> None:
        self.calls.append(("stop", run.id, grace_s))

    def look_closer(self, run: Run) -> None:
        self.calls.append(("look_closer", run.id, None))

    def free_port(self, placement: Placement) -> int:
        return 29500

    def warm(self, python: str, framework: str) -> None:
        self.calls.append(("warm", RunId(""), framework))

    def observe(self, run: Run, cursors: Mapping[str, int]) -> list[tuple[str, int, dict[str, Any]]]:
        return [
            (source, offset + 1, frame)
            for source, frames in self.spools.get(run.id, {}).items()
            for offset, frame in enumerate(frames)
            if offset >= cursors.get(source, 0)
        ]

    def say(self, run: Run, node: int, /, **frame: Any) -> None:
        """One frame of a node's agent, now."""
        source = source_of(run.attempts[-1].number, node, "agent")
        self.spools.setdefault(run.id, {}).setdefault(source, []).append({"t": boot_ns(), **frame})

    def say_exit(self, run: Run, node: int, rank: int, code: int = 0, **more: Any) -> None:
        frame = {"code": code, "signal": 0, "by_us": False, "oom": False, "source": "keeper", "error": None}
        self.say(run, node, k="exit", rank=rank, maxrss_bytes=0, **{**frame, **more})

    def asked(self, verb: str) -> list[Any]:
        """What came with every call of a verb."""
        return [detail for name, _, detail in self.calls if name == verb]


def a_desk(
    engine: Scripted, home: Home | None = None, scheduling: Scheduling | None = None, board: Board | None = None
) -> Desk:
    """A service on the test's home, without socket and timers."""
    home = home or Home.from_environment(os.environ)
    prepare(home)
    journal = Journal(home.journal)
    runs = Runs(journal, Clock(journal))
    return Desk(home, runs, Unplanned(home, runs, engine, scheduling, board=board), engine, parse_book(PRICES))


def close(desk: Desk) -> None:
    """As a service that ends, or one that is killed: nothing but the disk is left."""
    desk.close()
    desk.loop.close()
    desk.runs.journal.close()


class Unplanned(Loop):
    """A loop that looks only when the test says so."""

    def _plan(self, pause_s: float | None) -> None:
        self.pause_s = pause_s


def turn(desk: Desk, times: int = 1) -> None:
    for _ in range(times):
        desk.loop.tick()


def submit(desk: Desk, run_id: str = "r0000001", *, owner: str = "", **spec: Any) -> Run:
    """A run with its folder, accepted."""
    src = desk.home.src_dir(RunId(run_id))
    src.mkdir(parents=True)
    (src / "cell.py").write_text("")
    return desk.submit({"id": run_id, "spec": {"shape": "cpux1", **spec}}, owner)


class Served:
    """A desk behind its socket, in a thread of its own; `call` is a client's request, `do` runs a function in the thread."""

    def __init__(self, engine: Scripted) -> None:
        self.home = Home.from_environment(os.environ)
        self._engine, self._ready = engine, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._asyncio.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _main(self) -> None:
        self.desk = a_desk(self._engine, self.home)
        self._asyncio, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = serve(self.desk, ROUTES, listen(self.home))
        self._ready.set()
        await self._end.wait()
        server.stop()
        await server.close_all_connections()
        close(self.desk)

    def do(self, act: Callable[[Desk], Any]) -> Any:
        """What `act` returns, run in the service's thread."""

        async def inside() -> Any:
            return act(self.desk)

        return asyncio.run_coroutine_threadsafe(inside(), self._asyncio).result(30)

    def call(self, verb: str, target: str, body: dict[str, Any] | None = None) -> Any:
        return call(self.home.service_socket, verb, target, body)


@pytest.fixture
def engine() -> Scripted:
    """An engine that does what the test says."""
    return Scripted()


@pytest.fixture
def served(engine: Scripted) -> Iterator[Served]:
    """A service with that engine, on its socket; it ends with the test."""
    with Served(engine) as served:
        yield served
