"""A person's cells in a real kernel against a real service: train, fail, Stop, restart, attach, results."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_runner import MIME, Notebook

WAITS = """
import pathlib, time
print("started", flush=True)
while not pathlib.Path({flag!r}).exists():
    time.sleep(0.02)
"""


@pytest.fixture
def notebook(repository: Path, tmp_path: Path) -> Iterator[Notebook]:
    """A kernel with the magics loaded; kernel, runs and service end with the test."""
    notebook = Notebook(repository, tmp_path)
    yield notebook
    (tmp_path / "flag").touch()
    notebook.close()
    aicci = [sys.executable, "-m", "jupyter_aicci.cli"]
    listed = subprocess.run([*aicci, "ps"], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines()[1:]:
        if any(state in line for state in ("queued", "starting", "running", "lost")):
            subprocess.run([*aicci, "stop", line.split()[0]], capture_output=True, check=False)
    subprocess.run([*aicci, "service", "stop"], capture_output=True, check=False)


@pytest.fixture
def waits(tmp_path: Path) -> str:
    """A cell body that runs until the file `flag` appears."""
    return WAITS.format(flag=str(tmp_path / "flag"))


def test_cell_runs_on_every_rank_and_its_values_come_back(notebook: Notebook) -> None:
    """Card at once, picture and summary at the end, --pull values bound, -o holds the run."""
    notebook.run("cfg = {'add': 40}")
    out = notebook.run(
        "%%aicci train --nodes 2 --push cfg --pull total,where -o run --name first\n"
        "import os\n"
        "total = cfg['add'] + int(os.environ['WORLD_SIZE'])\n"
        "where = f'{aicci.rank} of {aicci.world_size}'\n"
    )
    assert out.error == ""
    first, last = out.cards[0], out.cards[-1]
    assert "image/png" not in first
    assert "first" in first["text/plain"]
    assert base64.b64decode(last["image/png"]).startswith(b"\x89PNG")
    assert last[MIME]["summary"]["state"] == "succeeded"
    assert last[MIME]["id"] == first[MIME]["id"]
    assert "succeeded" in last["text/plain"]
    assert "bound: total, where" in out.text
    assert notebook.run("print(total, where, run.state, run.name)").text.split("\n")[0] == "42 0 of 2 succeeded first"


def test_failed_cell_names_rank_line_and_last_output(notebook: Notebook) -> None:
    """The first rank that failed, its class, the cell's line, its last lines; no frames of ours."""
    out = notebook.run(
        "%%aicci train --nodes 2\n"
        "import os, time\n"
        "print('before', flush=True)\n"
        "if os.environ['RANK'] == '1':\n"
        "    raise ValueError('no such luck')\n"
        "time.sleep(60)\n"
    )
    report = "\n".join(out.traceback)
    assert out.error == "RunFailed"
    assert "user error" in report
    assert "rank 1" in report
    assert "ValueError" in report
    assert "no such luck" in report
    assert "Cell In[1], line 5" in report
    assert "before" in report
    assert "jupyter_aicci/magics" not in report
    assert out.cards[-1][MIME]["summary"]["exit_class"] == "user error"


def test_name_that_was_not_pushed_is_hinted_before_and_after(notebook: Notebook) -> None:
    """At once, and again where the run fails with the NameError."""
    notebook.run("cfg = 1")
    out = notebook.run("%%aicci train\nprint(cfg)\n")
    assert "cfg is used by the cell but not pushed: add --push cfg" in out.text
    assert "add --push cfg" in "\n".join(out.traceback)


def test_stop_once_detaches_and_the_run_goes_on(notebook: Notebook, waits: str, tmp_path: Path) -> None:
    """It says how to come back; the kernel is free, no red wall; attach shows the end."""
    cell = notebook.start("%%aicci train --pull late\n" + waits + "late = 7\n")
    run_id = cell.until(MIME).run_id
    notebook.stop_button()
    assert f"%aicci attach {run_id}" in cell.until("Press Stop again").text
    out = cell.end()
    assert out.error == "Detached"
    assert out.traceback == []
    (tmp_path / "flag").touch()
    attached = notebook.run(f"%aicci attach {run_id}")
    assert attached.error == ""
    assert attached.cards[-1][MIME]["summary"]["state"] == "succeeded"
    assert notebook.run("print(late)").text == "7\n"


def test_stop_twice_cancels_with_grace(notebook: Notebook, waits: str) -> None:
    """The run is stopped, the kernel is usable, and the next cells of Run All do not run."""
    cell = notebook.start("%%aicci train --grace 2s\n" + waits)
    cell.until(MIME)
    notebook.stop_button()
    cell.until("Press Stop again")
    notebook.stop_button()
    out = cell.end()
    assert out.error == "Cancelled"
    assert out.traceback == []
    assert out.cards[-1][MIME]["summary"]["state"] == "stopped"
    assert notebook.run("print(1 + 1)").text == "2\n"


def test_on_stop_cancel_needs_one_press(notebook: Notebook, waits: str) -> None:
    """As the person asked."""
    cell = notebook.start("%%aicci train --on-stop cancel --grace 2s\n" + waits)
    cell.until(MIME)
    notebook.stop_button()
    out = cell.end()
    assert out.error == "Cancelled"
    assert out.cards[-1][MIME]["summary"]["state"] == "stopped"


def test_restarted_kernel_finds_its_run_again(notebook: Notebook, waits: str, tmp_path: Path) -> None:
    """--detach returns at once; the run does not belong to the kernel."""
    out = notebook.run("%%aicci train --detach --pull late --name night\n" + waits + "late = 'came'\n")
    assert out.error == ""
    assert "%aicci attach" in out.text
    notebook.restart()
    assert "night" in notebook.run("%aicci ps").bundles[0]["text/plain"]
    (tmp_path / "flag").touch()
    assert notebook.run("%aicci attach night").error == ""
    assert notebook.run("%aicci result night").text == "{'late': 'came'}"


def test_dry_run_submits_nothing(notebook: Notebook) -> None:
    """Spec, price, start and placement are printed."""
    out = notebook.run("%%aicci train --dry-run --nodes 2\nprint(1)\n")
    assert "starts now" in out.text
    assert "nothing was submitted" in out.text
    assert "No run yet" in notebook.run("%aicci ps").bundles[0]["text/plain"]


def test_line_magics_answer(notebook: Notebook) -> None:
    """Every line magic on a run that ended."""
    notebook.run("%%aicci train --name one\nprint('hello from a rank')\n")
    assert "hello from a rank" in notebook.run("%aicci logs one").text
    assert "hello from a rank" in notebook.run("%aicci logs one --follow").text
    assert "succeeded" in notebook.run("%aicci describe one").text
    for word in ("ps", "shapes", "queues", "cost", "cost one", "data", "forecast"):
        bundle = notebook.run(f"%aicci {word}").bundles[0]
        assert {"text/plain", "text/html"} <= set(bundle), word
    assert "ended already" in "\n".join(notebook.run("%aicci stop one").traceback)
    assert "did you mean one?" in "\n".join(notebook.run("%aicci describe onee").traceback)


def test_tab_offers_runs_and_shapes_of_the_service(notebook: Notebook) -> None:
    """Names and ids of runs, shapes for --shape; `stop` offers no run that has ended."""
    out = notebook.run("%%aicci train --name quick\nprint(1)\n")
    deadline_s = time.monotonic() + 30
    while not {"quick", out.run_id} <= set(notebook.completions("%aicci attach ")):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert "quick" not in notebook.completions("%aicci stop ")
    while "cpux1" not in notebook.completions("%%aicci train --shape "):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_data_and_snapshot_reach_the_ranks(notebook: Notebook, tmp_path: Path) -> None:
    """--data gives a path, --workdir a copy; what stayed out of it is told."""
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "x").write_text("7")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "helper.py").write_text("WORD = 'snapshot'")
    (tmp_path / "code" / "weights.bin").write_bytes(b"\0" * 10_000_001)
    out = notebook.run(
        "%%aicci train --data digits=digits --workdir code --pull seen\n"
        "import helper, pathlib\n"
        "files = sorted(path.name for path in pathlib.Path().glob('*.py'))\n"
        "seen = (helper.WORD, (pathlib.Path(aicci.data['digits']) / 'x').read_text(), files)\n"
    )
    assert out.error == "", out.traceback
    assert "weights.bin (10.0 MB)" in out.text
    assert notebook.run("print(seen)").text == "('snapshot', '7', ['cell.py', 'helper.py'])\n"
    assert str(tmp_path / "digits") in notebook.run("%aicci data").bundles[0]["text/plain"]


def test_impossible_request_is_refused_before_it_is_queued(notebook: Notebook) -> None:
    """What can never run here, and what would."""
    out = notebook.run("%%aicci train --nodes 1000\nprint(1)\n")
    assert out.error == "AicciUsageError"
    assert "Nothing was submitted" in "\n".join(out.traceback)
    assert out.cards == []
