"""What every route of the extension has in common, and the routes that are passed on as they are.

Rule 1: each verb is `@authenticated` and `@authorized`; nothing is read from the request before that.
Rule 2: only the routes listed here are passed on. The service's shutdown is not among them: it ends more than a page.
Rule 3: errors are JSON, `{message, code, hint, field}`, in the words of whoever noticed them; `field` is an option's, or empty.
"""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import quote

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from jupyter_aicci.extension.upstream import ANSWER_LIMIT_S, Upstream
from jupyter_aicci.model.errors import AicciError, error_from_json

RESOURCE = "aicci"
LONGEST_WAIT_S = 300.0  # of the service's long poll


class AicciBase(ExtensionHandlerMixin, JupyterHandler):
    """The upstream at hand, and errors in our form; for requests and WebSockets alike."""

    auth_resource = RESOURCE

    @property
    def upstream(self) -> Upstream:
        return cast(Upstream, self.settings["aicci_upstream"])

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        body = error_body((kwargs.get("exc_info") or (None, None, None))[1], status_code)
        self.set_header("Content-Type", "application/json")
        self.set_status(body.pop("status"))
        self.finish(json.dumps(body))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """What was refused on purpose is the asker's to read, not the log's."""
        if not isinstance(value, AicciError):
            super().log_exception(typ, value, tb)


class AicciHandler(AicciBase, APIHandler):
    """Base of the routes that answer JSON."""

    async def pass_on(self, verb: str, body: bytes | None = None, *, limit_s: float = ANSWER_LIMIT_S) -> None:
        """Send the request on and its answer back."""
        path = self.request.path.partition("/aicci/api/")[2]
        query = f"?{self.request.query}" if self.request.query else ""
        answer = await self.upstream.call(verb, f"/v1/{path}{query}", body, limit_s=limit_s)
        self.set_status(answer.code)
        self.finish(answer.body, set_content_type=answer.headers.get("Content-Type", "application/json"))

    async def may(self, action: str) -> bool:
        """Whether this user may do it."""
        return bool(await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)))

    async def ask(self, target: str, data: Any = None) -> Any:
        """The service's JSON answer to a GET, or to a POST of `data`; an error of the service becomes this request's error."""
        verb, sent = ("GET", None) if data is None else ("POST", json.dumps(data).encode())
        answer = await self.upstream.call(verb, target, sent)
        body = json.loads(answer.body)
        if answer.code >= 400:
            raise error_from_json(body, answer.code)
        return body


class Read(AicciHandler):
    """Routes that only look."""

    @web.authenticated
    @authorized
    async def get(self, *_: str) -> None:
        await self.pass_on("GET")


class Wait(AicciHandler):
    """The long poll for a run's next row."""

    @web.authenticated
    @authorized
    async def get(self, *_: str) -> None:
        await self.pass_on("GET", limit_s=LONGEST_WAIT_S + ANSWER_LIMIT_S)


class Launch(AicciHandler):
    """The list of runs; a new one in it is a program that runs here."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.pass_on("GET")

    @web.authenticated
    @authorized(action="execute")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        await self.pass_on("POST", self.request.body)


class Write(AicciHandler):
    """Routes that change a run, or work something out of a body."""

    @web.authenticated
    @authorized
    async def post(self, *_: str) -> None:
        await self.pass_on("POST", self.request.body)


class ReadWrite(AicciHandler):
    """Routes that are looked at and written to: forecasts, bills."""

    @web.authenticated
    @authorized
    async def get(self, *_: str) -> None:
        await self.pass_on("GET")

    @web.authenticated
    @authorized
    async def post(self, *_: str) -> None:
        await self.pass_on("POST", self.request.body)


def error_body(error: BaseException | None, status: int) -> dict[str, Any]:
    """`{status, message, code, hint, field}` of an error."""
    if isinstance(error, AicciError):
        field = error.field.removeprefix("--").replace("-", "_")
        return {"status": error.status, **error.to_json(), "field": field}
    if isinstance(error, web.HTTPError):
        message = error.log_message or error.reason or f"status {status}"
        return {"status": status, "message": message, "code": f"http_{status}", "hint": "", "field": ""}
    message = "the Jupyter server made a mistake; its log has the details." if error else f"status {status}"
    return {"status": status, "message": message, "code": "internal", "hint": "", "field": ""}


def run_path(ref: str, what: str) -> str:
    """`/v1/runs/REF/what` of the service."""
    return f"/v1/runs/{quote(ref, safe='')}/{what}"


REF = r"([^/]+)"
ROUTES: list[tuple[str, type[AicciHandler]]] = [
    (r"/aicci/api/status", Read),
    (r"/aicci/api/shapes", Read),
    (r"/aicci/api/queues", Read),
    (r"/aicci/api/data", Read),
    (r"/aicci/api/metrics", Read),
    (r"/aicci/api/costs", Read),
    (r"/aicci/api/costs/focus", Read),
    (r"/aicci/api/forecast", ReadWrite),
    (r"/aicci/api/runs", Launch),
    (rf"/aicci/api/runs/{REF}", Read),
    (rf"/aicci/api/runs/{REF}/stop", Write),
    (rf"/aicci/api/runs/{REF}/wait", Wait),
    (rf"/aicci/api/runs/{REF}/cost", ReadWrite),
    (rf"/aicci/api/runs/{REF}/(?:logs|view|speed)", Read),
]
