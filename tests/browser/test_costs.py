"""`%aicci cost --by …` in a real kernel: the table, and under it the chart, drawn live by the BokehJS that the extension serves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jupyter_builders import Jupyter
from live import ended, submit
from page_builders import Notebook

from jupyter_aicci.client import Client
from jupyter_aicci.pricing.report import BY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PRICES = '[prices]\ncpux1 = "3600"\ncpux2 = "7200"\n[queues.vision]\n[queues.speech]\n'
BUSY = """
import time
for step in range({steps}):
    time.sleep(0.01)
    aicci.step()
time.sleep({rest})
"""
BARS_JS = """() => (window.Bokeh?.documents ?? []).flatMap(doc => [...doc.all_models])
  .filter(model => model.name === 'costs').map(model => Array.from(model.data.key ?? model.data.get('key')))"""
DARK = {"theme": "JupyterLab Dark"}


@pytest.mark.parametrize("dark", [False, True])
def test_reports_are_a_table_and_a_chart(
    jupyter: Jupyter, opened: Callable[..., Notebook], client: Client, monkeypatch: pytest.MonkeyPatch, dark: bool
) -> None:
    """The bars are the table's lines; the picture that a page without the extension shows has gone."""
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "4")
    client.home.root.mkdir(parents=True, exist_ok=True)
    client.home.config.write_text(PRICES)
    runs = [
        submit(client, BUSY.format(steps=100, rest=0.0), shape="cpux1", queue="vision"),
        submit(client, BUSY.format(steps=20, rest=1.0), shape="cpux2", queue="speech"),
        submit(client, BUSY.format(steps=50, rest=0.2), shape="cpux1", queue="speech"),
    ]
    for run in runs:
        ended(run)
    wanted = [[line["key"] for line in client.costs(by)["lines"]] for by in BY]
    assert [len(keys) for keys in wanted] == [1, 2, 2, 1]  # the owner of a run is who submits it
    if dark:
        jupyter.settings("@jupyterlab/apputils-extension/themes", DARK)
    notebook = opened("\n".join(f"%aicci cost --by {by}" for by in BY))
    notebook.run_first_cell()
    output = notebook.page.locator(".jp-OutputArea-output")
    notebook.until(lambda: output.locator(".bk-Figure").count() == len(BY), "the charts are there")
    seen = notebook.page.evaluate(BARS_JS)  # an output that JupyterLab draws anew leaves a document behind
    assert {tuple(keys) for keys in seen} == {tuple(keys) for keys in wanted}
    assert output.locator("table").count() == len(BY)
    notebook.until(lambda: output.locator("img").count() == 0, "no picture is left")
    for place, by in enumerate(BY):
        output.locator("table").nth(place).scroll_into_view_if_needed()
        notebook.page.wait_for_timeout(300)
        notebook.shot(f"costs-{by}-{'dark' if dark else 'light'}")
    assert notebook.errors == []
