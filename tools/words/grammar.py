"""The sentences that the Python side sends to the page, found in the modules that make them.

Out: `Grammar`, from which labextension/src/words/grammar.json is written: every sentence, and what its holes may hold.
Rule 1: a sentence has two words, or stands where only text for people stands (`NAMED`, a return, a dictionary's value).
Rule 2: what only a log, a table of the docs or a configuration's reader sees is left out (`UNSEEN`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from words.modules import PACKAGE, Module, module
from words.sentences import ANY, TEXTS, Hole, Names, Reader, Variant, returns_text

# the modules whose text the page shows; `package.*` is all of it
SERVED = (
    "timeline.curves", "timeline.gauges", "timeline.lost", "timeline.many", "timeline.overview", "timeline.phases",
    "timeline.strip", "timeline.tiles", "timeline.findings.*",
    "model.condition", "model.ids", "model.options", "model.phases", "model.placement", "model.run", "model.spec", "model.text",
    "scheduler.bandwidth", "scheduler.choose", "scheduler.decide", "scheduler.decisions", "scheduler.explain", "scheduler.giveway",
    "scheduler.layout", "scheduler.never", "scheduler.queue_tree", "scheduler.queues", "scheduler.session",
    "service.*", "pricing.book", "pricing.budgets", "faults.*", "speedup.predict", "engines.local.*", "extension.*",
    "client.connection", "client.data", "client.drawn", "client.program", "client.scripts", "client.starting", "source.*",
)  # fmt: skip
UNSERVED = ("timeline.findings.rule", "timeline.findings.words", "service.exposition", "service.main", "extension.app")
NAMED = {*TEXTS, "name", "value", "help"}
UNSEEN = {
    "measures",
    "threshold",
    "source",
    "money",
    "needs",
    "metavar",
    "topic",
    "id",
    "field",
    "metrics",
    "scope",
    "unit",
}
LOGGED = {"debug", "info", "warning", "error", "exception", "critical", "execute", "executemany", "set_header", "log"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """`sentences`: message id -> the part of each hole, ANY for any sentence, "" for data; `parts`: what a part may be."""

    sentences: dict[str, tuple[str, ...]]
    parts: dict[str, tuple[str, ...]]
    where: dict[str, str]  # message id -> the module that says it

    @property
    def messages(self) -> dict[str, str]:
        """What has to be translated, and the module that says it."""
        return {text: where for text, where in self.where.items() if _has_words(text)}


def grammar() -> Grammar:
    """Of the source as it is now."""
    reader = Reader()
    sentences: dict[str, tuple[str, ...]] = {}
    parts: dict[str, tuple[str, ...]] = {}
    where: dict[str, str] = {}
    todo = [(each, here.name) for here in _modules() for each in _found(here, reader)]
    for variant, home in todo:  # it grows
        text, holes = _numbered(variant)
        known = sentences.get(text, holes)
        sentences[text] = tuple(one if one == other else ANY for one, other in zip(known, holes, strict=True))
        where.setdefault(text, home)
        for part in holes:
            if part not in (ANY, "", *parts):
                parts[part] = tuple(_numbered(each)[0] for each in reader.parts[part])
                todo += [(each, home) for each in reader.parts[part]]
    return Grammar(sentences=dict(sorted(sentences.items())), parts=dict(sorted(parts.items())), where=where)


def _modules() -> Iterator[Module]:
    for pattern in SERVED:
        folder, _, name = pattern.rpartition(".")
        for path in sorted(PACKAGE.joinpath(*folder.split(".")).glob(f"{name}.py")):
            found = module(f"{folder}.{path.stem}")
            if found is not None and found.name not in UNSERVED:
                yield found


def _found(here: Module, reader: Reader) -> Iterator[Variant]:
    for function in here.functions.values():
        place = _Place(here, reader, reader.names(function, here), returns_text(function))
        for statement in function.body:
            yield from place.below(statement, is_text=False)
    outside = _Place(here, reader, {}, False)
    for statement in here.tree.body:
        yield from outside.below(statement, is_text=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """A function, or what stands outside of all."""

    here: Module
    reader: Reader
    names: Names
    returns_text: bool

    def below(self, node: ast.AST, *, is_text: bool) -> Iterator[Variant]:
        """The sentences in a node; `is_text`: one word is a sentence here, too."""
        if isinstance(node, ast.expr) and _is_text(node):
            read = self.reader.read(node, self.here, self.names)
            yield from (each for each in read if _is_prose(each, is_text=is_text))
            return
        for child, text in self._children(node):
            yield from self.below(child, is_text=text)

    def _children(self, node: ast.AST) -> Iterable[tuple[ast.AST, bool]]:
        match node:
            case ast.FunctionDef() | ast.Compare() | ast.Expr(value=ast.Constant()) | ast.Assert():
                return []  # functions are gone through one by one
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in LOGGED:
                return []
            case ast.keyword(arg=arg, value=value):
                return [(value, arg in NAMED)] if arg not in UNSEEN else []
            case ast.Return(value=value) if value:
                return [(value, self.returns_text)]
            case ast.Dict(values=values):
                return [(value, True) for value in values]
            case ast.Subscript(value=value):
                return [(value, False)]
        return [(child, False) for child in ast.iter_child_nodes(node)]


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left) or _is_text(right)
        case ast.IfExp(body=body, orelse=other):
            return _is_text(body) or _is_text(other)
    return False


def _is_prose(variant: Variant, *, is_text: bool) -> bool:
    text = "".join(piece if isinstance(piece, str) else "%1" for piece in variant)
    if not _has_words(text) or text.startswith("%1s ") or re.fullmatch(r"[\w%.]+([_:.][\w%.]+)+", text):
        return False  # the inside of a word, or a name of ours
    if text.startswith(("SELECT ", "from ", "text/", "application/", "/v1/")):
        return False  # code
    return is_text or re.search(r"[A-Za-z]{2,}[^\w\s]* \S|\S [A-Za-z]{2,}", text) is not None


def _has_words(text: str) -> bool:
    return re.search("[A-Za-z]{2}", text) is not None


def _numbered(variant: Variant) -> tuple[str, tuple[str, ...]]:
    """`%1 of %2`, and what its holes hold."""
    holes = [piece.part for piece in variant if isinstance(piece, Hole)]
    numbers = iter(range(1, len(holes) + 1))
    return "".join(piece if isinstance(piece, str) else f"%{next(numbers)}" for piece in variant), tuple(holes)
