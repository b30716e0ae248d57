"""What every page of docs/reference is made of: a notice, a title, tables.

Rule: a page is equal text for equal parts; nothing of this machine or this moment is in it.
"""

from __future__ import annotations

from collections.abc import Iterable

NOTICE = "<!-- Written by ./tools/dev docs from {source}; change that, not this page. -->"


def page(title: str, source: str, *parts: str) -> str:
    """A generated page: notice, title, parts, one blank line between them."""
    return "\n\n".join([NOTICE.format(source=source), f"# {title}", *(part.strip("\n") for part in parts)]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a `|` within a cell is escaped."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(value: object) -> str:
    return f"`{value}`" if value not in ("", None) else ""
