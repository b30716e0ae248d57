"""Frames of one spool over about a minute as one blob, and back: the very same frames.

A frame is taken apart into its form (keys, texts, everything that is no number) and its numbers. Frames of one form lie together,
their numbers as columns (`store/columns.py`), so that a sample costs little more than a byte a number; of a form that few frames
have, the frames stay JSON. Lists of rows of whole numbers (the `records` of a `steps` frame) are columns, too.
Rule 1: any frame that JSON can hold comes back equal, key order, ints and floats included; the kind of a frame means nothing here.
Rule 2: a blob that does not unpack raises `ValueError`, whatever is wrong with it.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jupyter_aicci.store.columns import Floats, Ints, Reader, pack_floats, pack_ints, unpack_floats, unpack_ints

Form = Any  # JSON: {"key": form}, "i" and "f" for a number, ["l", form, …], ["t", width], ["c", constant]
HEAD = struct.Struct("<I")
FEW = 3  # frames of one form that are not worth columns
MOST_FORMS = 256  # columns for rare forms, too, where there are no more forms than that
DEEPEST = 40  # a frame nested further stays JSON
INT64 = 1 << 63
LEVEL = 1  # of zlib; 6 saves 3 % and takes 3 times as long


@dataclass(slots=True)
class Group:
    """Frames of one form: `at` is their place in the chunk, one row of `ints` and `floats` each."""

    form: Form
    at: Ints
    ints: Ints
    floats: Floats
    lengths: Ints  # rows of each table, one column a table
    tables: tuple[Ints, ...]  # all rows of one table under each other


@dataclass(slots=True)
class Chunk:
    """The frames of one blob as columns; `plain` are those that stayed JSON, by their place."""

    seq: Ints
    time_ns: Ints
    groups: tuple[Group, ...]
    plain: dict[int, dict[str, Any]]

    def frames(self) -> Iterator[dict[str, Any]]:
        """Every frame, in order, each made when it is asked for: all at once are many times as large as their columns."""
        source = np.full(len(self.seq), -1)
        for number, group in enumerate(self.groups):
            source[group.at] = number
        streams = [_built(group) for group in self.groups]
        for at, number in enumerate(source.tolist()):
            yield self.plain[at] if number < 0 else next(streams[number])


def pack(
    seqs: Sequence[int], times_ns: Sequence[int], frames: Sequence[dict[str, Any]], *, numbers_matter: bool = False
) -> bytes:
    """The blob of frames in the order of their seq; `numbers_matter`: those of rare forms are wanted as columns, too."""
    heaps: dict[str, _Heap] = {}
    plain: list[tuple[int, dict[str, Any]]] = []
    for at, frame in enumerate(frames):
        numbers = _Numbers()
        try:
            form = json.dumps(_taken_apart(frame, numbers, 0), separators=(",", ":"))
        except RecursionError:
            plain.append((at, frame))
            continue
        heaps.setdefault(form, _Heap()).add(at, frame, numbers)
    few = 0 if numbers_matter and len(heaps) <= MOST_FORMS else FEW
    groups = [(form, heap) for form, heap in heaps.items() if len(heap.at) > few and heap.rows[0].any]
    kept = {id(heap) for _, heap in groups}
    plain += [
        pair for heap in heaps.values() if id(heap) not in kept for pair in zip(heap.at, heap.frames, strict=True)
    ]
    head = {
        "n": len(frames),
        "plain": sorted(plain, key=lambda pair: pair[0]),
        "groups": [[json.loads(form), len(heap.at)] for form, heap in groups],
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    parts = [pack_ints(np.array([seqs, times_ns], dtype=np.int64).T), *(heap.packed() for _, heap in groups)]
    return zlib.compress(HEAD.pack(len(text)) + text + b"".join(parts), LEVEL)


def unpack(blob: bytes) -> Chunk:
    """What `pack` made a blob of. Raises `ValueError` for anything else."""
    try:
        data = zlib.decompress(blob)
        (size,) = HEAD.unpack_from(data)
        head = json.loads(data[HEAD.size : HEAD.size + size])
        reader = Reader(data[HEAD.size + size :])
        index = unpack_ints(reader, head["n"], 2)
        groups = tuple(_group(reader, form, n) for form, n in head["groups"])
        return Chunk(seq=index[:, 0], time_ns=index[:, 1], groups=groups, plain=dict(head["plain"]))
    except (zlib.error, struct.error, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"a damaged chunk: {error}") from error


@dataclass(slots=True)
class _Numbers:
    """The numbers of one frame, in the order of its form."""

    ints: list[int] = field(default_factory=list)
    floats: list[float] = field(default_factory=list)
    tables: list[list[list[int]]] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.ints or self.floats or self.tables)


@dataclass(slots=True)
class _Heap:
    """Frames of one form as they are found."""

    at: list[int] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    rows: list[_Numbers] = field(default_factory=list)

    def add(self, at: int, frame: dict[str, Any], numbers: _Numbers) -> None:
        self.at.append(at)
        self.frames.append(frame)
        self.rows.append(numbers)

    def packed(self) -> bytes:
        n = len(self.at)
        ints = np.array([row.ints for row in self.rows], dtype=np.int64).reshape(n, -1)
        floats = np.array([row.floats for row in self.rows], dtype=np.float64).reshape(n, -1)
        lengths = np.array([[len(table) for table in row.tables] for row in self.rows], dtype=np.int64).reshape(n, -1)
        tables = [
            np.array([line for row in self.rows for line in row.tables[which]], dtype=np.int64)
            for which in range(lengths.shape[1])
        ]
        at = np.array(self.at, dtype=np.int64).reshape(n, 1)
        parts = [pack_ints(at), pack_ints(ints), pack_floats(floats), pack_ints(lengths)]
        return b"".join([*parts, *(pack_ints(table) for table in tables)])


def _taken_apart(value: Any, numbers: _Numbers, depth: int) -> Form:
    """The form of a value; its numbers go to `numbers`."""
    kind = type(value)
    if kind is float:
        numbers.floats.append(value)
        return "f"
    if kind is int and -INT64 <= value < INT64:
        numbers.ints.append(value)
        return "i"
    if kind is dict:
        if depth > DEEPEST:
            raise RecursionError
        return {key: _taken_apart(item, numbers, depth + 1) for key, item in value.items()}
    if kind is not list:
        return ["c", value]
    if depth > DEEPEST:
        raise RecursionError
    if width := _table_width(value):
        numbers.tables.append(value)
        return ["t", width]
    return ["l", *(_taken_apart(item, numbers, depth + 1) for item in value)]


def _table_width(value: list[Any]) -> int:
    """How many whole numbers each row of `value` has, 0 where it is no table."""
    if not value or type(value[0]) is not list or not value[0]:
        return 0
    width = len(value[0])
    for row in value:
        if type(row) is not list or len(row) != width:
            return 0
        for cell in row:
            if type(cell) is not int or not -INT64 <= cell < INT64:
                return 0
    return width


def _group(reader: Reader, form: Form, n: int) -> Group:
    ints, floats, widths = _counts(form)
    at = unpack_ints(reader, n, 1)[:, 0]
    int_rows, float_rows = unpack_ints(reader, n, ints), unpack_floats(reader, n, floats)
    lengths = unpack_ints(reader, n, len(widths))
    totals = lengths.sum(axis=0).tolist()
    tables = tuple(unpack_ints(reader, total, width) for total, width in zip(totals, widths, strict=True))
    return Group(form=form, at=at, ints=int_rows, floats=float_rows, lengths=lengths, tables=tables)


def _counts(form: Form) -> tuple[int, int, list[int]]:
    """(ints, floats, widths of the tables) of a form, in its order."""
    if form == "i":
        return 1, 0, []
    if form == "f":
        return 0, 1, []
    if isinstance(form, list) and form[0] != "l":
        return 0, 0, [form[1]] if form[0] == "t" else []
    parts = [_counts(part) for part in (form.values() if isinstance(form, dict) else form[1:])]
    return sum(p[0] for p in parts), sum(p[1] for p in parts), [width for p in parts for width in p[2]]


def _built(group: Group) -> Iterator[dict[str, Any]]:
    """The frames of one group, one after the other."""
    build = _builder(group.form)
    ends = np.cumsum(group.lengths, axis=0)
    starts = ends - group.lengths
    for row in range(len(group.at)):
        cut = [table[starts[row, i] : ends[row, i]].tolist() for i, table in enumerate(group.tables)]
        yield build(iter(group.ints[row].tolist()), iter(group.floats[row].tolist()), iter(cut))


def _builder(form: Form) -> Callable[[Any, Any, Any], Any]:
    """A function that puts one value together from its ints, floats and tables."""
    if form == "i":
        return lambda ints, floats, tables: next(ints)
    if form == "f":
        return lambda ints, floats, tables: next(floats)
    if isinstance(form, dict):
        parts = [(key, _builder(part)) for key, part in form.items()]
        return lambda ints, floats, tables: {key: part(ints, floats, tables) for key, part in parts}
    match form[0]:
        case "t":
            return lambda ints, floats, tables: next(tables)
        case "c":
            text = json.dumps(form[1])  # each frame gets its own
            return (lambda ints, floats, tables: json.loads(text)) if text[0] in "[{" else _constant(form[1])
    items = [_builder(part) for part in form[1:]]
    return lambda ints, floats, tables: [part(ints, floats, tables) for part in items]


def _constant(value: Any) -> Callable[[Any, Any, Any], Any]:
    return lambda ints, floats, tables: value


def leaves(form: Form) -> list[tuple[tuple[str, ...], str]]:
    """(path, "i" or "f" or "t") of every number of a form that keys alone lead to, in the order of the columns.

    What lies in a list has the path ("",): it holds its place among the columns and has no name.
    """
    found: list[tuple[tuple[str, ...], str]] = []
    _walk(form, (), found)
    return found


def _walk(form: Form, path: tuple[str, ...], found: list[tuple[tuple[str, ...], str]]) -> None:
    if isinstance(form, dict):
        for key, part in form.items():
            _walk(part, (*path, key), found)
    elif form in ("i", "f"):
        found.append((path, form))
    elif form[0] == "t":
        found.append((path, "t"))
    elif form[0] == "l":
        for part in form[1:]:
            _walk(part, ("",), found)
