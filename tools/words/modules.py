"""The parsed modules of jupyter_aicci: their functions, constants, and what they import from each other."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_aicci"
OURS = f"{PACKAGE.name}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file."""

    name: str  # "scheduler.explain"
    tree: ast.Module
    functions: Mapping[str, ast.FunctionDef]  # methods, too
    values: Mapping[str, ast.expr]  # of module-level names
    imports: Mapping[str, tuple[str, str]]  # local name -> (module, its name there)


@cache
def module(name: str) -> Module | None:
    """The module of this dotted name below the package, None where there is no such file."""
    path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
    if not path.exists():
        return None
    tree = ast.parse(path.read_text("utf-8"))
    return Module(
        name=name,
        tree=tree,
        functions={each.name: each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)},
        values=dict(_values(tree)),
        imports={
            alias.asname or alias.name: (node.module.removeprefix(OURS), alias.name)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(OURS)
            for alias in node.names
        },
    )


def _values(tree: ast.Module) -> list[tuple[str, ast.expr]]:
    found = []
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            found.append((target.id, value))
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            found += [
                (to.id, each) for to, each in zip(target.elts, value.elts, strict=False) if isinstance(to, ast.Name)
            ]
    return found


def function_of(name: str, here: Module) -> tuple[Module, ast.FunctionDef] | None:
    """The function of the package that this name means here, and where it stands."""
    home, there = _home(name, here)
    found = home.functions.get(there) if home else None
    return (home, found) if home and found else None


def value_of(name: str, here: Module) -> tuple[Module, ast.expr] | None:
    """The constant of the package that this name means here, and where it stands."""
    home, there = _home(name, here)
    found = home.values.get(there) if home else None
    return (home, found) if home and found else None


def _home(name: str, here: Module) -> tuple[Module | None, str]:
    if name not in here.imports:
        return here, name
    source, there = here.imports[name]
    return module(source), there
