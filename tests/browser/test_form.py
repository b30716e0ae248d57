"""The launch form of `%aicci` in real JupyterLab and Notebook 7: typing changes what is foretold, a cell, a launch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from jupyter_builders import Jupyter
from page_builders import Notebook
from playwright.sync_api import Locator

from jupyter_aicci.client import Client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
BOTH = pytest.mark.parametrize("jupyter", ["lab", "notebook"], indirect=True)
PRICES = '[prices]\ncurrency = "USD"\ncpux1 = "0.31"\ncpux2 = "0.60"\n'
PROGRAM = "import sys\nprint('hello', sys.argv[1])\n"


def form_of(notebook: Notebook) -> Locator:
    form = notebook.page.locator(".jp-aicci-launch")
    form.wait_for()
    return form


def says(notebook: Notebook, form: Locator, words: str) -> None:
    notebook.until(lambda: words in form.inner_text(), f"the form says {words!r}")


def sources(notebook: Notebook) -> list[str]:
    """What stands in the notebook's cells."""
    editors = notebook.page.locator(".jp-Notebook .jp-CodeCell .cm-content")
    return [editors.nth(at).inner_text().rstrip() for at in range(editors.count())]


@BOTH
def test_a_form_foretells_inserts_and_launches(
    opened: Callable[..., Notebook], jupyter: Jupyter, client: Client, aicci_home: Path, repository: Path
) -> None:
    """Every moment of it; a double click is one run."""
    aicci_home.mkdir()
    (aicci_home / "config.toml").write_text(PRICES)
    (jupyter.root / "hello.py").write_text(PROGRAM)
    notebook = opened("%aicci", "after = 1")
    notebook.run_first_cell()
    form = form_of(notebook)
    says(notebook, form, "starts now")
    says(notebook, form, "cpux1")
    notebook.shot("form")

    form.get_by_label("nodes", exact=True).fill("2")
    says(notebook, form, "×2")
    says(notebook, form, "%%aicci train --nodes 2")
    form.get_by_label("nodes", exact=True).fill("two")
    says(notebook, form, "expected a whole number")
    notebook.shot("form-wrong")
    assert form.get_by_label("nodes", exact=True).input_value() == "two", "what was typed is still there"
    form.get_by_label("nodes", exact=True).fill("2")
    form.get_by_label("budget", exact=True).fill("5")
    form.get_by_label("name", exact=True).fill("my run")
    says(notebook, form, "%%aicci train --nodes 2 --budget 5 --name 'my run'")
    says(notebook, form, "cpux1 ×2 · $0.62/h")
    form.screenshot(path=repository / "screenshots" / f"{jupyter.app}-form-alone.png")

    form.get_by_role("button", name="Insert cell").click()
    says(notebook, form, "The cell is below")
    assert sources(notebook) == ["%aicci", "%%aicci train --nodes 2 --budget 5 --name 'my run'", "after = 1"]

    form.get_by_label("budget", exact=True).fill("")
    form.get_by_label("script", exact=True).fill("hello.py")
    form.get_by_label("arguments", exact=True).fill("you")
    launch = form.get_by_role("button", name="Launch script")
    notebook.until(launch.is_enabled, "a file can be launched")
    launch.dblclick()
    says(notebook, form, "launched r")
    notebook.wait_state("succeeded")
    notebook.shot("form-launched")
    (run,) = client.runs()
    assert (run["name"], run["nodes"]) == ("my run", 2)
    assert client.run(run["id"]).logs(0).strip() == "hello you"
    assert notebook.errors == []


def test_a_form_says_that_a_busy_kernel_keeps_it_waiting(
    opened: Callable[..., Notebook], jupyter: Jupyter, tmp_path: Path
) -> None:
    """What is typed meanwhile is heard afterwards."""
    flag = tmp_path / "flag"
    notebook = opened(
        "%aicci", f"import pathlib, time\nwhile not pathlib.Path({str(flag)!r}).exists(): time.sleep(0.05)"
    )
    notebook.run_first_cell()
    form = form_of(notebook)
    says(notebook, form, "starts now")
    notebook.page.keyboard.press("Shift+Enter")
    says(notebook, form, "The kernel is busy")
    form.get_by_label("nodes", exact=True).fill("2")
    flag.touch()
    says(notebook, form, "%%aicci train --nodes 2")
    notebook.until(lambda: "The kernel is busy" not in form.inner_text(), "the word about it is gone")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"])
def test_a_form_is_for_everybody(opened: Callable[..., Notebook], jupyter: Jupyter, client: Client, theme: str) -> None:
    """No violation that axe-core finds, in each theme; all of it by keyboard."""
    (jupyter.root / "hello.py").write_text(PROGRAM)
    jupyter.settings("@jupyterlab/apputils-extension/themes", {"theme": theme})
    notebook = opened("%aicci")
    notebook.run_first_cell()
    form = form_of(notebook)
    says(notebook, form, "starts now")
    form.get_by_label("nodes", exact=True).fill("two")
    says(notebook, form, "expected a whole number")
    keys = notebook.page.keyboard
    form.get_by_label("arguments", exact=True).focus()
    keys.press("Tab")
    keys.press("Enter")
    form.get_by_label("retries", exact=True).wait_for()
    violations = Axe().run(notebook.page, context=".jp-aicci-launch").response["violations"]
    notebook.shot(f"form-{theme.split()[-1].lower()}")
    assert violations == []

    form.get_by_label("nodes", exact=True).fill("1")
    form.get_by_label("script", exact=True).fill("hello.py")
    form.get_by_label("arguments", exact=True).fill("you")
    launch = form.get_by_role("button", name="Launch script")
    notebook.until(launch.is_enabled, "a file can be launched")
    launch.focus()
    keys.press("Enter")
    says(notebook, form, "launched r")
    notebook.wait_state("succeeded")
