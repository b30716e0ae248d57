"""The option table, and option texts written back as the words that a person would have typed."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.commands import find_command, parse_words
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import BY_FIELD, OPTIONS, Given, default_text, magic_line, parse_values, words_of
from jupyter_aicci.model.spec import parse_spec

LINES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(str.strip)


def texts() -> st.SearchStrategy[dict[str, str | list[str]]]:
    """Anything that can be typed into a form, by field."""
    by_field = {
        option.field: st.just("true")
        if option.kind == "flag"
        else st.lists(LINES, min_size=1)
        if option.repeats
        else LINES
        for option in OPTIONS
    }
    return st.fixed_dictionaries({}, optional=by_field)


@given(texts())
def test_words_of_a_form_are_read_back_as_they_were_typed(typed: Given) -> None:
    """Quotes, dashes, backslashes and blanks included."""
    line = magic_line(typed)
    words = shlex.split(line.removeprefix("%%aicci train"))
    namespace = parse_words(find_command("train", "magic"), "magic", words)

    assert words == words_of(typed)
    assert {field: value for field, value in vars(namespace).items() if value is not None} == typed


def test_a_magic_line_reads_as_a_person_would_type_it() -> None:
    typed: Given = {
        "nodes": "2",
        "shape": ["a", "b"],
        "name": "it's",
        "data": ["a=/x y", "b=/z"],
        "detach": "true",
        "queue": " ",
    }

    assert (
        magic_line(typed)
        == "%%aicci train --shape a,b --nodes 2 --data 'a=/x y' --data b=/z --name 'it'\"'\"'s' --detach"
    )
    assert magic_line({}) == "%%aicci train"


def test_a_value_of_two_lines_would_be_a_line_of_the_program() -> None:
    with pytest.raises(UserError, match="--name: expected one line of text"):
        magic_line({"name": "a\nimport os"})


def test_an_unknown_field_is_no_word() -> None:
    with pytest.raises(UserError, match=r"unknown field shap.*shape"):
        words_of({"shap": "a"})


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_typing_the_default_changes_nothing(option: object) -> None:
    """What a form shows as the default is the default."""
    typed = {row.field: default_text(row) for row in OPTIONS if row is option and default_text(row)}
    values, defects = parse_values(dict(typed))

    assert defects == []
    assert values == {row.field: row.default for row in OPTIONS}


def test_options_of_the_caller_are_no_part_of_a_run() -> None:
    """A section says where a form shows a row; `client` is what parse_spec refuses to hear of."""
    spec = parse_spec({})

    assert [row.field for row in OPTIONS if row.face == "client"] == ["out", "detach", "dry_run", "probe", "on_stop"]
    assert all(hasattr(spec, row.field) == (row.section != "client") for row in OPTIONS)
    assert BY_FIELD["secret"].repeats
    assert not BY_FIELD["shape"].repeats
