"""A cell with --probe and `%aicci compare` in a real kernel: told before the run, one picture after it, Stop while probing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_runner import MIME, Notebook
from live import end_everything

from jupyter_aicci.client import Client

pytestmark = pytest.mark.timeout(400)
CELL = """%%aicci train --probe --shape cpux2 --ranks-per-node 2 --name real
import time
due_s = time.monotonic()
for step in range({steps}):
    due_s = max(due_s + 0.010 + 0.003 * aicci.world_size, time.monotonic())
    time.sleep(max(0.0, due_s - time.monotonic()))
    aicci.log(step=step, loss=1.0 / (step + 1))
"""


@pytest.fixture
def notebook(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A kernel on a host with room for two nodes of two CPUs."""
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "4")
    notebook = Notebook(repository, tmp_path)
    yield notebook
    notebook.close()
    end_everything(Client())


def test_a_cell_is_probed_then_run_then_compared(notebook: Notebook, tmp_path: Path) -> None:
    """Sizes and forecasts as text, then the card of the real run; the comparison is tables, reasons and a picture."""
    cell = notebook.start(CELL.format(steps=150))
    for size in ("1 rank", "2 ranks", "2 × 2 ranks"):
        cell.until(f"probe {size}: ")
    out = cell.end()
    assert out.error == "", out.traceback
    said = out.text.splitlines()
    assert [line.split(":")[0] for line in said if line.startswith("probe")] == [
        "probe 1 rank",
        "probe 2 ranks",
        "probe 2 × 2 ranks",
    ]
    assert any(line.startswith("forecast 0.") and "on 4 ranks against 1" in line for line in said)
    assert out.cards[-1][MIME]["summary"]["name"] == "real"
    assert out.cards[-1][MIME]["summary"]["state"] == "succeeded"
    assert "speed-up 0." in out.cards[-1]["text/plain"]
    probes = [row["name"] for row in Client().runs() if row["name"].startswith("probe-")]
    assert len(probes) == 3
    page = tmp_path / "page.html"
    compared = notebook.run(f"%aicci compare real {probes[0]} --nodes 1,2 --html {page}")
    assert compared.error == "", compared.traceback
    tables = [bundle["text/html"] for bundle in compared.bundles if "text/html" in bundle]
    assert "speed-up" in tables[0]
    assert "estimated" in tables[1]
    (picture,) = (bundle["image/png"] for bundle in compared.bundles if "image/png" in bundle)
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert page.read_text().startswith("<!doctype html>")


def test_stop_while_probing_ends_the_probe_and_the_cell(notebook: Notebook) -> None:
    """No real run is submitted, no red wall is shown, and the kernel is usable."""
    cell = notebook.start(CELL.format(steps=100_000))
    cell.until("probe 1 rank")
    notebook.stop_button()
    out = cell.end()
    assert (out.error, out.traceback) == ("Cancelled", [])
    assert "the run was not submitted" in out.text
    client = Client()
    assert "real" not in [row["name"] for row in client.runs()]
    for row in client.runs():
        assert client.run(row["id"]).wait(60)["state"] in ("stopped", "succeeded")
    assert notebook.run("print(6 * 7)").text == "42\n"
