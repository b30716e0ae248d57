"""The numbers of one chunk as named series: what roll-ups and raw windows are read from, without a frame being built.

In: a chunk of samples, steps or logged values, and the spool that it is from. Out: matrices of readings by series, where a series
is (scope, metric, owner): the names of `model/metrics.py`; `value:loss` for what a rank logged; of steps `step` and `own_step`
(seconds a step, and those of its own), `data_wait_share`, `comm_share`, and `phase:compute` … (nanoseconds in each phase, counted
where the record ends).
Rule: NaN is "not said at this moment"; what is no number (text, booleans) has no series.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_aicci.model.metrics import METRICS, Scope, owner
from jupyter_aicci.store.buckets import Floats, Ints, Layout
from jupyter_aicci.store.chunks import Chunk, Group, leaves
from jupyter_aicci.store.frames import ChunkRow
from jupyter_aicci.store.paths import parse_source

SCOPES: dict[str, Scope] = {"ranks": "rank", "devices": "device", "nics": "nic"}
COUNTERS = {(str(metric.scope), metric.name) for metric in METRICS if metric.counter}
APART = ("checkpoint", "compile", "eval")  # no part of the step that they delay
MOST_VALUES = 64  # names that a program logs; further ones are in the frames only
Series = tuple[str, str, str]  # (scope, metric, owner)


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """`values` (moments, series) at ascending `time_ns`."""

    time_ns: Ints
    series: tuple[Series, ...]
    values: Floats


def layout_of(scope: str, metric: str) -> Layout:
    """How the buckets of a metric are kept."""
    if metric.startswith("phase:"):
        return "sum"
    return "counter" if (scope, metric) in COUNTERS else "gauge"


def scope_of(metric: str, whose: str) -> str:
    """The scope of a series by its names: "value", "rank", "node", "device" or "nic"."""
    if metric.startswith("value:"):
        return "value"
    if "/" not in whose:
        return whose.partition("-")[0]
    return "device" if whose.partition("/")[2].startswith("gpu-") else "nic"


def readings(row: ChunkRow, chunk: Chunk) -> Iterator[Readings]:
    """All series of a chunk; those of samples together, since a counter goes on from one form of a frame to the next."""
    _, node, writer = parse_source(row.source)
    groups: dict[str, list[Group]] = {}
    for group in chunk.groups:
        groups.setdefault(_kind(group.form), []).append(group)
    for kind, found in groups.items():
        match kind:
            case "sample":
                yield _matrix(chunk, found, lambda path: _of_sample(path, node))
            case "log":
                yield _matrix(chunk, found, lambda path: _of_log(path, writer))
            case "steps":
                yield from _of_steps(chunk, found, writer)


def _kind(form: Any) -> str:
    constant = form.get("k") if isinstance(form, dict) else None
    return str(constant[1]) if isinstance(constant, list) and constant[0] == "c" else ""


def _of_sample(path: tuple[str, ...], node: int) -> Series | None:
    if len(path) == 2 and path[0] == "node":
        return "node", path[1], owner("node", node)
    if len(path) == 3 and path[0] in SCOPES:
        scope = SCOPES[path[0]]
        return scope, path[2], owner(scope, node, path[1])
    return None


def _of_log(path: tuple[str, ...], writer: str) -> Series | None:
    return ("value", f"value:{path[1]}", writer) if len(path) == 2 and path[0] == "values" else None


def _matrix(chunk: Chunk, groups: list[Group], name: Any) -> Readings:
    """One matrix of all moments of the groups; what a form does not have is NaN."""
    at = np.sort(np.concatenate([group.at for group in groups]))
    column: dict[Series, int] = {}
    parts: list[tuple[Ints, list[int], Floats]] = []
    for group in groups:
        for kind, numbers in (("i", group.ints), ("f", group.floats)):
            paths = [path for path, found in leaves(group.form) if found == kind]
            named = [(place, series) for place, path in enumerate(paths) if (series := name(path)) is not None]
            for _, series in named:
                column.setdefault(series, len(column))
            columns = [column[series] for _, series in named]
            parts.append((group.at, columns, numbers[:, [place for place, _ in named]].astype(np.float64)))
    values = np.full((len(at), len(column)), np.nan)
    for rows, columns, numbers in parts:
        values[np.searchsorted(at, rows)[:, None], columns] = numbers
    values[~np.isfinite(values)] = np.nan
    return _in_order(chunk.time_ns[at], tuple(column), values)


def _of_steps(chunk: Chunk, groups: list[Group], writer: str) -> Iterator[Readings]:
    for group in groups:
        names = [part[1] for part in group.form.get("phases", ["l"])[1:] if part[0] == "c"]
        if len(group.tables) != 1 or group.tables[0].shape[1] != len(names) + 2 or not len(group.tables[0]):
            continue
        table, lengths = group.tables[0], group.lengths[:, 0]
        took = table[:, 2:]
        total = took.sum(axis=1)
        frame = np.repeat(np.arange(len(lengths)), lengths)
        so_far = np.cumsum(total)
        end = np.cumsum(lengths) - 1  # the last record of each frame
        to_ns = chunk.time_ns[group.at][frame] - (so_far[end][frame] - so_far)
        yield _in_order(to_ns, *_step_series(names, took, total, np.maximum(table[:, 0], 1), writer))


def _step_series(
    names: list[str], took: Ints, total: Ints, count: Ints, writer: str
) -> tuple[tuple[Series, ...], Floats]:
    """The series of step records, one row a record."""
    by_name = {name: took[:, place] for place, name in enumerate(names)}
    none = np.zeros(len(took), dtype=np.int64)
    comm, wait = by_name.get("comm", none), by_name.get("data_wait", none)
    step = total - sum((by_name[name] for name in APART if name in by_name), none)
    whole = np.maximum(step, 1)
    made = {
        "step": step / count / 1e9,
        "own_step": (step - comm) / count / 1e9,
        "data_wait_share": wait / whole,
        "comm_share": comm / whole,
        **{f"phase:{name}": column.astype(np.float64) for name, column in by_name.items()},
    }
    return tuple(("rank", name, writer) for name in made), np.stack(list(made.values()), axis=1)


def _in_order(time_ns: Ints, series: tuple[Series, ...], values: Floats) -> Readings:
    if np.any(np.diff(time_ns) < 0):
        order = np.argsort(time_ns, kind="stable")
        return Readings(time_ns[order], series, values[order])
    return Readings(time_ns, series, values)
