"""A run's data as tables: what `run.metrics()`, `run.phases()`, `run.costs()` and the files made of them have in their columns.

In: readings, stretches, and the ledger with its parts. Out: pandas frames; those of a long run come in pieces, so that a file is
written in the room of one piece.
Rule 1: a column has one row in `TABLES`, of which docs/reference/data.md is made; the frames have these columns in this order.
Rule 2: times are UTC to the nanosecond, money is whole millionths of a currency, what nobody knows is missing and never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from jupyter_aicci.model.metrics import METRICS
from jupyter_aicci.model.phases import kind_of
from jupyter_aicci.timeline.partition import ORDER

if TYPE_CHECKING:
    from jupyter_aicci.pricing.meter import Entry, Ledger
    from jupyter_aicci.store.raw import Batch
    from jupyter_aicci.timeline.partition import Part
    from jupyter_aicci.timeline.stretches import Stretches

TIME, TEXT, WHOLE, MAYBE, NUMBER = "datetime64[ns, UTC]", "category", "int64", "Int64", "float64"
UNITS: dict[tuple[str, str], str] = {(metric.scope, metric.name): metric.unit for metric in METRICS}
Last = dict[tuple[int, str, str, str], tuple[int, float]]  # (attempt, *series) -> the counter's reading before
COUNTERS: set[tuple[str, str]] = {(metric.scope, metric.name) for metric in METRICS if metric.counter}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table. `dtype` is pandas'; `Int64` can be missing."""

    name: str
    dtype: str
    meaning: str


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(name=name, dtype=dtype, meaning=meaning) for name, dtype, meaning in rows)


TABLES: dict[str, tuple[Column, ...]] = {
    "metrics": _columns(
        ("time", TIME, "when it was read or logged"),
        ("scope", TEXT, "`node`, `rank`, `device`, `nic`; `value` is what the program logged"),
        ("owner", TEXT, "whose it is: `node-0`, `rank-5`, `node-0/gpu-3`, `node-0/mlx5_0`"),
        ("metric", TEXT, "its name in [Metrics](metrics.md), or the name under which it was logged"),
        ("unit", TEXT, "of `value`; empty where it counts things or was logged"),
        ("value", NUMBER, "as it was read; of a counter the count so far"),
        ("per_s", NUMBER, "of a counter what it grew by a second since the reading before in the same attempt; else missing"),
        ("step", MAYBE, "the step that a logged value names"),
        ("attempt", WHOLE, "from 1"),
        ("node", WHOLE, "on which it was read"),
    ),
    "phases": _columns(
        ("start", TIME, "when it began; within a step, when the step began"),
        ("end", TIME, "when it ended; within a step, when the step ended"),
        ("attempt", WHOLE, "from 1"),
        ("node", WHOLE, "the rank's node"),
        ("rank", WHOLE, "whose time it is"),
        ("phase", TEXT, "`compute`, `data_wait`, `comm`, `straggler`, `checkpoint`, … as in the bill"),
        ("duration_ns", WHOLE, "time in this phase; less than from start to end where a step has several phases"),
        ("step", MAYBE, "number of the step, of several the last one; missing outside of steps"),
        ("steps", WHOLE, "how many steps the row is of; 0 outside of steps"),
    ),
    "costs": _columns(
        ("start", TIME, "since when the node was held; of a correction, when it was made"),
        ("end", TIME, "when it was free; of a run that lives, now"),
        ("attempt", MAYBE, "from 1; missing of a correction"),
        ("node", MAYBE, "which node; missing of a correction"),
        ("rank", MAYBE, "whose time it was; missing of a correction"),
        ("shape", TEXT, "of the node"),
        ("phase", TEXT, "what the time was spent on; `correction`"),
        ("kind", TEXT, "`useful`, `overhead` or `waste`; `correction`"),
        ("duration_ns", WHOLE, "rank time in this phase"),
        ("amount_micro", MAYBE, "its cost in millionths of `currency`; missing where no price is set"),
        ("currency", TEXT, "ISO 4217"),
    ),
}  # fmt: skip


def empty(table: str) -> pd.DataFrame:
    """The table without rows."""
    return _typed(table, {column.name: [] for column in TABLES[table]})


def metrics(batches: Iterable[Batch]) -> Iterator[pd.DataFrame]:
    """The table `metrics`, a piece a batch."""
    last: Last = {}
    for batch in batches:
        pieces = [_readings(batch, place, last) for place in range(len(batch.series))]
        found = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]} if pieces else {}
        if found and len(found["time"]):
            order = np.argsort(found["time"], kind="stable")
            told = {name: values[order] for name, values in found.items()}
            which = told.pop("series")
            scopes, names, owners = zip(*batch.series, strict=True)
            units = [UNITS.get((scope, metric), "") for scope, metric, _ in batch.series]
            texts = {"scope": scopes, "metric": names, "owner": owners, "unit": units}
            place = {"attempt": batch.attempt, "node": batch.node}
            yield _typed("metrics", {**told, **{name: _texts(each, which) for name, each in texts.items()}, **place})


def phases(found: Iterable[Stretches]) -> Iterator[pd.DataFrame]:
    """The table `phases`, a piece a rank of an attempt."""
    for rows in found:
        if len(rows.ns):
            yield _typed(
                "phases",
                {
                    "start": rows.from_ns,
                    "end": rows.to_ns,
                    "attempt": rows.attempt,
                    "node": rows.node,
                    "rank": rows.rank,
                    "phase": _texts(ORDER, rows.phase),
                    "duration_ns": rows.ns,
                    "step": _maybe(rows.step),
                    "steps": rows.count,
                },
            )


def costs(ledger: Ledger, parts: Iterable[Part]) -> pd.DataFrame:
    """The table `costs`: the parts of every entry of the bill, and its corrections; amounts sum to the ledger's total."""
    entries = {(entry.attempt, entry.node): entry for entry in ledger.entries}
    rows = [_part(entries[part.attempt, part.node], part) for part in parts]
    rows += [
        (row.time_ns, row.time_ns, None, None, None, "", "correction", "correction", 0, row.amount_micro)
        for row in ledger.corrections
    ]
    names = [column.name for column in TABLES["costs"]]
    columns = zip(*((*row, ledger.currency) for row in rows), strict=True) if rows else ([] for _ in names)
    return _typed(
        "costs", {name: pd.Series(list(each), dtype=object) for name, each in zip(names, columns, strict=True)}
    )


def _part(entry: Entry, part: Part) -> tuple[Any, ...]:
    """One row of `costs` without its currency."""
    amount = part.micro if entry.price.known else None
    whose = (entry.from_ns, entry.to_ns, part.attempt, part.node, part.rank, entry.shape)
    return (*whose, part.phase, kind_of(part.phase), part.ns, amount)


def together(table: str, pieces: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All pieces as one frame, ordered by its first column."""
    found = list(pieces)
    if not found:
        return empty(table)
    texts = [column.name for column in TABLES[table] if column.dtype == TEXT]
    joined = {name: union_categoricals([piece[name] for piece in found]) for name in texts}
    whole = pd.concat([piece.drop(columns=texts) for piece in found], ignore_index=True).assign(**joined)
    whole = whole[[column.name for column in TABLES[table]]]
    return whole.sort_values(TABLES[table][0].name, kind="stable", ignore_index=True)


def _readings(batch: Batch, place: int, last: Last) -> dict[str, Any]:
    """The readings of one series of a batch; `last` has the counters' readings before it, and is moved on."""
    seen = ~np.isnan(batch.values[:, place])
    time_ns, values, step = batch.time_ns[seen], batch.values[seen, place], batch.step[seen]
    scope, metric, owner = batch.series[place]
    per_s = np.full(len(values), np.nan)
    if (scope, metric) in COUNTERS and len(values):
        key = (batch.attempt, scope, metric, owner)
        before = last.get(key, (int(time_ns[0]), np.nan))
        grown, passed_ns = np.diff(values, prepend=before[1]), np.diff(time_ns, prepend=before[0])
        known = (grown >= 0) & (passed_ns > 0)
        per_s[known] = grown[known] / (passed_ns[known] / 1e9)
        last[key] = int(time_ns[-1]), float(values[-1])
    series = np.full(len(values), place)
    return {"time": time_ns, "value": values, "per_s": per_s, "step": _maybe(step), "series": series}


def _maybe(numbers: Any) -> Any:
    """Numbers that are missing where they are negative."""
    return np.where(numbers < 0, np.nan, numbers.astype(np.float64))


def _texts(names: Sequence[str], which: Any) -> pd.Categorical:
    """`names[which]`, each name once in memory."""
    known = list(dict.fromkeys(names))
    codes = np.array([known.index(name) for name in names], dtype=np.int64)
    return pd.Categorical.from_codes(codes[which], categories=known)


def _typed(table: str, data: Mapping[str, Any]) -> pd.DataFrame:
    """A frame with the columns of the table in their order and of their types."""
    frame = pd.DataFrame(data)
    return pd.DataFrame({column.name: _as(frame[column.name], column.dtype) for column in TABLES[table]})


def _as(values: Any, dtype: str) -> Any:
    if dtype == TIME:
        return pd.to_datetime(values.astype("int64"), unit="ns", utc=True).astype(TIME)
    return values.astype(dtype)
