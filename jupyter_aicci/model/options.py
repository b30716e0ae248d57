"""The one option table: magic flags, CLI flags, completion, launch form, REST fields and docs are made from it.

Rule 1: an option exists here or nowhere; a test compares every face with this table.
Rule 2: defaults work on a laptop. An unknown option is an error that names the nearest known one.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NoReturn

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.text import parse_duration_s, parse_names

Kind = Literal["text", "names", "int", "money", "duration", "flag", "choice", "pairs"]
Section = Literal["main", "more", "client"]
Given = Mapping[str, str | Sequence[str]]  # what was typed, by field; options that repeat are lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One row of the table; `kind` says how its text is read, `field` is its key in RunSpec JSON."""

    flag: str
    kind: Kind
    help: str
    default: Any = None
    metavar: str = ""
    choices: tuple[str, ...] = ()
    short: str = ""
    section: Section = (
        "more"  # of a form: asked first, on request, or (client) not part of the run: how the caller waits
    )

    @property
    def field(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def face(self) -> Literal["spec", "client"]:
        return "client" if self.section == "client" else "spec"

    @property
    def repeats(self) -> bool:
        """Whether it may be given more than once."""
        return self.kind == "pairs" or self.flag == "--secret"


OPTIONS: tuple[Option, ...] = (
    Option(flag="--shape", kind="names", section="main", default=("auto",), metavar="NAME[,NAME…]",
           help="what each node gets; several: any of them; auto: the smallest that fits"),
    Option(flag="--nodes", kind="int", section="main", default=1, metavar="N", help="nodes in the gang"),
    Option(flag="--min-nodes", kind="int", default=0, metavar="M", help="fewest nodes an elastic gang may start with"),
    Option(flag="--ranks-per-node", kind="int", default=0, metavar="R",
           help="processes on each node; default: one per accelerator, else 1"),
    Option(flag="--data", kind="pairs", section="main", default=(), metavar="NAME=URI[:mode]",
           help="local path that the ranks see; repeatable; mode: mount (copy, cached, stream: not available yet)"),
    Option(flag="--queue", kind="text", section="main", default="default", metavar="Q", help="where the run waits"),
    Option(flag="--priority", kind="int", default=0, metavar="P", help="higher goes first within the queue"),
    Option(flag="--time-limit", kind="duration", default=0.0, metavar="2h", help="stop after this long running"),
    Option(flag="--budget", kind="money", section="main", default=0, metavar="20",
           help="stop when the run has cost this much, in the price book's currency"),
    Option(flag="--stop-if", kind="text", default="", metavar="'EXPR for 15m'",
           help="stop when this is true (for so long): waste > 0.5 for 15m, loss > 10, cost / steps > 0.01"),
    Option(flag="--deadline", kind="text", section="main", default="", metavar="18:00",
           help="stop at this time of day or ISO date"),
    Option(flag="--retries", kind="int", default=3, metavar="N", help="restarts after infrastructure faults only"),
    Option(flag="--grace", kind="duration", default=10.0, metavar="30s", help="time between SIGTERM and SIGKILL"),
    Option(flag="--engine", kind="choice", default="local", choices=("local", "kubernetes"),
           help="what executes it; kubernetes is not available yet"),
    Option(flag="--image", kind="text", default="", metavar="IMG", help="container image; not available yet"),
    Option(flag="--isolation", kind="choice", default="runc", choices=("runc", "kata"),
           help="how a node is fenced off; kata is not available yet"),
    Option(flag="--topology", kind="text", default="soft", metavar="soft|hard:LEVEL",
           help="hard:LEVEL: all nodes under one domain of that level (hard:leaf); soft: wherever the gang is quickest"),
    Option(flag="--launcher", kind="text", default="", metavar="CMD",
           help="start this command once per node (torchrun, mpirun, deepspeed) instead of the ranks"),
    Option(flag="--push", kind="names", default=(), metavar="a,b", help="notebook values that the ranks get"),
    Option(flag="--pull", kind="names", default=(), metavar="c,d", help="rank 0's values bound in the notebook"),
    Option(flag="--workdir", kind="text", default="", metavar="DIR", help="directory whose snapshot the ranks run in"),
    Option(flag="--env", kind="pairs", default=(), metavar="K=V", help="environment variable; repeatable"),
    Option(flag="--secret", kind="names", default=(), metavar="NAME",
           help="variable taken from the caller's environment, never stored in the journal; repeatable"),
    Option(flag="--name", kind="text", section="main", default="", metavar="N", help="a name to call the run by"),
    Option(flag="--out", short="-o", kind="text", default="", metavar="NAME", section="client",
           help="variable that gets the Run object"),
    Option(flag="--detach", kind="flag", default=False, section="client", help="do not wait for the end"),
    Option(flag="--dry-run", kind="flag", default=False, section="client",
           help="print spec, price, start forecast and placement; send nothing"),
    Option(flag="--probe", kind="flag", default=False, section="client",
           help="first run the program for a few steps on 1, 2 and 4 ranks and on 2 and 4 nodes, to forecast its speed-up"),
    Option(flag="--on-stop", kind="choice", default="detach", choices=("detach", "cancel"), section="client",
           help="what the first press of Stop does"),
)  # fmt: skip

BY_FIELD = {option.field: option for option in OPTIONS}
MICRO = 1_000_000
MOST_S = 1e10  # three centuries; what has more digits is no duration, and JSON has no infinity


class OptionParser(argparse.ArgumentParser):
    """argparse that raises `UserError` instead of leaving the process, and knows the nearest option."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "add_help": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        raise UserError("bad_option", f"{self.prog}: {message}. Nothing was submitted.", hint=_help_hint(self.prog))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add every row of the table to an argparse parser; values stay text, `parse_values` reads them."""
    for option in OPTIONS:
        names = [name for name in (option.short, option.flag) if name]
        if option.kind == "flag":
            parser.add_argument(*names, dest=option.field, action="store_const", const="true", help=option.help)
        else:
            parser.add_argument(
                *names, dest=option.field, metavar=option.metavar or "{" + ",".join(option.choices) + "}",
                action="append" if option.repeats else "store", help=option.help,
            )  # fmt: skip


def parse_known(parser: OptionParser, words: list[str]) -> argparse.Namespace:
    """`parser.parse_args`, but an unknown option names its nearest neighbour."""
    namespace, rest = parser.parse_known_args(words)
    for word in rest:
        flag = word.split("=", 1)[0]
        guess = did_you_mean(flag, parser._option_string_actions) if flag.startswith("-") else ""
        what = "unknown option" if flag.startswith("-") else "unexpected word"
        raise UserError(
            "unknown_option",
            f"{what} {flag} for {parser.prog}" + (f": {guess}" if guess else ".") + " Nothing was submitted.",
            hint=_help_hint(parser.prog), field=flag,
        )  # fmt: skip
    return namespace


def parse_values(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(values by field with defaults filled in, defects) from texts or JSON values by field."""
    values: dict[str, Any] = {option.field: option.default for option in OPTIONS}
    defects = []
    for field, raw in given.items():
        if field not in BY_FIELD:
            guess = did_you_mean(field, BY_FIELD)
            defects.append(f"unknown field {field}" + (f": {guess}" if guess else ""))
        elif raw is not None:
            try:
                values[field] = _read(BY_FIELD[field], raw)
            except (ValueError, TypeError) as error:
                defects.append(f"{BY_FIELD[field].flag} {raw!r}: {error}")
    return values, defects


def default_text(option: Option) -> str:
    """The default as a person would type it; "" for none, and for a flag that is off."""
    if not option.default:
        return ""
    if option.kind == "duration":
        return f"{option.default:g}s"
    return ",".join(option.default) if isinstance(option.default, tuple) else str(option.default)


def words_of(given: Given) -> list[str]:
    """The words of a magic or command line that say what was typed; what is blank is left out. The parsers read them back.

    Raises `UserError` for an unknown field, and for a value of more than one line.
    """
    for field in given:
        if field not in BY_FIELD:
            guess = did_you_mean(field, BY_FIELD)
            raise UserError("unknown_option", f"unknown field {field}" + (f": {guess}" if guess else "."), field=field)
    return [word for option in OPTIONS if option.field in given for word in _words(option, given[option.field])]


def magic_line(given: Given) -> str:
    """The first line of a cell that would launch it: `%%aicci train --nodes 2`."""
    return " ".join(["%%aicci train", shlex.join(words_of(given))]).rstrip()


def _words(option: Option, typed: str | Sequence[str]) -> list[str]:
    texts = [text for text in ([typed] if isinstance(typed, str) else typed) if text.strip()]
    if any(len(text.splitlines()) > 1 for text in texts):
        raise UserError("bad_option", f"{option.flag}: expected one line of text.", field=option.field)
    if option.kind == "flag":
        return [option.flag] if texts == ["true"] else []
    if not option.repeats:
        texts = [",".join(texts)] if texts else []
    pairs = ([f"{option.flag}={text}"] if text.startswith("-") else [option.flag, text] for text in texts)
    return [word for pair in pairs for word in pair]


def _read(option: Option, raw: Any) -> Any:
    match option.kind:
        case "flag":
            return raw is True or raw == "true"
        case "int":
            return _read_int(raw)
        case "money":
            return _read_money(raw) if isinstance(raw, str) else _read_int(raw)
        case "duration":
            return _read_duration_s(raw)
        case "names":
            return _flatten_names(raw)
        case "pairs":
            return tuple(str(item) for item in (raw if isinstance(raw, (list, tuple)) else [raw]))
        case "choice":
            if raw not in option.choices:
                guess = did_you_mean(str(raw), option.choices)
                raise ValueError(f"expected one of {', '.join(option.choices)}" + (f"; {guess}" if guess else ""))
    return str(raw)


def _flatten_names(raw: Any) -> tuple[str, ...]:
    parts = raw if isinstance(raw, (list, tuple)) else [raw]
    return tuple(name for part in parts for name in parse_names(str(part)))


def _read_int(raw: Any) -> int:
    if isinstance(raw, bool) or not re.fullmatch(r"\d+", str(raw).strip()):
        raise ValueError("expected a whole number, 0 or more")
    return int(raw)


def _read_money(raw: str) -> int:
    """Micro-units of a typed amount; JSON carries micro-units themselves."""
    if not re.fullmatch(r"\d+(\.\d{1,6})?", raw.strip()):
        raise ValueError("expected an amount such as 20 or 0.50")
    return int(Decimal(raw.strip()) * MICRO)


def _read_duration_s(raw: Any) -> float:
    seconds = parse_duration_s(raw) if isinstance(raw, str) else raw
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= MOST_S:
        raise ValueError("expected a duration such as 30s, 90m or 1h30m")
    return float(seconds)


def _help_hint(prog: str) -> str:
    """The command that lists the options, as the person would type it (a cell magic's help is the line magic)."""
    return f'"{prog.removeprefix("%")} --help" lists the options.'
