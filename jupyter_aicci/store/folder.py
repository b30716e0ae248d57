"""A run's folder, wherever it was copied to, opened without a service: the run, its frames, its roll-ups, the end of its log.

In: the folder's path. Out: what is there; nothing in the folder is changed, also where it may be written to.
Rule: what is damaged or missing costs itself and is told in `notes`. Without `frames.db` the spools are read, without the rows
of the journal (`events.jsonl`) there is no run to show.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.agent.frames import read_spool
from jupyter_aicci.model.errors import AicciError, UserError
from jupyter_aicci.model.events import Event
from jupyter_aicci.model.run import Run
from jupyter_aicci.store.events_file import read_events
from jupyter_aicci.store.frames import FrameStore, Item, StoredFrame
from jupyter_aicci.store.journal import fold_what_holds
from jupyter_aicci.store.paths import source_of

if TYPE_CHECKING:
    from jupyter_aicci.store.rollups import Rollups

TAIL_BYTES = 8192
SPOOL = re.compile(r"attempt-(\d+)/node-(\d+)/(agent|rank-\d+)\.spool")


class RunFolder:
    """An open folder of one run; close it, or use it in a `with`. Raises `UserError` "not_a_run_folder".

    `events` are the rows of its journal where they are known better than from `events.jsonl`, as of a run that lives.
    """

    def __init__(self, path: Path, events: Sequence[Event] = ()) -> None:
        self.path = path
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

    def frames(self) -> list[StoredFrame]:
        """Every frame that can be read, in order; a `gap` where some cannot."""
        return self.store.all()

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
        return (*self._lost, *self.store.losses)

    def _open_frames(self) -> FrameStore:
        path = self.path / "frames.db"
        if path.exists():
            try:
                return FrameStore(path, read_only=True)
            except (sqlite3.Error, AicciError) as error:
                self._lost = (*self._lost, f"frames.db cannot be read ({error}); the spools are read in its place.")
        elif self.run.attempts:
            self._lost = (*self._lost, "frames.db is missing; the spools are read in its place.")
        self._temporary = tempfile.TemporaryDirectory(prefix="aicci-")
        store = FrameStore(Path(self._temporary.name) / "frames.db")
        store.append(sorted(_of_spools(self.path), key=lambda item: item[3]))
        return store


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


def _of_spools(folder: Path) -> Iterator[Item]:
    """Every frame of every spool, its time by the clocks that its writer's head named."""
    for path in sorted(folder.glob("attempt-*/node-*/*.spool")):
        found = SPOOL.fullmatch(path.relative_to(folder).as_posix())
        if found:
            source, offset, t_ns, shift_ns = source_of(int(found[1]), int(found[2]), found[3]), 0, 0, 0
            while (records := read_spool(path, offset))[0]:
                for offset, frame in records[0]:
                    shift_ns = _shift_ns(frame, shift_ns)
                    t_ns = int(frame.get("t", 0))
                    yield source, offset, frame, t_ns + shift_ns
            left_bytes = path.stat().st_size - offset
            if left_bytes:
                yield source, offset + left_bytes, {"k": "gap", "t": t_ns, "lost_bytes": left_bytes}, t_ns + shift_ns


def _shift_ns(frame: dict[str, Any], before_ns: int) -> int:
    """A head has both clocks, and a gap in front of one has them, too."""
    return int(frame["wall_ns"]) - int(frame["boot_ns"]) if "wall_ns" in frame else before_ns


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)
