"""The example notebooks' own programs in JupyterLab and Notebook 7: the chart stays whole whatever dies meanwhile.

The programs are what the notebooks say but for a pause in each step, so that they outlive five deaths.
AICCI_BROWSER=full runs every example in both applications; the suite runs one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from jupyter_builders import Jupyter, kill_service, service_pid
from page_builders import Lanes, Notebook, same_so_far

from jupyter_aicci.client import Client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PAUSES_S = {"digits_jax": 0.3, "digits_torch_ddp": 0.5, "plain_numpy": 0.13}  # some 70 s for each
APPS = ("lab", "notebook")
CASES = [(app, name) for app in APPS for name in PAUSES_S] if os.environ.get("AICCI_BROWSER") == "full" else []


def the_cell(examples: Path, name: str) -> str:
    """The notebook's `%%aicci train` cell, with a pause before the loss of each step is logged."""
    book = json.loads((examples / f"{name}.ipynb").read_text("utf-8"))
    sources = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    lines = next(source for source in sources if source.startswith("%%aicci train")).splitlines()
    at = next(index for index, line in enumerate(lines) if "aicci.log(" in line and "loss=" in line)
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    lines.insert(at, f"{indent}__import__('time').sleep({PAUSES_S[name]})")
    return "\n".join(lines)


@pytest.mark.parametrize(("jupyter", "name"), CASES or [("lab", "digits_jax")], indirect=["jupyter"])
def test_an_example_is_whole_whatever_dies(
    opened: Callable[..., Notebook], jupyter: Jupyter, name: str, repository: Path, aicci_runtime: Path, client: Client
) -> None:
    """Reload, kernel restart, kill -9 of Jupyter and of the service: every step of the loss is there once at the end."""
    notebook = opened(the_cell(repository / "examples", name))
    notebook.run_first_cell()
    before = notebook.wait_points(5)

    notebook.reload()
    before = _whole_again(notebook, before)
    notebook.restart_kernel()
    before = _whole_again(notebook, before)
    jupyter.kill()
    jupyter.start()
    notebook.reload()
    before = _whole_again(notebook, before)
    pid = kill_service(aicci_runtime)
    notebook.until(lambda: service_pid(aicci_runtime) != pid, "another service answers")
    before = _whole_again(notebook, before)

    notebook.until(lambda: "succeeded" in notebook.card.inner_text(), "the run has succeeded", 200)
    (run,) = client.runs()
    logged = client.view(run["id"], width_px=4000)
    (loss,) = (lane for lane in logged["lanes"] if lane["id"] == "value:loss")
    notebook.until(lambda: notebook.lanes()["value:loss"]["v"] == loss["v"], "every logged loss is on the screen")
    same_so_far(before, notebook.lanes())
    notebook.shot(f"example-{name}")
    assert run["attempt"] == 1
    assert notebook.errors == []


def _whole_again(notebook: Notebook, before: Lanes) -> Lanes:
    """It moves on, nothing is lost of what was there, and the bar has no gap from the first moment on."""
    notebook.close_dialogs()
    after = notebook.wait_points(len(before["value:loss"]["t"]) + 3)
    same_so_far(before, after)
    bar = after["node-0"]
    assert bar["t0"][0] == 0.0
    assert bar["t0"][1:] == bar["t1"][:-1]
    return after
