"""The service killed at its n-th commit, fsync or rename, for n = 1, 2, …, until one lives through the whole run.

After each: whoever calls next starts another service, and the run ends as if nothing had happened: same state, same rows, billed
once, every frame once, no process left. What the service starts does not inherit the wish to die.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from live import a_client, billed_once, ended, nothing_lives, rows, submit

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.identity import Claim, alive, claim_from_json
from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.store.frames import FrameStore

COMMAND = [sys.executable, "-m", "jupyter_aicci.service"]
PROGRAM = (
    "for step in range(3): aicci.log(step=step, loss=1.0 - step)\nprint('done', flush=True)\nhistory = [1, 2, 3]\n"
)
EXPECTED = [
    "submitted",
    "stepped",
    "stepped",
    "placed",
    "node_held",
    "stepped",
    "rank_exited",
    "node_released",
    "stepped",
]
MOST_POINTS = 200  # a run of this size has far fewer


@pytest.fixture
def client() -> Iterator[Client]:
    with a_client() as client:
        yield client


def start_one_that_dies(client: Client, n: int) -> None:
    """A service that is killed at its n-th point; it may be so while it starts."""
    client.shutdown()
    subprocess.run(COMMAND, env={**os.environ, "AICCI_FAIL_AT": f"any:{n}"}, capture_output=True, timeout=60)


def service_of(client: Client) -> Claim | None:
    """The service that introduced itself last."""
    introduction = read_json(client.home.service_json)
    return claim_from_json(introduction["claim"]) if introduction else None


def submit_whatever_happens(client: Client, run_id: str) -> Run:
    """The client sends it again by itself; an error that reaches the caller is answered by calling again, same id."""
    for _ in range(3):
        try:
            return submit(client, PROGRAM, run_id=run_id, pull=["history"])
        except AicciError as error:
            last = error
    raise last


@pytest.mark.timeout(900)
def test_a_service_killed_at_any_point_loses_nothing(client: Client) -> None:
    """Same end, same rows, one bill, each frame once, nothing left alive, at every n."""
    for n in range(1, MOST_POINTS):
        start_one_that_dies(client, n)
        doomed = service_of(client)
        run = submit_whatever_happens(client, f"r{n:07}")
        summary = ended(run)
        assert (summary["state"], summary["exit_class"], summary["attempt"]) == ("succeeded", None, 1), (n, summary)
        kinds = [kind for kind in rows(client, run) if kind != "noted"]
        assert sorted(kinds) == sorted(EXPECTED), (n, kinds)
        billed_once(run)
        frames_once(client, run)
        assert run.result("history") == [1, 2, 3]
        nothing_lives(run)
        if doomed is not None and alive(doomed):
            return
    pytest.fail(f"no service lived through {MOST_POINTS} points")


def frames_once(client: Client, run: Run) -> None:
    """Sequence numbers without gaps; the rank's values are all there, once, in order."""
    store = FrameStore(client.home.frames_db(run.id))
    try:
        stored = store.all()
    finally:
        store.close()
    assert [frame.seq for frame in stored] == list(range(1, len(stored) + 1))
    losses = [frame.frame["values"]["loss"] for frame in stored if frame.frame["k"] == "log"]
    assert losses == [1.0, 0.0, -1.0]
    for kind in ("started", "exit", "done"):
        assert [frame.frame["k"] for frame in stored].count(kind) == 1
