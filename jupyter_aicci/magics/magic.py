"""The magic itself: finds the command, runs it, and turns every refusal into one line.

Rule: each command is a function of (shell, its words); nothing is imported for a command that is not used.
"""

from __future__ import annotations

import shlex
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from jupyter_aicci.magics.outcomes import AicciUsageError
from jupyter_aicci.magics.pictures import is_notebook
from jupyter_aicci.model.commands import commands_of, find_command, parser_of
from jupyter_aicci.model.errors import AicciError, UserError


@magics_class
class AicciMagics(Magics):
    """`%aicci COMMAND …` and `%%aicci train …`."""

    @no_var_expand
    @line_cell_magic
    def aicci(self, line: str, cell: str | None = None) -> Any:
        """Train on this machine and watch it.

        `%aicci` is the launch form, `%aicci help` lists the commands, `%aicci train --help` the options.
        """
        try:
            return _dispatch(self.shell, line, cell)
        except AicciError as error:
            raise AicciUsageError(error) from None


def _dispatch(shell: Any, line: str, cell: str | None) -> Any:
    word, _, rest = line.strip().partition(" ")
    if word in ("-h", "--help", "help") or (not word and not is_notebook(shell)):
        print(overview())
        return None
    if not word:
        return _form(shell)
    command = find_command(word, "magic")
    if {"-h", "--help"} & set(rest.split()):
        print(parser_of(command, "magic").format_help())
        return None
    if command.name == "train":
        if cell is None:
            raise UserError(
                "no_cell", "%aicci train runs a cell: the program stands below it in the same cell.",
                hint="Start the cell with %%aicci train; \"%aicci train --help\" lists the options.",
            )  # fmt: skip
        from jupyter_aicci.magics.train import train

        return train(shell, rest, cell)
    if cell is not None:
        raise UserError(
            "no_cell_magic", f"%%aicci {word} takes no cell body; %%aicci train does.", hint=f"Type %aicci {word}."
        )
    from jupyter_aicci.magics.lines import run_line

    return run_line(shell, command, _words(rest))


def _form(shell: Any) -> Any:
    """The launch form, displayed as the cell's value."""
    from jupyter_aicci.client import Client
    from jupyter_aicci.widgets.form import LaunchForm

    return LaunchForm(shell, Client(), overview())


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError("bad_option", f"%aicci: {error}.", hint="Quotes come in pairs.") from None


def overview() -> str:
    """The commands, one a line."""
    width = max(len(command.prog("magic")) for command in commands_of("magic"))
    lines = [f"  {command.prog('magic'):<{width}}  {command.help}" for command in commands_of("magic")]
    return "\n".join(["Distributed training from a cell:", *lines, "Each takes --help."])
