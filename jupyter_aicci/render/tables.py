"""One table type with two faces: aligned text for terminals, HTML for notebooks.

Rule: cells are finished texts; a table that is empty says what to do next instead of showing a bare head.
"""

from __future__ import annotations

import html
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of texts under headings."""

    columns: tuple[str, ...]
    right: tuple[str, ...] = ()  # columns of numbers, which stand to the right
    rows: tuple[tuple[str, ...], ...]
    named: bool = False  # the headings are names and ids, which stay as they are written
    empty: str  # shown instead of the table when there is no row

    def to_text(self) -> str:
        """Aligned lines without trailing blanks."""
        if not self.rows:
            return self.empty
        lines = [self.columns if self.named else tuple(column.upper() for column in self.columns), *self.rows]
        widths = [max(_width(line[index]) for line in lines) for index in range(len(self.columns))]
        return "\n".join(self._line(line, widths) for line in lines)

    def _line(self, cells: tuple[str, ...], widths: list[int]) -> str:
        padded = []
        for cell, width, column in zip(cells, widths, self.columns, strict=True):
            blanks = " " * (width - _width(cell))
            padded.append(blanks + cell if column in self.right else cell + blanks)
        return "  ".join(padded).rstrip()

    def to_html(self) -> str:
        """A plain table that Jupyter's own style sheet dresses; every text is escaped."""
        if not self.rows:
            return f"<p>{html.escape(self.empty)}</p>"
        style = [
            ' style="text-align:right"' if column in self.right else ' style="text-align:left"'
            for column in self.columns
        ]
        head = "".join(f"<th{css}>{html.escape(c)}</th>" for c, css in zip(self.columns, style, strict=True))
        body = "".join(
            "<tr>"
            + "".join(f"<td{css}>{html.escape(cell)}</td>" for cell, css in zip(row, style, strict=True))
            + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """IPython's display protocol: rich in a notebook, plain elsewhere."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}


def _width(text: str) -> int:
    """Columns of a terminal: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
