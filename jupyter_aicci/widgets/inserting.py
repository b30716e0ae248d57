"""Asking the page for a new cell that begins with a magic line.

A kernel cannot add a cell between two executions: `set_next_input` travels with the answer to the next one. So a comm is opened
to the page (`FORM_TARGET` in labextension/src/tokens.ts), which inserts the cell and says so; a page without our extension
closes the comm, or says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comm import create_comm

TARGET = "aicci:form"


def insert_cell(magic: str, inserted: Callable[[], None]) -> None:
    """Ask for the cell; `inserted` is called when it is there."""
    asked = create_comm(target_name=TARGET, data={"magic": magic})

    def answered(message: dict[str, Any]) -> None:
        if message["content"]["data"].get("inserted"):
            inserted()
        asked.close()

    asked.on_msg(answered)
