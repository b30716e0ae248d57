"""`run.widget()` where our labextension is not: the same card, live over the kernel, and what a lost kernel leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jupyter_builders import Jupyter, kill_kernels
from page_builders import Notebook, cell, until_told

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
BUSY = "import pathlib, time\nwhile not pathlib.Path({flag!r}).exists(): time.sleep(0.05)"


@pytest.fixture
def bare(jupyter: Jupyter, tmp_path: Path) -> Jupyter:
    """A Jupyter whose pages have no extension of ours."""
    config = tmp_path / "config" / "labconfig" / "page_config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"disabledExtensions": {"jupyter-aicci": True}}))
    return jupyter


def test_a_widget_draws_live_while_the_kernel_is_busy(
    bare: Jupyter, opened: Callable[..., Notebook], tmp_path: Path
) -> None:
    """Pushes come while a cell runs; two views are one run; a reload brings it back; the end is shown."""
    finish, flag = tmp_path / "finish", tmp_path / "flag"
    notebook = opened(
        cell(until_told(finish), "--ranks-per-node 2 --name digits --detach -o run"),
        "shown = run.widget(); shown",
        "shown",
        BUSY.format(flag=str(flag)),
    )
    page = notebook.page
    notebook.run_first_cell()
    for _ in range(2):
        page.keyboard.press("Shift+Enter")
    notebook.wait_state("running")
    assert page.locator(".jp-aicci-card").count() == 2
    notebook.wait_points(10)
    notebook.shot("widget-live")

    page.keyboard.press("Shift+Enter")  # the cell that keeps the kernel busy
    seen = len(notebook.wait_points(10)["value:loss"]["t"])
    notebook.wait_points(seen + 20)
    flag.touch()

    notebook.save()
    notebook.reload()
    notebook.wait_state("running")
    notebook.wait_points(seen + 40)

    notebook.card.get_by_role("button", name="More").click()
    with page.expect_download() as told:
        notebook.card.get_by_role("menuitem", name="Save picture").click()
    assert Path(told.value.path()).read_bytes().startswith(b"\x89PNG")
    finish.touch()
    notebook.wait_state("succeeded")
    notebook.shot("widget-ended")
    assert notebook.errors == []


def test_a_widget_says_that_its_kernel_is_gone(bare: Jupyter, opened: Callable[..., Notebook], tmp_path: Path) -> None:
    """What it drew last stays, with a word; the run can be seen again from the next kernel."""
    finish = tmp_path / "finish"
    notebook = opened(cell(until_told(finish), "--name digits --detach -o run"), "run.widget()")
    notebook.run_first_cell()
    notebook.page.keyboard.press("Shift+Enter")
    notebook.wait_state("running")
    notebook.wait_points(5)

    assert kill_kernels(tmp_path) == 1
    output = notebook.page.locator(".jp-OutputArea").filter(has=notebook.card).first
    notebook.until(
        lambda: "The kernel does not answer" in output.inner_text(), "the widget says that its kernel is gone"
    )
    notebook.shot("widget-lost")
    assert notebook.state() == "running"
    finish.touch()
