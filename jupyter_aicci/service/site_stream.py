"""The live stream of the site: everything first, then what changed, over a WebSocket.

Rule 1: at most 4 messages a second to a watcher, the first after a pause at once.
Rule 2: what a watcher has is one version number; nothing is queued for it.
Rule 3: it looks after each row of the journal, and every `BEAT_S` while a run lives, whose time and cost move by themselves.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_aicci.service.watching import WatchHandler

BETWEEN_S = 0.25
BEAT_S = 1.0
IDLE_S = 5.0  # where no run lives: other users' runs and sizes of data change what is shown


class SiteStreamHandler(WatchHandler):
    """WS /v1/stream"""

    async def pump(self) -> None:
        site, clock = self.desk.site, asyncio.get_running_loop().time
        runs, heard = self.desk.runs, 0
        whole, version = site.whole()
        await self._send({"type": "site", "site": whole})
        while True:
            sent_s = clock()
            if runs.bell.rings == heard:
                await runs.bell.wait(BEAT_S if runs.unfinished() else IDLE_S)
            await asyncio.sleep(max(0.0, sent_s + BETWEEN_S - clock()))
            await site.ready()
            heard = runs.bell.rings
            delta, version = site.since(version)
            if delta:
                await self._send({"type": "site_delta", **delta})

    async def _send(self, message: dict[str, Any]) -> None:
        await self.write_message(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
