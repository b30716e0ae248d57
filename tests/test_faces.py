"""No option exists in one face only: magic, command line, launch form, page, REST and docs are compared with the one table."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_aicci.extension.launches import option_row
from jupyter_aicci.model.commands import Face, find_command, parser_of
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.options import OPTIONS
from jupyter_aicci.model.spec import PROGRAM_FIELDS, RunSpec, parse_spec
from jupyter_aicci.widgets.form import LaunchForm

FIELDS = {option.field for option in OPTIONS}
FLAGS = {option.flag for option in OPTIONS}
NAMES = FLAGS | {option.short for option in OPTIONS if option.short}


class Nobody:
    """A service that has nothing to choose from."""

    def shapes(self) -> list[Any]:
        return []

    queues = data = shapes

    def forecasts(self, spec: RunSpec) -> dict[str, Any]:
        raise HostError("service_unreachable", "nobody is there")


def a_form() -> LaunchForm:
    shell: Any = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))
    nobody: Any = Nobody()
    return LaunchForm(shell, nobody, "the commands")


@pytest.mark.parametrize(
    ("face", "name"), [("magic", "train"), ("magic", "forecast"), ("cli", "run"), ("cli", "forecast")]
)
def test_magics_and_command_line_have_the_table(face: Face, name: str) -> None:
    command = find_command(name, face)
    typed = {word for action in parser_of(command, face)._actions for word in action.option_strings}

    assert typed - {"--json"} == NAMES | {
        argument.name for argument in command.arguments if argument.name.startswith("-")
    }


def test_the_form_has_the_table() -> None:
    """Each option has a field of its own in the section that its row names."""
    form = a_form()

    assert set(form._fields) == FIELDS
    assert form.typed.given == {}, "what was not typed is not said"
    assert form.magic == "%%aicci train"
    assert form._repr_mimebundle_()["text/plain"] == "the commands"


def test_the_page_is_told_the_table() -> None:
    """What the side panel's form is made from: every row, with what a form needs to know of it."""
    rows = [option_row(option) for option in OPTIONS]

    assert [(row["flag"], row["field"], row["kind"], row["section"], row["help"]) for row in rows] == [
        (option.flag, option.field, option.kind, option.section, option.help) for option in OPTIONS
    ]


def test_a_run_has_the_options_that_are_part_of_it() -> None:
    """REST: the keys of a spec are those of the table and of the program."""
    spec = parse_spec({}).to_json()

    assert set(spec) - set(PROGRAM_FIELDS) == {option.field for option in OPTIONS if option.face == "spec"}


def test_the_reference_has_the_table(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "options.md").read_text("utf-8")
    rows = [line for line in page.partition("## ")[0].splitlines() if line.startswith("| `-")]

    assert {name for row in rows for name in re.findall(r"`(--?[a-z-]+)`", row.split("|")[1])} == NAMES
