"""`aicci` and `jupyter aicci`: what the magics say, in a terminal.

Exit status: 0 done, 1 the run or check failed, 2 unusable arguments, 3 service unreachable.
Rule 1: with `--json` standard output is exactly one JSON document, also for an error; progress goes to standard error.
Rule 2: `aicci --help` imports only the command table; client and timeline are imported by the command that needs them.
"""

from __future__ import annotations

import json
import os
import sys

from jupyter_aicci.model.commands import Command, commands_of, find_command, parse_words, parser_of
from jupyter_aicci.model.errors import AicciError, HostError, UserError

DONE, FAILED, UNUSABLE, UNREACHABLE = 0, 1, 2, 3


def main(argv: list[str] | None = None) -> int:
    """Carry out one command line; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except AicciError as error:
        if "--json" in words:
            print(json.dumps(error.to_json()))
        print(f"aicci: {error}", file=sys.stderr)
        return status_of(error)
    except BrokenPipeError:  # the reader of our output, `head`, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return FAILED


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE if words else UNUSABLE
    if words[0] == "--version":
        from jupyter_aicci import __version__

        print(f"aicci {__version__}")
        return DONE
    command = find_command(words[0], "cli")
    if _asks_for_help(command, words[1:]):
        print(parser_of(command, "cli").format_help())
        return DONE
    given = parse_words(command, "cli", words[1:])
    from jupyter_aicci.cli.commands import HANDLERS

    return HANDLERS[command.name](given)


def _asks_for_help(command: Command, words: list[str]) -> bool:
    """`--help` among our words; behind FILE it is the program's."""
    ours = words[: next((i for i, word in enumerate(words) if word.endswith(".py")), len(words))]
    return bool({"-h", "--help"} & set(ours if command.name == "run" else words))


def status_of(error: AicciError) -> int:
    """The exit status that an error stands for."""
    if isinstance(error, UserError):
        return UNUSABLE
    unreachable = isinstance(error, HostError) and error.code.startswith("service_")
    return UNREACHABLE if unreachable else FAILED


def overview() -> str:
    """The commands, one a line."""
    lines = [f"  {command.name:<9}  {command.help}" for command in commands_of("cli")]
    return "\n".join(["usage: aicci COMMAND [--json] …", "", *lines, "", "Each takes --help."])
