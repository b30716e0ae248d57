"""The service as the Jupyter server reaches it: tornado's clients over the Unix socket, without blocking anyone.

Rule 1: a call that finds no service starts one in a thread and is made once more; every call of the service may be
made twice without harm.
Rule 2: what the service answers is passed on as it is, errors too; only silence becomes an error of ours.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection

from jupyter_aicci.client import ensure_service
from jupyter_aicci.client.streams import LARGEST_MESSAGE_BYTES, UnixResolver, connect
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.store.paths import Home, check_socket_dir

MOST_AT_ONCE = 200  # long polls hold one each
ANSWER_LIMIT_S = 60.0


class Upstream:
    """Calls to the service of one home."""

    def __init__(self, home: Home, threads: Executor) -> None:
        self._home, self._threads = home, threads
        self._resolver = UnixResolver(path=str(home.service_socket))
        self._client = SimpleAsyncHTTPClient(
            force_instance=True, resolver=self._resolver, max_clients=MOST_AT_ONCE, max_body_size=LARGEST_MESSAGE_BYTES
        )

    async def call(
        self, verb: str, target: str, body: bytes | None = None, *, limit_s: float = ANSWER_LIMIT_S
    ) -> HTTPResponse:
        """The service's answer, whatever its status. Raises `HostError` when there is none to be had."""
        check_socket_dir(self._home)
        request = HTTPRequest(
            f"http://aicci{target}",
            method=verb,
            body=body,
            connect_timeout=5.0,
            request_timeout=limit_s,
            decompress_response=False,
        )
        try:
            return await self._client.fetch(request, raise_error=False)
        except HTTPTimeoutError:
            raise _silent(f"did not answer {verb} {target} within {limit_s:.0f} s") from None
        except (OSError, HTTPClientError):
            await self.ensure()
        try:
            return await self._client.fetch(request, raise_error=False)
        except (OSError, HTTPClientError) as error:
            raise _silent(f"was started and broke off again ({error})") from None

    async def connect(self, target: str, *, start: bool = True) -> WebSocketClientConnection:
        """A WebSocket to the service, which is started where there is none, unless `start` is false.

        Raises `HTTPClientError` with the service's status where it refuses, `OSError` where nobody answers.
        """
        check_socket_dir(self._home)
        try:
            return await connect(self._home, target)
        except HTTPClientError as error:
            if error.code != 599 or not start:
                raise
        except OSError:
            if not start:
                raise
        await self.ensure()
        return await connect(self._home, target)

    async def ensure(self) -> None:
        """Return when a service answers; the start is waited for in a thread."""
        await asyncio.get_running_loop().run_in_executor(self._threads, ensure_service, self._home)

    def close(self) -> None:
        self._client.close()


def _silent(what: str) -> HostError:
    return HostError(
        "service_unreachable", f"the aicci service {what}.", hint="`aicci service status` says how it stands."
    )
