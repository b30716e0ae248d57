"""A replay as a page that opens offline: accelerators held, runs waiting, accelerators that they ask for, over time.

In: `Use`, how many accelerators there are, a title. Out: one HTML text with BokehJS inside.
Each panel shows, for at most `BINS` equal spans of time, the mean (line) and the range from least to most (band), so
that a replay of 80,000 jobs is a page of the same size as one of 80, and no peak is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import Span
from bokeh.models.widgets.markups import Div
from bokeh.plotting import figure as bokeh_figure
from bokeh.resources import INLINE
from numpy.typing import NDArray

from jupyter_aicci.timeline.colours import AMBER, BLUE, THEMES, VIOLET, Colour
from jupyter_aicci.traces.table import NS
from jupyter_aicci.traces.use import Use

BINS = 1_000
HEIGHT_PX, AXIS_PX, LEFT_PX = 190, 40, 70
DAY_S = 86_400.0
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bins:
    """A step function over equal spans of time."""

    edges_s: Numbers  # one more than spans
    mean: Numbers
    least: Numbers
    most: Numbers


def page(use: Use, *, accelerators: int, title: str, facts: Sequence[str]) -> str:
    """The whole page; `facts` stand under the title as text, so that the charts are not the only way to read it."""
    unit, name = (DAY_S, "days") if use.time_ns[-1] > 3 * DAY_S * NS else (3_600.0, "hours")
    panels = [
        _panel("accelerators held", binned(use.time_ns, use.held), unit, BLUE, most=float(accelerators)),
        _panel("runs waiting", binned(use.time_ns, use.waiting), unit, AMBER),
        _panel("accelerators asked for by them", binned(use.time_ns, use.waiting_units), unit, VIOLET),
    ]
    for panel in panels[1:]:
        panel.x_range = panels[0].x_range
    panels[-1].xaxis.axis_label = f"{name} since the first submission"
    head = Div(text=f"<h2>{_escaped(title)}</h2><p>{'<br>'.join(map(_escaped, facts))}</p>")
    return str(file_html(column(head, *panels, sizing_mode="stretch_width"), INLINE, title))


def binned(time_ns: NDArray[np.int64], values: NDArray[Any], bins: int = BINS) -> Bins:
    """Mean, least and most of a step function (`values[i]` from `time_ns[i]` on) in each of `bins` equal spans."""
    passed_ns, values = (time_ns - time_ns[0]).astype(float), values.astype(float)
    if not passed_ns[-1]:  # all at one moment: let it last one
        passed_ns, values = np.append(passed_ns, 1.0), np.append(values, values[-1])
    edges = np.linspace(0.0, passed_ns[-1], bins + 1)
    area = np.concatenate(([0.0], np.cumsum(values[:-1] * np.diff(passed_ns))))
    mean = np.diff(np.interp(edges, passed_ns, area)) / np.diff(edges)
    first = np.searchsorted(passed_ns, edges[:-1], side="right") - 1  # the step that holds when the span begins
    last = np.maximum(np.searchsorted(passed_ns, edges[1:], side="left") - 1, first)
    pairs = np.column_stack((first, last + 1)).ravel()
    padded = np.append(values, values[-1])  # reduceat takes no index behind the end
    return Bins(
        edges_s=edges / NS, mean=mean,
        least=np.minimum.reduceat(padded, pairs)[::2], most=np.maximum.reduceat(padded, pairs)[::2],
    )  # fmt: skip


def _panel(title: str, bins: Bins, unit_s: float, colour: Colour, most: float = 0.0) -> Any:
    """One step chart; `most` draws a line at what there is."""
    theme, edges = THEMES["light"], bins.edges_s / unit_s
    fig: Any = bokeh_figure(
        title=title, height=HEIGHT_PX, sizing_mode="stretch_width", min_border_left=LEFT_PX, toolbar_location=None,
        x_range=Range1d(start=0, end=edges[-1], bounds=(0, edges[-1])), tools="xpan,xwheel_zoom,xbox_zoom,reset",
        outline_line_color=None,
        y_range=Range1d(start=0, end=1.05 * max(most, float(bins.most.max()), 1.0)),
    )  # fmt: skip
    source = ColumnDataSource(
        {"left": edges[:-1], "right": edges[1:], "mean": bins.mean, "least": bins.least, "most": bins.most}
    )
    fig.quad("left", "right", "most", "least", source=source, color=colour.light, alpha=0.25, line_color=None)
    line = fig.step("left", "mean", source=source, mode="after", color=colour.light, line_width=1.5)
    if most:
        fig.add_layout(Span(location=most, dimension="width", line_color=theme.muted, line_dash="dashed"))
    tips = [("mean", "@mean{0.0}"), ("least", "@least{0}"), ("most", "@most{0}")]
    fig.add_tools(HoverTool(renderers=[line], mode="vline", tooltips=tips, visible=False))
    fig.yaxis.formatter = NumeralTickFormatter(format="0,0")
    fig.grid.grid_line_color = theme.grid
    return fig


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
