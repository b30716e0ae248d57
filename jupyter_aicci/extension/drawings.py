"""Figure, picture and final bundle of one run: the service's view, drawn here so that the service stays small.

Rule 1: drawing happens in one thread apart: the server answers meanwhile, and matplotlib is not made for two.
Rule 2: bokeh and matplotlib are imported by the first drawing, in that thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_aicci.extension.handlers import REF, AicciHandler, run_path
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.timeline.bundle import bundle
from jupyter_aicci.timeline.lanes import view_from_json

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


def figure_json(data: dict[str, Any], theme: str, unfolded: str | None = None) -> bytes:
    """The figure of a view with its places and its legend, as JSON; the data is in the view alone.

    `unfolded` are ids of lanes with commas between them; without it what the lanes say of themselves.
    """
    from jupyter_aicci.timeline.colours import THEMES, legend
    from jupyter_aicci.timeline.figure import figure, item, placed, without_data

    if theme not in THEMES:
        raise UserError("bad_theme", f"?theme={theme}: expected one of {', '.join(THEMES)}.", field="theme")
    view, look = without_data(view_from_json(data)), THEMES[theme]
    opened = None if unfolded is None else [lane_id for lane_id in unfolded.split(",") if lane_id]
    drawn = item(figure(view, theme=look, unfolded=opened))
    beside = placed(view, theme=look, unfolded=opened)
    return json.dumps({"item": drawn, "view": data, "legend": legend(view.legend, look), **beside}).encode()


def png(data: dict[str, Any]) -> bytes:
    """The picture of a view."""
    from jupyter_aicci.timeline.picture import picture

    return picture(view_from_json(data))


def bundle_json(data: dict[str, Any]) -> bytes:
    """Id and summary, picture and words of a view (section 9), as JSON."""
    from jupyter_aicci.timeline.summary import summary_text

    words = summary_text(view_from_json(data))
    return json.dumps(bundle(data["run"], words, png(data))).encode()


ROUTES: list[tuple[str, type[AicciHandler]]] = [
    (rf"/aicci/api/runs/{REF}/figure", Figure),
    (rf"/aicci/api/runs/{REF}/picture\.png", Picture),
    (rf"/aicci/api/runs/{REF}/bundle", Bundle),
]
