"""Roll-ups of a run: every metric of every owner in buckets of 10, 60 and 600 s, so that a look at three days reads few of them.

In: the chunks of a `FrameStore`, round by round as they are sealed. Out: windows and heat maps, at most one column a pixel.
The files lie in `rollups/` of the run's folder: one for each metric and width (`store/mapped.py`), and `state.json`, which says
up to which round they are made, where time begins, and whose the rows are.
Rule 1: frames are the truth. A round that was begun and not ended, and what is damaged or missing, is made again from frames.
Rule 2: a reading that comes late is put to its bucket; a bucket without readings is a gap.
Rule 3: times in the answers are chart seconds; inside, seconds since `base_ns`, ten minutes before the first frame.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt

from jupyter_aicci.agent.files import replacing
from jupyter_aicci.store.buckets import (
    FOR_MEANS,
    STATISTICS,
    Floats,
    Folded,
    Ints,
    columns_of,
    fold,
    mean_columns,
    means,
    read,
)
from jupyter_aicci.store.frames import ChunkRow, FrameStore
from jupyter_aicci.store.mapped import BUCKETS, ColumnFile, spans_text
from jupyter_aicci.store.readings import MOST_VALUES, Readings, layout_of, readings, scope_of
from jupyter_aicci.store.sealing import drops, numbers_of, rounds

WIDTHS_S = (10, 60, 600)
NS = 1_000_000_000
VERSION = 1
MOST_CELLS = 1_000_000  # buckets that one answer reads; beyond, it reads wider ones
MOST_NAME = 200  # letters of a metric in a file's name; a longer one is in the frames only


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Some owners' curves: row by row `owners`, column by column from `t_s` for `column_s` seconds; NaN is a gap."""

    owners: tuple[str, ...]
    t_s: Floats  # where each column begins, chart seconds
    column_s: float
    first: Floats
    low: Floats
    high: Floats
    last: Floats
    mean: Floats

    def of(self, whose: str) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """(t, first, min, max, last) of one owner."""
        row = self.owners.index(whose)
        return self.t_s, self.first[row], self.low[row], self.high[row], self.last[row]


@dataclass(frozen=True, slots=True, eq=False)
class Total:
    """What some owners' means come to, column by column from `t_s` for `column_s` seconds."""

    t_s: Floats
    column_s: float
    total: Floats  # over those that were seen
    seen: npt.NDArray[np.bool_]  # (owners, columns)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Which buckets a look reads, and how many of them are one column."""

    width_s: int
    first: int
    behind: int
    each: int


class Rollups:
    """The open roll-ups in `folder`; `origin_ns` is chart second 0. Methods may be called from any thread."""

    def __init__(self, folder: Path, *, origin_ns: int = 0, writable: bool = False) -> None:
        self.folder, self.origin_ns, self._writable = folder, origin_ns, writable
        self._guard, self._taking = (
            threading.RLock(),
            threading.Lock(),
        )  # who looks waits for one chunk, not for a round
        self._files: dict[tuple[str, str, int], ColumnFile] = {}
        self._rows: dict[str, dict[str, int]] = {}  # scope -> owner -> row; only ever more of them
        self._sorted: dict[str, tuple[str, ...]] = {}  # scope -> owners in the order of their numbers
        self.base_ns = self.round = self._begun = 0
        self._lasting: set[str] = set()  # damage that no frames are left to mend
        self._incomplete = not self._read_state()

    def take(self, store: FrameStore) -> None:
        """Put in every round that was sealed since; the first call after a kill or with damage repairs."""
        with self._taking:
            if self._begun > self.round or self._incomplete or set(self.damaged()) - self._lasting:
                with self._guard:
                    self._redo(store)
            for number in rounds(store, self.round):
                rows = numbers_of(store, number)
                self._begun = number
                self._begin(rows)
                self._write_state()
                self._add_all(store, rows)
                self.round = number
                self._write_state()

    def window(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Window:
        """The curves of `owners` between two chart seconds, at most `columns` wide; a counter as its rate a second."""
        scope = scope_of(metric, owners[0]) if owners else "rank"
        with self._guard:
            rows = self._rows_of(scope, owners)
            grid = self._grid(scope, metric, len(rows), from_s, to_s, columns)
            found = self._columns(scope, metric, rows, grid)
        t_s, column_s = self._times(grid)
        return Window(tuple(owners), t_s, column_s, found.first, found.low, found.high, found.last, found.mean)

    def total(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Total:
        """The sum of the means that `window` has of these owners, of a counter of their rates."""
        scope = scope_of(metric, owners[0]) if owners else "rank"
        with self._guard:
            rows = self._rows_of(scope, owners)
            grid = self._grid(scope, metric, len(rows), from_s, to_s, columns)
            sums, seen = [], []
            for part in self._means(scope, metric, rows, grid):
                seen.append(~np.isnan(part))
                sums.append(np.where(seen[-1], part, 0.0).sum(axis=0))
        return Total(*self._times(grid), np.concatenate(sums), np.concatenate(seen, axis=1))

    def heat(
        self, metric: str, from_s: float, to_s: float, columns: int, scope: str = "rank"
    ) -> tuple[tuple[str, ...], Floats, Floats]:
        """(owners, edges of the columns, means (owners, columns)) of every owner of a scope; a counter as its rate."""
        with self._guard:
            owners = self.owners(metric, scope)
            rows = self._rows_of(scope, owners)
            grid = self._grid(scope, metric, len(rows), from_s, to_s, columns)
            found = np.concatenate(list(self._means(scope, metric, rows, grid)), axis=1)
        t_s, column_s = self._times(grid)
        return owners, np.r_[t_s, t_s[-1] + column_s], found

    def owners(self, metric: str, scope: str = "rank") -> tuple[str, ...]:
        """Whose series of a metric may be here, in the order of their numbers."""
        with self._guard:
            names = self._rows.get(scope, {})
            if not self._path(scope, metric, WIDTHS_S[-1]).exists():
                return ()
            if len(self._sorted.get(scope, ())) != len(names):
                self._sorted[scope] = tuple(sorted(names, key=_in_numbers))
            return self._sorted[scope] if names else ()

    def metrics(self) -> tuple[tuple[str, str], ...]:
        """Every (scope, metric) that is here."""
        with self._guard:
            names = (path.name.split(".") for path in self.folder.glob(f"*.{WIDTHS_S[-1]}.col"))
            return tuple(sorted((parts[0], unquote(".".join(parts[1:-2]))) for parts in names))

    def span_s(self) -> tuple[float, float]:
        """From when to when there are buckets, chart seconds; (0, 0) where there are none."""
        with self._guard:
            rooms = [self._file(scope, metric, 600).buckets * 600 for scope, metric in self.metrics()]
            begin_s = (self.base_ns - self.origin_ns) / NS
            return (begin_s, begin_s + max(rooms)) if rooms else (0.0, 0.0)

    def damaged(self) -> tuple[str, ...]:
        """What reads as a gap because it is damaged, in sentences."""
        return tuple(
            f"roll-up {file.path.name} is damaged: {spans_text(file.damaged, width)} is shown as a gap."
            for (_, _, width), file in sorted(self._files.items())
            if file.damaged
        )

    def forget(self, width_s: int) -> bool:
        """Delete the roll-ups of one width; whether there were any."""
        with self._guard:
            found = list(self.folder.glob(f"*.{width_s}.col"))
            for path in found:
                path.unlink()
            for key in [key for key in self._files if key[2] == width_s]:
                self._files.pop(key).close()
            if found:
                self._write_state()
            return bool(found)

    def flush(self) -> None:
        """Bring everything to the disk: the run has ended."""
        with self._guard:
            for file in self._files.values():
                file.flush()

    def close(self) -> None:
        with self._guard:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _rows_of(self, scope: str, owners: Sequence[str]) -> Ints:
        known = self._rows.get(scope, {})
        return np.array([known.get(whose, 1 << 30) for whose in owners], dtype=np.int64)

    def _grid(self, scope: str, metric: str, owners: int, from_s: float, to_s: float, columns: int) -> _Grid:
        shift_s = (self.base_ns - self.origin_ns) / NS  # chart second of bucket 0
        width_s = self._width(metric, scope, owners, to_s - from_s, columns)
        first = int((from_s - shift_s) // width_s)
        behind = max(first + 1, int(-((shift_s - to_s) // width_s)))
        return _Grid(width_s, first, behind, max(1, -(-(behind - first) // columns)))

    def _times(self, grid: _Grid) -> tuple[Floats, float]:
        """(where each column begins, chart seconds; seconds of a column)."""
        first = np.arange(grid.first, grid.behind, grid.each, dtype=np.float64)
        return (self.base_ns - self.origin_ns) / NS + first * grid.width_s, float(grid.each * grid.width_s)

    def _columns(self, scope: str, metric: str, rows: Ints, grid: _Grid) -> Folded:
        layout = layout_of(scope, metric)
        stats = self._file(scope, metric, grid.width_s).read(rows, grid.first - 1, grid.behind)
        return columns_of(read(layout, stats[:, :, 1:], stats[:, :, 0]), grid.each, layout)

    def _means(self, scope: str, metric: str, rows: Ints, grid: _Grid) -> Iterator[Floats]:
        """(owners, columns) of the means alone, some columns at a time: of many owners only so many fit the processor's cache."""
        layout = layout_of(scope, metric)
        file = self._file(scope, metric, grid.width_s)
        of = [STATISTICS[layout].index(name) for name in FOR_MEANS[layout]]
        step = grid.each * max(1, BUCKETS // grid.each)
        for first in range(grid.first, grid.behind, step):
            stats = file.read(rows, first - 1, min(first + step, grid.behind), of)
            yield mean_columns(*means(layout, stats), grid.each, layout)

    def _width(self, metric: str, scope: str, owners: int, span_s: float, columns: int) -> int:
        """The widest buckets that fill the columns, wider where there would be too many, of those that were kept."""
        kept = [width for width in WIDTHS_S if self._path(scope, metric, width).exists()] or [WIDTHS_S[-1]]
        fine = [width for width in kept if width <= span_s / max(columns, 1)] or kept[:1]
        for width in kept:
            if width >= fine[-1] and owners * span_s / width <= MOST_CELLS:
                return width
        return kept[-1]

    def _begin(self, rows: Sequence[ChunkRow]) -> None:
        if not self.base_ns and rows:
            self.base_ns = min(row.from_ns for row in rows) - WIDTHS_S[-1] * NS  # room for what comes late

    def _add_all(self, store: FrameStore, rows: Iterator[ChunkRow] | Sequence[ChunkRow], from_ns: int = 0) -> None:
        for row in rows:
            chunk = store.opened(row)
            if chunk is None:
                continue
            for found in readings(row, chunk):
                with self._guard:
                    self._add(found, from_ns)

    def _add(self, found: Readings, from_ns: int) -> None:
        keep = found.time_ns >= max(from_ns, self.base_ns)
        if not keep.any():
            return
        t_s, values = (found.time_ns[keep] - self.base_ns) / NS, found.values[keep]
        places: dict[str, list[int]] = {}
        for place, (scope, metric, _) in enumerate(found.series):
            places.setdefault(layout_of(scope, metric), []).append(place)
        for layout, columns in places.items():
            for width_s in reversed(WIDTHS_S):  # whether a metric is kept at all, its widest file says
                buckets, folded = fold(layout, t_s, values[:, columns], width_s)  # type: ignore[arg-type]
                self._put([found.series[place] for place in columns], width_s, buckets, folded)

    def _put(self, series: list[tuple[str, str, str]], width_s: int, buckets: Ints, folded: Floats) -> None:
        """Write one fold; each metric's part to its file."""
        by_metric: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        for place, (scope, metric, whose) in enumerate(series):
            known = self._rows.setdefault(scope, {})
            rows, columns = by_metric.setdefault((scope, metric), ([], []))
            rows.append(known.setdefault(whose, len(known)))
            columns.append(place)
        for (scope, metric), (rows, columns) in by_metric.items():
            if self._is_kept(scope, metric):
                self._file(scope, metric, width_s).add(np.array(rows), buckets, folded[:, columns])

    def _is_kept(self, scope: str, metric: str) -> bool:
        """Whether a metric has roll-ups, or may get them: of the names that a program logs, only so many, and none too long."""
        if scope != "value":
            return True
        if len(quote(metric, safe="")) > MOST_NAME:
            return False
        widest = WIDTHS_S[-1]
        return self._path(scope, metric, widest).exists() or self._values_here() < MOST_VALUES

    def _values_here(self) -> int:
        return len(list(self.folder.glob(f"value.*.{WIDTHS_S[-1]}.col")))

    def _redo(self, store: FrameStore) -> None:
        """Make again what may be wrong: everything, or, where old frames were dropped, from the oldest frame that is left."""
        upto = max(self.round, self._begun)
        gone = drops(store)
        if not gone or not self._rows:  # without the state nobody knows whose the rows are
            self._remove_files()
            self._rows, self.base_ns, self.round, self._begun = {}, 0, 0, 0
            self._sorted.clear()
            self._incomplete = False
            return
        widest_ns = WIDTHS_S[-1] * NS
        left_ns = max(drop.to_ns for drop in gone) - self.base_ns
        from_ns = self.base_ns + (left_ns // widest_ns + 1) * widest_ns
        for scope, metric in self.metrics():
            for width_s in WIDTHS_S:
                self._file(scope, metric, width_s).clear((from_ns - self.base_ns) // (width_s * NS))
        with store.reading():
            rows = store.chunk_rows("WHERE class != 'told' AND to_ns >= ? AND round <= ? ORDER BY round", from_ns, upto)
            self._add_all(store, list(rows), from_ns)
        self.round = self._begun = upto
        self._lasting, self._incomplete = set(self.damaged()), False
        self._write_state()

    def _file(self, scope: str, metric: str, width_s: int) -> ColumnFile:
        key = (scope, metric, width_s)
        if key not in self._files:
            layout = layout_of(scope, metric)
            self._files[key] = ColumnFile(self._path(*key), layout, writable=self._writable)
        return self._files[key]

    def _path(self, scope: str, metric: str, width_s: int) -> Path:
        return self.folder / f"{scope}.{quote(metric, safe='')[:MOST_NAME]}.{width_s}.col"

    def _read_state(self) -> bool:
        """Whether `state.json` is there and whole."""
        try:
            state = json.loads((self.folder / "state.json").read_text())
            if state["version"] != VERSION:
                return False
            self._rows = {
                scope: {name: row for row, name in enumerate(names)} for scope, names in state["owners"].items()
            }
            self.base_ns, self.round, self._begun = int(state["base_ns"]), int(state["round"]), int(state["begun"])
            return set(state["files"]) <= {path.name for path in self.folder.glob("*.col")}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def _write_state(self) -> None:
        state = {
            "version": VERSION,
            "base_ns": self.base_ns,
            "round": self.round,
            "begun": self._begun,
            "owners": {scope: list(rows) for scope, rows in self._rows.items()},
            "files": sorted(path.name for path in self.folder.glob("*.col")),
        }
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with replacing(self.folder / "state.json") as file:
            file.write(json.dumps(state).encode())

    def _remove_files(self) -> None:
        self.close()
        for path in (*self.folder.glob("*.col"), *self.folder.glob("*.new"), self.folder / "state.json"):
            with suppress(FileNotFoundError):
                path.unlink()


def _in_numbers(whose: str) -> tuple[tuple[int, str], ...]:
    """rank-2 before rank-10."""
    parts = whose.replace("/", "-").split("-")
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
