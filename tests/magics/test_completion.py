"""Tab completes what the tables know; it never waits for a service that is not there."""

from __future__ import annotations

from typing import Any

from IPython.core.completer import provisionalcompleter

from jupyter_aicci.model.commands import commands_of
from jupyter_aicci.model.options import OPTIONS


def completions(shell: Any, text: str) -> set[str]:
    """What of ours the real completer offers with the cursor at the end of `text`."""
    with provisionalcompleter():
        return {found.text for found in shell.Completer.completions(text, len(text)) if found.type == "aicci"}


def test_commands_are_offered(shell: Any) -> None:
    """After %aicci and a blank, and by their start."""
    assert {command.name for command in commands_of("magic")} <= completions(shell, "%aicci ")
    assert completions(shell, "%%aicci tr") == {"train"}
    with provisionalcompleter():  # files and other magics do not stand between them
        assert all(found.type == "aicci" for found in shell.Completer.completions("%aicci ", 7))


def test_every_option_is_offered(shell: Any) -> None:
    """The option table, in the magic line of a cell."""
    assert {option.flag for option in OPTIONS} <= completions(shell, "%%aicci train --")
    assert completions(shell, "%%aicci train --nodes 2 --sha") == {"--shape"}
    assert completions(shell, "%aicci logs r1 --") == {"--rank", "--follow", "--help"}


def test_choices_and_notebook_names_are_offered(shell: Any) -> None:
    """Values of an option, the second of a list, and after an equals sign."""
    shell.user_ns["cfg_large"] = 1
    assert completions(shell, "%%aicci train --on-stop ") == {"detach", "cancel"}
    assert completions(shell, "%%aicci train --engine=kub") == {"kubernetes"}
    assert completions(shell, "%%aicci train --push x,cfg_") == {"cfg_large"}


def test_the_body_of_the_cell_completes_as_python(shell: Any) -> None:
    """Only the magic line is ours."""
    assert "train" not in completions(shell, "%%aicci train\ntr")
    assert "train" not in completions(shell, "tr")


def test_no_service_means_no_runs_and_no_error(shell: Any, aicci_home: Any) -> None:
    """A key press starts nothing."""
    assert completions(shell, "%aicci attach r") == set()
    assert not aicci_home.exists()
