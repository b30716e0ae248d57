"""The names that scripts and notebooks depend on exist in both faces, spelled as they were promised."""

from __future__ import annotations

import pytest

from jupyter_aicci.model.commands import commands_of, parse_words, parser_of
from jupyter_aicci.model.options import parse_values
from jupyter_aicci.model.spec import parse_spec

OPTIONS = """--shape cpux1,cpux2 --nodes 2 --min-nodes 1 --ranks-per-node 1 --data a=/tmp --data b=file:///tmp:mount --queue default
--priority 1 --time-limit 2h --budget 20 --deadline 18:00 --retries 2 --grace 30s --engine local --image IMG --isolation runc
--topology soft --launcher torchrun --push a,b --pull c,d --workdir . --env K=V --secret NAME --name N -o x --detach --dry-run
--on-stop cancel"""
MAGICS = (
    "train",
    "shapes",
    "queues",
    "ps",
    "data",
    "attach",
    "logs",
    "describe",
    "stop",
    "cost",
    "compare",
    "result",
    "forecast",
)
CLI = (
    "run",
    "ps",
    "logs",
    "attach",
    "describe",
    "stop",
    "cost",
    "prices",
    "compare",
    "shapes",
    "queues",
    "forecast",
    "replay",
    "service",
    "timeline",
)


def test_commands_are_the_promised_ones() -> None:
    """No more, no fewer, in both faces."""
    assert {command.name for command in commands_of("magic")} == set(MAGICS)
    assert {command.name for command in commands_of("cli")} == set(CLI)


@pytest.mark.parametrize(
    ("face", "name"), [("magic", "train"), ("magic", "forecast"), ("cli", "run"), ("cli", "forecast")]
)
def test_every_promised_option_is_understood(face: str, name: str) -> None:
    """One line with all of them parses, and its values arrive in the spec."""
    command = next(command for command in commands_of(face) if command.name == name)  # type: ignore[arg-type]
    words = OPTIONS.split() + (["t.py", "--nodes", "3"] if name == "run" else [])
    given = {key: value for key, value in vars(parse_words(command, face, words)).items() if value is not None}  # type: ignore[arg-type]
    client = {"out", "detach", "dry_run", "on_stop"}
    assert given.pop("image") == "IMG"  # understood, and refused by name: tests/model/test_spec.py
    spec = parse_spec({key: value for key, value in given.items() if key not in {*client, "FILE", "args", "json"}})
    assert (spec.shape, spec.nodes, spec.budget, spec.time_limit, spec.grace) == (
        ("cpux1", "cpux2"),
        2,
        20_000_000,
        7200,
        30,
    )
    assert (spec.data, spec.push, spec.pull) == (("a=/tmp", "b=file:///tmp:mount"), ("a", "b"), ("c", "d"))
    caller, defects = parse_values({key: given[key] for key in client})
    assert defects == []
    assert [caller[key] for key in sorted(client)] == [True, True, "cancel", "x"]


@pytest.mark.parametrize("name", CLI)
def test_every_command_of_the_terminal_takes_json(name: str) -> None:
    """One JSON document, on request."""
    command = next(command for command in commands_of("cli") if command.name == name)
    assert "--json" in parser_of(command, "cli").format_help()
