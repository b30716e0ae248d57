"""Real services and real ranks for tests: a client whose home ends with the test, and what such tests ask again and again."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_aicci.agent.identity import Claim, alive, claim_of
from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.model.states import TERMINAL
from jupyter_aicci.store.paths import Home

END_S = 60.0


@contextlib.contextmanager
def a_client() -> Iterator[Client]:
    """A client of the test's home; at the end its runs are stopped and its service ends."""
    client = Client(Home.from_environment(os.environ))
    try:
        yield client
    finally:
        if client.home.journal.exists():
            end_everything(client)


def end_everything(client: Client) -> None:
    live = [row["id"] for row in client.runs() if row["state"] not in TERMINAL]
    for run_id in live:
        with contextlib.suppress(AicciError):
            client.stop(run_id, grace_s=0.0)
    for run_id in live:
        client.run(run_id).wait(END_S)
    client.shutdown()


def submit(client: Client, text: str, *, run_id: str = "", values: dict[str, Any] | None = None, **spec: Any) -> Run:
    """A plain program, its ranks on this interpreter."""
    wanted = parse_spec({"framework": "plain", "python": sys.executable, "grace": 2.0, **spec})
    return client.submit(wanted, Program(text=text, push=values or {}), run_id=RunId(run_id) if run_id else None)


def ended(run: Run) -> dict[str, Any]:
    """The summary of the end; fails the test when it does not come."""
    summary = run.wait(END_S)
    assert summary["state"] in TERMINAL, f"run {run.id} has not ended after {END_S:.0f} s: {summary}\n{run.logs()}"
    return summary


def until(what: Callable[[], Any], *, limit_s: float = 30.0) -> Any:
    """What `what` returns as soon as that is true."""
    deadline_s = time.monotonic() + limit_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"it did not become true within {limit_s:.0f} s"
        time.sleep(0.01)


def service_claim(client: Client) -> Claim:
    claim = claim_of(int(client.status()["pid"]))
    assert claim is not None
    return claim


def kill_service(client: Client) -> Claim:
    """kill -9, and wait until it is gone."""
    claim = service_claim(client)
    os.kill(claim.pid, signal.SIGKILL)
    until(lambda: not alive(claim))
    return claim


def rows(client: Client, run: Run) -> list[str]:
    """The kinds of the run's journal rows, as another process reads them."""
    db = sqlite3.connect(f"file:{client.home.journal}?mode=ro", uri=True)
    try:
        found = db.execute("SELECT kind FROM rows WHERE run_id = ? ORDER BY seq", (run.id,)).fetchall()
    finally:
        db.close()
    return [kind for (kind,) in found]


def billed_once(run: Run, *, nodes: int = 1, attempts: int = 1) -> None:
    """One closed entry for each node of each attempt, none of them negative, and they sum to the total."""
    ledger = run.cost()
    entries = ledger["entries"]
    keys = [(entry["attempt"], entry["node"]) for entry in entries]
    assert keys == [(attempt + 1, node) for attempt in range(attempts) for node in range(nodes)]
    assert not any(entry["open"] for entry in entries)
    assert all(entry["to_ns"] > entry["from_ns"] for entry in entries)
    assert sum(entry["amount_micro"] for entry in entries) == ledger["total_micro"]


def nothing_lives(run: Run) -> None:
    """No rank, helper or daemon of the run lives; its keeper, which said so, may need a moment to leave."""
    until(lambda: not [name for name in processes_of(run) if " keeper " in name], limit_s=5.0)
    left = processes_of(run)
    assert not left, f"run {run.id} has ended, and these live on: {left}"


def processes_of(run: Run) -> list[str]:
    """Living processes that carry the run's id in their environment: pid and command."""
    needle, found = f"AICCI_RUN={run.id}\0".encode(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if needle in Path("/proc", entry, "environ").read_bytes() + b"\0":
                    command = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ")
                    found += [f"{entry} {command.decode(errors='replace')}"] if command else []  # none: it is leaving
    return found
