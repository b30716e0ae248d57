"""The side panel in real JupyterLab over a real service: look, forecast, launch, stop, and what is said when something is away."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from jupyter_builders import ONLY_LOOKING, Jupyter, kill_service
from live import ended, submit, until
from page_builders import Notebook, until_told
from panel_builders import PANEL, Panel, home_of_the_test, journaled
from playwright.sync_api import Browser

from jupyter_aicci.client import Client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TEAM = """
[queues.team-a]
limit = { cpu = 2 }
[prices]
currency = "USD"
cpux1 = "0.36"
cpux2 = "0.72"
"""
FRAMES_JS = """async () => {
  const list = document.querySelector('.jp-aicci-list');
  let most = 0;
  for (let at = 0; at < 200; at++) {
    list.scrollTop = at * 130;
    await new Promise(requestAnimationFrame);
    most = Math.max(most, document.querySelectorAll('.jp-aicci-run-row').length);
  }
  return most;
}"""


def script(jupyter: Jupyter, finish: Path, name: str = "train.py") -> str:
    """A file in the file browser that trains until it is told to end."""
    (jupyter.root / name).write_text(until_told(finish))
    return name


def test_a_script_is_forecast_launched_once_watched_and_opened(
    opened: Callable[..., Notebook], client: Client, tmp_path: Path
) -> None:
    """What is typed is forecast; a double click launches one run; its line follows it; two clicks open it."""
    finish = tmp_path / "finish"
    notebook = opened("")
    file = script(notebook.jupyter, finish)
    panel = Panel(notebook).open()
    notebook.until(lambda: panel.answer().startswith("starts now"), "the form says that it would start now")
    assert panel.section("shapes").locator(".jp-aicci-shape-row").count() == len(client.shapes())
    assert "No run yet" in panel.section("runs").inner_text()
    panel.field("shape").select_option("cpux1")
    panel.field("nodes").fill("2")
    panel.field("name").fill("digits")
    notebook.until(lambda: "cpux1 ×2" in panel.answer(), "the answer is of what was typed")
    notebook.shot("panel-form")

    panel.press("Launch script…").click()
    panel.node.locator("#jp-aicci-script").fill(file)
    panel.press("Launch").dblclick()
    notebook.until(lambda: len(client.runs()) > 0, "a run is there")
    run_id = client.runs()[0]["id"]
    panel.wait_row(run_id, "running", "digits", "cpux1 ×2")
    assert len(client.runs()) == 1
    notebook.page.locator(f"#jp-aicci-run-{run_id}").wait_for()
    notebook.shot("panel-running")

    notebook.page.locator(f'.lm-TabBar-tab[data-id="jp-aicci-run-{run_id}"] .lm-TabBar-tabCloseIcon').click()
    panel.row(run_id).dblclick()
    notebook.page.locator(f"#jp-aicci-run-{run_id} .jp-aicci-card").wait_for()
    finish.touch()
    panel.wait_row(run_id, "succeeded")
    assert notebook.errors == []


def test_a_cell_is_inserted_with_the_line_that_the_form_stands_for(
    opened: Callable[..., Notebook], client: Client
) -> None:
    """Into a cell that waits for it, else below; nothing is launched by it."""
    notebook = opened("")
    panel = Panel(notebook).open()
    panel.field("nodes").fill("2")
    panel.field("name").fill("a b")
    panel.press("Insert cell").click()
    cells = notebook.page.locator(".jp-Notebook .jp-CodeCell")
    line = "%%aicci train --nodes 2 --name 'a b'"
    notebook.until(lambda: cells.first.locator(".cm-line").first.inner_text() == line, "the cell begins with the line")
    panel.press("Insert cell").click()
    notebook.until(lambda: cells.count() == 2, "the next one is below it")
    assert cells.nth(1).locator(".cm-line").first.inner_text() == line
    assert client.runs() == []
    assert notebook.errors == []


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    opened: Callable[..., Notebook], client: Client
) -> None:
    """While typing, and gone with the next key."""
    notebook = opened("")
    panel = Panel(notebook).open()
    panel.field("budget").fill("much")
    notebook.until(lambda: "budget" in panel.wrong("budget"), "the field says what is wrong")
    notebook.shot("panel-wrong")
    assert panel.field("budget").input_value() == "much"
    panel.field("budget").fill("20")
    notebook.until(lambda: not panel.wrong("budget"), "the field has nothing to say any more")
    assert client.runs() == []


def test_the_list_is_used_by_keyboard_alone(opened: Callable[..., Notebook], client: Client, tmp_path: Path) -> None:
    """Tab comes to it, arrows move, Enter opens, Delete stops after a question."""
    finish = tmp_path / "finish"
    first, second = (submit(client, until_told(finish), shape=["cpux1"], name=name) for name in ("one", "two"))
    until(lambda: second.summary()["state"] == "running", limit_s=60)
    notebook = opened("")
    panel = Panel(notebook).open()
    keys = notebook.page.keyboard
    panel.wait_row(second.id, "running")
    item = notebook.page.locator(".jp-aicci-status-press")
    notebook.until(lambda: "2 running" in item.inner_text(), "the status bar says that two runs run")
    panel.section("runs").locator("select").focus()
    keys.press("Tab")
    assert notebook.page.evaluate("document.activeElement.dataset.runId") == second.id
    keys.press("ArrowDown")
    assert notebook.page.evaluate("document.activeElement.dataset.runId") == first.id
    keys.press("Enter")
    notebook.page.locator(f"#jp-aicci-run-{first.id} .jp-aicci-card").wait_for()
    panel.row(first.id).focus()
    keys.press("Shift+F10")
    menu = notebook.page.locator(".lm-Menu")
    menu.wait_for()
    assert "Copy Run Id" in menu.inner_text()
    keys.press("Escape")
    panel.row(first.id).focus()
    keys.press("Delete")
    notebook.page.locator(".jp-Dialog").wait_for()
    keys.press("Enter")
    panel.wait_row(first.id, "stopped")
    assert second.summary()["state"] == "running"
    notebook.page.locator(f'.jp-SideBar [data-id="{PANEL}"]').click()
    notebook.until(lambda: not panel.node.is_visible(), "the panel is away")
    item.focus()
    keys.press("Enter")
    notebook.until(panel.node.is_visible, "the status bar's item shows the panel")
    finish.touch()
    assert notebook.errors == []


def test_a_service_that_is_killed_is_started_again_and_the_panel_says_so_meanwhile(
    opened: Callable[..., Notebook], client: Client, aicci_runtime: Path, tmp_path: Path
) -> None:
    """What was shown and typed stays; the run is the same one afterwards."""
    finish = tmp_path / "finish"
    run = submit(client, until_told(finish), shape=["cpux1"], name="long")
    notebook = opened("")
    panel = Panel(notebook).open()
    panel.wait_row(run.id, "running")
    panel.field("name").fill("typed")
    seen: list[str] = []
    notebook.page.expose_function("aicciBanner", lambda words: seen.append(words))
    notebook.page.evaluate(
        """() => new MutationObserver(() => {
             const words = document.querySelector('.jp-aicci-banner:not([hidden]) .jp-aicci-banner-words');
             if (words) { window.aicciBanner(words.textContent); }
           }).observe(document.querySelector('.jp-aicci-banner'), { attributes: true })"""
    )
    kill_service(aicci_runtime)
    notebook.until(lambda: any("Connection lost" in words for words in seen), "the panel says that it lost the service")
    notebook.until(lambda: not panel.banner(), "the panel is connected again")
    panel.wait_row(run.id, "running")
    assert panel.field("name").input_value() == "typed"
    finish.touch()
    panel.wait_row(run.id, "succeeded")
    assert notebook.errors == []


def test_who_may_only_look_sees_everything_and_is_told_why_nothing_can_be_launched(
    tmp_path: Path, client: Client, browser: Browser, repository: Path
) -> None:
    """The button is off, and its reason is on the screen; Delete does not stop."""
    finish = tmp_path / "finish"
    run = submit(client, until_told(finish), shape=["cpux1"], name="of others")
    jupyter = Jupyter(tmp_path, "lab", config=ONLY_LOOKING % "OnlyLooking")
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    notebook.write([""])
    jupyter.start()
    try:
        notebook.open()
        panel = Panel(notebook).open()
        row = panel.wait_row(run.id, "running")
        assert panel.press("Launch script…").is_disabled()
        assert "read access only" in panel.section("new-run").inner_text()
        row.focus()
        notebook.page.keyboard.press("Delete")
        notebook.until(lambda: "not stop runs" in (panel.node.text_content() or ""), "the panel says why")
        notebook.shot("panel-only-looking")
        assert run.summary()["state"] == "running"
    finally:
        finish.touch()
        jupyter.stop()


def test_a_thousand_runs_are_a_list_of_which_few_are_in_the_document(
    opened: Callable[..., Notebook], aicci_home: Path
) -> None:
    """Scrolled, searched, and gone through from end to end by key."""
    journaled(home_of_the_test(), range(1_000))
    notebook = opened("")
    panel = Panel(notebook).open()
    panel.wait_row("r0000999", "stopped", "sweep-999")
    assert notebook.page.evaluate(FRAMES_JS) < 60
    panel.rows().first.focus()
    notebook.page.keyboard.press("End")
    assert "sweep-0" in (panel.wait_row("r0000000", "stopped").text_content() or "")
    notebook.page.keyboard.press("Home")
    panel.wait_row("r0000999")
    panel.section("runs").locator("input[type=search]").fill("sweep-77")
    notebook.until(lambda: panel.rows().count() == 11, "the search finds 77 and 770 to 779")
    notebook.shot("panel-many")
    assert notebook.errors == []


def test_the_panel_as_a_team_sees_it(
    opened: Callable[..., Notebook], client: Client, aicci_home: Path, tmp_path: Path
) -> None:
    """States in words, money, a queue with its limit, a data set with its size; the status bar says the sum of it."""
    aicci_home.mkdir(parents=True, exist_ok=True)
    (aicci_home / "config.toml").write_text(TEAM)
    images, finish = tmp_path / "images", tmp_path / "finish"
    images.mkdir()
    (images / "train.bin").write_bytes(bytes(2_000_000))
    mine = {"shape": ["cpux1"], "queue": "team-a"}
    done = submit(client, "print('done')", name="resnet-base", **mine)
    failed = submit(client, "raise ValueError('bad batch')", name="vit-huge", **mine)
    ended(done), ended(failed)
    run = submit(client, until_told(finish), name="resnet-a", data=[f"images={images}:mount"], time_limit="20m", **mine)
    until(lambda: run.summary()["state"] == "running", limit_s=60)
    waits = submit(client, until_told(finish), name="sweep-17", nodes=2, **mine)
    notebook = opened("")
    panel = Panel(notebook).open()
    panel.widen(340)
    panel.wait_row(run.id, "running", "cpux1", "$0.")
    panel.wait_row(done.id, "succeeded", "$0.00")
    panel.wait_row(failed.id, "failed", "user error")
    panel.wait_row(waits.id, "queued", "in ≈", "–")
    data = panel.section("data")
    notebook.until(lambda: "2 MB" in data.inner_text() and "1 node" in data.inner_text(), "the data set is measured")
    assert re.search(r"team-a\s+1 · – · 2\s+CPUs", panel.section("queues").inner_text())
    status = notebook.page.locator(".jp-aicci-status-press")
    notebook.until(lambda: "1 running · $0.36/h" in status.inner_text(), "the status bar says what it costs")
    assert "team-a 1/2 CPUs" in status.inner_text()

    data.get_by_role("button").filter(has_text="images").click()
    panel.field("queue").select_option("team-a")
    panel.field("nodes").fill("2")
    notebook.until(lambda: "place 2 in line" in panel.answer(), "the form says that it would wait")
    assert "$0.72/h" in panel.answer()
    notebook.shot("panel-team")
    finish.touch()
    assert notebook.errors == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"])
def test_the_panel_in_every_theme_narrow_and_with_names_that_mean_harm(
    theme: str, tmp_path: Path, client: Client, browser: Browser, repository: Path
) -> None:
    """Nothing reaches beyond the panel, at 320 pixels and at 200; axe-core finds nothing; a name is text."""
    finish = tmp_path / "finish"
    names = ("x" * 120, "<img src=x onerror=alert(1)>", "\u202eturned", "resnet-a")
    runs = [submit(client, until_told(finish), shape=["cpux1"], name=name) for name in names]
    jupyter = Jupyter(tmp_path, "lab")
    jupyter.settings("@jupyterlab/apputils-extension/themes", {"theme": theme})
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    notebook.write([""])
    jupyter.start()
    try:
        notebook.open()
        panel = Panel(notebook).open()
        panel.wait_row(runs[-1].id)
        assert panel.node.locator("img").count() == 0
        notebook.shot(f"panel-{re.sub('[^a-z]+', '-', theme.lower())}")
        for width_px in (320, 200):
            panel.widen(width_px)
            violations = Axe().run(notebook.page, context=f"#{PANEL}").response["violations"]
            assert violations == [], f"{width_px} px: {violations}"
            assert panel.node.evaluate("node => node.scrollWidth <= node.clientWidth"), (
                f"it is wider than {width_px} px"
            )
            notebook.shot(f"panel-{re.sub('[^a-z]+', '-', theme.lower())}-{width_px}")
        assert notebook.errors == []
    finally:
        finish.touch()
        jupyter.stop()
