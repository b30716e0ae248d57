"""What is refused in the magic line or the cell is one line on the screen, and nothing is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.magics import load, unload
from jupyter_aicci.magics.outcomes import AicciUsageError
from jupyter_aicci.model.commands import commands_of
from jupyter_aicci.model.options import OPTIONS


def refused(shell: Any, cell: str, capsys: pytest.CaptureFixture[str]) -> tuple[AicciUsageError, str]:
    """(the error, what the person sees) of a cell that is refused."""
    capsys.readouterr()
    result = shell.run_cell(cell, store_history=True)
    assert isinstance(result.error_in_exec, AicciUsageError)
    return result.error_in_exec, capsys.readouterr().out


def test_loading_twice_and_unloading_leave_no_trace(shell: Any) -> None:
    """`%load_ext` and `%reload_ext` may be run in any order."""
    matchers = len(shell.Completer.custom_matchers)
    load(shell)
    assert len(shell.Completer.custom_matchers) == matchers
    unload(shell)
    unload(shell)
    assert len(shell.Completer.custom_matchers) == matchers - 1
    assert shell.find_line_magic("aicci") is None
    assert shell.find_cell_magic("aicci") is None
    load(shell)
    assert shell.find_cell_magic("aicci") is not None


def test_magic_alone_lists_the_commands(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Short help, one line a command."""
    shell.run_cell("%aicci")
    out = capsys.readouterr().out
    assert all(command.prog("magic") in out for command in commands_of("magic"))


def test_help_of_train_has_every_option(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`%aicci train --help` is the option table."""
    shell.run_cell("%aicci train --help")
    out = capsys.readouterr().out
    assert all(option.flag in out for option in OPTIONS)


@pytest.mark.parametrize("word", [command.name for command in commands_of("magic")])
def test_every_command_has_help(shell: Any, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a service and without side effects."""
    shell.run_cell(f"%aicci {word} --help")
    assert f"aicci {word}" in capsys.readouterr().out


def test_unknown_option_names_the_nearest_in_one_line(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """--shap: did you mean --shape?"""
    error, shown = refused(shell, "%%aicci train --shap x\nprint(1)", capsys)
    assert error.code == "unknown_option"
    assert shown.strip() == (
        "UsageError: unknown option --shap for %%aicci train: did you mean --shape? Nothing was submitted. "
        '"%aicci train --help" lists the options.'
    )


def test_unknown_command_names_the_nearest(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """%aicci log: did you mean logs?"""
    error, shown = refused(shell, "%aicci log r1", capsys)
    assert error.code == "unknown_command"
    assert "did you mean logs?" in shown


@pytest.mark.parametrize(
    ("cell", "code", "says"),
    [
        ("%%aicci train --nodes x --budget q\n1", "bad_spec", "--nodes 'x'"),
        ("%%aicci train --on-stop explode\n1", "bad_option", "expected one of detach, cancel"),
        ("%%aicci train -o 1x\n1", "bad_option", "name of a variable"),
        ('%%aicci train --name "a\n1', "bad_option", "Quotes come in pairs"),
        ("%%aicci train stray\n1", "unknown_option", "unexpected word stray"),
        ("%%aicci train --push nothere\nprint(nothere)", "push_unknown", "no variable of that name"),
        ("%%aicci train --data d=/nope/x\n1", "bad_data", "/nope/x does not exist"),
        ("%%aicci train --data d=s3://b/x\n1", "bad_spec", "s3:// is not available yet"),
        ("%%aicci train --engine kubernetes\n1", "bad_spec", "not available yet"),
        ("%%aicci train\nfor\n", "syntax_error", "line 2 of the cell"),
        ("%%aicci train\n!pip install x\n", "pip_in_cell", "notebook's environment"),
        ("%aicci train", "no_cell", "%%aicci train"),
        ("%%aicci ps\n1", "no_cell_magic", "%aicci ps"),
        ("%aicci logs", "bad_option", "RUN"),
        ("%aicci logs r1 --rank -3", "bad_option", "--rank"),
    ],
)
def test_bad_input_is_one_clean_message(
    shell: Any, cell: str, code: str, says: str, capsys: pytest.CaptureFixture[str], aicci_home: Path
) -> None:
    """What is wrong, what was expected; no traceback, and no service was started for it."""
    error, shown = refused(shell, cell, capsys)
    assert error.code == code
    assert says in shown
    assert shown.startswith("UsageError: ")
    assert "Traceback" not in shown
    assert not aicci_home.exists()


def test_lines_above_the_magic_and_its_continuation_are_counted(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the line as the notebook numbers it."""
    _, shown = refused(shell, "\n\n%%aicci train --nodes 2 \\\n   --shape x\nprint(1\n", capsys)
    assert "line 5 of the cell" in shown
