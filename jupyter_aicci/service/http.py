"""The HTTP server on the Unix socket: who may speak to it, and what an answer and an error look like.

Rule 1: the kernel says who is at the other end (SO_PEERCRED): another user's connection is closed unread, and a run belongs to
the user whom the kernel named, whatever the request says.
Rule 2: every answer is JSON. An error on purpose is an `AicciError` and keeps its status; anything else is a bug of ours: it is
logged with its traceback and answered as `internal`.
Rule 3: a request is at most 1 MB; programs and values go through the run's directory, never through here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler

from jupyter_aicci.model.errors import AicciError, HostError, NotFoundError, UserError, did_you_mean
from jupyter_aicci.store.board import user_name

if TYPE_CHECKING:
    from jupyter_aicci.service.desk import Desk

MAX_BODY_BYTES = 1_000_000
HARD_BODY_BYTES = 8_000_000  # beyond it the connection is closed without reading on
LOG = logging.getLogger("aicci.service")


class UnixHTTPServer(HTTPServer):
    """An HTTP server that only talks to its own user."""

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        uid = peer_uid(stream.socket)
        if uid != os.getuid():
            LOG.warning("refused a connection of uid %s", uid)
            stream.close()
            return
        super().handle_stream(stream, ("unix", uid))


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end of a connected Unix socket."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", packed)
    return int(uid)


class JsonHandler(RequestHandler):
    """Base of every route: the desk at hand, JSON in, JSON out."""

    desk: Desk

    def initialize(self, desk: Desk) -> None:
        self.desk = desk

    @property
    def caller(self) -> str:
        """The name of the user at the other end."""
        connection: Any = self.request.connection
        return user_name(int(connection.context.address[1]))

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json")

    def prepare(self) -> None:
        if len(self.request.body) > MAX_BODY_BYTES:
            raise UserError(
                "too_large", f"a request may have {MAX_BODY_BYTES} bytes, this one has {len(self.request.body)}."
            )

    def compute_etag(self) -> None:
        """No ETags: nobody caches answers of a local service."""

    def body(self) -> dict[str, Any]:
        """The request's JSON object; `{}` where none was sent."""
        if not self.request.body:
            return {}
        try:
            data = json.loads(self.request.body)
        except ValueError as error:
            raise UserError("bad_json", f"the request's body is not JSON: {error}.") from None
        if not isinstance(data, dict):
            raise UserError("bad_json", f"the request's body must be a JSON object, not {type(data).__name__}.")
        return data

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """A number of the query, held within its bounds."""
        text = self.get_query_argument(name, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise UserError("bad_number", f"?{name}={text}: expected a number.", field=name) from None
        if value != value:
            raise UserError("bad_number", f"?{name}={text}: expected a number.", field=name)
        return min(max(value, low), high)

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number of the query, held within its bounds."""
        return int(self.number(name, default, low=low, high=high))

    def answer(self, data: Any, status: int = 200) -> None:
        self.set_status(status)
        self.finish(json.dumps(data, ensure_ascii=False, separators=(",", ":")))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        fault = as_aicci_error(error, status_code, self.request)
        self.answer(fault.to_json(), fault.status if isinstance(error, AicciError) else status_code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, (AicciError, HTTPError)):
            LOG.error("%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb))


class UnknownRoute(JsonHandler):
    """Every path that no route has."""

    def initialize(self, desk: Desk, known: Sequence[str] = ()) -> None:
        super().initialize(desk)
        self._known = known

    def prepare(self) -> None:
        guess = did_you_mean(self.request.path, self._known)
        raise NotFoundError(
            "unknown_route",
            f"{self.request.method} {self.request.path} is not known here" + (f"; {guess}" if guess else "."),
        )


def as_aicci_error(error: BaseException | None, status: int, request: HTTPServerRequest) -> AicciError:
    """What is told about an error; bugs keep their text out of the answer and in the log."""
    if isinstance(error, AicciError):
        return error
    if status == 405:
        return UserError("bad_method", f"{request.path} does not know {request.method}.")
    if isinstance(error, HTTPError) and status < 500:
        return UserError(
            "bad_request", f"{request.method} {request.path}: {error.log_message or error.reason or status}."
        )
    return HostError(
        "internal", f"{request.method} {request.path} failed by a mistake of the service ({type(error).__name__}).",
        hint="The end of service.log has the details; please report them.",
    )  # fmt: skip


def serve(desk: Desk, routes: list[tuple[str, type[RequestHandler]]], sock: socket.socket) -> UnixHTTPServer:
    """Answer requests on a listening Unix socket."""
    rules: list[Any] = [(pattern, handler, {"desk": desk}) for pattern, handler in routes]
    known = [re.sub(r"\(.*?\)", "REF", pattern) for pattern, _ in routes]
    application = Application(
        rules,
        default_handler_class=UnknownRoute,
        default_handler_args={"desk": desk, "known": known},
        log_function=_log,
    )
    server = UnixHTTPServer(application, max_body_size=HARD_BODY_BYTES, max_buffer_size=2 * HARD_BODY_BYTES)
    server.add_socket(sock)
    return server


def _log(handler: RequestHandler) -> None:
    if handler.get_status() >= 500:
        LOG.warning("%s %s → %d", handler.request.method, handler.request.path, handler.get_status())
