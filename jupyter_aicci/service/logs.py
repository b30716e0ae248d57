"""The ranks' logs for readers: one answer of the logs route, the end of rank 0's log, and a watcher's tail of growing logs.

Rule 1: text goes out as the rank wrote it, carriage returns included; who shows it plays them (`store.logs.display_lines`).
Rule 2: a watcher gets at most 64 KB a second; of more than that the newest is kept, and the text says how much is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_aicci.model.errors import NotFoundError
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.text import size
from jupyter_aicci.service.control import rank_count
from jupyter_aicci.store.logs import from_whole_line, read_log
from jupyter_aicci.store.paths import Home

TAIL_BYTES = 8192  # in a view
RATE_BYTES_PER_S = 65_536
COUNTED_BYTES = 8_000_000  # lines of more skipped output than this are not counted, only its bytes are told


def log_path(home: Home, run: Run, attempt: Attempt, rank: int) -> Path:
    """Where a rank's output is."""
    per_node = 1 if run.spec.launcher else attempt.placement.ranks_per_node
    return home.node_dir(run.id, attempt.number, rank // per_node) / f"rank-{rank}.log"


def read(home: Home, run: Run, *, rank: int, offset: int, limit: int, number: int = 0) -> dict[str, Any]:
    """The answer of GET /v1/runs/REF/logs; `number` is the attempt, 0 the latest. Raises `NotFoundError`."""
    if not run.attempts:
        return {"rank": rank, "text": "", "offset": 0, "size": 0, "ended": run.ended}
    attempt = _attempt(run, number)
    if not 0 <= rank < rank_count(run, attempt):
        raise NotFoundError(
            "unknown_rank", f"run {run.id} has ranks 0 to {rank_count(run, attempt) - 1}, not {rank}.", field="rank"
        )  # fmt: skip
    ended = run.ended or attempt is not run.attempt or rank in attempt.exits
    chunk = read_log(log_path(home, run, attempt, rank), offset, limit, ended=ended)
    return {"rank": rank, "text": chunk.text, "offset": chunk.offset, "size": chunk.size, "ended": ended}


def tail_text(home: Home, run: Run) -> str:
    """The last lines of rank 0, "" before it has any."""
    if run.attempt is None:
        return ""
    chunk = read_log(log_path(home, run, run.attempt, 0), -TAIL_BYTES, TAIL_BYTES, ended=True)
    return chunk.text if chunk.size <= TAIL_BYTES else from_whole_line(chunk.text)


def _attempt(run: Run, number: int) -> Attempt:
    if not number:
        return run.attempts[-1]
    for attempt in run.attempts:
        if attempt.number == number:
            return attempt
    raise NotFoundError(
        "unknown_attempt", f"run {run.id} has {len(run.attempts)} attempts, not {number}.", field="attempt"
    )  # fmt: skip


class Tail:
    """What one watcher has of some ranks' logs, from the end that its view showed."""

    def __init__(self, home: Home, ranks: tuple[int, ...]) -> None:
        self._home, self._ranks = home, ranks
        self._offsets: dict[tuple[int, int], int] = {}  # (attempt, rank) -> read up to here
        self._budget, self._since_s = float(RATE_BYTES_PER_S), 0.0

    def begin(self, run: Run) -> None:
        """All that is there now has been shown."""
        for key, path in self._paths(run):
            self._offsets[key] = _size(path)

    def grown(self, run: Run) -> bool:
        """Whether there is anything to send."""
        return any(_size(path) > self._offsets.get(key, 0) for key, path in self._paths(run))

    def read(self, run: Run, now_s: float) -> dict[str, str]:
        """Appended text by rank, within the budget of the seconds since the last call."""
        self._budget = min(RATE_BYTES_PER_S, self._budget + (now_s - self._since_s) * RATE_BYTES_PER_S)
        self._since_s = now_s
        out = {}
        for (number, rank), path in self._paths(run):
            text, self._offsets[number, rank] = self._read_one(
                path, self._offsets.get((number, rank), 0), ended=run.ended
            )
            self._budget -= len(text)
            if text:
                out[str(rank)] = text
        return out

    def _read_one(self, path: Path, offset: int, *, ended: bool) -> tuple[str, int]:
        room = max(1024, int(self._budget) // len(self._ranks))
        total = _size(path)
        skipped = ""
        if total - offset > room:
            skipped, offset = _skipped(path, offset, total - room), total - room
        chunk = read_log(path, offset, room, ended=ended)
        if not skipped:
            return chunk.text, chunk.offset
        return skipped + from_whole_line(chunk.text), chunk.offset

    def _paths(self, run: Run) -> list[tuple[tuple[int, int], Path]]:
        attempt = run.attempt
        if attempt is None:
            return []
        ranks = [rank for rank in self._ranks if rank < rank_count(run, attempt)]
        return [((attempt.number, rank), log_path(self._home, run, attempt, rank)) for rank in ranks]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _skipped(path: Path, start: int, end: int) -> str:
    """The line that stands for what was left out."""
    gone = end - start
    if gone > COUNTED_BYTES:
        return f"\n[skipped {size(gone)}, the whole log is in {path}]\n"
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read(gone).count(b"\n") + 1
    return f"\n[skipped {lines:,} lines, the whole log is in {path}]\n"
