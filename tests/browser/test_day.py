"""A day with runs in JupyterLab: by keyboard alone, by menus and cell buttons, and through what goes wrong around a page."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from page_builders import Notebook, cell, until_told
from playwright.sync_api import Browser, Locator, Page

from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.model.spec import parse_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ONE_LINE = "import time; [time.sleep(0.1) or aicci.step() for _ in range(6000)]"  # as one types it


def begun(client: Client, finish: Path, name: str = "digits") -> Run:
    """A run that goes on until it is told."""
    spec = parse_spec({"name": name, "framework": "plain", "python": sys.executable})
    return client.submit(spec, Program(text=until_told(finish)))


def palette(page: Page, words: str) -> None:
    """The command of these words, by its key and its name."""
    page.keyboard.press("Control+Shift+c")
    box = page.locator(".lm-CommandPalette-input")
    box.wait_for()
    page.keyboard.type(words)
    page.locator(".lm-CommandPalette-item.lm-mod-active").filter(has_text=words).wait_for()
    page.keyboard.press("Enter")


def panel_of(notebook: Notebook) -> Locator:
    """The side panel, opened by its tab."""
    notebook.page.locator('.jp-SideBar [data-id="jp-aicci-training"]').click()
    panel = notebook.page.locator(".jp-aicci-panel")
    panel.locator(".jp-aicci-run-row").first.wait_for()
    return panel


def state_of(client: Client, name: str) -> str:
    return str(client.run(name).summary()["state"])


def test_launching_watching_and_stopping_need_no_mouse(opened: Callable[..., Notebook], client: Client) -> None:
    """From the palette to the form, to a cell, to its run, to its tab, to its end; no pointer is ever moved."""
    notebook = opened("1")
    page = notebook.page
    notebook.until(notebook._kernel_listens, "the page is connected to an idle kernel")
    palette(page, "New Run")
    form = page.locator(".jp-aicci-new-run")
    notebook.until(lambda: form.count() > 0 and "starts now" in form.inner_text(), "the form says when it would start")
    for _ in range(60):
        page.keyboard.press("Tab")
        label = page.evaluate("document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent")
        if label.strip() == "name":
            page.keyboard.type("by keys")
        if label.strip() == "Insert cell":
            break
    page.keyboard.press("Enter")
    code = page.locator(".jp-Notebook .jp-CodeCell .cm-content").filter(has_text="%%aicci train --name 'by keys'")
    code.wait_for()
    page.wait_for_function("document.activeElement?.classList.contains('cm-content')")
    page.keyboard.type(ONE_LINE)
    page.keyboard.press("Shift+Enter")
    notebook.until(lambda: bool(client.runs()) and state_of(client, "by keys") == "running", "the run is running")

    palette(page, "Open a Run")
    page.locator(".jp-Dialog select").wait_for()
    page.keyboard.press("Enter")
    tab = page.locator(".jp-aicci-tab .jp-aicci-header")
    notebook.until(lambda: tab.count() > 0 and "running" in tab.inner_text(), "the tab shows it")

    palette(page, "Stop a Run")
    page.locator(".jp-Dialog select").wait_for()
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog button").filter(has_text="Stop it").wait_for()
    page.keyboard.press("Enter")
    notebook.until(lambda: state_of(client, "by keys") == "stopped", "the run has stopped")
    notebook.until(lambda: "stopped" in tab.inner_text(), "the tab says so")
    assert notebook.errors == []


def test_a_cell_that_launches_has_buttons_of_its_own(
    opened: Callable[..., Notebook], client: Client, tmp_path: Path
) -> None:
    """Run, stop and timeline on the toolbar of a `%%aicci` cell, and on no other."""
    notebook = opened(cell(until_told(tmp_path / "never"), "--detach --name digits"), "1 + 1")
    page = notebook.page
    notebook.until(notebook._kernel_listens, "the page is connected to an idle kernel")
    cells = page.locator(".jp-Notebook .jp-CodeCell")

    def pressed(at: int, command: str) -> Locator:
        cells.nth(at).locator(".cm-content").first.click()
        return cells.nth(at).locator(f'[data-command="aicci:{command}-cell"]')

    notebook.until(lambda: pressed(0, "run").is_visible(), "the cell has a button that runs it")
    assert not pressed(1, "run").is_visible(), "an ordinary cell has none"
    assert pressed(0, "stop").get_attribute("aria-disabled") in ("true", None)
    pressed(0, "run").click()
    notebook.until(lambda: bool(client.runs()) and state_of(client, "digits") == "running", "the run is running")
    pressed(0, "open").click()
    page.locator(".jp-aicci-tab .jp-aicci-card").wait_for()
    page.locator(".lm-TabBar-tab").filter(has_text="run.ipynb").click()
    pressed(0, "stop").click()
    page.locator(".jp-Dialog button").filter(has_text="Stop it").click()
    notebook.until(lambda: state_of(client, "digits") == "stopped", "the run has stopped")
    assert notebook.errors == []


def test_a_run_has_a_context_menu(opened: Callable[..., Notebook], client: Client, tmp_path: Path) -> None:
    """On its row in the panel: open, attach, copy, stop; a word says that it has ended."""
    begun(client, tmp_path / "never")
    notebook = opened("1")
    row = panel_of(notebook).locator(".jp-aicci-run-row").first
    menu = notebook.page.locator(".lm-Menu")
    row.click(button="right")
    menu.wait_for()
    assert [item.strip() for item in menu.inner_text().split("\n") if "Run" in item][:4] == [
        "Open Run in a Tab", "Attach to Run in a Cell", "Copy Run Id", "Stop Run…",
    ]  # fmt: skip
    menu.get_by_text("Attach to Run in a Cell").click()
    attach = notebook.page.locator(".jp-Notebook .cm-content").filter(has_text="%aicci attach r")
    attach.wait_for()
    row.click(button="right")
    menu.get_by_text("Stop Run…").click()
    notebook.page.locator(".jp-Dialog button").filter(has_text="Stop it").click()
    notebook.until(lambda: state_of(client, "digits") == "stopped", "the run has stopped")
    notebook.page.locator(".Toastify__toast").filter(has_text="Run digits: stopped").wait_for()
    assert notebook.errors == []


def test_two_pages_show_one_truth(
    opened: Callable[..., Notebook], client: Client, tmp_path: Path, browser: Browser
) -> None:
    """A run that is stopped in one is stopped in the other."""
    begun(client, tmp_path / "never")
    notebook = opened("1")
    panel_of(notebook)
    other = browser.new_page()
    other.goto(f"{notebook.jupyter.url}lab/workspaces/other/tree/run.ipynb?token={notebook.jupyter.token}")
    other.locator('.jp-SideBar [data-id="jp-aicci-training"]').click()
    row = other.locator(".jp-aicci-run-row").first
    row.wait_for()
    assert row.get_attribute("data-state") in ("starting", "running")
    mine = notebook.page.locator(".jp-aicci-run-row").first
    mine.click()
    mine.press("Delete")
    notebook.page.locator(".jp-Dialog button").filter(has_text="Stop it").click()
    notebook.until(lambda: row.get_attribute("data-state") == "stopped", "the other page shows it")
    assert notebook.errors == []


def test_a_page_without_network_says_so_and_catches_up(
    opened: Callable[..., Notebook], client: Client, tmp_path: Path
) -> None:
    """What was shown stays, with a word; a run that ended meanwhile has ended when the network is back."""
    finish = tmp_path / "finish"
    run = begun(client, finish)
    notebook = opened("1")
    panel = panel_of(notebook)
    row = panel.locator(".jp-aicci-run-row").first
    notebook.until(lambda: row.get_attribute("data-state") == "running", "the run is running")
    notebook.jupyter.kill()  # the server's sockets close at once, as those of a network that is gone do in the end
    notebook.until(lambda: panel.get_attribute("data-connection") == "interrupted", "the panel says that nothing comes")
    assert row.get_attribute("data-state") == "running", "what was shown stays"
    assert panel.locator(".jp-aicci-banner").is_visible()
    notebook.shot("no-network")
    finish.touch()
    run.wait(30)
    notebook.jupyter.start()
    notebook.until(lambda: panel.get_attribute("data-connection") == "live", "it is live again")
    notebook.until(lambda: row.get_attribute("data-state") == "succeeded", "it has caught up")
    assert notebook.errors == []


def test_a_browser_whose_clock_is_wrong_shows_right_times(
    opened: Callable[..., Notebook], client: Client, tmp_path: Path
) -> None:
    """Elapsed time is told by the service's clock: a browser that lives in 2020 shows seconds, not years."""
    begun(client, tmp_path / "never")
    notebook = opened("1")
    notebook.page.add_init_script("const real = Date.now; Date.now = () => real() - 6 * 365 * 24 * 3600 * 1000;")
    notebook.reload()
    row = panel_of(notebook).locator(".jp-aicci-run-row").first
    notebook.until(lambda: bool(re.search(r"\b0:\d\d\b", row.inner_text())), "the run has lasted seconds")
    assert notebook.errors == []


@pytest.mark.parametrize("percent", [50, 200])
def test_the_page_can_be_zoomed(opened: Callable[..., Notebook], client: Client, tmp_path: Path, percent: int) -> None:
    """At half and at double size the panel scrolls and nothing sticks out of it."""
    begun(client, tmp_path / "never", name="a run with a name that is rather long for a panel of this width")
    notebook = opened("1")
    scale = percent / 100
    notebook.page.set_viewport_size({"width": round(1440 / scale), "height": round(900 / scale)})
    panel = panel_of(notebook)
    notebook.page.wait_for_timeout(500)
    out = panel.evaluate(
        """panel => [...panel.querySelectorAll('*')].filter(each => each.offsetParent
             && each.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1).map(each => each.className)"""
    )
    assert out == []
    notebook.shot(f"zoom-{percent}")
    assert notebook.errors == []
