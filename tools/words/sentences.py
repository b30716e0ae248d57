"""What an expression may say: its variants, each a row of literal text and holes, found without running anything.

Conditions give both their branches, local names what they were assigned, constants and dictionaries what is in them, and calls
of functions that return text what they return. What cannot be followed is a hole for data.
Rule: a variant may be found that is never said; none that is said is missing.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from words.modules import Module, function_of, value_of

ANY = "*"
MOST = 12  # variants of one expression; where there would be more, what stands in its holes is left to parts
WRITTEN_OUT = 3  # so many variants without a hole stand in the sentence itself
DEPTH = 6  # of calls that are followed
TEXTS = {"text", "fix", "label", "hint", "note", "reason", "words", "message", "quota", "how_often", "change", "beside"}


@dataclass(frozen=True, slots=True)
class Hole:
    """What may stand at this place: the sentences of a part, ANY sentence, or ("") data."""

    part: str = ""


Variant = tuple[str | Hole, ...]
Names = Mapping[str, tuple[Variant, ...]]
DATA: tuple[Variant, ...] = ((Hole(),),)


@dataclass(slots=True)
class Reader:
    """Reads expressions; what it gave a name to is in `parts`."""

    parts: dict[str, tuple[Variant, ...]] = field(default_factory=dict)
    _calls: list[str] = field(default_factory=list)

    def read(self, node: ast.expr, here: Module, names: Names) -> tuple[Variant, ...]:
        """All that the expression may say."""
        match node:
            case ast.Constant(value=str(text)):
                return ((text,),) if text else ((),)
            case ast.JoinedStr(values=pieces):
                return self._joined([self._piece(each, here, names) for each in pieces])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([self.read(left, here, names), self.read(right, here, names)])
            case ast.IfExp(body=body, orelse=other):
                return _once((*self.read(body, here, names), *self.read(other, here, names)))
            case ast.BoolOp(op=ast.Or(), values=values):
                return _once(itertools.chain(*(self.read(each, here, names) for each in values)))
            case ast.Name(id=name):
                return self._name(name, here, names)
            case ast.Attribute(attr=attr):
                return ((Hole(ANY),),) if attr in TEXTS else DATA
            case ast.Subscript(value=ast.Name(id=name)):
                return self._looked_up(name, here) or DATA
            case ast.Call():
                return self._call(node, here, names)
        return DATA

    def _piece(self, node: ast.expr, here: Module, names: Names) -> tuple[Variant, ...]:
        if not isinstance(node, ast.FormattedValue):
            return self.read(node, here, names)
        if node.format_spec is not None or node.conversion != -1:
            return DATA
        found = self.read(node.value, here, names)
        plain = len(found) <= WRITTEN_OUT and all(isinstance(piece, str) for variant in found for piece in variant)
        if plain or len(found) == 1:
            return found
        return ((Hole(self._part(node.value, here, found)),),)

    def _part(self, node: ast.expr, here: Module, variants: tuple[Variant, ...]) -> str:
        """Gives these variants a name that stays the same while the source does."""
        name = f"{here.name}:{'/'.join([*self._calls, ast.unparse(node)])}"
        name += "" if self.parts.get(name, variants) == variants else f"#{len(self.parts)}"
        self.parts[name] = variants
        return name

    def _joined(self, pieces: list[tuple[Variant, ...]]) -> tuple[Variant, ...]:
        count = 1
        for each in pieces:
            count *= len(each)
        if count > MOST:  # keep what has two variants at most: an addition that is there or not
            pieces = [each if len(each) <= 2 else ((Hole(self._nameless(each)),),) for each in pieces]
        return _once(_merged(itertools.chain(*row)) for row in itertools.product(*pieces))

    def _nameless(self, variants: tuple[Variant, ...]) -> str:
        known = next((name for name, each in self.parts.items() if each == variants), None)
        name = known or f"part {len(self.parts)}"
        self.parts[name] = variants
        return name

    def _name(self, name: str, here: Module, names: Names) -> tuple[Variant, ...]:
        if name in names:
            return names[name]
        found = value_of(name, here)
        if found and isinstance(found[1], (ast.Constant, ast.JoinedStr, ast.BinOp)):
            return self.read(found[1], found[0], {})
        return ((Hole(ANY),),) if name in TEXTS else DATA

    def _looked_up(self, name: str, here: Module) -> tuple[Variant, ...]:
        """What a dictionary of the module holds."""
        found = value_of(name, here)
        if found is None or not isinstance(found[1], ast.Dict):
            return ()
        return _once(itertools.chain(*(self.read(value, found[0], {}) for value in found[1].values)))

    def _call(self, node: ast.Call, here: Module, names: Names) -> tuple[Variant, ...]:
        match node.func:
            case ast.Attribute(value=ast.Name(id=table), attr="get"):
                default = self.read(node.args[1], here, names) if len(node.args) > 1 else ()
                return _once((*self._looked_up(table, here), *default)) or DATA
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._returned(name, node, here, names)
            case ast.Attribute(value=ast.Constant(value=", "), attr="join"):
                return DATA  # names in a row
            case ast.Attribute(value=whole, attr="removesuffix") if isinstance(node.args[0], ast.Constant):
                return tuple(_cut(each, str(node.args[0].value)) for each in self.read(whole, here, names))
            case ast.Attribute(attr="join" | "replace"):
                return ((Hole(ANY),),)  # sentences in a row, or one that was changed
        return DATA

    def _returned(self, name: str, node: ast.Call, here: Module, names: Names) -> tuple[Variant, ...]:
        """What a function of ours that returns text returns for these arguments."""
        found = function_of(name, here)
        if found is None or name in self._calls or len(self._calls) > DEPTH:
            return DATA
        home, function = found
        if not returns_text(function) or home.name == "model.text":
            return DATA  # sizes, times and amounts are data
        parameters = _parameters(function)
        given = {name.arg: self.read(value, home, {}) for name, value in _defaults(function)}
        given |= {name.arg: self.read(value, here, names) for name, value in zip(parameters, node.args, strict=False)}
        given |= {word.arg: self.read(word.value, here, names) for word in node.keywords if word.arg}
        self._calls.append(name)
        try:
            inner = self.names(function, home, given)
            return _once(itertools.chain(*(self.read(each, home, inner) for each in _returns(function))))
        finally:
            self._calls.pop()

    def _returned_at(self, call: ast.expr, place: int, here: Module) -> tuple[Variant, ...]:
        """What stands at this place of the tuples that the called function returns."""
        name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        found = function_of(name, here)
        if found is None:
            return DATA
        home, function = found
        inner = self.names(function, home)
        rows = [each.elts for each in _returns(function) if isinstance(each, ast.Tuple) and place < len(each.elts)]
        return _once(itertools.chain(*(self.read(row[place], home, inner) for row in rows))) or DATA

    def names(self, function: ast.FunctionDef, here: Module, given: Names | None = None) -> Names:
        """What each local name of a function may say; `given`: its arguments."""
        known: dict[str, tuple[Variant, ...]] = {
            name: variants for name, variants in (given or {}).items() if variants != DATA
        }
        for target, value, place in _assigned(function):
            variants = self._returned_at(value, place, here) if place >= 0 else self.read(value, here, known)
            if variants != DATA or target in known:
                known[target] = _once((*known.get(target, ()), *variants)) if target in known else variants
        return known


def returns_text(function: ast.FunctionDef) -> bool:
    return isinstance(function.returns, ast.Name) and function.returns.id == "str"


def _returns(function: ast.FunctionDef) -> list[ast.expr]:
    return [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    every = [*function.args.posonlyargs, *function.args.args]
    return every[1:] if every and every[0].arg in ("self", "cls") else every


def _defaults(function: ast.FunctionDef) -> list[tuple[ast.arg, ast.expr]]:
    arguments = function.args
    placed = [*arguments.posonlyargs, *arguments.args][-len(arguments.defaults) :] if arguments.defaults else []
    named = [(name, value) for name, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value]
    return [*zip(placed, arguments.defaults, strict=True), *named]


def _assigned(function: ast.FunctionDef) -> Iterable[tuple[str, ast.expr, int]]:
    """(local name, what it is assigned, its place in the tuple that a call returns or -1) in the order of the source."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        match node.targets[0], node.value:
            case ast.Name(id=name), value:
                yield name, value, -1
            case ast.Tuple(elts=targets), ast.Tuple(elts=values):
                yield from (
                    (to.id, value, -1) for to, value in zip(targets, values, strict=False) if isinstance(to, ast.Name)
                )
            case ast.Tuple(elts=targets), ast.Call() as call:
                yield from ((to.id, call, place) for place, to in enumerate(targets) if isinstance(to, ast.Name))


def _cut(variant: Variant, end: str) -> Variant:
    last = variant[-1] if variant else ""
    return (*variant[:-1], last.removesuffix(end)) if isinstance(last, str) else variant


def _merged(pieces: Iterable[str | Hole]) -> Variant:
    """Neighbouring literals as one."""
    merged: list[str | Hole] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def _once(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    return tuple(dict.fromkeys(variants))
