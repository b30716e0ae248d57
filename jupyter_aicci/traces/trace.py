"""A trace: what was submitted when, how large it was and how long it ran, in the order of submission.

In: the text of a file in one of three formats. Out: a `Trace` of columns, or one error naming file, row and field.

| format | columns that it must have | times | order |
|---|---|---|---|
| muri | job_id, num_gpu, submit_time, iterations, model_name, duration, iteration_time | ms | by submit_time |
| philly | timestamp, duration, num_gpus, cluster | date; s | any |
| csv | id, submit_s, duration_s, nodes, gpus_per_node; may: queue, user, limit_s, priority | s | by submit_s |

Rule: moments are whole nanoseconds from here on, so that no event of a replay depends on how floats are added.
docs/reference/traces.md says the same for people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.traces.table import NS, Flags, Ints, Table, bad_trace, ns_of, read_table

MS_NS = 1_000_000
MOST_GPUS = 1_000_000
MOST_ITERATION_MS = 1e9
MOST_ITERATIONS = 1e15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Jobs as columns, all of one length, by submission."""

    format: str
    source: str
    field: str  # the column that says how many accelerators a job asks for
    rows: Ints  # where each job stands in the file, the header is row 1
    ids: tuple[str, ...]
    submit_ns: Ints  # since the trace's zero: the first submission, for muri the file's own zero
    work_ns: Ints  # how long it runs where nothing interrupts it
    gpus: Ints  # of the whole gang
    nodes: Ints  # 0 = as many as the cluster's hosts make it
    limit_ns: Ints  # of its running time; 0 = none
    priority: Ints
    queue: tuple[str, ...]  # "" = the format has none
    user: tuple[str, ...]
    model: tuple[str, ...]  # of the network that it trains, "" = unknown

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, chosen: Flags | NDArray[np.intp]) -> Trace:
        """The trace of these jobs alone, from the first of them on."""
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        parts: dict[str, Any] = {
            name: column[index] if isinstance(column, np.ndarray) else tuple(column[i] for i in index)
            for name, column in self._columns().items()
        }
        zero_ns = parts["submit_ns"].min() if len(index) else 0
        return replace(self, **{**parts, "submit_ns": parts["submit_ns"] - zero_ns})

    def of_queue(self, name: str) -> Trace:
        """The trace of one queue, or virtual cluster, alone."""
        return self.only(np.array([queue == name for queue in self.queue], dtype=bool))

    def _columns(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)[3:]}


def parse_trace(text: str, format: str, source: str) -> Trace:
    """The trace in a file's text. Raises `UserError`: bad_trace with up to twenty defects, unknown_format."""
    if format not in FORMATS:
        guess = did_you_mean(format, FORMATS)
        raise UserError(
            "unknown_format", f"trace format {format!r} is not known" + (f": {guess}" if guess else "."),
            hint=f"Known are {', '.join(FORMATS)}.", field="format",
        )  # fmt: skip
    return FORMATS[format](text, source)


def _muri(text: str, source: str) -> Trace:
    """Simulator traces of Muri (SIGCOMM'22): work is iterations x iteration_time; `duration` is its rounded value."""
    needs = ("job_id", "num_gpu", "submit_time", "iterations", "model_name", "duration", "iteration_time")
    table = read_table(text, source, needs=needs)
    table.unique("job_id")
    submit_ms = table.whole("submit_time", most=_century_ms())
    table.ordered(submit_ms, "submit_time")
    table.whole("duration", most=_century_ms())
    iterations = table.whole("iterations", most=int(MOST_ITERATIONS))
    iteration_ms = table.whole("iteration_time", most=int(MOST_ITERATION_MS))
    too_long = iterations.astype(float) * iteration_ms > _century_ms()
    table.note(too_long, "iterations", "times iteration_time, expected less than a century")
    gpus = table.whole("num_gpu", least=1, most=MOST_GPUS)
    table.check()
    return _trace(
        table, "muri", "num_gpu",
        ids=table.columns["job_id"], submit_ns=submit_ms * MS_NS, work_ns=iterations * iteration_ms * MS_NS,
        gpus=gpus, model=table.columns["model_name"],
    )  # fmt: skip


def _philly(text: str, source: str) -> Trace:
    """Jobs of Microsoft's Philly clusters as Pollux (OSDI'21) lists them; `cluster` is the virtual cluster."""
    table = read_table(text, source, needs=("timestamp", "duration", "num_gpus", "cluster"))
    submit_s = table.moments_s("timestamp")
    work_ns = ns_of(table.numbers("duration"))
    gpus = table.whole("num_gpus", least=1, most=MOST_GPUS)
    table.check()
    trace = _trace(
        table, "philly", "num_gpus",
        ids=tuple(map(str, table.rows.tolist())), submit_ns=ns_of(submit_s), work_ns=work_ns,
        gpus=gpus, queue=table.columns["cluster"],
    )  # fmt: skip
    return trace.only(np.argsort(trace.submit_ns, kind="stable"))


def _csv(text: str, source: str) -> Trace:
    """Our own columns."""
    needs = ("id", "submit_s", "duration_s", "nodes", "gpus_per_node")
    may = ("queue", "user", "limit_s", "priority")
    table = read_table(text, source, needs=needs, may=may)
    _mistyped(table, (*needs, *may))
    table.unique("id")
    submit_s = table.numbers("submit_s")  # seconds since 1970 will do
    table.ordered(submit_s, "submit_s")
    work_ns = ns_of(table.numbers("duration_s"))
    nodes = table.whole("nodes", least=1, most=MOST_GPUS)
    per_node = table.whole("gpus_per_node", least=1, most=MOST_GPUS)
    limit_ns = (
        ns_of(table.numbers("limit_s", blank="0")) if "limit_s" in table else np.zeros(len(table), dtype=np.int64)
    )
    priority = table.whole("priority", blank="0") if "priority" in table else np.zeros(len(table), dtype=np.int64)
    table.check()
    ended_ns = np.where(limit_ns > 0, np.minimum(work_ns, limit_ns), work_ns)  # stopped at its limit, as in life
    blank = ("",) * len(table)
    return _trace(
        table, "csv", "gpus_per_node",
        ids=table.columns["id"], submit_ns=ns_of(submit_s - submit_s[0]), work_ns=ended_ns,
        gpus=nodes * per_node, nodes=nodes, limit_ns=limit_ns, priority=priority,
        queue=table.columns.get("queue", blank), user=table.columns.get("user", blank),
    )  # fmt: skip


FORMATS: dict[str, Callable[[str, str], Trace]] = {"muri": _muri, "philly": _philly, "csv": _csv}


def _trace(table: Table, format: str, field: str, **columns: Any) -> Trace:
    """A trace of these columns, the rest blank."""
    zeros, blank = np.zeros(len(table), dtype=np.int64), ("",) * len(table)
    rest: dict[str, Any] = {
        "nodes": zeros, "limit_ns": zeros, "priority": zeros, "queue": blank, "user": blank, "model": blank,
    }  # fmt: skip
    return Trace(format=format, source=table.source, field=field, rows=table.rows, **{**rest, **columns})


def _mistyped(table: Table, known: tuple[str, ...]) -> None:
    """A column whose name is nearly one of ours would be missed in silence; any other is the person's own."""
    for name in table.columns:
        guess = "" if name in known else did_you_mean(name, [word for word in known if word not in table])
        if guess:
            raise bad_trace(table.source, [f"row 1: column {name} is unknown ({guess})"])


def _century_ms() -> int:
    return int(3_155_760_000 * NS / MS_NS)
