"""A CSV text becomes exact columns, or one error that lists what is wrong with it."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.traces.table import MOST_DEFECTS, Table, ns_of, read_table


def refused(text: str, needs: tuple[str, ...] = ("id", "n")) -> str:
    """What the error says about this text, read as ids and numbers."""

    def read() -> None:
        table = read_table(text, "t.csv", needs=needs)
        table.unique("id")
        table.whole("n", least=1, most=9)
        table.check()

    with pytest.raises(UserError) as caught:
        read()
    assert (caught.value.code, caught.value.field) == ("bad_trace", "TRACE")
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no rows, expected a header row and a row for each job"),
        ("id,n\n", "no rows, expected a header row and a row for each job"),
        ("id,nn\na,1\n", "row 1: column n is missing (did you mean nn?)"),
        ("id,n,n\na,1,2\n", "row 1: column n stands there 2 times"),
        ("id,n\na,1\nb\n", "row 3: 1 cells, expected 2 as in the header"),
        ("id,n\na,x\n", "row 2, n: 'x', expected a number"),
        ("id,n\na,\n", "row 2, n: '', expected a number"),
        ("id,n\na,nan\n", "row 2, n: 'nan', expected 1 to 9"),
        ("id,n\na,inf\n", "row 2, n: 'inf', expected 1 to 9"),
        ("id,n\na,-1\n", "row 2, n: '-1', expected 1 to 9"),
        ("id,n\na,10\n", "row 2, n: '10', expected 1 to 9"),
        ("id,n\na,1.5\n", "row 2, n: '1.5', expected a whole number"),
        ("id,n\na,1\n\na,2\n", "row 4, id: 'a' is taken by row 2, expected unique ids"),
    ],
)
def test_a_defect_is_told_with_file_row_and_field(text: str, says: str) -> None:
    """One sentence for each, and nothing is loaded."""
    assert refused(text) == f"t.csv: {says}. Nothing was loaded."


def test_all_defects_are_told_in_order_of_rows() -> None:
    """A person corrects a file once."""
    assert refused("id,n\na,0\na,x\nb,3.5\n") == (
        "t.csv: row 2, n: '0', expected 1 to 9; t.csv: row 3, id: 'a' is taken by row 2, expected unique ids; "
        "t.csv: row 3, n: 'x', expected a number; t.csv: row 4, n: '3.5', expected a whole number. Nothing was loaded."
    )


def test_of_many_defects_twenty_are_told_and_the_rest_counted() -> None:
    """A file of the wrong kind does not fill the screen."""
    message = refused("id,n\n" + "".join(f"j{i},bad\n" for i in range(50)))

    assert message.count("'bad', expected a number") == MOST_DEFECTS
    assert message.endswith("; and 30 more. Nothing was loaded.")


def test_rows_are_counted_as_an_editor_counts_lines() -> None:
    """Blank lines and a line break within quotes count."""
    assert refused('id,n\n\n"a\nb",1\nc,x\n') == "t.csv: row 5, n: 'x', expected a number. Nothing was loaded."


def test_a_blank_cell_is_what_the_caller_says_it_is() -> None:
    """A limit that is not given is none."""
    table = read_table("id,n\na,\nb,2\n", "t.csv", needs=("id", "n"))

    assert table.whole("n", blank="0").tolist() == [0, 2]
    assert table.defects == []


def test_a_byte_order_mark_is_not_part_of_a_name() -> None:
    """Spreadsheets write one."""
    assert "id" in read_table("\ufeffid,n\na,1\n", "t.csv", needs=("id", "n"))


def test_moments_are_seconds_since_1970_and_a_wrong_one_is_told() -> None:
    """Dates with and without a T; the rest of the column is not lost with one bad cell."""
    table = read_table("t\n1970-01-02 00:00:01\n1970-01-01T00:00:02.5\nyesterday\n", "t.csv", needs=("t",))

    assert table.moments_s("t").tolist() == [86_401.0, 2.5, 0.0]
    assert table.defects == [(4, "t: 'yesterday', expected a date and time such as 2017-10-09 07:01:55")]


def test_rows_that_stand_behind_a_later_one_are_told() -> None:
    """Equal moments are in order."""
    table = read_table("t\n1\n1\n3\n2\n", "t.csv", needs=("t",))
    table.ordered(table.numbers("t"), "t")

    assert table.defects == [(5, "t: '2' is earlier than '3' above it, expected rows by time")]


@given(st.integers(0, 3_155_760_000), st.integers(0, 999_999))
def test_seconds_become_exact_nanoseconds(whole: int, micro: int) -> None:
    """To the microsecond over a century, though a float of that size has no nanoseconds."""
    ns = ns_of(np.array([float(f"{whole}.{micro:06}")]))[0]

    assert abs(ns - (whole * 10**9 + micro * 1000)) <= (0 if not micro else 500)


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_an_error(text: str) -> None:
    """No other exception, whatever the file."""
    table: Table | None = None
    with contextlib.suppress(UserError):
        table = read_table(text, "t.csv", needs=("id",), may=("n",))

    assert table is None or len(table) == len(table.columns["id"]) > 0


@given(st.lists(st.text(alphabet="ab", min_size=1), min_size=1, max_size=20))
def test_ids_are_told_exactly_when_they_stand_twice(ids: list[str]) -> None:
    """Once for each row that repeats an earlier one."""
    table = read_table("id\n" + "\n".join(ids) + "\n", "t.csv", needs=("id",))
    table.unique("id")

    assert len(table.defects) == len(ids) - len(set(ids))
