"""A cell or a script, checked before anything is queued.

In: the text, what is pushed, what the notebook knows. Out: `Checked` (the file the ranks will run, its framework and
hints for the person) or one `UserError` that names the line as the notebook shows it.
Rule 1: the program keeps its lines: line k of the text is line k of `cell.py` and `first_line + k - 1` of the cell.
Rule 2: a suspicion is a hint, never an error: only what no rank could ever run is refused.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.spec import Framework
from jupyter_aicci.source.lines import plain_lines
from jupyter_aicci.source.names import bound_names, first_top_level_await, framework_of, unbound_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the ranks run, and what the person should know about it first."""

    text: str  # plain Python, same lines as typed
    framework: Framework
    hints: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # names of the notebook that it reads, but that are neither bound nor pushed


def check_cell(
    text: str,
    *,
    pushed: tuple[str, ...] = (),
    pulled: tuple[str, ...] = (),
    known: Mapping[str, str] | None = None,
    first_line: int = 2,
) -> Checked:
    """The program in a cell's body. `known`: names of the notebook, each with its module's name or "" for a value.

    `first_line` is the cell line of the body's first line (the magic stands on line 1).
    Raises `UserError`: `syntax_error`, `pip_in_cell`, `magic_in_cell`, `top_level_await`, `empty_cell`.
    """
    if not text.strip():
        raise UserError("empty_cell", "the cell has no program below its first line. Nothing was submitted.",
                        hint="Write the training program under the %%aicci line.")  # fmt: skip
    plain = text if _is_python(text) else plain_lines(text, first_line=first_line)
    tree = _parsed(plain, where="the cell", first_line=first_line)
    known = known or {}
    missing = tuple(sorted((unbound_names(plain, tree) & known.keys()) - set(pushed)))
    hints = [_missing_hint(name, known[name]) for name in missing]
    hints += [
        f"--pull {name}: the cell never binds {name} at its top level."
        for name in pulled
        if name not in bound_names(plain, tree) and name not in pushed
    ]
    return Checked(text=plain, framework=framework_of(tree), hints=tuple(hints), missing=missing)


def check_script(text: str, *, name: str) -> Checked:
    """The program in a Python file. Raises `UserError`: `syntax_error`, `top_level_await`."""
    return Checked(text=text, framework=framework_of(_parsed(text, where=name, first_line=1)))


def _missing_hint(name: str, module: str) -> str:
    if module:
        line = f"import {module}" if module == name else f"import {module} as {name}"
        return f"{name} is used by the cell but not imported there: add '{line}'."
    return f"{name} is used by the cell but not pushed: add --push {name}."


def _is_python(text: str) -> bool:
    """Whether the text parses as it stands; then it has no special line, and IPython need not be asked."""
    try:
        _quietly_compiled(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _parsed(text: str, *, where: str, first_line: int) -> ast.Module:
    try:
        tree = _quietly_compiled(text)
    except SyntaxError as error:
        raise _syntax_error(error, text, where, first_line) from None
    except ValueError as error:  # a null byte, on some Python versions
        raise UserError("syntax_error", f"{where} is not Python text: {error}. Nothing was submitted.") from None
    waits = first_top_level_await(tree)
    if waits:
        raise UserError(
            "top_level_await",
            f"line {waits + first_line - 1} of {where} awaits outside a function; ranks run no event loop. "
            "Nothing was submitted.",
            hint="Put it in 'async def main(): …' and call 'asyncio.run(main())'.",
        )
    try:
        _quietly_compiled(tree)  # what only the compiler sees: 'return' outside a function
    except SyntaxError as error:
        raise _syntax_error(error, text, where, first_line) from None
    return tree


def _quietly_compiled(source: str | ast.Module) -> ast.Module:
    """The syntax tree of a text, or the tree itself after the compiler agreed; warnings are the rank's to show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(source, str):
            return ast.parse(source, "cell")
        compile(source, "cell", "exec", dont_inherit=True)
        return source


def _syntax_error(error: SyntaxError, text: str, where: str, first_line: int) -> UserError:
    """The parser's complaint with the cell's line number, the line itself and a caret under the place."""
    lines = text.split("\n")
    index = min(max((error.lineno or 1) - 1, 0), max(len(lines) - 1, 0))
    shown = str(index + first_line)
    source = (lines[index] if lines else "").expandtabs(4)
    column = len((lines[index] if lines else "")[: max((error.offset or 1) - 1, 0)].expandtabs(4))
    return UserError(
        "syntax_error",
        f"line {shown} of {where} is not Python: {error.msg}. Nothing was submitted.\n"
        f"    {shown} | {source}\n    {' ' * len(shown)} | {' ' * column}^",
    )
