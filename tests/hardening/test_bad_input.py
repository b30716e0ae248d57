"""What a person types wrong: one clear message with the next step, and nothing else has happened.

Every test stands beside a run that goes on in the background and in a kernel that has to stay usable.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_runner import Notebook
from hard_cases import journal
from live import end_everything, submit, until

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.states import State
from jupyter_aicci.store.paths import Home

BESIDE = "import time\nwhile True: time.sleep(0.05)\n"


class Beside:
    """A kernel and a run, and what must be as it was before after each refusal."""

    def __init__(self, repository: Path, directory: Path) -> None:
        home = Home(root=directory / "aicci-home", runtime=directory / "aicci-runtime")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (("AICCI_HOME", home.root), ("AICCI_RUNTIME", home.runtime), ("AICCI_LOCAL_CPUS", 8)):
                patch.setenv(name, str(value))
            self.client = Client(home)
            self.run: Run = submit(self.client, BESIDE, name="beside", shape="cpux1")
            self.notebook = Notebook(repository, directory)
        until(lambda: self.run.state is State.RUNNING)

    def close(self) -> None:
        self.notebook.close()
        end_everything(self.client)

    @contextlib.contextmanager
    def unharmed(self, *, recorded: bool = False) -> Iterator[None]:
        """Nothing was recorded and no folder was made, the kernel computes, and the other run runs on."""
        rows, folders = journal(self.client), sorted(self.client.home.runs_dir.iterdir())
        yield
        if not recorded:
            assert journal(self.client) == rows
            assert sorted(self.client.home.runs_dir.iterdir()) == folders
        assert self.notebook.run("print(1 + 1)").text == "2\n"
        details = self.run.details()
        assert (details["state"], len(details["attempts"])) == ("running", 1)

    def refused(self, cell: str) -> str:
        """What the cell shows instead of a run."""
        out = self.notebook.run(cell)
        text = "\n".join(out.traceback)
        assert out.error == "AicciUsageError", out
        assert out.cards == []
        assert text.startswith("UsageError: ")
        assert "Nothing was submitted" in text
        assert "Traceback" not in text
        return text


@pytest.fixture(scope="module")
def beside(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    beside = Beside(repository, tmp_path_factory.mktemp("beside"))
    yield beside
    beside.close()


def test_an_unknown_flag_names_the_nearest(beside: Beside) -> None:
    """And where the options are listed."""
    with beside.unharmed():
        text = beside.refused("%%aicci train --nods 2\nprint(1)\n")
    assert "unknown option --nods for %%aicci train: did you mean --nodes?" in text
    assert '"%aicci train --help" lists the options' in text


def test_an_unknown_shape_names_the_nearest(beside: Beside) -> None:
    """And the command that lists what there is."""
    with beside.unharmed():
        text = beside.refused("%%aicci train --shape cpu2\nprint(1)\n")
    assert "shape 'cpu2' is not offered here; did you mean cpux2" in text
    assert "%aicci shapes" in text


@pytest.mark.parametrize(
    ("options", "asks"),
    [("--nodes 100 --shape cpux1", "100 cpux1 nodes"), ("--ranks-per-node 100", "100 ranks a node")],
)
def test_more_ranks_than_slots_can_never_run_and_what_would_does(beside: Beside, options: str, asks: str) -> None:
    """The refusal says what was asked for, what there is, and options that are accepted."""
    with beside.unharmed():
        text = beside.refused(f"%%aicci train {options}\nprint(1)\n")
    assert "can never start here" in text
    assert asks in text
    would = re.search(r"((?:--[\w-]+ \w+ ?)+)would (?:start now|run)", text)
    assert would, text
    kept = " ".join(part for part in re.findall(r"--[\w-]+ \w+", options) if part.split()[0] not in would[1])
    with beside.unharmed():
        dry = beside.notebook.run(f"%%aicci train {kept} {would[1]} --dry-run\nprint(1)\n")
    assert dry.error == ""
    assert "nothing was submitted" in dry.text


def test_a_syntax_error_is_shown_with_its_line_before_anything_is_queued(beside: Beside) -> None:
    """The cell's own line number, the line, and a caret."""
    with beside.unharmed():
        text = beside.refused("%%aicci train\nx = 1\nprint(x +)\n")
    assert "line 3 of the cell is not Python" in text
    assert "3 | print(x +)" in text
    assert text.rstrip().endswith("^")


def test_an_unpicklable_push_names_the_variable_and_the_way_to_the_part(beside: Beside) -> None:
    """And what to do instead."""
    setup = "import threading, types\ncfg = {'net': types.SimpleNamespace(size=3, lock=threading.Lock())}"
    assert beside.notebook.run(setup).error == ""
    with beside.unharmed():
        text = beside.refused("%%aicci train --push cfg\nprint(cfg)\n")
    assert "--push cfg: cfg['net'].lock: cannot pickle" in text
    assert "make it in the cell" in text


def test_a_name_that_is_not_pushed_is_hinted_before_and_after(beside: Beside) -> None:
    """It is a suspicion, so the cell runs; the report of its NameError says it again."""
    beside.notebook.run("rate = 0.1")
    with beside.unharmed(recorded=True):
        out = beside.notebook.run("%%aicci train --shape cpux1\nprint(rate)\n")
    assert "rate is used by the cell but not pushed: add --push rate" in out.text
    assert out.error == "RunFailed"
    report = "\n".join(out.traceback)
    assert "NameError: name 'rate' is not defined" in report
    assert "add --push rate" in report


@pytest.mark.parametrize("line", ["!pip install nothing", "%pip install nothing", "!uv pip install nothing"])
def test_installing_in_the_cell_is_refused_with_where_to_do_it(beside: Beside, line: str) -> None:
    """Ranks share one environment: installing is the notebook's business."""
    with beside.unharmed():
        text = beside.refused(f"%%aicci train\nx = 1\n{line}\n")
    assert f"line 3 of the cell is an installation inside the cell: {line}" in text
    assert "Install it in the notebook's environment" in text
