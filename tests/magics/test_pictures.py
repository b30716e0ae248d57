"""The picture that refreshes while a cell runs: where nobody draws the run live, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_runner import MIME, Notebook
from jupyter_builders import service_of_the_test

from jupyter_aicci.client import Client
from jupyter_aicci.client.streams import connect
from jupyter_aicci.magics import pictures
from jupyter_aicci.magics.pictures import PACE_S, Pictures

UNTIL_TOLD = """
import pathlib, time
while not pathlib.Path({flag!r}).exists():
    time.sleep(0.02)
    aicci.log(loss=1.0)
"""


class Clock:
    """Time that a test lets pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(pictures.time, "monotonic", lambda: self.now_s)


def due_times(clock: Clock, made: Pictures, until_s: float, *, watchers: int = 0) -> list[float]:
    """When pictures came until then."""
    came = []
    while clock.now_s < until_s:
        clock.now_s += made.left_s()
        if made.next(watchers):
            came.append(clock.now_s)
    return came


def test_pictures_come_at_a_slowing_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 2 s, then after 5, 10, 20 and 30 more, and so on."""
    clock = Clock(monkeypatch)

    assert due_times(clock, Pictures(lambda: b"png", wanted=True), 97) == [2, 7, 17, 37, 67, 97]
    assert PACE_S[-1] == 30


def test_drawing_takes_a_twentieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def slow() -> bytes:
        clock.now_s += 3.0
        return b"png"

    assert due_times(clock, Pictures(slow, wanted=True), 130) == [5, 65, 125, 185]


def test_who_watches_needs_no_picture_and_one_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def broken() -> bytes:
        raise ValueError("no fonts")

    assert due_times(clock, Pictures(lambda: b"png", wanted=True), 100, watchers=1) == []
    assert due_times(clock, Pictures(broken, wanted=True), 200) == []
    assert Pictures(lambda: b"png", wanted=False).left_s() == float("inf")


@pytest.fixture
def client(aicci_home: Path) -> Iterator[Client]:
    with service_of_the_test() as client:
        yield client


@pytest.fixture
def notebook(repository: Path, tmp_path: Path, client: Client) -> Iterator[Notebook]:
    notebook = Notebook(repository, tmp_path)
    yield notebook
    notebook.close()


def test_a_cell_that_nobody_draws_shows_a_picture_while_it_runs(notebook: Notebook, tmp_path: Path) -> None:
    """As in a front end without our extension."""
    flag = tmp_path / "flag"
    cell = notebook.start("%%aicci train\n" + UNTIL_TOLD.format(flag=str(flag)))
    card = cell.until("image/png").cards[-1]
    flag.touch()
    cell.end()

    assert base64.b64decode(card["image/png"]).startswith(b"\x89PNG")
    assert card[MIME]["summary"]["state"] in ("starting", "running"), "it lives; a busy machine starts it late"


def test_a_cell_that_a_page_draws_is_written_to_at_its_end(notebook: Notebook, client: Client, tmp_path: Path) -> None:
    """A watcher is connected to the run's stream: one picture, the final one."""
    flag = tmp_path / "flag"
    cell = notebook.start("%%aicci train\n" + UNTIL_TOLD.format(flag=str(flag)))
    run_id = cell.until(MIME).run_id
    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(connect(client.home, f"/v1/runs/{run_id}/stream"))
    news = client.wait_row(run_id, after=1 << 60, timeout_s=PACE_S[0] + 2.0)
    flag.touch()
    cards = cell.end().cards
    stream.close()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()

    assert news["watchers"] == 1
    assert ["image/png" in card for card in cards].count(True) == 1
    assert cards[-1][MIME]["summary"]["state"] == "succeeded"
    assert client.wait_row(run_id, after=0, timeout_s=0)["watchers"] == 0
