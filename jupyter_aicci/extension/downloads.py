"""A run as a file for the browser: the formats of `client/exports.py`, made here, so that the service stays small.

Rule 1: a file is made in a thread and in a temporary folder, and sent piece by piece: neither the server nor its memory notices.
Rule 2: what is several files (csv, parquet) comes as one ZIP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_aicci.client.drawn import one_file
from jupyter_aicci.client.exports import Format, format_named
from jupyter_aicci.client.source import of_service
from jupyter_aicci.extension.drawings import DrawingHandler
from jupyter_aicci.extension.handlers import REF, AicciHandler, run_path
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.paths import Home
from jupyter_aicci.timeline.lanes import view_from_json

PIECE_BYTES = 1_000_000
LOG_PIECE_BYTES = 4_000_000  # the service gives no more at once


class LogFile(AicciHandler):
    """GET …/logs/download?rank=0&attempt=0 → all that is kept of a rank's log, as text"""

    @web.authenticated
    @authorized
    async def get(self, ref: str) -> None:
        rank, attempt = (self.get_query_argument(name, "0") for name in ("rank", "attempt"))
        target = run_path(ref, f"logs?rank={quote(rank)}&attempt={quote(attempt)}&limit={LOG_PIECE_BYTES}&offset=")
        part = await self.ask(f"{target}0")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{quote(ref, safe="")}.rank-{part["rank"]}.log"')
        while True:
            self.write(part["text"])
            await self.flush()
            if not part["text"] or part["offset"] >= part["size"]:
                break
            part = await self.ask(f"{target}{part['offset']}")
        self.finish(set_content_type="text/plain; charset=utf-8")


class Export(DrawingHandler):
    """GET …/export?format=perfetto → the file"""

    @web.authenticated
    @authorized
    async def get(self, ref: str) -> None:
        made = format_named(self.get_query_argument("format", ""))
        details = await self.ask(f"/v1/runs/{quote(ref, safe='')}")
        view = await self.ask(run_path(ref, f"view?width_px={made.width_px}")) if made.width_px else None
        home = cast(Home, self.settings["aicci_home"])
        with TemporaryDirectory(prefix="aicci-") as folder:
            write = partial(written, home.run_dir(RunId(details["id"])), details, view, made, Path(folder))
            path = await self._make(write, drawn=view is not None)
            await self._send(path, made.mime if path.name.endswith(made.suffix) else "application/zip")

    async def _make(self, write: Callable[[], Path], *, drawn: bool) -> Path:
        """Drawings in the thread of drawings, since matplotlib is not made for two; all else must not keep them waiting."""
        return await self.draw(write) if drawn else await asyncio.to_thread(write)

    async def _send(self, path: Path, mime: str) -> None:
        self.set_header("Content-Type", mime)
        self.set_header("Content-Disposition", f'attachment; filename="{path.name}"')
        self.set_header("Content-Length", str(path.stat().st_size))
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                self.write(piece)
                await self.flush()
        self.finish(set_content_type=mime)


def written(run_dir: Path, details: dict[str, Any], view: dict[str, Any] | None, made: Format, folder: Path) -> Path:
    """The one file to send, made in `folder`."""
    with of_service(run_dir, details, lambda _: view_from_json(view or {})) as source:
        return one_file(source, made, folder, details["id"])


ROUTES: list[tuple[str, type[AicciHandler]]] = [
    (rf"/aicci/api/runs/{REF}/export", Export),
    (rf"/aicci/api/runs/{REF}/logs/download", LogFile),
]
