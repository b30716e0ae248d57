"""The offline page in Chromium: it asks for nothing, is light or dark as the system is, and its chart can be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawing_builders import FINDINGS, a_full_view
from playwright.sync_api import Browser, Page

from jupyter_aicci.timeline.colours import THEMES
from jupyter_aicci.timeline.page import page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]
WINDOW_JS = """() => { for (const doc of Bokeh.documents) for (const model of doc.all_models)
                       if (model.name === 'range:x') return [model.start, model.end] }"""
COPIES_JS = """() => [...Bokeh.documents[0].all_models]
                .filter((model) => model.name?.startsWith('lane:value:copy') && model.get_length()).length"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.html"
    path.write_text(page(a_full_view()), encoding="utf-8")
    return path


def opened(browser: Browser, file: Path, scheme: Any = "light") -> tuple[Page, list[str], list[str]]:
    """The page with no network, the addresses that it asked for, and its errors."""
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 1200, "height": 900})
    shown = context.new_page()
    shown.set_default_timeout(60_000)
    asked: list[str] = []
    errors: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("pageerror", lambda error: errors.append(error.message))
    shown.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    shown.goto(file.as_uri())
    shown.locator(f"body[data-drawn={scheme}]").wait_for()
    return shown, asked, errors


def test_the_page_asks_for_nothing_and_follows_the_system(browser: Browser, file: Path, repository: Path) -> None:
    """One request, for the file itself; light or dark by the system's wish, also when that changes."""
    shown, asked, errors = opened(browser, file)
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    (repository / "screenshots").mkdir(exist_ok=True)
    shown.screenshot(path=repository / "screenshots" / "page-light.png", full_page=True)
    shown.emulate_media(color_scheme="dark")
    shown.locator("body[data-drawn=dark]").wait_for()
    dark = tuple(int(THEMES["dark"].background[at : at + 2], 16) for at in (1, 3, 5))
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == f"rgb{dark}"
    shown.screenshot(path=repository / "screenshots" / "page-dark.png", full_page=True)
    assert asked == [file.as_uri()]
    assert errors == []


def test_the_pages_chart_is_read_zoomed_and_unfolded(browser: Browser, file: Path) -> None:
    """The cursor reads a lane, a finding shows its evidence, all comes back, and lanes come out."""
    shown, asked, errors = opened(browser, file)
    frame = shown.locator("#frame").bounding_box()
    assert frame
    loss = shown.locator(".lane", has_text="loss").locator("span").last
    latest = loss.inner_text()
    shown.mouse.move(frame["x"] + frame["width"] * 0.2, frame["y"] + 20)
    shown.locator("#cursor").wait_for()
    assert float(loss.inner_text()) > float(latest), "the loss was higher then"
    shown.locator("[data-finding='0']").click()
    start, end = shown.evaluate(WINDOW_JS)
    assert start < FINDINGS[0].from_s < FINDINGS[0].to_s < end < 763
    shown.get_by_role("button", name="Show all").click()
    assert shown.evaluate(WINDOW_JS) == [0, 763]
    lanes = shown.locator(".lane").count()
    shown.get_by_role("button", name="Unfold lanes").click()
    shown.get_by_role("button", name="Fold lanes").wait_for()
    shown.wait_for_function(f"document.querySelectorAll('.lane').length > {lanes}")
    assert asked == [file.as_uri()]
    assert errors == []


def test_a_lane_far_below_is_drawn_when_one_scrolls_there_and_in_a_print(browser: Browser, tmp_path: Path) -> None:
    """A page of many curves opens fast, and none is missing where somebody looks."""
    view = a_full_view()
    loss = next(lane for lane in view.lanes if lane.id == "value:loss")
    copies = tuple(replace(loss, id=f"value:copy_{at}", name=f"copy {at}") for at in range(100))
    path = tmp_path / "many.html"
    path.write_text(page(replace(view, lanes=(*view.lanes, *copies))), encoding="utf-8")
    shown, _, errors = opened(browser, path)
    drawn = shown.evaluate(COPIES_JS)
    assert 0 < drawn < 40
    shown.get_by_text("copy 50", exact=True).scroll_into_view_if_needed()
    shown.wait_for_function(f"({COPIES_JS})() > {drawn + 20}")
    assert shown.evaluate(COPIES_JS) < 100
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.evaluate(COPIES_JS) == 100
    assert errors == []
