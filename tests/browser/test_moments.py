"""Every moment of a day with runs, in one page: form, running, queued, reload, stopped, succeeded, a finding, failed, a tab.

With AICCI_PICTURES=DIR it goes through all themes and languages and leaves its pictures there (`./tools/dev pictures`).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jupyter_builders import Jupyter
from page_builders import Notebook, cell, until_told
from playwright.sync_api import Browser, Locator

from jupyter_aicci.client import Client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PICTURES = os.environ.get("AICCI_PICTURES", "")
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark", "contrast": "JupyterLab Dark High Contrast"}
ALL = [("lab", theme, language) for language in ("en", "zh_CN") for theme in THEMES] + [("notebook", "light", "en")]
SHOWN = ALL if PICTURES else [("lab", "light", "en"), ("notebook", "light", "en")]

CONFIG = """
[queues.team-a]
limit = { cpu = 2 }
[prices]
currency = "USD"
cpux1 = "0.36"
cpux2 = "0.72"
"""
EXPOSED = "c.LabApp.expose_app_in_browser = True\nc.JupyterNotebookApp.expose_app_in_browser = True\n"
# killed once from outside and begun again: half of it is done twice, which is a finding
KILLED = """\
import os, signal, time
for step in range(200):
    time.sleep(0.03)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
    print("step", step, flush=True)
    if step == 150 and os.environ["AICCI_ATTEMPT"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
"""
FAILS = """\
import time
time.sleep(0.5)
if aicci.rank == 1:
    raise ValueError("bad batch: expected 32 images, got 31")
time.sleep(30)
"""


class Moments:
    """The page, and its pictures by number and name."""

    def __init__(self, notebook: Notebook, kept: Path) -> None:
        self.notebook, self.page, self._kept, self._number = notebook, notebook.page, kept, 0

    def execute(self, command: str) -> None:
        self.page.evaluate("command => { window.jupyterapp.commands.execute(command) }", command)

    def run_cell(self, at: int) -> None:
        """Shift+Enter in the cell, and its output in view."""
        code = self.page.locator(".jp-Notebook .jp-CodeCell").nth(at)
        code.scroll_into_view_if_needed()
        code.locator(".cm-content").first.click()
        self.page.keyboard.press("Shift+Enter")

    def card(self, at: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(at).locator(".jp-aicci-card")

    def wait(self, at: int, state: str) -> Locator:
        """The card of the cell, once it is in this state."""
        header = self.page.locator(".jp-Notebook .jp-CodeCell").nth(at).locator(".jp-aicci-header")
        self.notebook.until(
            lambda: header.count() > 0 and header.get_attribute("data-state") == state,
            f"the run of cell {at} is {state}",
        )
        card = self.card(at)
        card.scroll_into_view_if_needed()
        return card

    def shot(self, name: str) -> None:
        self._number += 1
        self.page.wait_for_timeout(600)
        self._kept.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._kept / f"{self._number:02}-{name}.png")


@pytest.mark.parametrize(("app", "theme", "language"), SHOWN, ids=["-".join(each) for each in SHOWN])
def test_every_moment(
    tmp_path: Path,
    browser: Browser,
    repository: Path,
    aicci_home: Path,
    client: Client,
    app: str,
    theme: str,
    language: str,
) -> None:
    """Each moment is seen, in this order, and no script of ours throws."""
    aicci_home.mkdir(exist_ok=True)
    (aicci_home / "config.toml").write_text(CONFIG)
    finish = tmp_path / "finish"
    jupyter = Jupyter(tmp_path, app, config=EXPOSED)
    jupyter.settings("@jupyterlab/apputils-extension/themes", {"theme": THEMES[theme]})
    jupyter.settings(
        "@jupyterlab/translation-extension/plugin", {"locale": "default" if language == "en" else language}
    )
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    options = "--nodes 2 --queue team-a --budget 2 --time-limit 20m --detach --name"
    notebook.write(
        [
            "%aicci",
            cell(until_told(finish), f"{options} resnet-a"),
            cell(until_told(finish), f"{options} sweep-17"),
            cell(KILLED, "--detach --retries 1 --name lora-7b"),
            cell(FAILS, "--nodes 2 --detach --name vit-huge"),
        ]
    )
    jupyter.start()
    try:
        kept = Path(PICTURES or repository / "screenshots" / "moments") / f"{app}-{theme}-{language}"
        notebook.open()
        _all_moments(Moments(notebook, kept), finish, client)
    finally:
        jupyter.stop()
    assert notebook.errors == []


def _all_moments(moments: Moments, finish: Path, client: Client) -> None:
    page, notebook = moments.page, moments.notebook
    notebook.until(notebook._kernel_listens, "the page is connected to an idle kernel")
    moments.run_cell(0)
    form = page.locator(".jp-aicci-launch")
    form.wait_for()
    notebook.until(lambda: "cpux1" in form.inner_text(), "the form says what would happen")
    moments.shot("form")

    moments.run_cell(1)
    moments.wait(1, "running")
    moments.execute("aicci:show-panel")
    panel = page.locator(".jp-aicci-panel")
    panel.locator(".jp-aicci-run-row").first.wait_for()
    notebook.wait_points(60)
    moments.card(1).scroll_into_view_if_needed()
    moments.shot("running")

    moments.run_cell(2)
    moments.wait(2, "queued").locator(".jp-aicci-waits").wait_for()
    moments.shot("queued")

    notebook.save()
    notebook.reload()
    moments.wait(1, "running")
    notebook.wait_points(60)
    moments.shot("reloaded")

    buttons = moments.wait(2, "queued").locator(".jp-aicci-buttons button:visible")
    buttons.first.click()
    moments.card(2).locator(".jp-aicci-confirm").wait_for()
    moments.shot("stop-asked")
    moments.card(2).locator(".jp-aicci-confirm button").first.click()
    moments.wait(2, "stopped")

    finish.touch()
    moments.wait(1, "succeeded")
    moments.shot("succeeded")

    moments.run_cell(3)
    moments.wait(3, "succeeded").locator(".jp-aicci-finding").first.wait_for()
    moments.card(3).scroll_into_view_if_needed()
    moments.shot("finding")

    moments.run_cell(4)
    verdict = moments.wait(4, "failed").locator(".jp-aicci-verdict")
    notebook.until(lambda: "bad batch" in verdict.inner_text(), "the card says what failed")
    moments.card(4).scroll_into_view_if_needed()
    moments.shot("failed")

    run_id = client.run("lora-7b").id
    moments.execute("aicci:show-panel")
    row = page.locator(f'.jp-aicci-run-row[data-run-id="{run_id}"]')
    row.dblclick()
    tab = page.locator(".jp-aicci-tab").first
    tab.locator(".bk-Figure, .jp-aicci-figure").first.wait_for()
    moments.shot("tab")
