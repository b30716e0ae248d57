"""A notebook in a page, as the person in front of it: open, run a cell, look at the card, restart, save.

Rule: everything is done by key and mouse and read from the screen or from BokehJS's own documents; every wait has a deadline.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jupyter_builders import Jupyter
from playwright.sync_api import Browser, Error, Locator, Page

CHROMIUM_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
LIMIT_MS = 60_000
MIME = "application/vnd.aicci.run+json"

# every data source of the figure that is on the screen, by lane id, breaks as null
LANES_JS = """() => {
  const host = [...document.querySelectorAll('.jp-aicci-plot')].find(each => each.offsetParent);
  const lanes = {};
  for (const doc of window.Bokeh?.documents ?? []) {
    for (const model of doc.all_models) {
      if (host && model.name?.startsWith('lane:')) {
        lanes[model.name.slice(5)] = Object.fromEntries([...(model.data instanceof Map ? model.data : Object.entries(model.data))]
          .map(([name, column]) => [name, Array.from(column, value => Number.isNaN(value) ? null : value)]));
      }
    }
  }
  return lanes;
}"""

# scroll to the chart, unless it is on the screen already
LOOK_JS = """() => {
  const host = [...document.querySelectorAll('.jp-aicci-plot')].find(each => each.offsetParent);
  const box = host?.getBoundingClientRect();
  if (box && (box.top < 0 || box.bottom > window.innerHeight)) {
    host.scrollIntoView({ block: 'center' });
  }
}"""

Lanes = dict[str, dict[str, list[Any]]]


class Notebook:
    """One notebook, in JupyterLab or Notebook 7."""

    def __init__(self, jupyter: Jupyter, browser: Browser, screenshots: Path) -> None:
        self.jupyter = jupyter
        self.path = jupyter.root / "run.ipynb"
        self._screenshots = screenshots
        self.page: Page = browser.new_page(viewport={"width": 1440, "height": 900})
        self.page.set_default_timeout(LIMIT_MS)
        self.errors: list[
            str
        ] = []  # thrown by our scripts or by BokehJS; JupyterLab throws some of its own when a server dies
        self.page.on("pageerror", self._on_error)

    def _on_error(self, error: Error) -> None:
        told = f"{error.message}\n{error.stack}"
        if "aicci" in told.lower() or "bokeh" in told.lower():
            self.errors.append(told)

    def write(self, cells: Sequence[str]) -> None:
        """The notebook as it lies on disk before it is opened."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": "aicci", "display_name": "Python (aicci)", "language": "python"}
        nbformat.write(book, self.path)

    def open(self) -> None:
        where = "lab/tree" if self.jupyter.app == "lab" else "notebooks"
        self.page.goto(f"{self.jupyter.url}{where}/{self.path.name}?token={self.jupyter.token}")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()

    def reload(self) -> None:
        self.page.reload()
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()

    def run_first_cell(self) -> None:
        """Shift+Enter in the first cell, once the kernel is there to hear it."""
        self.until(self._kernel_listens, "the page is connected to an idle kernel")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.locator(".cm-content").first.click()
        self.page.keyboard.press("Shift+Enter")

    def _kernel_listens(self) -> bool:
        answer = self.jupyter.ask("api/kernels")
        kernels = answer.json if answer.status == 200 else []  # an error while one is being started
        return any(each["execution_state"] == "idle" and each["connections"] for each in kernels)

    @property
    def card(self) -> Locator:
        return self.page.locator(".jp-aicci-output .jp-aicci-card").first

    def state(self) -> str:
        return self.card.locator(".jp-aicci-state").inner_text()

    def wait_state(self, *states: str) -> None:
        self.until(lambda: self.card.count() > 0 and self.state() in states, f"the card says one of {states}")

    def lanes(self) -> Lanes:
        """What the chart has in its data sources."""
        return dict(self.page.evaluate(LANES_JS))

    def wait_points(self, count: int, lane: str = "value:loss") -> Lanes:
        """The chart as soon as this lane has so many points; one looks at it meanwhile, since what nobody sees is not drawn."""

        def drawn() -> bool:
            self.page.evaluate(LOOK_JS)
            return len(self.lanes().get(lane, {}).get("t", ())) >= count

        self.until(drawn, f"{count} points in lane {lane}")
        return self.lanes()

    def until(self, done: Callable[[], bool], what: str, limit_s: float = LIMIT_MS / 1000) -> None:
        deadline = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > deadline:
                self.shot("failed")
                raise AssertionError(f"after {limit_s:.0f} s still not: {what}\n{self.jupyter.log.read_text()[-3000:]}")
            self.page.wait_for_timeout(100)

    def close_dialogs(self) -> None:
        """What JupyterLab asks when a kernel or the server went away."""
        dialog = self.page.locator(".jp-Dialog")
        while dialog.count():
            dialog.last.locator(".jp-Dialog-footer button").last.click()
            self.page.wait_for_timeout(100)

    def restart_kernel(self) -> None:
        """0, 0 and Enter, as in the menu."""
        self.command_mode()
        self.page.keyboard.press("0")
        self.page.keyboard.press("0")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()

    def save(self) -> nbformat.NotebookNode:
        """Ctrl+S; the notebook as it lies on disk then."""
        self.close_dialogs()
        before = self.path.stat().st_mtime_ns
        self.command_mode()
        self.page.keyboard.press("Control+s")
        self.until(lambda: self.path.stat().st_mtime_ns != before and _is_whole(self.path), "the notebook is saved", 20)
        return nbformat.read(self.path, as_version=4)

    def command_mode(self) -> None:
        self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").first.click()

    def bundle(self) -> dict[str, Any]:
        """The run's output in the saved notebook."""
        for output in self.save().cells[0].outputs:
            if MIME in output.get("data", {}):
                return dict(output["data"])
        raise AssertionError("the saved notebook has no run")

    def shot(self, name: str) -> None:
        """A picture to be looked at."""
        self._screenshots.mkdir(exist_ok=True)
        self.page.screenshot(path=self._screenshots / f"{self.jupyter.app}-{name}.png")


def _is_whole(path: Path) -> bool:
    """Jupyter saves in place: for a moment the file is empty or cut."""
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def whole(lanes: Lanes) -> list[int]:
    """The steps whose loss is in the chart: all from 0 on, each once, in order; spans from 0 without a gap."""
    bar, loss = lanes["node-0"], lanes["value:loss"]
    assert bar["t0"][0] == 0.0
    assert bar["t0"][1:] == bar["t1"][:-1], "the bar has a gap"
    assert loss["t"] == sorted(loss["t"])
    steps = [round(20 * (2.5 / value - 1)) for value in loss["v"]]
    assert steps == list(range(len(steps))), "the curve has a gap"
    return steps


def same_so_far(before: Lanes, after: Lanes) -> None:
    """Every point that was on the screen before is there again, the same to the last digit."""
    assert after.keys() >= before.keys()
    for lane, columns in before.items():
        if "v" in columns and lane != "cost":
            points = set(zip(after[lane]["t"], after[lane]["v"], strict=True))
            gone = [point for point in zip(columns["t"], columns["v"], strict=True) if point not in points]
            assert gone == [], f"lane {lane} has lost points"


def cell(program: str, options: str = "--ranks-per-node 2 --name digits") -> str:
    return f"%%aicci train {options}\n{program}"


def until_told(finish: Path) -> str:
    """A program that logs the loss that `whole` knows, 20 times a second, until the file is there."""
    return f"""\
import os, time
step = 0
while not os.path.exists({json.dumps(str(finish))}):
    time.sleep(0.05)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
    print("step", step, flush=True)
    step += 1
"""
