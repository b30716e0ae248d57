"""The one command table: `%aicci` sub-commands, CLI commands, their completion and docs are made from it.

Rule 1: a command exists here or nowhere; both faces read their arguments from the same row.
Rule 2: an unknown command is an error that names the nearest known one. What a command does is the face's business.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.options import OptionParser, add_options, parse_known

Face = Literal["magic", "cli"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One word or flag of a command."""

    name: str  # "RUN", "--rank"
    help: str
    kind: Literal["run", "int", "flag", "text", "choice"] = "text"
    many: Literal["", "?", "+", "..."] = ""  # how many words; "...": the rest of the line
    choices: tuple[str, ...] = ()
    default: int = 0  # of a flag with a number
    metavar: str = ""  # of a flag with a word
    words: int = 1  # that the flag takes; more than one come as a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row: `options` adds the option table before the arguments."""

    name: str
    help: str
    arguments: tuple[Argument, ...] = ()
    options: bool = False
    faces: tuple[Face, ...] = ("magic", "cli")

    def prog(self, face: Face) -> str:
        """How a person types it: `%aicci logs`, `%%aicci train`, `aicci logs`."""
        return {"magic": "%%aicci " if self.name == "train" else "%aicci ", "cli": "aicci "}[face] + self.name


RUN = Argument(name="RUN", kind="run", help="a run's id, its name, or the start of its id")

COMMANDS: tuple[Command, ...] = (
    Command(name="train", help="run the cell body on every rank", options=True, faces=("magic",)),
    Command(
        name="run", help="run a Python file on every rank", options=True, faces=("cli",),
        arguments=(
            Argument(name="FILE", help="the program, a Python file"),
            Argument(name="args", many="...", help="words that the program gets in sys.argv"),
        ),
    ),
    Command(name="forecast", help="when, where and at which price it would start; sends nothing", options=True),
    Command(name="ps", help="all runs, newest first"),
    Command(name="attach", help="watch a run again, until it ends", arguments=(RUN,)),
    Command(
        name="logs", help="what a rank printed",
        arguments=(
            RUN,
            Argument(name="--rank", kind="int", help="which rank; default 0"),
            Argument(name="--follow", kind="flag", help="go on until the run ends"),
        ),
    ),
    Command(name="describe", help="everything known about a run", arguments=(RUN,)),
    Command(name="stop", help="end a run: SIGTERM, and SIGKILL after its grace", arguments=(RUN,)),
    Command(
        name="cost", help="what a run cost and where the money went, or all of them",
        arguments=(
            Argument(name="RUN", kind="run", many="?", help="one run; default: all"),
            Argument(name="--by", kind="choice", choices=("user", "queue", "shape", "day"), help="add all runs up by this"),
            Argument(name="--focus", metavar="FILE", help="write all bills as FOCUS 1.2 (CSV)"),
        ),
    ),
    Command(
        name="prices", help="the catalogue of list prices, and price lists of your own", faces=("cli",),
        arguments=(
            Argument(name="ACTION", kind="choice", choices=("list", "import"), help="what to do"),
            Argument(name="FILE", many="?", help="import: a CSV with the columns of public catalogues; list: a word to look for"),
            Argument(name="--provider", metavar="NAME", help="whose prices they are; default: the file's name"),
        ),
    ),
    Command(
        name="compare", help="runs side by side, and what more nodes would bring",
        arguments=(
            Argument(name="RUN", kind="run", many="+", help="runs to compare; of one program for a speed-up"),
            Argument(name="--nodes", metavar="1,2,4", help="forecast the speed-up for these node counts"),
            Argument(name="--html", metavar="FILE", help="write a page with time against cost"),
        ),
    ),
    Command(
        name="timeline", help="a run in words or as a file; also a folder that was copied from elsewhere", faces=("cli",),
        arguments=(
            Argument(name="RUN", kind="run", help="a run's id or name, or the folder of a run"),
            Argument(name="--export", metavar="perfetto|csv|parquet|png|html|recorded FILE", words=2,
                     help="write a file of this format; csv and parquet are three: FILE.metrics, .phases, .costs"),
        ),
    ),
    Command(name="result", help="the values that a run returned with --pull", arguments=(RUN,), faces=("magic",)),
    Command(name="shapes", help="what a node can be, free places and prices"),
    Command(name="queues", help="where runs wait"),
    Command(name="data", help="data sets that runs used", faces=("magic",)),
    Command(
        name="replay", help="play a trace of jobs through the scheduler, in virtual time", faces=("cli",),
        arguments=(
            Argument(name="TRACE", help="a CSV file"),
            Argument(name="--format", kind="choice", choices=("muri", "philly", "openb", "csv"),
                     help="what its columns mean; default: csv"),
            Argument(name="--policy", metavar="P", help="a scheduling policy by name; default: the service's own"),
            Argument(name="--nodes", kind="int", default=8, help="hosts; default: 8"),
            Argument(name="--gpus", kind="int", default=8, help="accelerators of each host; default: 8"),
            Argument(name="--cluster", metavar="FILE", help="a topology file instead of --nodes; for openb its nodes"),
            Argument(name="--restart-costs", kind="choice", choices=("none", "muri"),
                     help="what a preempted job loses; default: none"),
            Argument(name="--placement", metavar="P", help="where a run goes; default: as the policy has it"),
            Argument(name="--seed", kind="int", help="of what is drawn for openb; default: 0"),
            Argument(name="--html", metavar="FILE", help="write a page with use and queues over time"),
        ),
    ),
    Command(
        name="service", help="the process that starts and keeps runs", faces=("cli",),
        arguments=(Argument(name="ACTION", kind="choice", choices=("start", "status", "stop"), help="what to do"),),
    ),
)  # fmt: skip


def commands_of(face: Face) -> tuple[Command, ...]:
    """The commands of one face, in the order of its help."""
    return tuple(command for command in COMMANDS if face in command.faces)


def find_command(word: str, face: Face) -> Command:
    """The command of that name. Raises `UserError` (`unknown_command`) with the nearest one."""
    known = {command.name: command for command in commands_of(face)}
    if word in known:
        return known[word]
    prefix = {"magic": "%aicci", "cli": "aicci"}[face]
    guess = did_you_mean(word, known)
    raise UserError(
        "unknown_command", f"unknown command {prefix} {word}" + (f": {guess}" if guess else "."),
        hint=f"Known are {', '.join(known)}.",
    )  # fmt: skip


def parser_of(command: Command, face: Face) -> OptionParser:
    """The parser of one command's words; it raises `UserError` and never leaves the process."""
    parser = OptionParser(prog=command.prog(face), description=command.help)
    if face == "cli":
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    if command.options:
        add_options(parser)
    for argument in command.arguments:
        _add(parser, argument)
    return parser


def parse_words(command: Command, face: Face, words: list[str]) -> argparse.Namespace:
    """The values of one command's words. Raises `UserError` for an unknown option or a missing word."""
    return parse_known(parser_of(command, face), words)


def _add(parser: OptionParser, argument: Argument) -> None:
    if argument.kind == "flag":
        parser.add_argument(argument.name, action="store_true", help=argument.help)
    elif argument.name.startswith("-") and argument.kind == "int":
        parser.add_argument(argument.name, type=_count, default=argument.default, metavar="N", help=argument.help)
    elif argument.words > 1:
        shown = tuple(argument.metavar.split())
        parser.add_argument(argument.name, nargs=argument.words, default=[], metavar=shown, help=argument.help)
    elif argument.name.startswith("-"):
        choices = argument.choices or None
        parser.add_argument(
            argument.name, default="", choices=choices, metavar=argument.metavar or None, help=argument.help
        )
    elif argument.many == "...":
        parser.add_argument(argument.name, nargs=argparse.REMAINDER, help=argument.help)
    else:
        parser.add_argument(
            argument.name, nargs=argument.many or None, choices=argument.choices or None, help=argument.help
        )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more")
    return number
