"""A run in a tab of the main area: the strip of the whole run, findings by key, and the log with search, filter and download."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from jupyter_builders import Jupyter
from page_builders import MIME, Notebook
from playwright.sync_api import Browser, Locator

from jupyter_aicci.client import Client, Program
from jupyter_aicci.model.spec import parse_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

# killed once from outside and begun again, which is finding F29; the second attempt prints what a log view is to bear
PROGRAM = """\
import os, signal, time
if os.environ["AICCI_ATTEMPT"] == "1":
    print("the first attempt", flush=True)
    for step in range(100):
        time.sleep(0.04)
        aicci.step()
    os.kill(os.getpid(), signal.SIGKILL)
print("<img src=x onerror=alert(1)>", "\\x1b[31mred\\x1b[0m", "\\u202ebackwards", flush=True)
print("x" * 1_000_000 + " the end of a long line", flush=True)
for line in range(200_000):
    print(f"line {line} of rank {aicci.rank}")
if aicci.rank == 1:
    print("Traceback (most recent call last):", "ValueError: one that was caught", sep="\\n", flush=True)
for step in range(140):
    time.sleep(0.04)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
    print("step", step, flush=True)
print("the last line", flush=True)
"""
FAILING = """\
for line in range(5000):
    print("line", line)
if aicci.rank == 1:
    raise ValueError("no such batch")
aicci.allreduce(1)
"""
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a picture is there
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark", "contrast": "JupyterLab Dark High Contrast"}


@pytest.fixture
def run_id(client: Client) -> str:
    """A run of two ranks that has ended, with at least one finding."""
    spec = parse_spec({"nodes": 2, "name": "tab", "framework": "plain", "python": sys.executable, "retries": 1})
    run = client.submit(spec, Program(text=PROGRAM))
    run.wait(120)
    assert run.summary()["state"] == "succeeded"
    return str(run.id)


def with_outputs(notebook: Notebook, run_id: str, count: int = 1) -> None:
    """A notebook of so many cells that each have the run as their output."""
    notebook.write(["1"] * count)
    book = json.loads(notebook.path.read_text())
    data = {
        MIME: {"id": run_id, "summary": {"state": "succeeded"}, "version": 1},
        "text/plain": "the run",
        "image/png": DOT,
    }
    for cell in book["cells"]:
        cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
    notebook.path.write_text(json.dumps(book))


@pytest.fixture
def shown(
    jupyter: Jupyter, browser: Browser, repository: Path, run_id: str, request: pytest.FixtureRequest
) -> Iterator[Notebook]:
    """JupyterLab with a notebook that has the run as the output of its cell; its theme by an `indirect` parameter."""
    theme = THEMES[getattr(request, "param", "light")]
    jupyter.settings("@jupyterlab/apputils-extension/themes", {"theme": theme})
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    with_outputs(notebook, run_id)
    jupyter.start()
    notebook.open()
    notebook.wait_points(100)
    yield notebook
    assert notebook.errors == []


@pytest.fixture
def tab(shown: Notebook) -> Locator:
    """The tab that the card's button opens, its chart drawn."""
    shown.card.get_by_role("button", name="Open", exact=True).click()
    tab = shown.page.locator(".jp-aicci-tab .jp-aicci-card")
    tab.locator(".jp-aicci-lane-name").first.wait_for()
    return tab


def lines(tab: Locator) -> list[str]:
    return tab.locator(".jp-aicci-log-line").all_inner_texts()


def test_the_log_is_searched_filtered_followed_and_taken_away(
    shown: Notebook, tab: Locator, run_id: str, client: Client
) -> None:
    """All 200,000 lines are searched, while the page holds some twenty; the download is what the rank printed."""
    log = tab.locator(".jp-aicci-log-view")
    log.scroll_into_view_if_needed()
    shown.until(lambda: "the last line" in lines(tab), "the end of the log is shown")
    assert len(lines(tab)) < 60
    shown.shot("tab-log")
    search = log.get_by_role("searchbox", name="Search the log")
    search.fill("LINE 1234")
    shown.until(lambda: log.locator(".jp-aicci-log-found").inner_text() == "lines that match: 111", "all is searched")
    search.press("Enter")
    assert log.locator(".jp-aicci-mod-current").inner_text() == "line 1234 of rank 0"
    search.press("F3")
    assert log.locator(".jp-aicci-mod-current").inner_text() == "line 12340 of rank 0"
    search.press("Shift+Enter")
    assert log.locator(".jp-aicci-mod-current").inner_text() == "line 1234 of rank 0"
    follow = log.get_by_role("button", name="Follow")
    assert follow.get_attribute("aria-pressed") == "false"
    log.get_by_role("button", name="Only matching lines").press("Enter")
    shown.shot("tab-log-filtered")
    assert lines(tab)[:3] == ["line 1234 of rank 0", "line 12340 of rank 0", "line 12341 of rank 0"]
    search.fill("onerror")
    assert log.locator("mark").inner_text() == "onerror"
    assert log.locator("img").count() == 0
    assert lines(tab)[0].startswith("<img src=x onerror=alert(1)> red \u202ebackwards")
    search.fill("the end of a long line")
    assert log.locator("mark").inner_text() == "the end of a long line"
    search.fill("")
    follow.click()
    shown.until(lambda: "the last line" in lines(tab), "the newest line is in sight again")
    log.get_by_label("Attempt whose log is shown").select_option("1")
    shown.until(lambda: lines(tab)[:1] == ["the first attempt"], "the first attempt's log is shown")
    log.get_by_label("Attempt whose log is shown").select_option("2")
    log.get_by_label("Rank whose log is shown").select_option("1")
    log.get_by_role("button", name="Traceback").click()
    shown.until(lambda: lines(tab)[0].startswith("Traceback"), "the traceback is on top")
    with shown.page.expect_download() as download:
        log.get_by_role("button", name="Download").click()
    text = download.value.path().read_text()
    assert download.value.suggested_filename == f"{run_id}.rank-1.log"
    assert text.count("of rank 1\n") == 200_000
    assert text.endswith("the last line\n")


def test_the_chart_of_a_tab_is_used_by_keys_alone(shown: Notebook, tab: Locator) -> None:
    """? shows the keys, F goes through the findings and says them, + zooms, Escape shows all; the strip of the run stays."""
    frame, strip = tab.locator(".jp-aicci-frame"), tab.locator(".jp-aicci-overview-words")
    whole = strip.inner_text()
    assert re.fullmatch(r"0:00 – (\S+) of \1", whole)
    frame.focus()
    frame.press("?")
    assert "F goes to the next finding" in tab.locator(".jp-aicci-keys").inner_text()
    findings = tab.locator(".jp-aicci-finding")
    assert findings.count() >= 1
    frame.press("f")
    shown.until(lambda: strip.inner_text() != whole, "the evidence is shown")
    assert re.match(r"Finding 1 of \d+: ", tab.locator(".jp-aicci-live").last.inner_text())
    assert findings.first.get_attribute("aria-current") == "true"
    shown.shot("tab-finding")
    frame.press("Shift+F")
    last = findings.count()
    assert tab.locator(".jp-aicci-live").last.inner_text().startswith(f"Finding {last} of {last}: ")
    frame.press("Escape")
    shown.until(lambda: strip.inner_text() == whole, "all is shown")
    frame.press("+")
    shown.until(lambda: strip.inner_text() != whole, "a part is shown")
    frame.press("?")
    assert tab.locator(".jp-aicci-keys").is_hidden()


@pytest.mark.parametrize("shown", list(THEMES), indirect=True)
def test_card_and_tab_have_no_violation_in_any_theme(
    shown: Notebook, tab: Locator, request: pytest.FixtureRequest
) -> None:
    """What axe-core checks, contrast included; and nothing moves for who asked for that."""
    theme = request.node.callspec.params["shown"]
    shown.page.emulate_media(reduced_motion="reduce")
    tab.locator("canvas").first.wait_for()
    shown.shot(f"tab-{theme}")
    found = Axe().run(shown.page, context=".jp-aicci-tab")
    assert found.violations_count == 0, found.generate_report()
    tab.locator(".jp-aicci-log-view").scroll_into_view_if_needed()
    shown.shot(f"tab-{theme}-below")
    shown.page.get_by_role("tab", name="run.ipynb").click()
    shown.card.locator("canvas").first.wait_for()
    found = Axe().run(shown.page, context=".jp-aicci-output")
    assert found.violations_count == 0, found.generate_report()
    moving = "document.getAnimations().filter(each => each.effect.target.closest('.jp-aicci-card')).length"
    assert shown.page.evaluate(moving) == 0


def test_a_tab_folds_lanes_by_key_and_is_there_again_after_a_reload(shown: Notebook, tab: Locator) -> None:
    """The ranks under CPU come and go with Enter; the reloaded page opens the same tab, and its chart."""
    lanes = tab.locator(".jp-aicci-lane")
    before = lanes.count()
    fold = tab.locator('.jp-aicci-fold[data-lane="cpu"]')
    fold.press("Enter")
    shown.until(lambda: lanes.count() == before + 2, "two ranks are shown")
    assert shown.page.evaluate("document.activeElement.dataset.lane") == "cpu"
    shown.page.keyboard.press("Enter")
    shown.until(lambda: lanes.count() == before, "they are folded again")
    with shown.page.expect_response(lambda answer: "/api/workspaces/" in answer.url and answer.request.method == "PUT"):
        shown.page.get_by_role("tab", name="run.ipynb").click()
    shown.page.reload()
    shown.page.get_by_role("tab", name="tab", exact=False).filter(has_text="✓ tab").click()
    shown.until(lambda: lanes.count() == before, "the tab is there, and its chart")


def test_a_page_with_twenty_cards_takes_what_is_typed(
    jupyter: Jupyter, browser: Browser, repository: Path, run_id: str
) -> None:
    """Each card that is scrolled to draws its chart, and a cell below them all can be written in."""
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    with_outputs(notebook, run_id, 20)
    jupyter.start()
    notebook.open()
    notebook.wait_points(100)
    cells = notebook.page.locator(".jp-Notebook .jp-CodeCell")
    for at in range(20):
        cell = notebook.page.locator(f'.jp-CodeCell[data-windowed-list-index="{at}"]')
        cell.scroll_into_view_if_needed()
        cell.locator(".jp-aicci-lane-name").first.wait_for()
    last = cells.last.locator(".cm-content")
    last.click()
    notebook.page.keyboard.type("answer = 42 #")
    assert "answer = 42 #" in last.inner_text()
    assert notebook.errors == []


def test_a_failure_leads_to_its_traceback_in_the_log(
    jupyter: Jupyter, browser: Browser, repository: Path, client: Client
) -> None:
    """Rank, line of the file, last lines and what to try are told; the log of the rank opens at its traceback."""
    spec = parse_spec({"nodes": 2, "name": "failing", "framework": "plain", "python": sys.executable})
    run = client.submit(spec, Program(text=FAILING))
    run.wait(120)
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    with_outputs(notebook, str(run.id))
    jupyter.start()
    notebook.open()
    notebook.card.get_by_role("button", name="Open", exact=True).click()
    tab = notebook.page.locator(".jp-aicci-tab .jp-aicci-card")
    verdict = tab.locator(".jp-aicci-verdict")
    verdict.locator(".jp-aicci-last-lines").wait_for()
    assert "rank 1" in verdict.inner_text()
    assert "ValueError: no such batch" in verdict.locator(".jp-aicci-last-lines").inner_text()
    verdict.get_by_role("button", name="Log of rank 1").click()
    notebook.until(lambda: any(line.startswith("Traceback") for line in lines(tab)), "the traceback is in sight")
    assert tab.get_by_label("Rank whose log is shown").input_value() == "1"
    notebook.shot("tab-failed")
    assert notebook.errors == []
