"""The run as one HTML file that opens offline: the card with its chart, light or dark as the reader's system is.

In: a view; a wide one (`width_px` of some thousands) keeps more to zoom into. Out: the file's text, BokehJS in it.
The chart is `figure` as it is on the live page: zoomed by a drag, lanes unfolded, a cursor over all of them, findings
that show their evidence. Data stands in the file once; a figure is there for each theme, folded and unfolded.
Rule: the file asks for nothing: its own policy forbids every request, and tests/browser/test_page.py logs what Chromium does.
Imports bokeh, as `figure` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import Any

from bokeh.resources import Resources

from jupyter_aicci.model.text import NS
from jupyter_aicci.timeline.colours import OK, RED, SEVERITY_COLOURS, THEMES, Colour, heat_palette, look
from jupyter_aicci.timeline.figure import figure, item, placed, without_data
from jupyter_aicci.timeline.findings.words import cost_words, heading, seen
from jupyter_aicci.timeline.lanes import HeatLane, SeriesLane, Tile, View
from jupyter_aicci.timeline.page_look import SCRIPT, STYLE
from jupyter_aicci.timeline.summary import summary_text, verdict_lines

# nothing is fetched, whatever is in a name or a log; BokehJS makes its formatters from text ('unsafe-eval')
POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
HEAD = ("kind", "name", "note", "unit", "value")  # what the script needs of a lane beside its data
HATCHES = {
    "/": "right",
    "\\": "left",
    "|": "upright",
    "-": "flat",
    "+": "upright",
    "x": "left",
    "*": "left",
    "o": "dots",
    ".": "dots",
}


def page(view: View) -> str:
    """The whole file."""
    run = view.run
    title = f"{run['name'] or run['id']} · {run['state']}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title>
<style>{_variables()}{STYLE}</style>
</head>
<body>
<main class="card">
{_header(view)}
{_tiles(view)}
{_headline(view)}
<div class="line"><ul class="legend">{_legend(view)}</ul><button id="all" class="link" hidden>Show all</button>
<button id="unfold" class="link" hidden aria-pressed="false">Unfold lanes</button></div>
<div id="stage" role="img" aria-label="{escape(summary_text(view))}">
<div id="labels"></div><div id="plot"></div><div id="frame"><div id="cursor" hidden><span></span></div></div></div>
{_findings(view)}
{_words(view)}
{_details("Log of rank 0, its last lines", str(view.log["text"]))}
{_details("The run in words", summary_text(view))}
</main>
<footer>{escape(_foot(view))}</footer>
<script id="data" type="application/json">{_json(_data(view))}</script>
<script>{_bokeh()}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _data(view: View) -> dict[str, Any]:
    """What the script draws: figures without data, the data by the names of their sources, and what lanes say of themselves."""
    parents = {lane.parent for lane in view.lanes if lane.parent}
    return {
        "figures": {
            name: {"own": _figure(view, name, None), "all": _figure(view, name, parents)} for name in ("light", "dark")
        },
        "columns": _columns(view),
        "lanes": {lane.id: {key: value for key, value in lane.to_json().items() if key in HEAD} for lane in view.lanes},
        "heat": {lane.id: _heat(lane) for lane in view.lanes if isinstance(lane, HeatLane)},
        "phases": {phase: look(phase).label for phase in view.legend},
        "findings": [[finding["from_s"], finding["to_s"]] for finding in view.findings],
        "end": max(view.end_s, 1.0),
        "foldable": bool(parents),
    }


def _figure(view: View, theme: str, unfolded: set[str] | None) -> dict[str, Any]:
    """Without the data of bars and curves; strips of heat, which are small, stay in it."""
    empty = without_data(view)
    pairs = zip(view.lanes, empty.lanes, strict=True)
    bare = replace(empty, lanes=tuple(full if isinstance(full, HeatLane) else lane for full, lane in pairs))
    drawn, beside = (make(bare, theme=THEMES[theme], unfolded=unfolded) for make in (figure, placed))
    return {"item": item(drawn), "places": beside["places"], "frame": beside["frame"]}


def _columns(view: View) -> dict[str, dict[str, Any]]:
    """Columns of each source that `figure` names."""
    columns: dict[str, dict[str, Any]] = {}
    for lane in view.lanes:
        told = lane.to_json()
        if lane.kind == "phases":
            columns[f"lane:{lane.id}"] = {key: [span[key] for span in told["spans"]] for key in ("t0", "t1", "phase")}
        elif isinstance(lane, SeriesLane):
            columns[f"lane:{lane.id}"] = {"t": told["t"], "v": told["v"]}
            if lane.shade:
                left, right = zip(*told["shade"], strict=True)
                columns[f"shade:{lane.id}"] = {"left": left, "right": right}
    return columns


def _heat(lane: HeatLane) -> dict[str, Any]:
    return {key: value for key, value in lane.to_json().items() if key in ("t", "v", "rows")}


def _header(view: View) -> str:
    run = view.run
    when = str(run["submitted_at"])[:16].replace("T", " ")
    ranks = f"{run['world_size']} rank{'s' if run['world_size'] != 1 else ''}"
    facts = " · ".join((f"{run['shape']} ×{run['nodes']}", ranks, f"{when} UTC", run["id"]))
    words = f'<b>{escape(run["name"] or run["id"])}</b><span class="state">{escape(run["state"])}</span>'
    icon = f'<span class="icon" aria-hidden="true">{escape(run["icon"])}</span>'
    return (
        f'<header data-state="{escape(run["state"])}">{icon}{words}<span class="muted">{escape(facts)}</span></header>'
    )


def _tiles(view: View) -> str:
    return f'<ul class="tiles">{"".join(map(_tile, view.tiles))}</ul>'


def _tile(tile: Tile) -> str:
    note = f' title="{escape(tile.note)}"' if tile.note else ""
    return f"<li{note}><b>{escape(tile.value)}</b> <span>{escape(tile.label)}</span></li>"


def _headline(view: View) -> str:
    return f'<p class="headline">{escape(view.headline)}</p>' if view.headline else ""


def _legend(view: View) -> str:
    rows = [look(phase) for phase in view.legend]
    marks = (
        f'<li><i class="swatch {HATCHES.get(row.hatch.strip(), "")}" style="{_both(row.colour)}"></i>{escape(row.label)}</li>'
        for row in rows
    )
    strip = any(isinstance(lane, HeatLane) for lane in view.lanes)
    scale = '<li>usual step <i class="scale"></i> 1.6×</li>' if strip else ""
    return "".join(marks) + scale


def _findings(view: View) -> str:
    rows = "".join(_finding(finding, number, view.run["currency"]) for number, finding in enumerate(view.findings, 1))
    return f'<ol class="findings" aria-label="Findings">{rows}</ol>' if rows else ""


def _finding(finding: Mapping[str, Any], number: int, currency: str) -> str:
    """One row: number, name and when, what was seen, what to try, and what it costs. A press shows it in the chart."""
    name, text, cost = f"{heading(finding)}.", seen(finding), cost_words(finding, currency)
    badge = f'<span class="badge" style="{_both(SEVERITY_COLOURS[finding["severity"]])}">{number}</span>'
    words = f'<span><b>{escape(name)}</b> {escape(text)} <span class="muted">{escape(finding["fix"])}</span></span>'
    money = f'<span class="money">{escape(cost)}</span>'
    return f'<li><button data-finding="{number - 1}">{badge}{words}{money}</button></li>'


def _words(view: View) -> str:
    """What failed, first line first."""
    lines = verdict_lines(view.verdict) if view.verdict else []
    return f'<pre class="verdict">{escape(chr(10).join(lines))}</pre>' if lines else ""


def _details(title: str, text: str) -> str:
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>" if text.strip() else ""


def _foot(view: View) -> str:
    at = datetime.fromtimestamp(view.origin_ns / NS + view.end_s, UTC)
    return f"jupyter-aicci · {'live when this was saved, at' if view.live else 'ended'} {at:%Y-%m-%d %H:%M:%S} UTC"


def _variables() -> str:
    """The themes' colours as CSS variables, the dark ones where the reader's system asks for them."""
    return f":root{{{_theme('light')}}}@media (prefers-color-scheme: dark){{:root{{{_theme('dark')}}}}}"


def _theme(name: str) -> str:
    theme = THEMES[name]
    stops = heat_palette(theme.palette)
    share = 100 / len(stops)
    scale = ",".join(f"{colour} {at * share:.1f}% {(at + 1) * share:.1f}%" for at, colour in enumerate(stops))
    words = {"text": theme.text, "muted": theme.muted, "grid": theme.grid, "background": theme.background}
    words |= {"good": OK.of(theme.palette), "bad": RED.of(theme.palette)}
    return "".join(f"--{key}:{value};" for key, value in words.items()) + f"--scale:linear-gradient(to right,{scale});"


def _both(colour: Colour) -> str:
    return f"--light:{colour.light};--dark:{colour.dark}"


def _json(data: Any) -> str:
    """JSON that may stand in a script element: no tag can begin in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _bokeh() -> str:
    """BokehJS as the installed package has it."""
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
