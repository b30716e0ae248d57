"""A CSV text as columns of numbers, or one error that lists what is wrong with it.

In: the text, the columns that must and may be there, and a name for the text that a person knows it by.
Out: a `Table` whose methods give one column each and note each cell that is no such number; `check` raises them all.
Rows are counted as an editor counts lines: the header is row 1.
Rule: nothing half loaded. A column with defects has zeros in their places, and `check` comes before anybody uses it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.model.errors import UserError, did_you_mean

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_DEFECTS = 20
MOST_WHOLE = 2**53  # whole numbers above it are not exact as floats
NS = 1_000_000_000
MOST_S = 3_155_760_000.0  # a century; in nanoseconds it still fits 64 bits, also added to another


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns of texts, all of one length, in the order of the file."""

    source: str
    rows: Ints  # where each stands in the file
    columns: dict[str, tuple[str, ...]]
    defects: list[tuple[int, str]] = field(default_factory=list)  # (row, what is wrong)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def numbers(self, name: str, *, least: float = 0.0, most: float = MOST_S, blank: str = "") -> Floats:
        """A column of finite numbers within bounds; `blank` is what an empty cell means."""
        values, unread = _floats([text or blank for text in self.columns[name]])
        self.note(unread, name, "expected a number")
        wrong = ~unread & ~((values >= least) & (values <= most))  # a nan is neither
        self.note(wrong, name, f"expected {_plain(least)} to {_plain(most)}")
        return np.where(unread | wrong, 0.0, values)

    def whole(self, name: str, *, least: int = 0, most: int = MOST_WHOLE, blank: str = "") -> Ints:
        """A column of whole numbers within bounds."""
        values = self.numbers(name, least=least, most=most, blank=blank)
        parts = values != np.floor(values)
        self.note(parts, name, "expected a whole number")
        return np.where(parts, 0, values).astype(np.int64)

    def moments_s(self, name: str) -> Floats:
        """A column of dates and times of day, in seconds since 1970."""
        texts = self.columns[name]
        try:
            values = np.array(texts, dtype="datetime64[us]")
        except ValueError:
            values = np.array([_moment(text) for text in texts], dtype="datetime64[us]")
        unread = np.isnat(values)
        self.note(unread, name, "expected a date and time such as 2017-10-09 07:01:55")
        return np.where(unread, 0, values.astype(np.int64)) / 1e6

    def note(self, wrong: Flags, name: str, expected: str) -> None:
        """Note a defect for each cell of a column that is marked."""
        texts = self.columns[name]
        self.defects.extend((self.rows[i], f"{name}: {texts[i]!r}, {expected}") for i in np.flatnonzero(wrong))

    def ordered(self, values: Floats | Ints, name: str) -> None:
        """Note each row that stands behind a later one."""
        before = np.flatnonzero(np.diff(values) < 0) + 1
        texts = self.columns[name]
        self.defects.extend(
            (self.rows[i], f"{name}: {texts[i]!r} is earlier than {texts[i - 1]!r} above it, expected rows by time")
            for i in before
        )

    def unique(self, name: str) -> None:
        """Note each row whose text stands in an earlier row."""
        first: dict[str, int] = {}
        for row, text in zip(self.rows.tolist(), self.columns[name], strict=True):
            if first.setdefault(text, row) != row:
                self.defects.append((row, f"{name}: {text!r} is taken by row {first[text]}, expected unique ids"))

    def check(self) -> None:
        """Raise what was noted, if anything was."""
        if self.defects:
            in_order = sorted(self.defects, key=lambda defect: defect[0])
            raise bad_trace(self.source, [f"row {row}, {what}" for row, what in in_order])


def read_table(text: str, source: str, *, needs: Sequence[str], may: Sequence[str] = ()) -> Table:
    """The table in a CSV text with a header row. Raises `UserError` (bad_trace) for missing columns or no rows."""
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        header = [name.strip() for name in next(lines, [])]
        rows = [(lines.line_num, row) for row in lines if row]
    except csv.Error as error:
        raise bad_trace(source, [f"row {lines.line_num}: {error}"]) from None
    defects = list(_header_defects(header, needs, may))
    if not header or not rows:
        defects.append("no rows, expected a header row and a row for each job")
    if defects:
        raise bad_trace(source, defects, hint=f"Its columns must be {', '.join(needs)}.")
    defects = [
        f"row {number}: {len(row)} cells, expected {len(header)} as in the header"
        for number, row in rows
        if len(row) != len(header)
    ]
    if defects:
        raise bad_trace(source, defects)
    columns = dict(zip(header, zip(*(row for _, row in rows), strict=True), strict=True))
    return Table(source=source, rows=np.array([number for number, _ in rows]), columns=columns)


def bad_trace(source: str, defects: Sequence[str], *, hint: str = "") -> UserError:
    """The error for a file with these defects, the first twenty in words."""
    more = len(defects) - MOST_DEFECTS
    listed = [f"{source}: {defect}" for defect in defects[:MOST_DEFECTS]]
    listed += [f"and {more} more"] if more > 0 else []
    return UserError("bad_trace", "; ".join(listed) + ". Nothing was loaded.", hint=hint, field="TRACE")


def _header_defects(header: Sequence[str], needs: Sequence[str], may: Sequence[str]) -> Iterable[str]:
    for name in needs:
        if header and name not in header:
            others = [other for other in header if other not in (*needs, *may)]
            guess = did_you_mean(name, others)
            yield f"row 1: column {name} is missing" + (f" ({guess})" if guess else "")
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            yield f"row 1: column {name} stands there {header.count(name)} times"


def _floats(texts: Sequence[str]) -> tuple[Floats, Flags]:
    """(values, which texts are no numbers)"""
    try:
        return np.array(texts, dtype=np.float64), np.zeros(len(texts), dtype=bool)
    except ValueError:
        values = [_float(text) for text in texts]
        unread = np.array([value is None for value in values])
        return np.array([value or 0.0 for value in values]), unread


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "us")
    except ValueError:
        return np.datetime64("NaT", "us")


def _plain(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:g}"


def ns_of(seconds: Floats) -> Ints:
    """Nanoseconds; exact where the seconds are whole or have few digits behind the point."""
    whole = np.floor(seconds)
    return whole.astype(np.int64) * NS + np.rint((seconds - whole) * NS).astype(np.int64)
