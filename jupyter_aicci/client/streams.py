"""A WebSocket to the service: the live stream of a run, for the Jupyter server and for widgets.

Rule: tornado is imported here and by nobody else of the client; who waits for a run by `wait_row` pays nothing for it.
"""

from __future__ import annotations

import socket
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.netutil import Resolver
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_aicci.store.paths import Home, check_socket_dir

LARGEST_MESSAGE_BYTES = 64_000_000


class UnixResolver(Resolver):
    """Every host is the one socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._path)]


async def connect(home: Home, target: str) -> WebSocketClientConnection:
    """The open connection. Raises `OSError` where no service is, `HTTPClientError` with its status where it refuses."""
    check_socket_dir(home)
    return await websocket_connect(
        HTTPRequest(f"ws://aicci{target}", connect_timeout=5.0),
        resolver=UnixResolver(path=str(home.service_socket)),
        max_message_size=LARGEST_MESSAGE_BYTES,
        ping_interval=None,
    )
