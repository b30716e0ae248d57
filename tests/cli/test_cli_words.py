"""The command line without a service: help, refusals, exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_aicci.cli import main
from jupyter_aicci.model.commands import commands_of
from jupyter_aicci.model.options import OPTIONS


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`aicci --help`; without any word it is a usage error."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {command.name} " in out for command in commands_of("cli"))
    assert main([]) == 2


@pytest.mark.parametrize("word", [command.name for command in commands_of("cli")])
def test_every_command_has_help_and_json(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--json is on every command."""
    assert main([word, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_help_of_run_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """The option table, as in the magic."""
    main(["run", "--help"])
    out = capsys.readouterr().out
    assert all(option.flag in out for option in OPTIONS)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["runn"], "unknown_command", "did you mean run?"),
        (["timeline", "."], "not_a_run_folder", "is not the folder of a run"),
        (["run", "--shap", "x", "t.py"], "unknown_option", "did you mean --shape?"),
        (["run", "--nodes", "0", "t.py"], "bad_spec", "--nodes 0"),
        (["run"], "bad_option", "FILE"),
        (["run", "nothere.py"], "bad_file", "nothere.py cannot be read"),
        (["run", "bad.py"], "syntax_error", "line 2 of bad.py"),
        (["run", "--push", "a", "t.py"], "notebook_only", "--push"),
        (["run", "-o", "a", "t.py"], "notebook_only", "--out"),
        (["run", "--data", "a=/nope", "t.py"], "bad_data", "/nope does not exist"),
        (["logs"], "bad_option", "RUN"),
        (["service", "restart"], "bad_option", "ACTION"),
        (["ps", "x"], "unknown_option", "unexpected word x"),
    ],
)
def test_unusable_arguments_end_with_status_2(
    words: list[str], code: str, says: str, tmp_path: Path, aicci_home: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The message is on standard error; with --json its one document is on standard output; nothing was started."""
    (tmp_path / "t.py").write_text("print(1)\n")
    (tmp_path / "bad.py").write_text("x = 1\nprint(\n")
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    plain = capsys.readouterr()
    assert says in plain.err
    assert plain.out == ""
    assert main([words[0], "--json", *words[1:]]) == 2
    as_json = capsys.readouterr()
    if code != "unknown_command":
        assert json.loads(as_json.out)["code"] == code
    assert says in as_json.err
    assert not aicci_home.exists()


def test_service_that_cannot_start_ends_with_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A home that is a file: unreachable, and the message says why."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AICCI_HOME", str(tmp_path / "file"))
    assert main(["ps", "--json"]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["code"] == "service_cannot_start"


def test_status_of_no_service_is_3_and_starts_none(aicci_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`aicci service status` only looks."""
    assert main(["service", "status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["up"] is False
    assert not aicci_home.exists()


def test_help_imports_no_client_and_no_framework() -> None:
    """`aicci --help` is a matter of milliseconds because it imports nothing heavy."""
    code = (
        "import sys; from jupyter_aicci.cli import main; main(['--help']); main(['run', '--help']);"
        "heavy = ('numpy', 'IPython', 'tornado', 'matplotlib', 'bokeh');"
        "print([m for m in sys.modules if m.split('.')[0] in heavy or 'aicci.client' in m], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
