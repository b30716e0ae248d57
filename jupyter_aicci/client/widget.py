"""`run.widget()`: the run's card where our extension is not, over the widget's own connection to the kernel.

The page's half is widget.js beside this file (labextension/src/widget, bundled); it asks by `{call, id, args}` and gets
`{id}` with the answer as a buffer, or `{id, error}`. `{follow: page}` and `{leave: page}` begin and end the stream.
Rule 1: every call is answered in a thread, the stream is read in another one: the kernel's main thread waits for nothing, and
what is pushed comes also while a cell runs. A call that a page makes meanwhile is heard when the cell is done.
Rule 2: one stream a widget, whoever watches: it begins anew, with a whole view, when a page comes, and all pages get it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anywidget
import traitlets
from tornado.httpclient import HTTPClientError

from jupyter_aicci.client.drawn import bokeh_file, bundle_json, figure_json, one_file, widget_files
from jupyter_aicci.client.exports import format_named
from jupyter_aicci.client.starting import ensure_service
from jupyter_aicci.client.streams import connect
from jupyter_aicci.model.errors import AicciError

if TYPE_CHECKING:
    from jupyter_aicci.client.calls import Calls
    from jupyter_aicci.client.run import Run

LOG_PIECE_BYTES = 4_000_000  # the service gives no more at once
CALLS_AT_ONCE = 4


class RunWidget(anywidget.AnyWidget):
    """The card of one run; several views of it, in several pages, are one."""

    _esm, _css = widget_files()
    run_id = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)  # the run in words, for where no card can be drawn
    png = traitlets.Unicode().tag(sync=True)  # base64, "" while the run lives

    def __init__(self, client: Calls, run: Run) -> None:
        kept, _ = run._repr_mimebundle_()
        super().__init__(run_id=run.id, text=kept["text/plain"], png=kept.get("image/png", ""))
        self._answers = Answers(client, run)
        self._client, self._watching = client, set[str]()
        self._following: Future[None] | None = None
        self.on_msg(self._heard)

    def close(self) -> None:
        """End the stream, too."""
        self._follow(False)
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The view, and what stands in its place where no widget is shown."""
        data, beside = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": self.text, **({"image/png": self.png} if self.png else {})}, beside

    def _heard(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        """A page has sent something; the kernel's main thread is here, and leaves at once."""
        if "call" in content:
            pool().submit(self._answer, content)
        elif "follow" in content:
            self._watching.add(content["follow"])
            self._follow(True)
        elif "leave" in content:
            self._watching.discard(content["leave"])
            if not self._watching:
                self._follow(False)

    def _answer(self, content: dict[str, Any]) -> None:
        try:
            data = self._answers.to(str(content["call"]), content.get("args", {}))
        except AicciError as error:
            self.send({"id": content["id"], "error": {"status": error.status, **error.to_json()}})
        except Exception as error:
            told = {"status": 500, "code": "internal", "message": f"{type(error).__name__}: {error}", "hint": ""}
            self.send({"id": content["id"], "error": told})
        else:
            self.send({"id": content["id"]}, buffers=[data])

    def _follow(self, on: bool) -> None:
        if self._following:
            self._following.cancel()
        self._following = asyncio.run_coroutine_threadsafe(self._pushes(), background()) if on else None

    async def _pushes(self) -> None:
        """Send on what the service streams, until it ends or another one begins."""
        target = f"/v1/runs/{quote(self.run_id, safe='')}/stream"
        try:
            try:
                stream = await connect(self._client.home, target)
            except OSError:
                await asyncio.to_thread(ensure_service, self._client.home)
                stream = await connect(self._client.home, target)
        except (AicciError, HTTPClientError, OSError):
            self.send({"closed": True})  # the page asks for the run next, and is told why
            return
        try:
            while (message := await stream.read_message()) is not None:
                self.send({"push": message})
            self.send({"closed": True})
        finally:
            stream.close()


class Answers:
    """What a page can ask about its run, each answer as bytes."""

    def __init__(self, client: Calls, run: Run) -> None:
        self._client, self._run = client, run
        self._drawing = threading.Lock()

    def to(self, call: str, args: dict[str, Any]) -> bytes:
        """The answer. Raises `AicciError`."""
        known: dict[str, Callable[..., bytes]] = {
            "summary": lambda: _json(self._run.summary()),
            "view": lambda **window: _json(self._client.view(self._run.id, **window)),
            "figure": self._figure,
            "bundle": lambda: self._draw(bundle_json, self._client.view(self._run.id)),
            "logs": lambda **part: _json(self._client.logs(self._run.id, **part)),
            "log": self._log,
            "export": lambda format: self._draw(self._file, format),
            "stop": lambda: _json(self._run.stop(reason="stopped from the notebook")),
            "bokeh": lambda version: bokeh_file(version, "bokeh.min.js"),
        }
        return known[call](**args)

    def _figure(self, *, width_px: int, theme: str, unfolded: list[str] | None) -> bytes:
        opened = None if unfolded is None else ",".join(unfolded)
        return self._draw(figure_json, self._client.view(self._run.id, width_px=width_px), theme, opened)

    def _draw(self, function: Callable[..., bytes], *args: Any) -> bytes:
        with self._drawing:
            return function(*args)

    def _file(self, name: str) -> bytes:
        with TemporaryDirectory(prefix="aicci-") as folder, self._run.source() as source:
            return one_file(source, format_named(name), Path(folder), self._run.id).read_bytes()

    def _log(self, *, rank: int, attempt: int) -> bytes:
        text, offset, size = "", 0, 1
        while offset < size:
            part = self._client.logs(self._run.id, rank=rank, attempt=attempt, offset=offset, limit=LOG_PIECE_BYTES)
            text, size = text + part["text"], part["size"]
            offset = part["offset"] if part["text"] else size
        return text.encode()


@cache
def pool() -> ThreadPoolExecutor:
    """Threads that answer calls, of all widgets of this kernel."""
    return ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="aicci-widget")


@cache
def background() -> asyncio.AbstractEventLoop:
    """The loop that reads streams, of all widgets of this kernel."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="aicci-streams", daemon=True).start()
    return loop


def _json(answer: Any) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
