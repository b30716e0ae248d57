"""A WebSocket on which somebody watches: it sends until it is closed, and hears nothing.

Rule: what is sent is the subclass's `pump`; when that fails, the service's log has the reason and the watcher is told so (1011).
"""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyter_aicci.service.http import LOG, JsonHandler


class WatchHandler(JsonHandler, WebSocketHandler):
    """Base of the service's streams."""

    async def get(self, *args: Any) -> None:
        self.closed = asyncio.Event()
        await WebSocketHandler.get(self, *args)

    async def pump(self) -> None:
        """Send all that there is to send; ends with its watcher."""
        raise NotImplementedError

    def check_origin(self, origin: str) -> bool:
        """The socket's mode and SO_PEERCRED decide, not a browser's header."""
        return True

    def open(self, *args: str, **kwargs: str) -> None:
        self._pump_task = asyncio.ensure_future(self._pump())

    def on_message(self, message: str | bytes) -> None:
        """A watcher has nothing to say."""

    def on_close(self) -> None:
        self.closed.set()
        self._pump_task.cancel()

    async def _pump(self) -> None:
        try:
            await self.pump()
        except (WebSocketClosedError, asyncio.CancelledError):
            pass
        except Exception:
            LOG.exception("%s broke off", self.request.path)
            self.close(1011, "the service's log has the reason")
