"""What goes wrong around the service: a port, a socket, a race, the clock, the journal's file."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hard_cases import QUIET, aicci, journal, logged
from live import billed_once, ended, kill_service, rows, submit, until
from run_builders import T0, a_life, flat

from jupyter_aicci.agent.identity import alive, claim_from_json
from jupyter_aicci.client import Client
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import State
from jupyter_aicci.store.journal import Journal

DAY_S = 86_400
RENDEZVOUS = {
    "plain": """
import os, socket
with socket.create_server(("127.0.0.1", int(os.environ["MASTER_PORT"]))):
    print("met")
""",
    "torch": """
import torch.distributed as dist
dist.init_process_group("gloo")
dist.barrier()
print("met")
dist.destroy_process_group()
""",
    "jax": """
import jax
aicci.init_jax()
print("met", jax.process_count())
""",
}
AWAIT = """
import os, time
while aicci.restart == 0 and not os.path.exists({flag!r}):
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    "framework", ["plain", pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]
)
def test_a_port_taken_between_lease_and_use_costs_one_free_attempt(
    client: Client, tmp_path: Path, framework: str
) -> None:
    """--retries 0 and it is tried again all the same, on another port; once."""
    flag = tmp_path / "flag"
    text = AWAIT.format(flag=str(flag)) + RENDEZVOUS[framework]
    nodes = 1 if framework == "plain" else 2
    run = submit(client, text, framework=framework, nodes=nodes, shape="cpux1", retries=0)
    until(lambda: run.details()["attempts"])
    port = run.details()["attempts"][0]["port"] + (framework == "jax")  # JAX's coordinator has the second one
    with socket.create_server(("", port)):
        flag.touch()
        summary = ended(run)
    assert (summary["state"], summary["attempt"]) == ("succeeded", 2)
    first, second = run.details()["attempts"]
    assert second["port"] != first["port"]
    (lost,) = [event for event in run.details()["events"] if event.get("step") == "lose"]
    assert lost["exit_class"] == "infrastructure"
    assert lost["verdict"]["reason"] == "address in use"
    assert "met" in run.logs()
    billed_once(run, nodes=nodes, attempts=2)


def test_a_socket_of_a_dead_service_is_nobodys(client: Client, tmp_path: Path) -> None:
    """kill -9 leaves the socket, service.json and the lock file: the next command starts a service and finds the run."""
    flag = tmp_path / "flag"
    run = submit(client, QUIET.format(flag=str(flag)))
    until(lambda: run.state is State.RUNNING)
    dead = kill_service(client)
    assert client.home.service_socket.exists()
    assert claim_from_json(_introduced(client)["claim"]) == dead
    status, out, err = aicci("ps", "--json")
    assert (status, err) == (0, "")
    assert run.id in out
    now = claim_from_json(_introduced(client)["claim"])
    assert now is not None
    assert alive(now)
    flag.touch()
    assert ended(run)["state"] == "succeeded"
    billed_once(run)


def _introduced(client: Client) -> dict[str, dict[str, object]]:
    import json

    return dict(json.loads(client.home.service_json.read_text()))


@pytest.mark.parametrize("clients", [2, 10])
def test_clients_that_start_a_service_at_once_share_one(client: Client, clients: int) -> None:
    """Each submits a run; all runs are in one journal, and each ran once."""

    def one(number: int) -> str:
        return submit(Client(client.home), f"print({number})\n", name=f"n{number}", shape="cpux1").id

    with ThreadPoolExecutor(clients) as pool:
        ids = list(pool.map(one, range(clients)))
    assert len({Client(client.home).status()["pid"] for _ in range(10)}) == 1
    assert {row["id"] for row in client.runs()} == set(ids)
    for number, run_id in enumerate(ids):
        run = client.run(run_id)
        assert ended(run)["state"] == "succeeded"
        assert run.logs() == f"{number}\n"
        assert rows(client, run).count("placed") == 1
    assert _services(client) == [int(client.status()["pid"])]


def _services(client: Client) -> list[int]:
    """Living services of this home, by their command and environment."""
    needle, found = f"AICCI_HOME={client.home.root}\0".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    needle in (entry / "environ").read_bytes()
                    and b"jupyter_aicci.service" in (entry / "cmdline").read_bytes()
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


class Clock:
    """The wall clock of the services that it starts."""

    def __init__(self, client: Client, file: Path) -> None:
        self._client, self._file = client, file
        self.env = {"AICCI_TEST_CLOCK": str(file)}
        self.set(0)

    def set(self, seconds: int) -> None:
        """So many seconds after the true time; for services and commands that run already, too."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)

    def start_service(self) -> None:
        self.command("jupyter_aicci.service")

    def command(self, module: str, *words: str) -> str:
        """What one of our modules prints that lives by this clock."""
        runner = str(Path(__file__).with_name("other_clock.py"))
        done = subprocess.run(
            [sys.executable, runner, module, *words],
            env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def clock(client: Client, tmp_path: Path) -> Iterator[Clock]:
    return Clock(client, tmp_path / "clock")


def test_a_clock_set_back_changes_neither_order_nor_bill(client: Client, clock: Clock, tmp_path: Path) -> None:
    """A day back while the service runs, and again a day back when it is started anew: time goes on as if nothing were."""
    flag = tmp_path / "flag"
    began_s = time.monotonic()
    clock.start_service()
    over = submit(client, QUIET.format(flag=str(flag)), shape="cpux1", name="over")
    until(lambda: over.state is State.RUNNING)
    clock.set(-DAY_S)
    later = submit(client, "print('later')\n", shape="cpux1", name="later")
    assert ended(later)["state"] == "succeeded"
    kill_service(client)
    clock.set(-2 * DAY_S)
    clock.start_service()
    last = submit(client, "import time\ntime.sleep(60)\n", shape="cpux1", name="last", time_limit=0.5, grace=0.5)
    assert ended(last)["exit_class"] == "time limit"
    flag.touch()
    assert ended(over)["state"] == "succeeded"
    took_s = time.monotonic() - began_s
    assert [row["name"] for row in client.runs()] == ["last", "later", "over"]
    times = [time_ns for _, _, kind, time_ns in journal(client) if kind != "rank_exited"]
    assert max(times) - min(times) < took_s * 1e9
    for run in (over, later, last):
        own = [event["time_ns"] for event in run.details()["events"]]
        assert own == sorted(own)
        billed_once(run)
        (entry,) = run.cost()["entries"]
        assert entry["to_ns"] - entry["from_ns"] < took_s * 1e9
    listed = clock.command("jupyter_aicci.cli", "ps")
    assert not re.search(r"-\d+ ?(?:ms|s|min|h|d)\b", listed)


def test_a_clock_set_forward_ends_nothing_early(client: Client, clock: Clock, tmp_path: Path) -> None:
    """A time limit counts time that passed."""
    flag = tmp_path / "flag"
    clock.start_service()
    run = submit(client, QUIET.format(flag=str(flag)), time_limit=600.0)
    until(lambda: run.state is State.RUNNING)
    clock.set(DAY_S)
    seen = len(run.view().lanes)
    assert seen
    beside = submit(client, "print(1)\n", shape="cpux1")
    assert ended(beside)["state"] == "succeeded"
    assert run.state is State.RUNNING
    flag.touch()
    assert ended(run)["state"] == "succeeded"


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_journal_cut_in_the_middle_of_a_row_loses_only_what_is_gone(
    client: Client, tmp_path: Path, attempt: int
) -> None:
    """The service starts, says what it saved and what not, knows the other runs, and takes in the one that still runs."""
    flag, starts = tmp_path / "flag", tmp_path / "starts"
    old = {RunId(f"r0000{number}") for number in range(100, 160)}
    client.home.root.mkdir(parents=True)
    kept = Journal(client.home.journal)
    for place, run_id in enumerate(sorted(old)):
        kept.append(flat(a_life(run_id, t0=T0 + place * 100 * 10**9)))
    kept.close()
    killed = f"import os\nif aicci.restart < {attempt - 1}: os.kill(os.getpid(), 9)\n"
    text = killed + f"open({str(starts)!r}, 'a').write('x')\n" + QUIET.format(flag=str(flag))
    run = submit(client, text, shape="cpux1", nodes=2)
    until(lambda: starts.exists() and starts.read_text() == "xx")
    client.shutdown()
    until(lambda: not client.home.journal.with_name("journal.db-wal").exists())
    written, whole = journal(client), client.home.journal.read_bytes()
    cut = whole[: len(whole) * 2 // 3 + 1000]
    client.home.journal.write_bytes(cut)

    status, said, err = aicci("service", "start")
    assert status == 0, err
    (damaged,) = client.home.root.glob("journal.db.damaged-*Z")
    assert damaged.read_bytes() == cut
    saved = re.search(r"was damaged \(database disk image is malformed\): (\d+) rows were saved", said)
    assert saved, said
    assert len(written) // 3 < int(saved[1]) < len(written)
    assert f"The damaged file is kept as {damaged}" in said
    assert f"run {run.id} still runs: it is recorded anew from its folder, and paid for from now on" in said
    known = {row["id"] for row in client.runs()}
    assert len(known & old) > len(old) // 3
    assert run.id in known

    until(lambda: run.state is State.RUNNING)
    flag.touch()
    assert ended(run)["state"] == "succeeded"
    assert starts.read_text() == "xx"
    assert set(logged(client, run, "beat")) == {f"attempt-{attempt}/node-{node}/rank-{node}" for node in range(2)}
    assert [entry["attempt"] for entry in run.cost()["entries"]] == [attempt, attempt]
    assert not any(entry["open"] for entry in run.cost()["entries"])
    assert ended(submit(client, "print('after')\n", shape="cpux1"))["state"] == "succeeded"
    assert not any(row["state"] in ("queued", "lost", "starting", "running") for row in client.runs())
    assert "was damaged" not in _restarted(client)


def _restarted(client: Client) -> str:
    assert aicci("service", "stop")[0] == 0
    until(lambda: not client.home.service_socket.exists())
    return aicci("service", "start")[1]
