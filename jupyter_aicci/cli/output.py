"""What a command prints: a table or words for people, or one JSON document for scripts.

Rule: standard output belongs to the answer; `say` writes to standard error.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def answer(document: Any, text: str, *, as_json: bool) -> None:
    """Print the answer once, in the form that was asked for."""
    print(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


def say(text: str) -> None:
    """Progress and hints."""
    print(text, file=sys.stderr, flush=True)


def write(text: str) -> None:
    """A piece of a log, as the rank printed it."""
    sys.stdout.write(text)
    sys.stdout.flush()
