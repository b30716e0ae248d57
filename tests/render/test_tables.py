"""Tables align in terminals and are safe in notebooks."""

from __future__ import annotations

from jupyter_aicci.render.tables import Table


def a_table(*rows: tuple[str, str]) -> Table:
    return Table(columns=("run", "cost"), right=("cost",), rows=rows, empty="No run yet.")


def test_text_is_aligned_by_what_a_terminal_shows() -> None:
    """Numbers to the right; a Chinese character takes two columns; no blanks at line ends."""
    table = a_table(("r1", "$1.00"), ("训练", "free"), ("long-name", "$10.00"))
    assert table.to_text().split("\n") == [
        "RUN          COST",
        "r1          $1.00",
        "训练         free",
        "long-name  $10.00",
    ]


def test_html_escapes_every_text() -> None:
    """A run's name is the person's text."""
    html = a_table(("<script>", "&")).to_html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<tr>") == 2


def test_empty_table_says_what_to_do_next() -> None:
    """Instead of a bare head."""
    assert a_table().to_text() == "No run yet."
    assert a_table()._repr_mimebundle_() == {"text/plain": "No run yet.", "text/html": "<p>No run yet.</p>"}
