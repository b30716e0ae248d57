"""A run's folder, wherever it was copied to, opened without a service: the run, its frames, its roll-ups, the end of its log.

In: the folder's path. Out: what is there; nothing in the folder is changed, also where it may be written to.
Rule: what is damaged or missing costs itself and is told in `notes`. Without `frames.db` the spools are read (`store/remake.py`),
without the rows of the journal (`events.jsonl`) there is no run to show.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jupyter_aicci.model.errors import AicciError, HostError, UserError
from jupyter_aicci.model.events import Event
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import size
from jupyter_aicci.store.events_file import read_events
from jupyter_aicci.store.following import Following
from jupyter_aicci.store.frames import FrameStore, StoredFrame
from jupyter_aicci.store.journal import fold_what_holds
from jupyter_aicci.store.remake import remade

if TYPE_CHECKING:
    from jupyter_aicci.store.rollups import Rollups

TAIL_BYTES = 8192
PIECE = 5000  # frames that are in memory at a time
T = TypeVar("T")


class RunFolder:
    """An open folder of one run; close it, or use it in a `with`. Raises `UserError` "not_a_run_folder".

    `events` are the rows of its journal where they are known better than from `events.jsonl`, as of a run that lives.
    """

    def __init__(self, path: Path, events: Sequence[Event] = ()) -> None:
        self.path = path
        self._gaps: tuple[str, ...] = ()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.run, self.events, self._lost = _run_of(path, events)
        self.store = self._open_frames()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        self.store.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def read(self, take: Callable[[Iterator[list[StoredFrame]]], T]) -> T:
        """What `take` makes of every frame that can be read, in order, piece by piece; there is a `gap` where some cannot.

        Where the database turns out not to be readable, `take` is called anew, with the frames that can be had in its place.
        """
        try:
            return take(self._pieces())
        except HostError as error:
            self.store.close()
            self.store = self._remade(f"frames.db cannot be read ({error})")
            return take(self._pieces())

    def frames(self) -> list[StoredFrame]:
        """All of them at once."""
        return self.read(lambda pieces: [frame for piece in pieces for frame in piece])

    def _pieces(self) -> Iterator[list[StoredFrame]]:
        following, self._gaps = Following(self.store), ()
        while piece := following.take(PIECE):
            self._gaps = (*self._gaps, *(_gap_text(frame) for frame in piece if "lost_bytes" in frame.frame))
            yield piece

    def rollups(self) -> Rollups:
        """The roll-ups as they are; empty where there are none."""
        from jupyter_aicci.store.rollups import Rollups

        return Rollups(self.path / "rollups", origin_ns=self.run.submitted_ns)

    def log_tail(self, rank: int = 0) -> str:
        """The end of what a rank of the latest attempt printed, "" where there is nothing."""
        logs = sorted(self.path.glob(f"attempt-*/node-*/rank-{rank}.log"), key=lambda log: _number(log.parts[-3]))
        if not logs:
            return ""
        with logs[-1].open("rb") as file:
            file.seek(max(0, logs[-1].stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace")

    def now_ns(self) -> int:
        """Until when something is known of the run."""
        rows = self.store.select("SELECT max(time_ns) FROM frames UNION ALL SELECT max(to_ns) FROM chunks")
        return max(self.run.ended_ns or 0, self.run.submitted_ns, *(row[0] or 0 for row in rows))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is damaged or missing, in sentences."""
        return (*self._lost, *self.store.losses, *self._gaps)

    def _open_frames(self) -> FrameStore:
        path = self.path / "frames.db"
        if not path.exists():
            return self._remade("frames.db is missing" if self.run.attempts else "")
        try:
            return FrameStore(path, read_only=True)
        except (sqlite3.Error, AicciError) as error:
            return self._remade(f"frames.db cannot be read ({error})")

    def _remade(self, why: str) -> FrameStore:
        """The frames from elsewhere, in a temporary file: the folder stays as it is."""
        if why:
            self._lost = (*self._lost, f"{why}; the spools are read in its place.")
        self._temporary = tempfile.TemporaryDirectory(prefix="aicci-")
        return remade(self.path, self.path / "frames.db", Path(self._temporary.name) / "frames.db")


def _run_of(path: Path, known: Sequence[Event]) -> tuple[Run, tuple[Event, ...], tuple[str, ...]]:
    try:
        events, lost = (list(known), ()) if known else read_events(path)
        run, more = fold_what_holds(events) if events else (None, "")
    except OSError:
        events, run, lost, more = [], None, (), ""
    if run is None:
        raise UserError(
            "not_a_run_folder",
            f"{path} is not the folder of a run, or its events.jsonl is missing or damaged.",
            hint="Name a folder as they lie in AICCI_HOME/runs, or a copy of one.",
        )
    return run, tuple(events), (*lost, more) if more else lost


def _gap_text(frame: StoredFrame) -> str:
    return f"{size(frame.frame['lost_bytes'])} of {frame.source}.spool are damaged and are shown as a gap."


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)
