"""A run as one JSON file that JupyterLab, Notebook 7 and JupyterLite open as the live card, with no server behind it.

In: a view; a wide one (`page.py`) keeps more to zoom into; the ends of the ranks' logs; what a notebook keeps of the run; BokehJS.
Out: the file's text. Data stands in it once, in the view; figures are there without data for each theme, folded and unfolded;
BokehJS of exactly the figures' version is in it, packed. labextension/src/recorded reads it (`IRecording` in protocol.ts).
Rule 1: a reader's page runs only programs that it knows: models and snippets of a figure stand in
labextension/src/recorded/known.json, which tests/timeline/test_recorded.py compares with what is drawn here.
Rule 2: `VERSION` counts changes that an older reader cannot read.
Imports bokeh, as `figure` does.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import bokeh

from jupyter_aicci.timeline.colours import THEMES, Theme, legend
from jupyter_aicci.timeline.figure import figure, item, placed, without_data
from jupyter_aicci.timeline.lanes import View

VERSION = 1
MOST_RANKS = 64  # whose logs are kept, and of the rank that failed first


def recorded(view: View, *, logs: Mapping[int, str], bundle: Mapping[str, Any], bokeh_js: bytes) -> str:
    """The file's text; `logs` are the ends of logs by rank, `bokeh_js` is the installed bokeh.min.js."""
    data = {
        "aicci_run": VERSION,
        "view": view.to_json(),
        "figures": {name: _figures(view, theme) for name, theme in THEMES.items()},
        "logs": {str(rank): text for rank, text in logs.items()},
        "bundle": bundle,
        "bokeh": {"version": bokeh.__version__, "gzip": _packed(bokeh_js)},
    }
    return json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def ranks_to_keep(view: View) -> list[int]:
    """The ranks whose logs go into the file: the first ones, and the one that failed."""
    failed = (view.verdict or {}).get("rank")
    kept = set(range(min(int(view.run["world_size"]), MOST_RANKS)))
    return sorted(kept | ({failed} if isinstance(failed, int) and failed >= 0 else set()))


def _figures(view: View, theme: Theme) -> dict[str, Any]:
    """As lanes say of themselves, and with every lane unfolded."""
    parents = {lane.parent for lane in view.lanes if lane.parent}
    return {"own": _figure(view, theme, None), "all": _figure(view, theme, parents)}


def _figure(view: View, theme: Theme, unfolded: set[str] | None) -> dict[str, Any]:
    """What api/runs/REF/figure answers, but for the view."""
    empty = without_data(view)
    beside = placed(empty, theme=theme, unfolded=unfolded)
    return {"item": item(figure(empty, theme=theme, unfolded=unfolded)), "legend": legend(view.legend, theme), **beside}


def _packed(program: bytes) -> str:
    """The same text at any time."""
    return base64.b64encode(gzip.compress(program, mtime=0)).decode()
