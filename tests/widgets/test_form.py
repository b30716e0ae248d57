"""The launch form without a page: what it says of what was typed, what it refuses, and that a double click is one run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from service_builders import Served
from service_builders import engine as engine
from service_builders import served as served

from jupyter_aicci.client import Client
from jupyter_aicci.widgets import form as form_module
from jupyter_aicci.widgets.form import LaunchForm
from jupyter_aicci.widgets.waiting import Later

LIMIT_S = 10.0
HOSTILE = "<img src=x onerror=alert(1)>"


def until(done: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < deadline_s, f"still not: {what}"
        time.sleep(0.01)


class Page:
    """A form as the person in front of it sees it."""

    def __init__(self, client: Client) -> None:
        self.events: dict[str, Callable[[object], None]] = {}
        shell: Any = SimpleNamespace(events=SimpleNamespace(register=self.events.__setitem__))
        self.form = LaunchForm(shell, client, "the commands")

    def type(self, field: str, value: Any) -> None:
        self.form._fields[field].control.value = value

    def says(self, words: str) -> None:
        until(lambda: words in self.form._told.value, f"{words!r} in {self.form._told.value!r}")

    def complains(self, field: str, words: str) -> None:
        def note() -> str:
            beside = self.form._beside.get(field)
            return str(beside.value if beside else self.form._fields[field]._note.value)

        until(lambda: words in note(), f"{words!r} at {field}")


@pytest.fixture
def page(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(form_module, "QUIET_S", 0.02)
    monkeypatch.setattr(form_module, "BUSY_S", 0.02)
    page = Page(Client(served.home))
    page.says("starts now")
    yield page
    until(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()), "nothing is awaited")


def test_what_is_typed_is_foretold(page: Page) -> None:
    until(lambda: len(page.form._fields["shape"].control.options) == 3, "the shapes are there")
    page.type("shape", ("cpux1", "cpux2"))
    page.type("nodes", "2")
    page.says("×2")

    assert page.form.magic == "%%aicci train --shape cpux1,cpux2 --nodes 2"
    assert "cpux2" in page.form._table.value
    page.type("shape", ("auto", "cpux2"))
    assert page.form.magic == "%%aicci train --nodes 2", "auto is the default"


def test_what_is_wrong_is_said_at_its_field_and_stays(page: Page, tmp_path: Path) -> None:
    page.type("min_nodes", "3")
    page.type("env", "A=1\nBROKEN")
    page.complains("min_nodes", "more than --nodes 1")
    page.complains("env", "expected K=V")
    page.type("min_nodes", "")
    page.type("env", "A=1\n\n B=2 ")
    page.type("data", "d=nowhere")
    page.complains("data", "does not exist")

    assert page.form.magic == "%%aicci train --data d=nowhere --env A=1 --env B=2"
    page.type("data", "")
    page.form._file.value = "gone.py"
    page.complains("file", "cannot be read")


def test_nothing_that_is_typed_becomes_markup(page: Page) -> None:
    page.type("nodes", HOSTILE)
    page.type("name", HOSTILE)
    page.complains("nodes", "&lt;img")

    assert "<img" not in page.form._magic.value + page.form._fields["nodes"]._note.value


def test_a_double_click_is_one_run_and_a_change_another(page: Page, served: Served, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    page.form._file.value = "train.py"
    page.form._launch.click()
    page.form._launch.click()
    assert len(Client(served.home).runs()) == 1
    assert "launched r" in page.form._said.value
    page.type("name", "again")
    page.form._launch.click()

    assert [run["name"] for run in Client(served.home).runs()] == ["again", ""]


def test_a_refused_launch_leaves_nothing_and_can_be_tried_again(page: Page, served: Served, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    page.form._file.value = "train.py"
    page.type("push", "values")
    page.form._launch.click()
    page.complains("push", "takes values of a notebook")

    assert not page.form._launch.disabled
    assert Client(served.home).runs() == []


def test_a_form_that_waits_for_a_cell_says_so(page: Page) -> None:
    page.events["pre_run_cell"](None)
    until(lambda: "The kernel is busy" in page.form._said.value, "it says so")
    page.events["post_run_cell"](None)

    assert page.form._said.value == ""


def test_where_no_page_inserts_the_line_is_to_be_copied(page: Page) -> None:
    page.form._insert.click()
    until(lambda: "Copy the line" in page.form._said.value, "it says so")
    page.form._inserted()

    assert "The cell is below" in page.form._said.value


def test_what_is_asked_for_many_times_is_done_once_it_is_quiet() -> None:
    done: list[int] = []
    later = Later(lambda: done.append(1), 0.05)
    for _ in range(20):
        later.poke()
    until(lambda: len(done) > 0, "it is done")
    later.poke()
    later.cancel()
    time.sleep(0.1)

    assert done == [1]
