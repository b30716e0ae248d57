"""Run states as Jupyter events, for whoever listens to a server: other extensions, an administrator's log.

One connection to the service a Jupyter server, however many pages there are; it begins with the first page that looks.
Rule 1: it never starts a service: a service that has gone to sleep has nothing to tell.
Rule 2: what was so when it connected is not told, only what became so afterwards; a state that lasts less than a look of the
service's stream (a quarter of a second) may be left out, and `was` is the last one that was told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from jupyter_events import EventLogger
from tornado.httpclient import HTTPClientError

from jupyter_aicci.extension.upstream import Upstream
from jupyter_aicci.model.errors import AicciError

SCHEMA = "https://events.jupyter.org/jupyter_aicci/run/v1"
KEYS = ("id", "name", "owner", "state", "reason", "shape", "nodes", "queue", "cost_micro", "currency", "budget_note")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Announcer:
    """Emits an event for each change of a run."""

    def __init__(self, upstream: Upstream, logger: EventLogger) -> None:
        self._upstream, self._logger = upstream, logger
        self._task: asyncio.Task[None] | None = None
        self._known: dict[str, Row] | None = None  # what was so when it first connected, and since
        schema = files("jupyter_aicci.extension") / "event_schemas" / "run.yaml"
        logger.register_event_schema(
            schema.read_text(encoding="utf-8")
        )  # now: a listener hears what it finds registered

    def start(self) -> None:
        """Begin, where that has not been done."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._follow())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._listen()
                pause_s = FIRST_PAUSE_S
            except (OSError, HTTPClientError, AicciError):
                pass  # nobody answers; whoever looks starts a service
            except Exception:
                LOG.exception("states of runs are told again in a while")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        service = await self._upstream.connect("/v1/stream", start=False)
        try:
            while (text := await service.read_message()) is not None:
                message = json.loads(text)
                if message["type"] == "site" and self._known is None:
                    self._known = {row["id"]: row for row in message["site"]["runs"]}
                else:
                    self._tell(message.get("site", message).get("runs", ()))
        finally:
            service.close()

    def _tell(self, rows: Iterable[Row]) -> None:
        known = self._known = {} if self._known is None else self._known
        for row in rows:
            event = event_of(row, known.get(row["id"]))
            known[row["id"]] = row
            if event is not None:
                self._logger.emit(schema_id=SCHEMA, data=event)


def event_of(row: Row, before: Row | None) -> dict[str, Any] | None:
    """What is told of a run that was `before`; None where nothing of it matters."""
    if before is not None and all(before[key] == row[key] for key in ("state", "budget_note")):
        return None
    more = {"was": before["state"] if before else "", "exit_class": row["exit_class"] or ""}
    return {key: row[key] for key in KEYS} | more
