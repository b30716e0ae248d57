"""From a submit to its end with the real engine: agents, keepers and ranks are processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from live import a_client, billed_once, ended, kill_service, nothing_lives, rows, service_claim, submit, until

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.states import State

LOGS = """
for step in range(5):
    aicci.log(step=step, loss=5.0 - step)
    print("step", step, flush=True)
"""
WAITS = """
import os, time
print("here", flush=True)
while not os.path.exists({path!r}):
    aicci.log(beat=time.monotonic())
    time.sleep(0.02)
print("bye", flush=True)
"""
FOREVER = "import time\nprint('here', flush=True)\nwhile True: time.sleep(0.05)\n"


@pytest.fixture
def client() -> Iterator[Client]:
    with a_client() as client:
        yield client


def runs(run: Run) -> bool:
    return run.state is State.RUNNING and "here" in run.logs()


def test_a_plain_cell_runs_on_two_nodes(client: Client) -> None:
    """Both end well; the chart has what they logged, the log what rank 0 printed, the bill each node once."""
    run = submit(client, LOGS, nodes=2, name="first")
    summary = ended(run)
    assert (summary["state"], summary["exit_class"], summary["world_size"]) == ("succeeded", None, 2)
    assert run.logs() == "".join(f"step {step}\n" for step in range(5))
    view = run.view()
    loss = next(lane for lane in view.lanes if lane.id == "value:loss")
    assert list(loss.v) == [5.0, 4.0, 3.0, 2.0, 1.0]  # type: ignore[union-attr]
    billed_once(run, nodes=2)
    nothing_lives(run)


def test_values_go_in_and_come_out(client: Client) -> None:
    """--push and --pull, by way of files."""
    text = "history = [x * factor for x in range(3)]\n"
    run = submit(client, text, values={"factor": 7}, push=["factor"], pull=["history"])
    assert ended(run)["state"] == "succeeded", run.logs()
    assert run.results == ("history",)
    assert run.result("history") == [0, 7, 14]


def test_a_service_killed_during_a_run_comes_back_to_it(client: Client, tmp_path: os.PathLike[str]) -> None:
    """kill -9; the next call starts another one, which adopts: one life, billed once, no row twice."""
    path = os.path.join(tmp_path, "go on")
    run = submit(client, WAITS.format(path=path))
    until(lambda: runs(run))
    before = kill_service(client)
    assert service_claim(client) != before
    assert run.state is State.RUNNING
    open(path, "w").close()
    assert ended(run)["state"] == "succeeded"
    billed_once(run)
    kinds = rows(client, run)
    for once in ("submitted", "placed", "node_held", "rank_exited", "node_released"):
        assert kinds.count(once) == 1
    assert run.logs() == "here\nbye\n"


def test_a_run_that_ends_while_no_service_lives_is_found_ended(client: Client, tmp_path: os.PathLike[str]) -> None:
    """It is billed to its own end, not to when somebody looked."""
    path = os.path.join(tmp_path, "go on")
    run = submit(client, WAITS.format(path=path))
    until(lambda: runs(run))
    kill_service(client)
    open(path, "w").close()
    done = client.home.node_dir(run.id, 1, 0) / "done.json"
    until(done.exists)
    written_ns = done.stat().st_mtime_ns
    assert ended(run)["state"] == "succeeded"
    (entry,) = run.cost()["entries"]
    assert abs(entry["to_ns"] - written_ns) < 1_000_000_000
    billed_once(run)


def test_stop_leaves_nothing_alive(client: Client) -> None:
    """Stopped is said when nothing of the run lives any more."""
    run = submit(client, FOREVER, nodes=2)
    until(lambda: runs(run))
    run.stop(grace_s=1.0, reason="enough")
    summary = ended(run)
    assert (summary["state"], summary["exit_class"], summary["reason"]) == ("stopped", "stopped", "enough")
    nothing_lives(run)
    billed_once(run, nodes=2)


def test_a_rank_that_ignores_sigterm_is_killed_after_the_grace(client: Client) -> None:
    """Daemons too."""
    run = submit(client, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER)
    until(lambda: runs(run))
    run.stop(grace_s=0.3)
    assert ended(run)["state"] == "stopped"
    nothing_lives(run)


def test_the_time_limit_stops_it(client: Client) -> None:
    """With its class."""
    summary = ended(submit(client, FOREVER, time_limit=0.3, grace=0.5))
    assert (summary["state"], summary["exit_class"]) == ("stopped", "time limit")


def test_the_budget_stops_it(client: Client) -> None:
    """The price is from config.toml: a dollar a second and node."""
    client.home.root.mkdir(parents=True)
    client.home.config.write_text('[prices]\n"*" = "3600"\n')
    summary = ended(submit(client, FOREVER, budget="7.8", grace=0.5))
    assert (summary["state"], summary["exit_class"]) == ("stopped", "budget")
    assert 2_000_000 <= summary["cost_micro"] <= 7_800_000


def test_an_exception_is_the_programs_and_is_not_tried_again(client: Client) -> None:
    """User error: the rank, its line, one attempt."""
    run = submit(client, "x = 1\nraise ValueError('no good')\n", cell_name="Cell In[7]", cell_first_line=2)
    summary = ended(run)
    assert (summary["state"], summary["exit_class"], summary["attempt"]) == ("failed", "user error", 1)
    verdict = run.details()["verdict"]
    assert "no good" in verdict["text"]
    assert "line 3" in verdict["where"]


def test_a_killed_rank_is_tried_again(client: Client) -> None:
    """From outside, by SIGKILL: the next attempt succeeds, and each is billed once."""
    text = """
import os, time
print("here", flush=True)
if os.environ["AICCI_ATTEMPT"] == "1":
    while True: time.sleep(0.05)
"""
    run = submit(client, text)
    until(lambda: runs(run))
    claim = client.home.node_dir(run.id, 1, 0) / "rank-0.claim"
    import json

    os.kill(json.loads(claim.read_text())["pid"], signal.SIGKILL)
    summary = ended(run)
    assert (summary["state"], summary["attempt"]) == ("succeeded", 2)
    billed_once(run, attempts=2)


def test_a_port_that_was_taken_costs_no_retry(client: Client) -> None:
    """Another program was quicker: tried again although no retries are allowed."""
    text = """
import errno, os
if os.environ["AICCI_ATTEMPT"] == "1":
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
"""
    summary = ended(submit(client, text, retries=0))
    assert (summary["state"], summary["attempt"]) == ("succeeded", 2)


def test_a_launcher_starts_the_program_itself(client: Client) -> None:
    """One process a node; its output is rank 0's log."""
    import sys

    run = submit(client, "print('by the launcher')\n", launcher=f"{sys.executable} cell.py")
    assert ended(run)["state"] == "succeeded", run.logs()
    assert "by the launcher" in run.logs()


def test_runs_wait_for_each_other(client: Client) -> None:
    """The second starts when the first has ended; meanwhile it says why it waits."""
    cpus = sum(shape["cpus"] * shape["total"] for shape in client.shapes() if shape["name"] == "cpux1")
    first = submit(client, FOREVER, shape="cpux1", nodes=cpus)
    until(lambda: runs(first))
    second = submit(client, "", shape="cpux1", nodes=cpus)
    reason = until(lambda: second.details()["waiting"])
    assert "cpux1" in reason
    first.stop(grace_s=0.5)
    assert ended(second)["state"] == "succeeded"


def test_a_secret_is_in_the_ranks_environment_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranks have it; journal, frames and spec.json do not, and its file goes with the run's end."""
    monkeypatch.setenv("AICCI_TEST_TOKEN", "s3cr3t-value")
    text = "import os\nassert os.environ['AICCI_TEST_TOKEN'] == 's3cr3t-' + 'value'\n"
    run = submit(client, text, secret=["AICCI_TEST_TOKEN"])
    assert ended(run)["state"] == "succeeded", run.logs()
    assert not client.home.secrets_json(run.id).exists()
    client.shutdown()
    holders = [path for path in client.home.root.rglob("*") if path.is_file() and b"s3cr3t-value" in path.read_bytes()]
    assert holders == []
