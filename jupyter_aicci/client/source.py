"""A run's data, read where it lies: its folder, for runs that live or have ended and for copies of folders alike.

In: the folder, and the rows of the journal, from the service or from `events.jsonl` in a copy. Out: `Source`, from which tables,
trace, picture and page are made.
Rule 1: the service is asked for rows and view alone. Frames are read here, so that a large export costs the service nothing.
Rule 2: what is read is what was written when it was opened, and a little more where the run lives.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.events import Event, Noted, event_from_row
from jupyter_aicci.pricing.meter import Ledger, cost_series, meter
from jupyter_aicci.store.folder import RunFolder
from jupyter_aicci.timeline.logged import keeps

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_aicci.store.frames import StoredFrame
    from jupyter_aicci.timeline.gather import Gathered
    from jupyter_aicci.timeline.incremental import Accumulator
    from jupyter_aicci.timeline.lanes import View
    from jupyter_aicci.timeline.trace import Logged

    Points = tuple[array[int], array[float]]  # epoch ns, values
    Pieces = Iterator[list[StoredFrame]]

HEAD = ("seq", "kind", "time_ns", "run_id")  # of a row, beside the fields of its event
Json = dict[str, Any]


@dataclass(kw_only=True)
class Source:
    """One run as it is now."""

    folder: RunFolder
    now_ns: int
    told: tuple[Json, ...] | None  # its findings, where they are known
    draw: Callable[[Source, int], View]
    _values: dict[str, dict[int, Points]] = field(default_factory=dict)  # by name and rank

    @property
    def ledger(self) -> Ledger:
        return meter(self.folder.run, self.now_ns)

    def view(self, width_px: int) -> View:
        """The timeline."""
        return self.draw(self, width_px)

    @cached_property
    def findings(self) -> tuple[Json, ...]:
        """What is wrong with the run, the costliest first."""
        return _found(self) if self.told is None else self.told

    @cached_property
    def state(self) -> Accumulator:
        """All frames, folded into what is drawn."""
        return self.folder.read(self._folded)

    @cached_property
    def gathered(self) -> Gathered:
        """All frames, as tables and findings take them: half the work where nothing is drawn."""
        return self.state.gathered if "state" in vars(self) else self.folder.read(self._gathered)

    @property
    def logged(self) -> Logged:
        """What the ranks logged, by rank and name."""
        import numpy as np

        _ = self.gathered
        return {
            (rank, name): (np.array(times), np.array(values))
            for name, ranks in self._values.items()
            for rank, (times, values) in ranks.items()
        }

    def _folded(self, pieces: Pieces) -> Accumulator:
        from jupyter_aicci.timeline.incremental import Accumulator

        state = Accumulator(origin_ns=self.folder.run.submitted_ns)
        for frames in self._with_values(pieces):
            state.feed(frames)
        return state

    def _gathered(self, pieces: Pieces) -> Gathered:
        from jupyter_aicci.timeline.gather import Gathered

        gathered = Gathered(self.folder.run.submitted_ns)
        for frames in self._with_values(pieces):
            for frame in frames:
                gathered.take(frame)
        return gathered

    def _with_values(self, pieces: Pieces) -> Pieces:
        """The same; what is logged in them is kept."""
        self._values.clear()
        for frames in pieces:
            for frame in frames:
                if frame.frame["k"] == "log":
                    self._log(frame.time_ns, frame.frame)
            yield frames

    def _log(self, time_ns: int, frame: Mapping[str, Any]) -> None:
        for name, value in frame["values"].items():
            if isinstance(value, (int, float)) and keeps(self._values, name):
                ranks = self._values.setdefault(name, {})
                times, values = ranks.setdefault(int(frame["rank"]), (array("q"), array("d")))
                times.append(time_ns)
                values.append(value)

    def pieces(self, table: str) -> Iterator[pd.DataFrame]:
        """A table of `client.tables.TABLES`, piece by piece."""
        from jupyter_aicci.client import tables

        match table:
            case "metrics":
                from jupyter_aicci.store.raw import batches

                yield from tables.metrics(batches(self.folder.store))
            case "phases":
                from jupyter_aicci.timeline.stretches import stretches

                gathered = self.gathered
                found = stretches(self.folder.run, gathered.told, gathered.records, self.ledger.entries)
                yield from tables.phases(found)
            case _:
                yield tables.costs(self.ledger, self.gathered.parts(self.folder.run, self.ledger.entries))


@contextmanager
def of_service(path: Path, details: Mapping[str, Any], view: Callable[[int], View]) -> Iterator[Source]:
    """A run that a service knows: `path` is its folder, `details` the service's answer about it."""
    with RunFolder(path, _events(details)) as folder:
        now_ns = max(folder.now_ns(), time.time_ns())
        yield Source(
            folder=folder, now_ns=now_ns, told=tuple(details["findings"]), draw=lambda _, width_px: view(width_px)
        )


def of_copy(folder: RunFolder) -> Source:
    """A run that its folder alone knows."""
    now_ns = max(folder.now_ns(), *(row.time_ns for row in folder.events))  # a bill may be corrected after the end
    return Source(folder=folder, now_ns=now_ns, told=_told(folder.events) or None, draw=_drawn)


def _events(details: Mapping[str, Any]) -> tuple[Event, ...]:
    return tuple(
        event_from_row(row["kind"], details["id"], row["time_ns"], {key: row[key] for key in row if key not in HEAD})
        for row in details["events"]
    )


def _told(events: Iterable[Event]) -> tuple[Json, ...]:
    """The findings that the journal has of a run that has ended."""
    rows = [event for event in events if isinstance(event, Noted) and event.topic == "finding"]
    return tuple({key: value for key, value in row.data.items() if key != "key"} for row in rows)


def _found(source: Source) -> tuple[Json, ...]:
    from jupyter_aicci.timeline.findings import findings

    evidence = source.gathered.evidence(source.folder.run, source.ledger.entries, now_ns=source.now_ns)
    return tuple(each.to_json() for each in findings(evidence))


def _drawn(source: Source, width_px: int) -> View:
    folder = source.folder
    drawn = source.state.view(
        folder.run,
        cost=cost_series(folder.run, source.now_ns),
        billed=source.ledger.entries,
        now_ns=source.now_ns,
        width_px=width_px,
        log_text=folder.log_tail(),
    )
    return replace(drawn, findings=source.findings)
