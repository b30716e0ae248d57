"""Errors by whose fault they are, with the same text in magic, CLI and REST.

Rule: message = what is wrong and what was expected, in sentences; hint = the next step, something that can be typed.
Any exception that is not an `AicciError` is a bug of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar


class AicciError(Exception):
    """Base of everything we raise on purpose; `code` is stable, `field` names the option at fault."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.field = code, message, hint, field

    def __str__(self) -> str:
        between = "\n" if "\n" in self.message else " "  # a log's end or a marked line stands by itself
        return f"{self.message}{between}{self.hint}".strip()

    def to_json(self) -> dict[str, Any]:
        """The REST body: `code`, `message`, `hint`, `field`."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "field": self.field}


class UserError(AicciError):
    """The request is wrong; nothing was done. Correct it and ask again."""

    status = 400


class NotFoundError(UserError):
    """The request names something that does not exist."""

    status = 404


class ConflictError(UserError):
    """The request is well formed but the thing's present state does not allow it."""

    status = 409


class HostError(AicciError):
    """This machine cannot do it now: disk full, directory read-only, service unreachable."""

    status = 503


class EngineError(AicciError):
    """An engine failed to carry out a placed attempt; worth another try."""

    status = 502


def error_from_json(body: dict[str, Any], status: int) -> AicciError:
    """The error that a REST answer stands for; unknown statuses become `HostError`."""
    kinds = {400: UserError, 404: NotFoundError, 409: ConflictError, 502: EngineError}
    kind = kinds.get(status, HostError)
    return kind(
        str(body.get("code", "unknown")),
        str(body.get("message", "the service gave no message")),
        hint=str(body.get("hint", "")),
        field=str(body.get("field", "")),
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean --shape?` for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""
