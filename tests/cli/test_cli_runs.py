"""`aicci` in a terminal against a real service: one JSON document, the exit status, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

AICCI = [sys.executable, "-m", "jupyter_aicci.cli"]
LIMIT_S = 60.0
KEYS = {
    "id",
    "name",
    "state",
    "shape",
    "nodes",
    "queue",
    "submitted_at",
    "started_at",
    "ended_at",
    "exit_class",
    "cost_micro",
}
WAITS = (
    "import pathlib, time\nprint('started', flush=True)\nwhile not pathlib.Path({flag!r}).exists(): time.sleep(0.02)\n"
)


class Terminal:
    """A directory with programs, and `aicci` run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.flag = directory, directory / "flag"
        (directory / "ok.py").write_text("import os, sys\nprint('rank', os.environ['RANK'], sys.argv[1:])\n")
        (directory / "bad.py").write_text("print('before')\nraise ValueError('no such luck')\n")
        (directory / "waits.py").write_text(WAITS.format(flag=str(self.flag)))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*AICCI, *words], cwd=self.directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """(exit status, standard output, standard error)."""
        process = self.start(*words)
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err

    def ask(self, *words: str) -> Any:
        """The one JSON document of a command that is done."""
        status, out, err = self.run(*words, "--json")
        assert status == 0, err
        return json.loads(out)


def until(true: Callable[[], bool], what: str) -> None:
    """Return when it is so; fails after `LIMIT_S`."""
    deadline_s = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Runs and service end with the test."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.flag.touch()
    if (tmp_path / "aicci-home").exists():
        for run in terminal.ask("ps"):
            if not run["ended_at"]:
                terminal.run("stop", run["id"])
        terminal.run("service", "stop")


def test_run_prints_the_log_and_ends_with_status_0(terminal: Terminal) -> None:
    """Rank 0's output on standard output and nothing else there; words behind FILE are the program's."""
    status, out, err = terminal.run("run", "--nodes", "2", "--name", "first", "ok.py", "--lr", "1", "--json")
    assert (status, out) == (0, "rank 0 ['--lr', '1', '--json']\n")
    assert "first" in err
    assert "succeeded" in err


def test_failed_run_ends_with_status_1_and_its_report(terminal: Terminal) -> None:
    """The report is on standard error; with --json the summary is the one document."""
    status, out, err = terminal.run("run", "bad.py")
    assert status == 1
    assert out.startswith("before\n")
    assert "user error" in err
    assert "line 2" in err
    status, out, err = terminal.run("run", "--json", "bad.py")
    assert status == 1
    assert json.loads(out)["exit_class"] == "user error"
    assert "no such luck" in err


def test_every_list_has_the_keys_that_scripts_depend_on(terminal: Terminal) -> None:
    """`ps`, `cost`, `describe`, `logs`, `shapes`, `queues`, `forecast`, each one document."""
    terminal.run("run", "--name", "one", "ok.py")
    (run,) = terminal.ask("ps")
    assert set(run) >= KEYS
    assert (run["name"], run["state"], run["nodes"]) == ("one", "succeeded", 1)
    assert set(terminal.ask("cost", "one")) >= {"total_micro", "currency", "entries"}
    assert [row["id"] for row in terminal.ask("cost")["runs"]] == [run["id"]]
    described = terminal.ask("describe", run["id"][:5])
    assert described["id"] == run["id"]
    assert {"spec", "attempts", "events"} <= set(described)
    assert terminal.ask("logs", "one")["text"] == "rank 0 []\n"
    assert terminal.ask("logs", "one", "--follow")["text"] == "rank 0 []\n"
    assert terminal.ask("shapes")[0]["name"]
    assert terminal.ask("queues")[0]["name"] == "default"
    assert {answer["shape"] for answer in terminal.ask("forecast")} == {
        shape["name"] for shape in terminal.ask("shapes")
    }
    assert terminal.ask("attach", "one")["state"] == "succeeded"
    for words in (("ps",), ("cost",), ("cost", "one"), ("describe", "one"), ("shapes",), ("queues",), ("forecast",)):
        status, out, _ = terminal.run(*words)
        assert status == 0
        assert len(out.splitlines()) >= 2, words


def test_unknown_run_is_status_2_and_names_the_nearest(terminal: Terminal) -> None:
    """The run asked for does not exist: an unusable argument."""
    terminal.run("run", "--name", "digits", "ok.py")
    status, out, err = terminal.run("stop", "digitz", "--json")
    assert status == 2
    assert json.loads(out)["code"] == "unknown_run"
    assert "did you mean digits?" in err


def test_detached_run_is_stopped_by_name(terminal: Terminal) -> None:
    """--detach prints the id and returns; stop ends it; logs stay."""
    status, out, _ = terminal.run("run", "--detach", "--name", "long", "--grace", "1s", "waits.py")
    assert status == 0
    run_id = out.strip()
    until(lambda: terminal.ask("logs", "long")["text"] == "started\n", "the rank never printed")
    assert terminal.run("stop", "long")[0] == 0
    assert terminal.run("attach", run_id)[0] == 1
    (run,) = terminal.ask("ps")
    assert (run["id"], run["state"]) == (run_id, "stopped")


def test_dry_run_submits_nothing(terminal: Terminal) -> None:
    """The forecast, and no run."""
    assert terminal.run("run", "--dry-run", "ok.py")[0] == 0
    assert terminal.ask("ps") == []
    status, out, _ = terminal.run("run", "--dry-run", "--json", "ok.py")
    assert status == 0
    assert json.loads(out)["spec"]["source"] == "ok.py"


def test_ctrl_c_once_leaves_the_run_alone_and_twice_cancels_it(terminal: Terminal) -> None:
    """It says how to come back; status 1, because nobody saw it succeed."""
    first = terminal.start("run", "--name", "left", "waits.py")
    assert first.stdout is not None
    assert first.stdout.readline() == "started\n"
    os.kill(first.pid, signal.SIGINT)
    _, err = first.communicate(timeout=LIMIT_S)
    assert first.returncode == 1
    assert "aicci attach" in err
    assert terminal.ask("ps")[0]["state"] == "running"
    second = terminal.start("attach", "left")
    assert second.stdout is not None
    assert second.stderr is not None
    assert second.stdout.readline() == "started\n"
    os.kill(second.pid, signal.SIGINT)
    while "again" not in second.stderr.readline():
        pass
    os.kill(second.pid, signal.SIGINT)
    second.communicate(timeout=LIMIT_S)
    assert second.returncode == 1
    assert terminal.ask("ps")[0]["state"] == "stopped"


def test_workdir_goes_with_the_program(terminal: Terminal) -> None:
    """A module beside the file can be imported from the snapshot."""
    (terminal.directory / "pkg").mkdir()
    (terminal.directory / "pkg" / "helper.py").write_text("WORD = 'from the snapshot'\n")
    (terminal.directory / "pkg" / "main.py").write_text("import helper, os\nprint(helper.WORD, os.getcwd())\n")
    status, out, _ = terminal.run("run", "--workdir", "pkg", "pkg/main.py")
    assert status == 0
    assert out.startswith("from the snapshot ")
    assert "aicci-home/runs/" in out


def test_service_is_started_looked_at_and_stopped(terminal: Terminal) -> None:
    """Each with one document."""
    assert terminal.ask("service", "start")["up"] is True
    pid = terminal.ask("service", "status")["pid"]
    assert Path(f"/proc/{pid}").exists()
    assert terminal.ask("service", "stop") == {"stopped": True}
    until(lambda: terminal.run("service", "status")[0] == 3, "the service did not end")
