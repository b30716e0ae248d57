"""The side panel in JupyterLab, as the person in front of it, and a journal of many runs that have ended.

Rule: everything is done by key and mouse and read from the screen; every wait has a deadline.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from page_builders import Notebook
from playwright.sync_api import Locator
from run_builders import S, stepped, submitted

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import Step
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home

PANEL = "jp-aicci-training"


class Panel:
    """The panel of the page that a notebook is open in."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.node = self.page.locator(f"#{PANEL}")

    def open(self) -> Panel:
        """A press on its icon; it is filled when the form is there."""
        if not self.node.is_visible():
            self.page.locator(f'.jp-SideBar [data-id="{PANEL}"]').click()
        self.field("nodes").wait_for()
        return self

    def widen(self, width_px: int) -> None:
        """Drag its edge; narrower than JupyterLab lets one drag, it is made so by force."""
        box = self.node.bounding_box()
        assert box
        if width_px < box["width"]:
            force = (
                "(node, width) => { node.style.cssText += `min-width: 0 !important; width: ${width}px !important`; }"
            )
            self.node.evaluate(force, width_px)
        else:
            x, y = box["x"] + box["width"] + 2, box["y"] + 300
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            self.page.mouse.move(x + width_px - box["width"], y, steps=4)
            self.page.mouse.up()
        self.notebook.until(lambda: abs(self.width_px() - width_px) <= 2, f"the panel is {width_px} px wide")

    def width_px(self) -> float:
        return float(self.node.evaluate("node => node.getBoundingClientRect().width"))

    def section(self, name: str) -> Locator:
        return self.node.locator(f"[data-section={name}]")

    def field(self, name: str) -> Locator:
        """What one types into, or chooses from."""
        return self.node.locator(f"[data-field={name}]").locator("input, select").first

    def wrong(self, name: str) -> str:
        """What the form says is wrong with a field."""
        error = self.node.locator(f"[data-field={name}] .jp-aicci-field-error")
        return error.inner_text() if error.is_visible() else ""

    def answer(self) -> str:
        lines = self.node.locator(".jp-aicci-answer-lines")
        return lines.inner_text() if lines.is_visible() else ""

    def banner(self) -> str:
        banner = self.node.locator(".jp-aicci-banner")
        return banner.inner_text() if banner.is_visible() else ""

    def press(self, label: str) -> Locator:
        return self.node.get_by_role("button", name=label, exact=True)

    def rows(self) -> Locator:
        return self.node.locator(".jp-aicci-run-row")

    def row(self, run_id: str) -> Locator:
        return self.node.locator(f'.jp-aicci-run-row[data-run-id="{run_id}"]')

    def wait_row(self, run_id: str, *words: str) -> Locator:
        """The run's line, once it says all of this."""
        row = self.row(run_id)
        self.notebook.until(
            lambda: row.count() > 0 and all(word in (row.text_content() or "") for word in words), f"{run_id}: {words}"
        )
        return row


def journaled(home: Home, numbers: Iterable[int]) -> None:
    """Runs that were stopped while they waited, one a second, written before the service starts."""
    home.root.mkdir(parents=True, exist_ok=True)
    journal = Journal(home.journal)
    for number in numbers:
        run_id, begin_ns = RunId(f"r{number:07d}"), 1_764_000_000 * S + number * S
        journal.append(
            (
                submitted(run_id, time_ns=begin_ns, name=f"sweep-{number}"),
                stepped(Step.ENQUEUE, begin_ns + 1, run_id=run_id),
                stepped(Step.STOP, begin_ns + 2, run_id=run_id, reason="stopped", exit_class="stopped"),
            )
        )
    journal.close()


def home_of_the_test() -> Home:
    return Home.from_environment(os.environ)
