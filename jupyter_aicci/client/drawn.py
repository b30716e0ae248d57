"""What a page needs to draw a run: figure and bundle of a view as JSON, the picture, BokehJS, and a file of the run.

In: the JSON of a view. Out: bytes to send, whoever sends them: the Jupyter server to a page, a kernel to its widget.
Rule: bokeh and matplotlib are imported by the first drawing; who draws in threads draws in one, matplotlib is not made for two.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.client.exports import Format, export
from jupyter_aicci.model.errors import HostError, NotFoundError, UserError
from jupyter_aicci.timeline.bundle import bundle
from jupyter_aicci.timeline.lanes import view_from_json

if TYPE_CHECKING:
    from jupyter_aicci.client.source import Source


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


def bokeh_file(version: str, name: str) -> bytes:
    """One file of the installed BokehJS; raises `NotFoundError` for any other version."""
    import bokeh

    if version != bokeh.__version__:
        raise NotFoundError(
            "bokeh_version",
            f"BokehJS {version} is not here, {bokeh.__version__} is.",
            hint="Reload the page: bokeh was updated under it.",
        )
    return (Path(bokeh.__file__).parent / "server" / "static" / "js" / name).read_bytes()


def widget_files() -> tuple[Path, Path]:
    """Script and style of the page's half of `run.widget()`. Raises `HostError` in a checkout that never built its JavaScript."""
    script, style = (Path(__file__).with_name(name) for name in ("widget.js", "widget.css"))
    if not script.exists():
        raise HostError(
            "widget_not_built", f"{script} is not there: this jupyter-aicci was built without JavaScript.",
            hint="`./tools/dev setup` in its checkout builds it.",
        )  # fmt: skip
    return script, style


def one_file(source: Source, made: Format, folder: Path, name: str) -> Path:
    """The run as one file in `folder`: what is several files is one ZIP."""
    paths = export(source, made, folder / f"{name}{made.suffix}")
    if len(paths) == 1:
        return paths[0]
    packed = folder / f"{name}{made.suffix}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in paths:
            file.write(path, path.name)
    return packed
