"""Figure, picture and final bundle of one run: the service's view, drawn here so that the service stays small.

Rule 1: drawing happens in one thread apart: the server answers meanwhile, and matplotlib is not made for two.
Rule 2: bokeh and matplotlib are imported by the first drawing, in that thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_aicci.client.drawn import bundle_json, figure_json, png
from jupyter_aicci.extension.handlers import REF, AicciHandler, run_path
from jupyter_aicci.model.errors import UserError

Made = TypeVar("Made")


def warm_up() -> None:
    """Import what a figure needs: whoever watches a run asks for one next."""
    import jupyter_aicci.timeline.figure  # noqa: F401


class DrawingHandler(AicciHandler):
    """Base: the run's view, and a thread to draw it in."""

    async def view(self, ref: str) -> dict[str, Any]:
        width = self.get_query_argument("width_px", "800")
        if not width.isdigit():
            raise UserError("bad_number", f"?width_px={width}: expected a number of pixels.", field="width_px")
        return cast(dict[str, Any], await self.ask(run_path(ref, f"view?width_px={width}")))

    async def draw(self, function: Callable[..., Made], *args: Any) -> Made:
        thread = cast(Executor, self.settings["aicci_drawing"])
        return await asyncio.get_running_loop().run_in_executor(thread, function, *args)


class Figure(DrawingHandler):
    """GET …/figure?width_px=&theme=light&unfolded=cpu,node-0 → {item, view, legend, places, frame, heat, severities}"""

    @web.authenticated
    @authorized
    async def get(self, ref: str) -> None:
        theme, unfolded = self.get_query_argument("theme", "light"), self.get_query_argument("unfolded", None)
        self.finish(await self.draw(figure_json, await self.view(ref), theme, unfolded))


class Picture(DrawingHandler):
    """GET …/picture.png"""

    @web.authenticated
    @authorized
    async def get(self, ref: str) -> None:
        self.finish(await self.draw(png, await self.view(ref)), set_content_type="image/png")


class Bundle(DrawingHandler):
    """GET …/bundle → the MIME bundle that the notebook keeps"""

    @web.authenticated
    @authorized
    async def get(self, ref: str) -> None:
        self.finish(await self.draw(bundle_json, await self.view(ref)))


ROUTES: list[tuple[str, type[AicciHandler]]] = [
    (rf"/aicci/api/runs/{REF}/figure", Figure),
    (rf"/aicci/api/runs/{REF}/picture\.png", Picture),
    (rf"/aicci/api/runs/{REF}/bundle", Bundle),
]
