"""BokehJS out of the installed bokeh package: no network, no copy in the notebook, and always the figure's own version.

The version stands in the path, so the browser keeps the file for ever and gets the next one when bokeh is updated.
"""

from __future__ import annotations

import asyncio

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_aicci.client.drawn import bokeh_file
from jupyter_aicci.extension.handlers import AicciHandler

A_YEAR_S = 365 * 24 * 3600


class BokehFile(AicciHandler):
    """GET aicci/bokeh/VERSION/NAME.js"""

    @web.authenticated
    @authorized
    async def get(self, version: str, name: str) -> None:
        data = await asyncio.to_thread(bokeh_file, version, name)
        self.set_header("Cache-Control", f"private, max-age={A_YEAR_S}, immutable")
        self.finish(data, set_content_type="text/javascript; charset=utf-8")


ROUTES: list[tuple[str, type[AicciHandler]]] = [
    (r"/aicci/bokeh/([^/]+)/(bokeh(?:-gl)?(?:\.min)?\.js)", BokehFile),
]
