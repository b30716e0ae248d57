"""A run's card in real JupyterLab and Notebook 7: live in its cell, whole after everything that dies, kept when saved."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from jupyter_builders import Jupyter, kill_kernels, kill_service, service_pid
from page_builders import MIME, Notebook, cell, same_so_far, until_told, whole

from jupyter_aicci.client import Client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
BOTH = pytest.mark.parametrize("jupyter", ["lab", "notebook"], indirect=True)
MOST_BYTES = 200_000
FAILS = """\
import time
print("about to fail", flush=True)
if aicci.rank == 1:
    raise ValueError("bad batch")
time.sleep(30)
"""


@BOTH
def test_the_chart_is_whole_whatever_dies(
    opened: Callable[..., Notebook], jupyter: Jupyter, tmp_path: Path, aicci_runtime: Path, client: Client
) -> None:
    """Page reload, kernel restart, Jupyter restart, kill -9 of the service: no point lost, the final picture saved."""
    finish = tmp_path / "finish"
    notebook = opened(cell(until_told(finish)))
    size_before = notebook.path.stat().st_size

    notebook.run_first_cell()
    notebook.wait_state("running")
    before = notebook.wait_points(20)
    notebook.wait_points(40)  # it moves by itself
    notebook.shot("live")

    notebook.reload()
    before = _whole_again(notebook, before)

    notebook.restart_kernel()
    before = _whole_again(notebook, before)

    jupyter.kill()
    notebook.until(lambda: "connection lost" in notebook.card.inner_text(), "the card says that the connection is lost")
    jupyter.start()
    before = _whole_again(notebook, before)
    notebook.reload()
    before = _whole_again(notebook, before)

    pid = kill_service(aicci_runtime)
    notebook.until(lambda: service_pid(aicci_runtime) != pid, "the page has started another service")
    same_so_far(before, notebook.lanes())
    before = _whole_again(notebook, notebook.lanes())

    finish.touch()
    notebook.wait_state("succeeded")
    (run,) = client.runs()
    notebook.until(lambda: len(whole(notebook.lanes())) == _steps(client, run["id"]), "the last point is on the screen")
    same_so_far(before, notebook.lanes())
    notebook.shot("succeeded")

    notebook.close_dialogs()
    notebook.until(lambda: "image/png" in notebook.bundle(), "the final picture is in the saved notebook", 20)
    bundle = notebook.bundle()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle[MIME]["summary"]["state"] == "succeeded"
    assert "succeeded" in bundle["text/plain"]
    assert notebook.path.stat().st_size - size_before < MOST_BYTES
    _nbconvert_shows(notebook.path, bundle["image/png"])
    assert notebook.errors == []


def _whole_again(notebook: Notebook, before: dict[str, dict[str, list[object]]]) -> dict[str, dict[str, list[object]]]:
    """The chart is whole, has what was there before, and moves on; what it has now."""
    notebook.close_dialogs()
    notebook.wait_state("running")
    after = notebook.wait_points(len(before["value:loss"]["t"]) + 10)
    assert len(whole(after)) > len(before["value:loss"]["t"])
    same_so_far(before, after)
    return after


def _steps(client: Client, run_id: str) -> int:
    """How many steps rank 0 has said it did."""
    return client.run(run_id).logs().count("step ")


def _nbconvert_shows(path: Path, png: str) -> None:
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert png.replace("\n", "")[:200] in done.stdout


def test_the_picture_is_saved_although_the_kernel_was_killed(
    opened: Callable[..., Notebook], tmp_path: Path, client: Client
) -> None:
    """kill -9 of the kernel while the cell runs: the run goes on, and the page writes its end into the notebook."""
    finish = tmp_path / "finish"
    notebook = opened(cell(until_told(finish)))
    notebook.run_first_cell()
    notebook.wait_points(10)
    assert kill_kernels(tmp_path) == 1
    finish.touch()
    notebook.wait_state("succeeded")
    notebook.page.locator(".jp-Dialog").wait_for()  # Jupyter finds a dead kernel after seconds, and asks
    notebook.close_dialogs()
    notebook.until(lambda: "image/png" in notebook.bundle(), "the final picture is in the saved notebook", 20)


@BOTH
def test_the_stop_button_stops_the_run(opened: Callable[..., Notebook], tmp_path: Path, client: Client) -> None:
    """Stop asks, then the run ends as stopped, nothing of it lives, and the card says so."""
    notebook = opened(cell(until_told(tmp_path / "never")))
    notebook.run_first_cell()
    notebook.wait_points(5)
    notebook.card.get_by_role("button", name="Stop", exact=True).click()
    notebook.card.get_by_role("button", name="Stop it").click()
    notebook.wait_state("stopped")
    (run,) = client.runs()
    assert run["state"] == "stopped"
    assert notebook.card.get_by_role("button", name="Stop", exact=True).is_hidden()
    notebook.shot("stopped")


def test_a_failure_is_told_in_the_card(opened: Callable[..., Notebook], client: Client) -> None:
    """The first rank that failed, the cell's line, and its last lines."""
    notebook = opened(cell(FAILS))
    notebook.run_first_cell()
    notebook.wait_state("failed")
    verdict = notebook.card.locator(".jp-aicci-verdict")
    notebook.until(lambda: "about to fail" in verdict.inner_text(), "the last lines of the rank are shown")
    told = verdict.inner_text()
    assert "ValueError: bad batch" in told
    assert "line 5" in told
    notebook.card.locator(".jp-aicci-legend-row").first.wait_for()
    notebook.shot("failed-run")


def test_a_run_opens_in_a_tab_and_the_card_follows_the_theme(
    opened: Callable[..., Notebook], tmp_path: Path, jupyter: Jupyter
) -> None:
    """Open shows the same card larger; dark and light recolour chart and card without a new run."""
    notebook = opened(cell(until_told(tmp_path / "never")))
    notebook.run_first_cell()
    notebook.wait_points(40)
    light = _label_colour(notebook)
    _theme(notebook, "JupyterLab Dark")
    notebook.until(lambda: _label_colour(notebook) != light, "the chart's labels have the dark theme's colour")
    notebook.shot("dark")
    _theme(notebook, "JupyterLab Light")
    notebook.until(lambda: _label_colour(notebook) == light, "the chart's labels have the light theme's colour")
    notebook.card.get_by_role("button", name="Open").click()
    tab = notebook.page.locator(".jp-aicci-tab .jp-aicci-card")
    tab.locator(".jp-aicci-plot canvas").first.wait_for(state="attached")
    assert tab.locator(".jp-aicci-state").inner_text() == "running"
    notebook.shot("tab")
    tab_title = notebook.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="digits")
    assert _documents(notebook) == 2
    tab_title.locator(".lm-TabBar-tabCloseIcon").click()
    notebook.until(lambda: _documents(notebook) == 1, "the closed tab's Bokeh document is gone")
    assert notebook.errors == []


@pytest.mark.parametrize("jupyter", ["notebook"], indirect=True)
def test_in_notebook_7_a_run_opens_below(opened: Callable[..., Notebook], tmp_path: Path) -> None:
    """Its main area holds the notebook alone, so Open shows the larger card in the panel below."""
    notebook = opened(cell(until_told(tmp_path / "never")))
    notebook.run_first_cell()
    notebook.wait_points(5)
    notebook.card.get_by_role("button", name="Open").click()
    notebook.page.locator(".jp-aicci-tab .jp-aicci-state", has_text="running").wait_for()
    shown = notebook.page.locator(".jp-aicci-tab")
    notebook.until(lambda: (shown.bounding_box() or {"height": 0})["height"] > 300, "the card below has room")
    shown.locator(".jp-aicci-legend-row").first.wait_for()
    notebook.shot("below")


def _documents(notebook: Notebook) -> int:
    return int(notebook.page.evaluate("() => window.Bokeh.documents.length"))


def _label_colour(notebook: Notebook) -> str:
    return str(
        notebook.page.evaluate(
            """() => { for (const doc of window.Bokeh.documents) for (const model of doc.all_models)
                 if (model.type === 'LinearAxis') return model.major_label_text_color.value ?? model.major_label_text_color }"""
        )
    )


def _theme(notebook: Notebook, name: str) -> None:
    """Settings > Theme > name, by the menu."""
    menu = notebook.page.locator(".lm-Menu")
    notebook.page.locator(".lm-MenuBar-item", has_text="Settings").click()
    menu.locator(".lm-Menu-item", has_text="Theme").first.click()
    menu.get_by_text(name, exact=True).click()


def test_a_notebook_from_elsewhere_shows_its_picture(opened: Callable[..., Notebook], jupyter: Jupyter) -> None:
    """A run that this machine does not know: the saved picture and words, and why."""
    notebook = opened("1")
    book = nbformat.read(notebook.path, as_version=4)
    png = base64.b64encode(_a_png()).decode()
    data = {
        MIME: {"id": "r0000000", "summary": {"state": "succeeded"}, "version": 1},
        "image/png": png,
        "text/plain": "it went well",
    }
    book.cells[0].outputs = [nbformat.v4.new_output("display_data", data=data)]
    nbformat.write(book, notebook.path)
    notebook.open()
    saved = notebook.card.locator(".jp-aicci-saved")
    notebook.until(lambda: "not known here" in saved.inner_text(), "the card says that it does not know the run")
    assert "it went well" in saved.inner_text()
    assert saved.locator("img").evaluate("image => image.naturalWidth") == 1


def _a_png() -> bytes:
    return base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
