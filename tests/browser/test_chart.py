"""The chart of a real run of two nodes in JupyterLab: cursor over all lanes, folds, windows by drag and by key.

The run is over before the page opens, so that every number on the screen can be compared with what the service says.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from jupyter_builders import Jupyter
from page_builders import MIME, Notebook
from playwright.sync_api import Browser

from jupyter_aicci.client import Client, Program
from jupyter_aicci.model.spec import parse_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

# every node waits for data in the middle of its run
PROGRAM = """\
import time
for step in range(120):
    with aicci.span("data_wait"):
        time.sleep(0.12 if 30 <= step < 90 else 0.002)
    time.sleep(0.05)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
"""

# killed once from outside and begun again: half of it is done twice, which is finding F29
KILLED = """\
import os, signal, time
for step in range(200):
    time.sleep(0.05)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
    if step == 150 and os.environ["AICCI_ATTEMPT"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run_id(client: Client, request: pytest.FixtureRequest) -> str:
    """A run of two nodes that has ended; its loss at step n is 2.5 / (1 + n / 20). `indirect` parameters: another program."""
    spec = parse_spec({"nodes": 2, "name": "chart", "framework": "plain", "python": sys.executable, "retries": 1})
    run = client.submit(spec, Program(text=getattr(request, "param", PROGRAM)))
    run.wait(120)
    assert run.summary()["state"] == "succeeded"
    return str(run.id)


@pytest.fixture
def shown(jupyter: Jupyter, browser: Browser, repository: Path, run_id: str) -> Iterator[Notebook]:
    """JupyterLab with a notebook that has the run as the output of its cell."""
    notebook = Notebook(jupyter, browser, repository / "screenshots")
    notebook.write(["1"])
    book = json.loads(notebook.path.read_text())
    data = {MIME: {"id": run_id, "summary": {"state": "succeeded"}, "version": 1}, "text/plain": "the run"}
    book["cells"][0]["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
    notebook.path.write_text(json.dumps(book))
    jupyter.start()
    notebook.open()
    notebook.wait_points(100)
    yield notebook
    assert notebook.errors == []


def value_of(notebook: Notebook, lane: str) -> str:
    """What stands beside a lane."""
    row = notebook.card.locator(".jp-aicci-lane", has=notebook.page.locator(f'[data-lane="{lane}"]'))
    return row.locator(".jp-aicci-lane-value").inner_text()


def at(notebook: Notebook, share: float) -> tuple[float, float]:
    """A place in the page: this share of the chart's width, on its second bar."""
    notebook.card.locator(".jp-aicci-plot").scroll_into_view_if_needed()
    box = notebook.card.locator(".jp-aicci-frame").bounding_box()
    assert box
    return box["x"] + share * box["width"], box["y"] + 32


def window(notebook: Notebook) -> tuple[float, float]:
    """The seconds at the chart's edges, as BokehJS has them."""
    found = notebook.page.evaluate(
        """() => { for (const doc of Bokeh.documents) for (const model of doc.all_models)
                   if (model.name === 'range:x') return [model.start, model.end] }"""
    )
    return float(found[0]), float(found[1])


def queries(notebook: Notebook) -> list[tuple[float, float]]:
    """The windows that the page asks the service for, as it asks."""
    asked: list[tuple[float, float]] = []

    def note(request: Any) -> None:
        if "/view" in request.url and "from_s" in request.url:
            query = parse_qs(urlparse(request.url).query)
            asked.append((float(query["from_s"][0]), float(query["to_s"][0])))

    notebook.page.on("request", note)
    return asked


def test_the_cursor_reads_every_lane_at_one_time(shown: Notebook, client: Client, run_id: str) -> None:
    """The phase of each node, the logged value, the bill: what the service has for that moment; gone with the mouse."""
    view = client.view(run_id)
    latest = value_of(shown, "value:loss")
    shown.page.mouse.move(*at(shown, 0.6))
    line = shown.card.locator(".jp-aicci-cursor")
    line.wait_for()
    box, frame = line.bounding_box(), shown.card.locator(".jp-aicci-frame").bounding_box()
    assert box
    assert frame
    assert box["height"] == pytest.approx(frame["height"], abs=1), "the line crosses all lanes"
    t = 0.6 * view["end_s"]
    lanes = {lane["id"]: lane for lane in view["lanes"]}
    loss = lanes["value:loss"]
    near = [v for moment, v in zip(loss["t"], loss["v"], strict=True) if abs(moment - t) < 0.6]
    assert min(near) <= float(value_of(shown, "value:loss")) <= max(near)
    assert value_of(shown, "node-0") in ("waiting for data", "training")
    assert value_of(shown, "node-1") in ("waiting for data", "training")
    assert re.fullmatch(r"[\d.,]+ m?s · rank [01]", value_of(shown, "step_heat"))
    shown.page.mouse.move(5, 5)
    line.wait_for(state="hidden")
    assert value_of(shown, "value:loss") == latest


def test_lanes_fold_by_mouse_and_by_key(shown: Notebook) -> None:
    """Two ranks come out under CPU, on the same time axis, and go in again; the button keeps the focus."""
    fold = shown.card.locator('.jp-aicci-fold[data-lane="cpu"]')
    assert fold.get_attribute("aria-expanded") == "false"
    before = window(shown)
    fold.click()
    under = shown.card.locator('[data-lane^="cpu/"]')
    shown.until(lambda: under.count() == 2, "a lane for each rank")
    shown.until(lambda: "cpu/rank-1" in shown.lanes(), "the figure has them")
    assert fold.get_attribute("aria-expanded") == "true"
    assert window(shown) == before
    shown.shot("unfolded")
    fold.press("Enter")
    shown.until(lambda: under.count() == 0, "they are folded again")
    assert fold.evaluate("each => each === document.activeElement")


def test_a_drag_asks_for_a_window_of_its_own_and_a_double_click_goes_back(shown: Notebook, run_id: str) -> None:
    """The service is asked for those seconds, the chart shows what it answers, and all of the run comes back."""
    asked, (_, end) = queries(shown), window(shown)
    whole = len(shown.lanes()["value:loss"]["t"])
    x, y = at(shown, 0.4)
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    x, y = at(shown, 0.6)
    shown.page.mouse.move(x - 10, y, steps=6)
    shown.page.mouse.move(x, y)
    shown.page.mouse.up()
    shown.card.locator('.jp-aicci-plot[data-part="shown"]').wait_for()
    start, stop = window(shown)
    assert (start, stop) == pytest.approx((0.4 * end, 0.6 * end), abs=0.03 * end)
    assert asked[-1] == pytest.approx((start, stop), abs=0.01)
    shown.until(lambda: len(shown.lanes()["value:loss"]["t"]) < whole, "the curve is the window's")
    overview = shown.card.locator(".jp-aicci-overview")
    assert re.search(r"\d:\d\d – \d:\d\d of \d:\d\d", overview.inner_text())
    shown.shot("window")
    shown.page.mouse.dblclick(*at(shown, 0.5))
    overview.wait_for(state="hidden")
    assert window(shown) == (0, end)
    shown.until(lambda: len(shown.lanes()["value:loss"]["t"]) == whole, "the whole curve is back")


@pytest.mark.parametrize("run_id", [KILLED], indirect=True, ids=["killed once"])
def test_a_press_on_a_finding_shows_its_evidence(shown: Notebook, client: Client, run_id: str) -> None:
    """The chart zooms to the finding's time with something on either side, where its mark is drawn; then back."""
    (finding,) = [each for each in client.view(run_id)["findings"] if each["id"] == "F29"]
    asked, (_, end) = queries(shown), window(shown)
    row = shown.card.locator(".jp-aicci-findings button", has_text="a second time")
    row.click()
    shown.card.locator('.jp-aicci-plot[data-part="shown"]').wait_for()
    start, stop = window(shown)
    assert 0 <= start <= finding["from_s"] < finding["to_s"] <= stop <= end
    assert stop - start < end
    assert asked[-1] == pytest.approx((start, stop), abs=0.01)
    shown.shot("finding")
    shown.page.mouse.dblclick(*at(shown, 0.5))
    shown.card.locator(".jp-aicci-overview").wait_for(state="hidden")
    assert window(shown) == (0, end)


def test_the_keyboard_reads_and_zooms(shown: Notebook) -> None:
    """Tab to the time cursor, arrows, plus, Escape; what is read is told to who cannot see it."""
    asked, before = queries(shown), window(shown)
    frame = shown.card.locator(".jp-aicci-frame")
    frame.focus()
    shown.page.keyboard.press("ArrowRight")
    assert re.match(r"\d:\d\d: .*loss [\d.]+", str(frame.get_attribute("aria-valuetext")))
    shown.page.keyboard.press("+")
    shown.card.locator('.jp-aicci-plot[data-part="shown"]').wait_for()
    start, stop = window(shown)
    assert stop - start == pytest.approx((before[1] - before[0]) / 2, rel=0.01)
    assert len(asked) == 1
    shown.page.keyboard.press("Escape")
    shown.until(lambda: window(shown) == before, "Escape shows all")


def test_each_theme_has_colours_of_its_own(shown: Notebook) -> None:
    """The high-contrast theme has colours of its own, and the page's background under them."""
    names = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
    colours: list[list[str]] = []
    for name in names:
        menu = shown.page.locator(".lm-Menu")
        shown.page.locator(".lm-MenuBar-item", has_text="Settings").click()
        menu.locator(".lm-Menu-item", has_text="Theme").first.click()
        menu.get_by_text(name, exact=True).click()
        before = colours[-1] if colours else None
        shown.until(lambda before=before: _bar_colours(shown) != before, f"the bars have the colours of {name}")
        colours.append(_bar_colours(shown))
        shown.shot(name.replace(" ", "-").lower())
    assert len({tuple(each) for each in colours}) == len(names)


def _bar_colours(notebook: Notebook) -> list[str]:
    """The palette of the phases in the figure on the screen."""
    return list(
        notebook.page.evaluate(
            """() => { for (const doc of Bokeh.documents) for (const model of doc.all_models)
                       if (model.type === 'CategoricalColorMapper') return Array.from(model.palette) ; return [] }"""
        )
    )
