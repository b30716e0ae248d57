"""The live stream of one run: a view first, then what changed, over a WebSocket.

Rule 1: at most 4 messages a second to a watcher, the first after a pause at once; a slow watcher gets fewer and larger ones.
Rule 2: what a watcher has is one `Mark`; nothing is queued for it. When the set of lanes changes, it gets a fresh view.
Rule 3: a watcher of a run that has ended wakes nobody.
Rule 4: whoever waits for a run is told how many watch it, so that nothing is drawn twice.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service.logs import Tail
from jupyter_aicci.service.watching import WatchHandler

if TYPE_CHECKING:
    from jupyter_aicci.model.run import Run
    from jupyter_aicci.timeline.deltas import Mark

BETWEEN_S = 0.25
LOOK_S = 0.04  # between two looks at growing logs
BEAT_S = 1.0  # time and cost move on the screen without frames
MOST_RANKS = 64


class StreamHandler(WatchHandler):
    """WS /v1/runs/REF/stream?cursor=N&width_px=800&ranks=0: the view holds everything, so also all that came after `cursor`."""

    async def get(self, ref: str) -> None:
        self._run_id = self.desk.runs.find(ref).id
        self._width_px = self.whole("width_px", 800, low=50, high=10_000)
        self._tail = Tail(self.desk.home, self._ranks())
        await super().get(ref)

    async def pump(self) -> None:
        self.desk.watchers[self._run_id] += 1
        try:
            await Watcher(self, self._run_id, self._tail, self._width_px).follow()
            await self.closed.wait()
        finally:
            self.desk.watchers[self._run_id] -= 1

    def _ranks(self) -> tuple[int, ...]:
        words = self.get_query_argument("ranks", "0").split(",")
        if not all(word.isdecimal() and len(word) < 10 for word in words) or len(words) > MOST_RANKS:
            raise UserError(
                "bad_ranks", f"?ranks={','.join(words)}: expected up to {MOST_RANKS} numbers.", field="ranks"
            )
        return tuple(dict.fromkeys(int(word) for word in words))


class Watcher:
    """One watcher's messages, in order, until the run has ended."""

    def __init__(self, handler: StreamHandler, run_id: RunId, tail: Tail, width_px: int) -> None:
        self._handler, self._run_id, self._tail, self._width_px = handler, run_id, tail, width_px
        self._desk = handler.desk
        self._clock = asyncio.get_running_loop().time
        self._mark: Mark | None = None
        self._findings: tuple[dict[str, Any], ...] = ()  # that it has

    async def follow(self) -> None:
        await self._send_view()
        while True:
            live = not self._run().ended
            sent_s = self._clock()
            if live:
                await self._news(sent_s + BEAT_S)
            if await self._send_delta():
                await asyncio.sleep(max(0.0, sent_s + BETWEEN_S - self._clock()))
            if not live:
                return

    def _run(self) -> Run:
        return self._desk.runs[self._run_id]

    async def _news(self, until_s: float) -> None:
        """Return when there is a row, a frame or a line that this watcher does not have, or at `until_s`."""
        seq, cursor = (self._mark.run["seq"], self._mark.cursor) if self._mark else (0, 0)
        while self._clock() < until_s:
            run = self._run()
            if (
                self._desk.runs.seq(run.id) != seq
                or self._desk.loop.last_frame(run.id) > cursor
                or self._tail.grown(run)
            ):
                return
            left_s = until_s - self._clock()
            await self._desk.runs.bell.wait(min(left_s, LOOK_S) if run.holds_nodes else left_s)

    async def _send_view(self) -> None:
        run = await self._desk.views.complete(self._run())
        self._tail.begin(run)
        view = self._desk.views.view(run, width_px=self._width_px)
        self._mark = self._desk.views.mark(run, view, width_px=self._width_px)
        self._findings = view.findings
        await self._send({"type": "view", "view": view.to_json()})

    async def _send_delta(self) -> bool:
        """Send what is new; true when there was something."""
        run = self._run()
        await (self._desk.views.complete(run) if run.ended else self._desk.gathering.complete(run))
        run = self._run()
        assert self._mark is not None, "a view goes first"
        delta = self._desk.views.delta(run, self._mark)
        if delta.lanes_changed:
            await self._send_view()
            return True
        self._mark = delta.mark
        log = self._tail.read(run, self._clock())
        more = self._fresh_findings(run) | ({"log": log} if log else {})
        if not delta.body and not more:
            return False
        body = {"type": "delta", "cursor": self._mark.cursor} | dict(delta.body or {}) | more
        await self._send(body)
        return True

    def _fresh_findings(self, run: Run) -> dict[str, Any]:
        """All of them, where they are not those that the watcher has."""
        found = self._desk.views.findings(run)
        if found == self._findings:
            return {}
        self._findings = found
        return {"findings": list(found)}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._handler.write_message(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
