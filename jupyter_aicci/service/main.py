"""The service from its first answer to its end.

Journal → clock → engine → socket → service.json → adopt → answer. A dead service's socket is replaced, under the lock.
Rule: SIGTERM, SIGINT and POST /v1/shutdown end it cleanly: the journal is closed, the socket removed, and runs go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Callable
from threading import Thread

from jupyter_aicci import __version__
from jupyter_aicci.agent.files import write_json
from jupyter_aicci.agent.identity import claim_of
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.engine import Engine
from jupyter_aicci.service.http import LOG
from jupyter_aicci.service.http import serve as serve_http
from jupyter_aicci.service.lazy import bring_timeline
from jupyter_aicci.service.log import set_up
from jupyter_aicci.service.loop import Loop, bring_line
from jupyter_aicci.service.recover import take_in
from jupyter_aicci.service.routes import ROUTES
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.upkeep import Upkeep
from jupyter_aicci.store.board import Board, open_board
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.config import Config, read_config
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home

UPKEEP_FIRST_S, UPKEEP_S = 5.0, 6 * 3600.0  # when runs that have ended are looked after
WARM_UP_S = 0.05  # after the first answer, what the first run needs is imported, in a thread


def serve(home: Home, ready: Callable[[], None]) -> int:
    """Be the service; `ready` is called when it answers."""
    set_up(home.service_log)
    allow_open_files()
    from jupyter_aicci.engines.local import LocalEngine

    config = read_config(home)
    journal = Journal(home.journal)
    board = open_board(os.environ, home.root)
    try:
        asyncio.run(_serve(home, journal, LocalEngine(home, config, board), config, board, ready))
    finally:
        journal.close()
    return 0


def allow_open_files() -> None:
    """As many as are allowed: the roll-ups of one live run are some hundred mapped files, and 1024 would be few runs."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(
    home: Home, journal: Journal, engine: Engine, config: Config, board: Board | None, ready: Callable[[], None]
) -> None:
    runs = Runs(journal, Clock(journal))
    loop = Loop(home, runs, engine, config.scheduling, config.budgets, board)
    desk = Desk(home, runs, loop, engine, config.prices)
    upkeep = Upkeep(home, runs)
    loop.keep, loop.put_away = upkeep.look, upkeep.put_away
    desk.views.whole = upkeep.is_whole
    end = asyncio.Event()
    desk.shut_down = end.set
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    sock = listen(home)
    server = serve_http(desk, ROUTES, sock)
    _introduce(home)
    LOG.info("service %s answers, pid %d, home %s", __version__, os.getpid(), home.root)
    if journal.losses:
        journal.losses = (*journal.losses, *take_in(home, runs, loop, config.prices))
    for loss in journal.losses:
        LOG.warning("%s", loss)
    loop.adopt()
    desk.settling.resume()
    ready()
    asyncio.get_running_loop().call_later(WARM_UP_S, _warm, loop, asyncio.get_running_loop())
    asyncio.get_running_loop().call_later(UPKEEP_FIRST_S, _tend, upkeep, asyncio.get_running_loop())
    await end.wait()
    LOG.info("service ends; runs go on")
    server.stop()
    _withdraw(home)
    desk.close()
    upkeep.close()
    loop.close()
    await asyncio.sleep(0)  # the answer of the shutdown goes out
    await server.close_all_connections()


def _warm(loop: Loop, clock: asyncio.AbstractEventLoop) -> None:
    """Import in a thread, then have the scheduler read what ended runs teach."""

    def bring() -> None:
        bring_line()
        bring_timeline()
        with contextlib.suppress(RuntimeError):  # the service has ended meanwhile
            clock.call_soon_threadsafe(lambda: loop.line)

    Thread(target=bring, daemon=True).start()


def _tend(upkeep: Upkeep, clock: asyncio.AbstractEventLoop) -> None:
    """Look after runs that have ended, now and four times a day."""
    upkeep.tend_ended()
    clock.call_later(UPKEEP_S, _tend, upkeep, clock)


def listen(home: Home) -> socket.socket:
    """The socket under its name; bound beside it and renamed, so that a connection never meets a socket nobody serves."""
    path = home.service_socket
    building = path.with_name(f"{path.name}.{os.getpid()}")
    building.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(building))
    building.chmod(0o600)
    sock.listen(128)
    sock.setblocking(False)
    building.rename(path)
    return sock


def _introduce(home: Home) -> None:
    claim = claim_of(os.getpid())
    assert claim is not None, "a process finds itself in /proc"
    body = {"socket": str(home.service_socket), "claim": claim.to_json(), "version": __version__}
    write_json(home.service_json, body)


def _withdraw(home: Home) -> None:
    """Only now: who finds no socket starts another service, which waits for our lock."""
    for path in (home.service_socket, home.service_json):
        with contextlib.suppress(OSError):
            path.unlink()
