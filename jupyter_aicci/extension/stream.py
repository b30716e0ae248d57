"""The live streams, from the service's WebSocket to the browser's: of one run, and of everything beside single runs.

Rule 1: who may not look gets an HTTP status, before anything is upgraded.
Rule 2: a message is read from the service only when the browser has taken the one before, so a slow page slows only itself.
Rule 3: when the service goes, the browser is told to connect again (1012), and does so with its cursor.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any, cast
from urllib.parse import urlencode

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketHandler

from jupyter_aicci.extension.announcer import Announcer
from jupyter_aicci.extension.drawings import warm_up
from jupyter_aicci.extension.handlers import REF, RESOURCE, AicciBase, run_path

SERVICE_RESTART = 1012
PASSED_ON = ("cursor", "width_px", "ranks")


class Relay(AicciBase, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """Base: `get_target` says which of the service's streams is passed on."""

    @ws_authenticated
    async def get(self, *args: str) -> None:
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", RESOURCE)):
            raise web.HTTPError(403, f"User is not authorized to read on resource: {RESOURCE}.")
        origin = self.request.headers.get("Origin")
        if origin and not self.check_origin(origin):
            raise web.HTTPError(403, "Cross origin websockets not allowed")  # before a service is started for it
        self._service = await self._connect(self.get_target(*args))
        self._relay_task: asyncio.Task[None] | None = None
        try:
            await super().get(*args)  # checks the origin, upgrades, and lasts as long as the socket
        finally:
            self._service.close()
            if self._relay_task:
                self._relay_task.cancel()

    def get_target(self, *args: str) -> str:
        """Path and query of the service's stream; called once the user may look."""
        raise NotImplementedError

    def open(self, *args: str, **kwargs: str) -> None:
        super().open(*args, **kwargs)
        self._relay_task = asyncio.ensure_future(self._relay())

    def on_message(self, message: str | bytes) -> None:
        """A watcher has nothing to say."""

    async def _relay(self) -> None:
        try:
            while (message := await self._service.read_message()) is not None:
                await self.write_message(message)
        except WebSocketClosedError:
            return
        self.close(SERVICE_RESTART, "the service went away; connect again")

    async def _connect(self, target: str) -> WebSocketClientConnection:
        try:
            return await self.upstream.connect(target)
        except HTTPClientError as error:
            body = error.response.body.decode(errors="replace") if error.response else ""
            raise web.HTTPError(error.code if error.code < 500 else 502, log_message=body or str(error)) from None


class RunStream(Relay):
    """WS aicci/api/runs/REF/stream?cursor=N."""

    def get_target(self, *args: str) -> str:
        cast(Executor, self.settings["aicci_drawing"]).submit(warm_up)
        query = {name: self.get_query_argument(name) for name in PASSED_ON if self.get_query_argument(name, "")}
        return run_path(args[0], f"stream?{urlencode(query)}")


class SiteStream(Relay):
    """WS aicci/api/stream."""

    def get_target(self, *args: str) -> str:
        cast(Announcer, self.settings["aicci_announcer"]).start()
        return "/v1/stream"


ROUTES: list[tuple[str, type[Any]]] = [
    (rf"/aicci/api/runs/{REF}/stream", RunStream),
    (r"/aicci/api/stream", SiteStream),
]
