"""Functions and methods of a source file as rows of a table: how each is called, and the words of its docstring.

Read from the text, not imported: what a rank imports as `aicci` starts a session by itself.
Rule: what begins with `_` and what has no docstring is not told.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

Row = tuple[str, str]


def functions(path: Path, prefix: str = "") -> list[Row]:
    """The functions of a module that its `__all__` names."""
    body = ast.parse(path.read_text("utf-8")).body
    assigned = [node for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    public = {name for node in assigned for name in ast.literal_eval(node.value)}
    return list(_rows([node for node in body if getattr(node, "name", "") in public], prefix))


def methods(path: Path, name: str, prefix: str = "") -> list[Row]:
    """The methods and properties of one class."""
    found = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
    (cls,) = [node for node in found if node.name == name]
    return list(_rows(cls.body, prefix))


def _rows(body: Sequence[ast.stmt], prefix: str) -> Iterator[Row]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and (words := ast.get_docstring(node)):
            yield f"`{prefix}{_call(node)}`", words.replace("\n\n", " ").replace("\n", " ")


def _call(node: ast.FunctionDef) -> str:
    """`save(state, *, step=None)`; of a property its name."""
    if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list):
        return node.name
    given = ast.parse(ast.unparse(node.args).join(("def f(", "): ...")))  # a copy, to be changed
    (copy,) = [found for found in ast.walk(given) if isinstance(found, ast.arguments)]
    every = (*copy.posonlyargs, *copy.args, *copy.kwonlyargs, *filter(None, (copy.vararg, copy.kwarg)))
    for argument in every:
        argument.annotation = None
    if copy.args and copy.args[0].arg == "self":
        copy.args.pop(0)
    return f"{node.name}({ast.unparse(copy)})"
