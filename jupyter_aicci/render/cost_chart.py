"""The chart of `%aicci cost --by …`: bars of useful, overhead and waste, live where BokehJS is, a picture everywhere else.

In: the JSON of GET /v1/costs. Out: HTML with the picture in it, which a script replaces by the Bokeh chart where the server
extension serves BokehJS (JupyterLab, Notebook); in nbconvert, on GitHub, or without the extension the picture stays.
Rule 1: bokeh and matplotlib come in when a chart is drawn. One currency a chart: the first; the table has all.
Rule 2: the live chart is light or dark as the page is when it is drawn; hatches tell the kinds apart without colour.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from jupyter_aicci.timeline.colours import AMBER, BLUE, GREEN, PHASES, THEMES, Palette

KINDS = ("useful", "overhead", "waste", "unsplit")
LABELS = {"useful": "useful", "overhead": "overhead", "waste": "waste", "unsplit": "not known"}
COLOURS = {"useful": BLUE, "overhead": GREEN, "waste": AMBER, "unsplit": PHASES[0].colour}
HATCHES = {"useful": " ", "overhead": "|", "waste": "/", "unsplit": "."}
MOST_BARS = 30
TURNED_FROM = 9  # bars from which on their names are turned
MICRO = 1_000_000
SCRIPT = """
(() => {
  const config = document.getElementById('jupyter-config-data'), box = document.getElementById(%(id)s);
  if (!config || !box) return;
  const base = JSON.parse(config.textContent).baseUrl;
  const item = document.body.dataset.jpThemeLight === 'false' ? %(dark)s : %(light)s;
  const draw = async () => {
    const to = document.createElement('div');
    to.id = box.id + '-live';
    box.append(to);
    await window.Bokeh.embed.embed_item(item, to.id);
    box.querySelector('img').remove();
  };
  const loaded = window.Bokeh?.version === %(version)s ? Promise.resolve() : window.aicciBokeh ??= new Promise(done => {
    const script = document.createElement('script');
    script.src = base + 'aicci/bokeh/' + %(version)s + '/bokeh.min.js';
    script.onload = done;
    document.head.append(script);
  });
  loaded.then(draw);
})();
"""


def bars(report: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """(currency, the lines that are drawn, in the report's order): the dearest, or the latest days."""
    currency = report["lines"][0]["currency"] if report["lines"] else ""
    lines = [line for line in report["lines"] if line["currency"] == currency]
    return currency, lines[-MOST_BARS:] if report["by"] == "day" else lines[:MOST_BARS]


def heights(lines: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Currency units of each bar by kind, kinds that no bar has left out; what was credited has no height."""
    found = {kind: [max(0, line[f"{kind}_micro"]) / MICRO for line in lines] for kind in KINDS}
    return {kind: values for kind, values in found.items() if any(values)}


def chart_html(report: dict[str, Any], *, chart_id: str) -> str:
    """The chart as HTML; "" where there is nothing to draw."""
    currency, lines = bars(report)
    if not any(line["amount_micro"] for line in lines):
        return ""
    import bokeh
    from bokeh.embed import json_item

    items = {palette: json_item(figure(report, palette)) for palette in ("light", "dark")}
    values = {"id": chart_id, "version": bokeh.__version__, **items}
    script = SCRIPT % {
        key: json.dumps(value).replace("<", "\\u003c") for key, value in values.items()
    }  # no tag can begin in it
    image = base64.b64encode(picture(report)).decode()
    words = f"cost by {report['by']} in {currency}: the table above as bars"
    return (
        f'<div id="{chart_id}"><img alt="{words}" src="data:image/png;base64,{image}"/></div><script>{script}</script>'
    )


def figure(report: dict[str, Any], palette: Palette = "light") -> Any:
    """The Bokeh figure; its background is the page's."""
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool
    from bokeh.plotting import figure as new_figure

    currency, lines = bars(report)
    keys, stacks = [line["key"] for line in lines], heights(lines)
    source = ColumnDataSource({"key": keys, "runs": [line["runs"] for line in lines], **stacks}, name="costs")
    plot = new_figure(
        x_range=FactorRange(factors=keys), height=260, width=720, title=f"cost by {report['by']}", toolbar_location=None
    )
    renderers = plot.vbar_stack(
        list(stacks), x="key", width=0.6, source=source, color=[COLOURS[kind].of(palette) for kind in stacks],
        hatch_pattern=[HATCHES[kind] for kind in stacks], hatch_color=THEMES[palette].background, hatch_alpha=0.5,
        legend_label=[LABELS[kind] for kind in stacks],
    )  # fmt: skip
    for kind, renderer in zip(stacks, renderers, strict=True):
        tips = [(report["by"], "@key"), (LABELS[kind], f"@{kind}{{0,0.00[0000]}} {currency}"), ("runs", "@runs")]
        plot.add_tools(HoverTool(renderers=[renderer], tooltips=tips))
    plot.yaxis.axis_label = currency
    plot.y_range.start = 0  # type: ignore[attr-defined]
    if len(keys) >= TURNED_FROM:
        plot.xaxis.major_label_orientation = 0.6
    _dress(plot, palette)
    return plot


def _dress(plot: Any, palette: Palette) -> None:
    """Lines and words in the colours of the page."""
    theme = THEMES[palette]
    plot.background_fill_alpha = plot.border_fill_alpha = plot.legend.background_fill_alpha = 0
    plot.outline_line_color = plot.legend.border_line_color = plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = theme.grid
    plot.title.text_color = plot.legend.label_text_color = theme.text
    plot.axis.axis_label_text_color = plot.axis.major_label_text_color = theme.text
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = theme.muted
    plot.axis.minor_tick_line_color = plot.xaxis.major_tick_line_color = None
    plot.legend.orientation, plot.legend.location = "horizontal", "center"
    plot.add_layout(plot.legend[0], "below")


def picture(report: dict[str, Any]) -> bytes:
    """The same as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    currency, lines = bars(report)
    drawing = Figure(figsize=(7.2, 2.6), dpi=110, layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    places, below = list(range(len(lines))), [0.0] * len(lines)
    for kind, stack in heights(lines).items():
        axes.bar(places, stack, 0.6, bottom=below, color=COLOURS[kind].light, label=LABELS[kind],
                 hatch=HATCHES[kind].strip() * 2, edgecolor="white", linewidth=0)  # fmt: skip
        below = [before + height for before, height in zip(below, stack, strict=True)]
    axes.set_xticks(
        places,
        [line["key"] for line in lines],
        rotation=30 if len(lines) >= TURNED_FROM else 0,
        ha="right" if len(lines) >= TURNED_FROM else "center",
    )
    axes.set_ylabel(currency)
    axes.set_title(f"cost by {report['by']}", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper right")
    out = io.BytesIO()
    drawing.savefig(out, format="png")
    return out.getvalue()
