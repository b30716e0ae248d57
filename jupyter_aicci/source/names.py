"""Names and frameworks of a program, read from its symbol tables and imports.

In: parsed Python. Out: which global names it reads but never binds, whether it waits at its top level, what it imports.
Rule: no guess is an error; what cannot be known (`from x import *`) counts as bound.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import symtable
from collections.abc import Iterator

from jupyter_aicci.model.spec import Framework

TORCH = frozenset({"torch", "torchvision", "torchaudio", "lightning", "pytorch_lightning", "accelerate", "transformers",
                   "deepspeed", "torchdata", "peft", "trl"})  # fmt: skip
JAX = frozenset({"jax", "flax", "optax", "haiku", "equinox", "orbax"})
GIVEN = frozenset({"aicci", "get_ipython", "__file__", "__name__", "__doc__", "__builtins__", "__annotations__",
                   "__spec__", "__loader__", "__package__"})  # fmt: skip


def framework_of(tree: ast.Module) -> Framework:
    """What the ranks' interpreter should have imported already: torch wins where both are used."""
    imported = set(_imported_packages(tree))
    if imported & TORCH:
        return "torch"
    return "jax" if imported & JAX else "plain"


def _imported_packages(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def unbound_names(text: str, tree: ast.Module) -> frozenset[str]:
    """Global names that the program reads and never binds, builtins and what every rank has left out."""
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return frozenset()
    used, bound = _names(text, tree)
    return frozenset(used - bound - GIVEN - set(dir(builtins)))


def bound_names(text: str, tree: ast.Module) -> frozenset[str]:
    """Global names that the program binds anywhere."""
    return frozenset(_names(text, tree)[1])


def _names(text: str, tree: ast.Module) -> tuple[set[str], set[str]]:
    """(read, bound) global names, those of `%time` statements among them."""
    used: set[str] = set()
    bound: set[str] = set()
    for part in (text, *_timed(tree)):
        with contextlib.suppress(SyntaxError):
            _collect(symtable.symtable(part, "cell", "exec"), used, bound)
    return used, bound


def _timed(tree: ast.Module) -> Iterator[str]:
    """The statements that `%time` runs, which the rewritten cell holds as texts."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="run_line_magic"),
                args=[ast.Constant(value="time"), ast.Constant(value=str(line))],
            ):
                yield line


def _collect(table: symtable.SymbolTable, used: set[str], bound: set[str]) -> None:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if not (top or symbol.is_global()):
            continue
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            bound.add(symbol.get_name())
        if symbol.is_referenced():
            used.add(symbol.get_name())
    for child in table.get_children():
        _collect(child, used, bound)


def first_top_level_await(tree: ast.Module) -> int:
    """Line of the first `await`, `async for` or `async with` outside every function; 0 for none."""
    return min(_top_level_awaits(tree), default=0)


def _top_level_awaits(node: ast.AST) -> Iterator[int]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return
    if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
        yield node.lineno
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        yield from (node.lineno for part in node.generators if part.is_async)
    for child in ast.iter_child_nodes(node):
        yield from _top_level_awaits(child)
