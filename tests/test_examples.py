"""The examples do what they promise: on two real nodes, from a terminal and from a notebook with the real kernel."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PROGRAMS = [
    pytest.param("plain_numpy", id="numpy"),
    pytest.param("digits_jax", id="jax", marks=pytest.mark.jax),
    pytest.param("digits_torch_ddp", id="torch", marks=pytest.mark.torch),
]
MOST_BYTES = 200_000  # what a run may add to a saved notebook


def aicci(*words: str) -> subprocess.CompletedProcess[str]:
    """The `aicci` command that belongs to this interpreter."""
    command = [str(Path(sys.executable).with_name("aicci")), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture(autouse=True)
def service_ends(aicci_home: Path) -> Iterator[None]:
    """The service that a test started ends with it."""
    yield
    aicci("service", "stop")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", PROGRAMS)
def test_example_trains_on_two_nodes(program: str) -> None:
    """`aicci run --nodes 2` succeeds, and rank 0 reads more than nine of ten unseen digits right at the end."""
    done = aicci("run", "--nodes", "2", "--name", "digits", str(EXAMPLES / f"{program}.py"))
    logs = aicci("logs", "digits").stdout
    (run,) = json.loads(aicci("ps", "--json").stdout)
    last = [line for line in logs.splitlines() if line.startswith("epoch")][-1]

    assert done.returncode == 0, done.stderr
    assert (run["state"], run["nodes"], run["exit_class"]) == ("succeeded", 2, None)
    assert float(last.rpartition(" ")[2]) > 0.9
    assert "epoch" not in aicci("logs", "digits", "--rank", "1").stdout


@pytest.mark.timeout(300)
def test_notebook_keeps_the_picture_and_stays_small(tmp_path: Path) -> None:
    """Executed by the kernel "Python (aicci)", the notebook binds --pull, grows by less than 200 KB and shows a PNG."""
    notebook = nbformat.read(EXAMPLES / "plain_numpy.ipynb", as_version=4)
    before = len(nbformat.writes(notebook))
    NotebookClient(
        notebook, timeout=240, kernel_name="aicci", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    (train,) = [cell for cell in notebook.cells if cell["id"] == "train"]
    shown = [
        output["data"] for output in train["outputs"] if "application/vnd.aicci.run+json" in output.get("data", {})
    ]
    saved = tmp_path / "saved.ipynb"
    plot = next(cell for cell in notebook.cells if cell["id"] == "plot")
    plot["outputs"] = []  # matplotlib's own figure is not the run's
    nbformat.write(notebook, saved)
    html = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(saved)], capture_output=True, text=True
    ).stdout

    assert [data["application/vnd.aicci.run+json"]["summary"]["state"] for data in shown] == ["succeeded"]
    assert base64.b64decode(shown[0]["image/png"]).startswith(b"\x89PNG")
    assert saved.stat().st_size - before < MOST_BYTES
    assert "data:image/png;base64," in html
