"""A recorded run in JupyterLite, where there is no server, and in JupyterLab, whose service knows nothing of it."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import bokeh
import pytest
from drawing_builders import a_full_view
from jupyter_builders import Jupyter
from page_builders import LIMIT_MS
from playwright.sync_api import Browser, Locator, Page

from jupyter_aicci.timeline.bundle import bundle
from jupyter_aicci.timeline.recorded import recorded

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a recorded run, one with a foreign program in it, and half of one."""
    folder = tmp_path / "files"
    folder.mkdir()
    view = a_full_view()
    log = "".join(f"step {step}\n" for step in range(900))
    bokeh_js = (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_bytes()
    text = recorded(view, logs={0: log}, bundle=bundle(view.run, "the run in words"), bokeh_js=bokeh_js)
    (folder / "run.aicci.json").write_text(text)
    (folder / "half.aicci.json").write_text(text[: len(text) // 2])
    (folder / "foreign.aicci.json").write_text(text.replace("fig.reset.emit()", "window.ran = fig.reset.emit()"))
    return folder


@pytest.fixture
def site(tmp_path: Path, files: Path) -> Iterator[str]:
    """A JupyterLite site with our extension and the files, as a web server of files alone gives it."""
    output = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "jupyterlite_core.app",
        "build",
        "--contents",
        str(files),
        "--output-dir",
        str(output),
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    handler = functools.partial(_Quiet, directory=output)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """A test says what it wants to say itself."""


@pytest.fixture
def page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(LIMIT_MS)
    return page


def document(page: Page) -> Locator:
    return page.locator(".jp-Document .jp-aicci-tab")


def test_a_run_is_shown_in_jupyterlite(page: Page, site: str, files: Path, repository: Path) -> None:
    """Chart, zoom, folds, findings and log; but for whether a service is awake, all that is asked for is a file of the site."""
    asked: dict[str, int] = {}
    page.on("response", lambda answer: asked.update({answer.url: answer.status}))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}lab/index.html?path=run.aicci.json")
    card = document(page).locator(".jp-aicci-card")
    card.locator(".jp-aicci-lane-name").first.wait_for()
    told = json.loads((files / "run.aicci.json").read_text())["view"]
    assert card.locator(".jp-aicci-state").inner_text() == told["run"]["state"]
    shown = card.locator(".jp-aicci-lane").count()
    assert shown == len([lane for lane in told["lanes"] if not lane["parent"]])
    page.screenshot(path=repository / "screenshots" / "lite-recorded.png")
    card.locator(".jp-aicci-fold").first.click()
    page.wait_for_function(f"document.querySelectorAll('.jp-aicci-lane').length > {shown}")
    frame = card.locator(".jp-aicci-frame")
    frame.focus()
    whole = card.locator(".jp-aicci-overview-words").inner_text()
    frame.press("+")
    page.wait_for_function("document.querySelector('.jp-aicci-plot').dataset.part === 'shown'")
    assert card.locator(".jp-aicci-overview-words").inner_text() != whole
    page.screenshot(path=repository / "screenshots" / "lite-recorded-part.png")
    assert card.get_by_role("button", name="Stop").count() == 0
    card.get_by_role("button", name="More").click()
    assert card.get_by_role("menuitem").all_inner_texts() == ["Copy run id"]
    ours = {url: status for url, status in asked.items() if "aicci" in url and "aicci/api/awake" not in url}
    assert [url for url, status in ours.items() if status not in (200, 304)] == []
    assert [url for url in asked if not url.startswith((site, "blob:", "data:"))] == []
    assert errors == []


def test_a_file_with_a_foreign_program_asks_before_it_is_drawn(page: Page, jupyter: Jupyter, files: Path) -> None:
    """Until then there is a table, and nothing of the file has run; a damaged file says what is wrong."""
    for file in files.iterdir():
        (jupyter.root / file.name).write_text(file.read_text())
    jupyter.start()
    page.goto(f"{jupyter.url}lab/tree/foreign.aicci.json?token={jupyter.token}")
    shown = document(page)
    shown.locator(".jp-aicci-tables").wait_for()
    assert "programs that are in the file and not known here" in shown.locator(".jp-aicci-recorded-note").inner_text()
    assert page.evaluate("window.Bokeh === undefined")
    shown.get_by_role("button", name="Draw the chart").click()
    shown.locator(".jp-aicci-lane-name").first.wait_for()
    page.goto(f"{jupyter.url}lab/tree/half.aicci.json")
    note = page.locator(".jp-aicci-recorded-note", has_text="cut off")
    note.wait_for()
    assert note.inner_text().startswith("This file cannot be shown as a run. It is damaged or cut off: ")


@pytest.mark.parametrize("jupyter", ["notebook"], indirect=True)
def test_notebook_7_opens_it_from_its_list_of_files(
    page: Page, jupyter: Jupyter, files: Path, repository: Path
) -> None:
    """A double click shows the chart in a page of its own."""
    (jupyter.root / "run.aicci.json").write_text((files / "run.aicci.json").read_text())
    jupyter.start()
    page.goto(f"{jupyter.url}tree?token={jupyter.token}")
    with page.expect_popup() as opened:
        page.locator(".jp-DirListing-item", has_text="run.aicci.json").dblclick()
    card = document(opened.value).locator(".jp-aicci-card")
    card.locator(".jp-aicci-lane-name").first.wait_for()
    opened.value.screenshot(path=repository / "screenshots" / "notebook-recorded.png")
