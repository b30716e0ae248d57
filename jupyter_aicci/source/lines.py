"""IPython's `%magic` and `!command` lines as plain Python, line for line.

In: the cell as typed. Out: Python text with the same number of lines, every line at its old number, so that a traceback
of a rank names the line that the person sees. A rank has no IPython: the calls go to the stand-in of `agent/rank`,
which knows `RANK_MAGICS`; everything else is refused here, before anything is queued.
The grammar is IPython's own (`IPython.core.inputtransformer2`), so that nothing inside a string is taken for a magic.
"""

from __future__ import annotations

import re
from typing import Any

from jupyter_aicci.model.errors import UserError, did_you_mean

RANK_MAGICS = ("env", "cd", "time", "matplotlib")  # agent/rank answers these; change both together
INSTALL_HINT = "Install it in the notebook's environment; the next run sees it (one cold start)."
_INSTALLER = re.compile(
    r"(?:\S*python[\d.]*\s+-m\s+)?(?:uv\s+)?(?:\S*/)?(?:pip[\d.]*|conda|mamba|uv)\s+(?:\S+\s+)*?"
    r"(?:install|uninstall|add|remove|sync)\b"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # not str.splitlines, which also ends lines where Python does not


def plain_lines(text: str, *, first_line: int) -> str:
    """The cell with its special lines turned into calls; `first_line` is the cell line of the text's first line.

    Raises `UserError` (`pip_in_cell`, `magic_in_cell`) with the line of the cell.
    """
    lines = _LINE.findall(text)
    for _ in range(len(lines) + 1):  # each round takes one special line away
        found = _next_special(lines)
        if found is None:
            break
        _refuse_unknown(_special_text(lines, found.start_line, found.start_col), line=found.start_line + first_line)
        changed = found.transform(lines)
        lines = _padded(changed, at=found.start_line, lost=len(lines) - len(changed))
    return "".join(lines)


def _next_special(lines: list[str]) -> Any:
    """IPython's transformer for the first special line, or None; text that does not tokenise is left to the parser."""
    from IPython.core import inputtransformer2 as grammar

    kinds: tuple[Any, ...] = (grammar.MagicAssign, grammar.SystemAssign, grammar.EscapedCommand, grammar.HelpEnd)
    try:
        tokens = grammar.make_tokens_by_line(lines)
        found = [match for kind in kinds if (match := kind.find(tokens))]
    except SyntaxError:
        return None
    return min(found, key=lambda match: match.sortby(), default=None)


def _special_text(lines: list[str], start_line: int, start_col: int) -> str:
    """The special line from its escape on, continuation lines joined, without the line end."""
    rest = lines[start_line][start_col:]
    for line in lines[start_line + 1 :]:
        if not rest.endswith("\\\n"):
            break
        rest = rest[:-2] + " " + line
    return rest.strip()


def _refuse_unknown(special: str, *, line: int) -> None:
    if special.startswith("%%"):
        raise _refused(
            "magic_in_cell", line, special, "a cell magic inside a training cell",
            "Put it in a cell of its own.",
        )  # fmt: skip
    if special.startswith(("!", "%")) and _INSTALLER.match(special.lstrip("!%").strip()):
        raise _refused("pip_in_cell", line, special, "an installation inside the cell", INSTALL_HINT)
    if special.startswith("!"):
        return
    name = re.match(r"%\s*(\w*)", special)
    if special.endswith("?") or name is None:
        raise _refused("magic_in_cell", line, special, "notebook syntax that ranks do not have", "Take the line out.")
    if name[1] not in RANK_MAGICS:
        guess = did_you_mean(name[1], RANK_MAGICS)
        known = ", ".join("%" + word for word in RANK_MAGICS)
        raise _refused(
            "magic_in_cell", line, special, "a magic that ranks do not have",
            f"In a rank {known} and !command work" + (f"; {guess}" if guess else "."),
        )  # fmt: skip


def _refused(code: str, line: int, special: str, what: str, hint: str) -> UserError:
    return UserError(code, f"line {line} of the cell is {what}: {special}. Nothing was submitted.", hint=hint)


def _padded(lines: list[str], *, at: int, lost: int) -> list[str]:
    """Blank lines after a statement whose continuation lines were joined: all later lines keep their numbers."""
    return lines[: at + 1] + ["\n"] * lost + lines[at + 1 :]
