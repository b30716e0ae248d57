"""Two runs and one host: the card of the one that waits says why, when it starts and its place, and follows what happens.

Both are one user's, or two users' who have a service each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live import until
from page_builders import Notebook, cell, until_told
from people import Person
from people import until as until_seen

from jupyter_aicci.client import Client, Program
from jupyter_aicci.model.spec import parse_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_a_waiting_run_says_why_when_and_its_place(
    opened: Callable[..., Notebook], tmp_path: Path, client: Client
) -> None:
    """Behind a run with a time limit: class, reason, expected and latest start, place in line; then it starts by itself."""
    finish, end = tmp_path / "finish", tmp_path / "end"
    shape = max(client.shapes(), key=lambda shape: shape["cpus"])["name"]
    whole = {"shape": shape, "framework": "plain", "time_limit": "20m", "name": "long"}
    long = client.submit(parse_spec({**whole, "python": sys.executable}), Program(text=_until(finish)))
    until(lambda: long.summary()["state"] == "running", limit_s=60)
    notebook = opened(cell(until_told(end), f"--shape {shape} --name waits"))
    notebook.run_first_cell()
    notebook.wait_state("queued")
    waits = notebook.card.locator(".jp-aicci-waits")
    notebook.until(lambda: "place 1 in line" in waits.inner_text(), "the card says the place in line")
    told = waits.inner_text()
    assert told.startswith("behind: first in line: 1 ")
    assert re.search(r"starts in about \d+ ?(sec|min)", told), told
    assert re.search(r"by .*\d+[:.]\d\d.* at the latest", told), told
    notebook.shot("waiting")
    before = client.runs()[0]["seq"]

    other = client.submit(
        parse_spec({**whole, "python": sys.executable, "priority": 3, "name": "first"}), Program(text=_until(finish))
    )
    notebook.until(lambda: "place 2 in line" in waits.inner_text(), "the card follows the line")
    assert client.run("waits").summary()["seq"] == before, "no row of the journal was needed"
    client.stop(other.id)
    notebook.until(lambda: "place 1 in line" in waits.inner_text(), "the card follows the line again")

    finish.touch()
    notebook.wait_state("running")
    assert waits.is_hidden()
    end.touch()
    notebook.wait_state("succeeded")
    assert notebook.errors == []


def test_a_run_that_waits_for_another_users_run_says_whose(
    person: Callable[[str], Person],
    opened: Callable[..., Notebook],
    tmp_path: Path,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alice, at a terminal, has all of the host; the card says so, and until when; when her run ends this one starts."""
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "4")
    alice, end = person("alice"), tmp_path / "end"
    hers = alice.sends("waits", "--time-limit", "20m")
    until_seen(alice, hers, "running")
    notebook = opened(cell(until_told(end), "--shape cpux4 --name mine"))
    notebook.run_first_cell()
    notebook.wait_state("queued")
    waits = notebook.card.locator(".jp-aicci-waits")
    who = f"{alice.known_as} has 1 running run and 0 waiting on this host"
    notebook.until(lambda: who in waits.inner_text(), "the card names the other user")
    told = waits.inner_text()
    assert told.startswith(
        "behind: first in line: 1 cpux4 node needs 4 CPUs, 0 free; the rest is held by 1 running run"
    )
    assert re.search(r"by .*\d+[:.]\d\d.* at the latest", told), told
    assert "place 1 in line" in told
    notebook.shot("waiting-for-another-user")
    assert [shape["free"] for shape in client.shapes() if shape["name"] == "cpux1"] == [0]

    alice.flag.touch()
    notebook.wait_state("running")
    assert waits.is_hidden()
    after = alice.sends("ok")
    until_seen(alice, after, "queued")
    notebook.shot("running-before-another-user")
    end.touch()
    notebook.wait_state("succeeded")
    until_seen(alice, after, "succeeded")
    assert notebook.errors == []


def _until(path: Path) -> str:
    return f"import os, time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.05)\n"
