"""What pages show beside single runs: all runs as rows, shapes with what is free, queues, data; and what of it changed.

In: the desk. Out: `whole` for who has nothing, `since` for who has a version of it.
Rule 1: worked out once for all watchers, when one of them asks, and at most every `BETWEEN_S`; nobody watching costs nothing.
Rule 2: a run that has ended is made into a row once; those that live, again at each look. Looks take about a
twentieth of the service's time, and there is one a second.
Rule 3: when the next run of a shape would start is asked of the scheduler when what is free has changed, and every `FORESEE_S`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.service.data_rows import DataRows
from jupyter_aicci.service.limits import moment_ns
from jupyter_aicci.store.board import user_name

if TYPE_CHECKING:
    from jupyter_aicci.service.desk import Desk

BETWEEN_S, SHARE = 0.2, 20.0
MOST_PAUSE_S = 1.0  # the first look brings the scheduler in, and must not hide what happens for seconds after it
FORESEE_S = 5.0
MOST_GONE = 10_000  # versions for which a page that is behind is told what has gone
MOST_RUNS = 2_000  # rows that a page gets; older ones are counted

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the site, and the version in which it became so."""

    value: Any
    version: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """When the next run of each shape would start, as it was worked out for so much room."""

    room: tuple[tuple[str, int], ...] = ()
    found: list[Json] = field(default_factory=list)
    least_s: float = 0.0  # not worked out again before, whatever happens
    until_s: float = 0.0


class Site:
    """The site of one service, in versions that count up."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.data = DataRows(desk.runs.bell.ring)
        self._user = user_name(os.getuid())
        self._version = 0
        self._rows: dict[RunId, Part] = {}
        self._ended: dict[RunId, Run] = {}  # whose rows are final
        self._gone: dict[RunId, int] = {}
        self._parts: dict[str, Part] = {}
        self._foreseen = Foreseen()
        self._now_since: dict[str, int] = {}  # shapes that could start at once, and since when
        self._again_s = 0.0

    def whole(self) -> tuple[Json, int]:
        """(all of it, its version)"""
        self._look()
        rows = [part.value for part in self._rows.values()]
        rows.sort(key=lambda row: (row["submitted_at"], row["id"]), reverse=True)
        parts = {name: part.value for name, part in self._parts.items()}
        return {"now_ns": self._desk.runs.clock.now_ns(), "user": self._user, "runs": rows, **parts}, self._version

    def since(self, version: int) -> tuple[Json, int]:
        """(what became different after `version`, the version now); {} where nothing did."""
        self._look()
        delta: Json = {name: part.value for name, part in self._parts.items() if part.version > version}
        if rows := [part.value for part in self._rows.values() if part.version > version]:
            delta["runs"] = rows
        if gone := [run_id for run_id, when in self._gone.items() if when > version]:
            delta["gone"] = gone
        return ({"now_ns": self._desk.runs.clock.now_ns(), **delta} if delta else {}), self._version

    async def ready(self) -> None:
        """Return when a look is due again."""
        await asyncio.sleep(max(0.0, self._again_s - time.monotonic()))

    def _look(self) -> None:
        """Bring everything up to date, unless that was done just now."""
        began_s = time.monotonic()
        if began_s < self._again_s:
            return
        self._version += 1
        newest_first = self._desk.runs.newest_first()
        shown = newest_first[:MOST_RUNS]
        self._take_rows(shown)
        self._take("more_runs", len(newest_first) - len(shown))
        self._take("status", self._desk.status())
        self._take("shapes", self._shapes())
        self._take("queues", self._desk.queues())
        self._take("data", self.data.rows(shown))
        took_s = time.monotonic() - began_s
        self._again_s = began_s + took_s + min(max(BETWEEN_S, SHARE * took_s), MOST_PAUSE_S)

    def _take(self, name: str, value: Any) -> None:
        known = self._parts.get(name)
        if known is None or known.value != value:
            self._parts[name] = Part(value, self._version)

    def _take_rows(self, shown: Iterable[Run]) -> None:
        ids = set()
        for run in shown:
            ids.add(run.id)
            if self._ended.get(run.id) is run:
                continue
            row, known = self._desk.runs.summary(run), self._rows.get(run.id)
            if known is None or known.value != row:
                self._rows[run.id] = Part(row, self._version)
            if run.ended:
                self._ended[run.id] = run
        for run_id in self._rows.keys() - ids:
            del self._rows[run_id]
            self._ended.pop(run_id, None)
            self._gone[run_id] = self._version
        self._gone = {run_id: version for run_id, version in self._gone.items() if version > self._version - MOST_GONE}

    def _shapes(self) -> list[Json]:
        """The shapes, each with when a run on one node of it would start that is sent now."""
        rows, now_s, seen = self._desk.shapes(), time.monotonic(), self._foreseen
        room = tuple((row["name"], row["free"]) for row in rows)
        if now_s >= seen.until_s or (room != seen.room and now_s >= seen.least_s):
            found = [self._foresee(row["name"]) for row in rows]
            done_s = time.monotonic()
            least_s = done_s + SHARE * (done_s - now_s)
            self._foreseen = seen = Foreseen(room, found, least_s, max(done_s + FORESEE_S, least_s))
        return [row | foreseen for row, foreseen in zip(rows, seen.found, strict=True)]

    def _since_when(self, shape: str, start_ns: int | None, *, now: bool) -> int | None:
        """The start; one that could be at once keeps its moment as long as that is so, and is no news each time."""
        before = self._now_since.get(shape) if now else None
        if now:
            self._now_since[shape] = before or start_ns or 0
        else:
            self._now_since.pop(shape, None)
        return before or start_ns

    def _foresee(self, shape: str) -> Json:
        spec = RunSpec(shape=(shape,), owner=self._user)
        try:
            if refused := self._desk.loop.line.refusal(spec):
                return {"start_ns": None, "never": refused.message}
            foreseen = self._desk.loop.line.foresee(spec)
            start_ns = moment_ns(foreseen.expected.start_s)
            return {"start_ns": self._since_when(shape, start_ns, now=not foreseen.why), "never": ""}
        except AicciError as error:
            return {"start_ns": None, "never": error.message}
