"""Tab completion of `%aicci` and `%%aicci` lines: commands, options, choices, shapes, queues, runs, notebook names.

Rule: a key press never waits: the service is asked at most every `FRESH_S`, only if it runs, and given `WAIT_S` to
answer; otherwise the last answer is used.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from jupyter_aicci.model.commands import Command, commands_of, find_command
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.options import OPTIONS, Option

FRESH_S = 2.0
WAIT_S = 0.04
_LINE = re.compile(r"\s*%%?aicci(?P<rest>\s.*)$", re.DOTALL)


class Completion:
    """The matcher and what it remembers of the service."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._answers: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    @context_matcher()  # type: ignore[untyped-decorator]
    def matcher(self, context: CompletionContext) -> dict[str, Any]:
        """IPython's matcher API v2."""
        line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
        match = _LINE.match(line)
        if match is None:
            return {"completions": []}
        rest = match["rest"]
        fragment = re.split(r"[\s,=]", rest)[-1]
        words = [text for text in self._candidates(rest.split(), rest) if text.startswith(fragment)]
        found = [SimpleCompletion(text=text, type="aicci") for text in words]
        return {"completions": found, "suppress": bool(found), "matched_fragment": fragment}

    def _candidates(self, words: list[str], rest: str) -> list[str]:
        before = words if rest[-1:].isspace() else words[:-1]
        if not before:
            return [command.name for command in commands_of("magic")]
        try:
            command = find_command(before[0], "magic")
        except AicciError:
            return []
        current = "" if rest[-1:].isspace() else words[-1]
        if current.startswith("-") and "=" not in current:
            return _flags(command)
        option = _option_before(command, current.partition("=")[0] if "=" in current else before[-1])
        if option is not None:
            return self._values(option)
        return self._runs(command) if any(argument.kind == "run" for argument in command.arguments) else _flags(command)

    def _values(self, option: Option) -> list[str]:
        if option.choices:
            return list(option.choices)
        match option.field:
            case "shape":
                return ["auto", *(shape["name"] for shape in self._ask("/v1/shapes"))]
            case "queue":
                return [queue["name"] for queue in self._ask("/v1/queues")]
            case "push":
                return sorted(set(self._shell.user_ns) - set(self._shell.user_ns_hidden))
        return []

    def _runs(self, command: Command) -> list[str]:
        """Names and ids; for `stop`, only of runs that can be stopped."""
        runs = self._ask("/v1/runs")
        if command.name == "stop":
            runs = [run for run in runs if not run["ended_at"]]
        return list(_unique(word for run in runs for word in (run["name"], run["id"]) if word))

    def _ask(self, path: str) -> list[dict[str, Any]]:
        at, answer = self._answers.get(path, (-FRESH_S, []))
        if time.monotonic() - at < FRESH_S:
            return answer
        from jupyter_aicci.client import Client
        from jupyter_aicci.client.transport import call

        with contextlib.suppress(AicciError):  # not running, or busy: the last answer is better than none
            answer = list(call(Client().home.service_socket, "GET", path, timeout_s=WAIT_S))
        self._answers[path] = (time.monotonic(), answer)
        return answer


def _flags(command: Command) -> list[str]:
    flags = [name for option in OPTIONS for name in (option.flag, option.short) if name] if command.options else []
    return [*flags, *(argument.name for argument in command.arguments if argument.name.startswith("-")), "--help"]


def _option_before(command: Command, word: str) -> Option | None:
    if not command.options:
        return None
    return next((option for option in OPTIONS if word in (option.flag, option.short) and option.kind != "flag"), None)


def _unique(words: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(words)
