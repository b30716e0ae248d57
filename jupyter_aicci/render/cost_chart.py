"""The chart of `%aicci cost --by …`: bars of useful, overhead and waste, live where BokehJS is, a picture everywhere else.

In: the JSON of GET /v1/costs. Out: HTML with the picture in it, which a script replaces by the Bokeh chart where the server
extension serves BokehJS (JupyterLab, Notebook); in nbconvert, on GitHub, or without the extension the picture stays.
Rule: bokeh and matplotlib come in when a chart is drawn. One currency a chart: the first; the table has all.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from jupyter_aicci.timeline.colours import AMBER, BLUE, GREEN, PHASES

KINDS = ("useful", "overhead", "waste", "unsplit")
LABELS = {"useful": "useful", "overhead": "overhead", "waste": "waste", "unsplit": "not known"}
COLOURS = {"useful": BLUE.light, "overhead": GREEN.light, "waste": AMBER.light, "unsplit": PHASES[0].colour.light}
HATCHES = {"useful": " ", "overhead": "|", "waste": "/", "unsplit": "."}
MOST_BARS = 30
MICRO = 1_000_000
SCRIPT = """
(() => {
  const config = document.getElementById('jupyter-config-data'), box = document.getElementById(%(id)s);
  if (!config || !box) return;
  const base = JSON.parse(config.textContent).baseUrl, item = %(item)s;
  const draw = async () => {
    const to = document.createElement('div');
    to.id = box.id + '-live';
    box.append(to);
    await window.Bokeh.embed.embed_item(item, to.id);
    box.querySelector('img').remove();
  };
  if (window.Bokeh && window.Bokeh.version === %(version)s) { draw(); return; }
  const script = document.createElement('script');
  script.src = base + 'aicci/bokeh/' + %(version)s + '/bokeh.min.js';
  script.onload = draw;
  document.head.append(script);
})();
"""


def bars(report: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """(currency, the lines that are drawn, in the report's order)."""
    currency = report["lines"][0]["currency"] if report["lines"] else ""
    return currency, [line for line in report["lines"] if line["currency"] == currency][:MOST_BARS]


def chart_html(report: dict[str, Any], *, chart_id: str) -> str:
    """The chart as HTML; "" where there is nothing to draw."""
    currency, lines = bars(report)
    if not any(line["amount_micro"] for line in lines):
        return ""
    import bokeh
    from bokeh.embed import json_item

    values = {"id": chart_id, "version": bokeh.__version__, "item": json_item(figure(report))}
    script = SCRIPT % {key: json.dumps(value).replace("</", "<\\/") for key, value in values.items()}
    image = base64.b64encode(picture(report)).decode()
    words = f"cost by {report['by']} in {currency}: the table above as bars"
    return (
        f'<div id="{chart_id}"><img alt="{words}" src="data:image/png;base64,{image}"/></div><script>{script}</script>'
    )


def figure(report: dict[str, Any]) -> Any:
    """The Bokeh figure."""
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool
    from bokeh.plotting import figure as new_figure

    currency, lines = bars(report)
    keys = [line["key"] for line in lines]
    data: dict[str, list[Any]] = {"key": keys, "runs": [line["runs"] for line in lines]}
    data |= {kind: [max(0, line[f"{kind}_micro"]) / MICRO for line in lines] for kind in KINDS}
    plot = new_figure(
        x_range=FactorRange(factors=keys), height=240, width=720, title=f"cost by {report['by']}", toolbar_location=None
    )
    renderers = plot.vbar_stack(
        list(KINDS), x="key", width=0.7, source=ColumnDataSource(data), color=[COLOURS[kind] for kind in KINDS],
        hatch_pattern=[HATCHES[kind] for kind in KINDS], hatch_color="white", legend_label=[LABELS[kind] for kind in KINDS],
    )  # fmt: skip
    for kind, renderer in zip(KINDS, renderers, strict=True):
        tips = [(report["by"], "@key"), (LABELS[kind], f"@{kind}{{0,0.00}} {currency}"), ("runs", "@runs")]
        plot.add_tools(HoverTool(renderers=[renderer], tooltips=tips))
    plot.yaxis.axis_label = currency
    plot.y_range.start = 0  # type: ignore[attr-defined]
    plot.xgrid.visible = False
    plot.legend.orientation = "horizontal"
    plot.add_layout(plot.legend[0], "below")
    return plot


def picture(report: dict[str, Any]) -> bytes:
    """The same as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    currency, lines = bars(report)
    drawing = Figure(figsize=(7.2, 2.6), dpi=110, layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    places, below = list(range(len(lines))), [0.0] * len(lines)
    for kind in KINDS:
        heights = [max(0, line[f"{kind}_micro"]) / MICRO for line in lines]
        if any(heights):
            axes.bar(places, heights, 0.7, bottom=below, color=COLOURS[kind], label=LABELS[kind], hatch=HATCHES[kind].strip() * 2,
                     edgecolor="white", linewidth=0)  # fmt: skip
        below = [before + height for before, height in zip(below, heights, strict=True)]
    axes.set_xticks(
        places,
        [line["key"] for line in lines],
        rotation=30 if len(lines) > 8 else 0,
        ha="right" if len(lines) > 8 else "center",
    )
    axes.set_ylabel(currency)
    axes.set_title(f"cost by {report['by']}", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper right")
    out = io.BytesIO()
    drawing.savefig(out, format="png")
    return out.getvalue()
