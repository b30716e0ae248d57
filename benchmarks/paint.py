"""First paint and zoom of a run of 1,000 ranks over three days in Chromium, beside a plain Bokeh figure of all points.

The view is made here as the service makes it: 50 series at 1 Hz thinned to the page's columns, a strip of heat over all
ranks, the bars of 125 nodes under one. The samples themselves are synthetic (noise, seed 11). The offline page draws it:
figure, data and BokehJS are those of JupyterLab, without JupyterLab's own start.
A paint counts when the page says that it is drawn, BokehJS that it is idle, and two frames of the screen have passed; a zoom has a
window's fresh data. As on the card, what lies far below the screen is drawn when one scrolls there, in both.
Peer: the same 50 curves in one Bokeh figure with a point every ten seconds, as `file_html` writes it.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, percentile, report

RANKS, NODES, SERIES, END_S = 1000, 125, 50, 3 * 86_400
WIDTH_PX, ZOOMS, PEER_EVERY_S = 1200, 20, 10
SUMMARY = {
    "id": "r0000big", "name": "big", "state": "running", "shape": "h100x8", "nodes": NODES, "queue": "default",
    "submitted_at": "2026-11-27T00:00:00+00:00", "started_at": None, "ended_at": None, "exit_class": None, "cost_micro": 1,
    "currency": "USD", "per_h_micro": 1, "unpriced": False, "reason": "", "icon": "▶", "world_size": RANKS, "attempt": 1,
    "budget_micro": 0, "budget_note": "", "seq": 1, "waiting": "", "why": None, "place": 0, "start_ns": None,
    "latest_ns": None, "domain": "", "bandwidth": "",
}  # fmt: skip

# resolves when BokehJS has nothing left to draw and two more frames are on the screen; seconds since navigation began
IDLE_JS = """() => new Promise((resolve) => {
  const frame = (then) => requestAnimationFrame(() => then())
  const ours = document.getElementById("stage")
  const there = () => ours ? document.body.dataset.drawn : window.Bokeh?.documents?.length
  const look = () => there() && Bokeh.documents.every((each) => each.is_idle)
    ? frame(() => frame(() => resolve(performance.now() / 1000))) : frame(look)
  look()
})"""
# a window as the card shows it: range and fresh data of every curve that is drawn, then two frames
ZOOM_JS = """async ([from, to, text]) => {
  const columns = JSON.parse(text)
  const named = new Map()
  for (const model of Bokeh.documents[0].all_models) if (model.name) named.set(model.name, model)
  const began = performance.now()
  named.get('range:x').setv({start: from, end: to})
  for (const [name, {t, v}] of Object.entries(columns)) {
    const source = named.get(name)
    if (source.get_length()) source.setv({data: {t: Float64Array.from(t), v: Float64Array.from(v, (each) => each ?? NaN)}})
  }
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
  return (performance.now() - began) / 1000
}"""


def raw() -> np.ndarray[Any, Any]:
    """SERIES x END_S samples, one a second."""
    rng = np.random.default_rng(11)
    walk = np.cumsum(rng.normal(size=(SERIES, END_S)).astype(np.float32), axis=1)
    noise = rng.random((SERIES, END_S), dtype=np.float32)
    return np.asarray(walk - walk.min(axis=1, keepdims=True) + noise)


def curves(samples: np.ndarray[Any, Any], from_s: float, to_s: float) -> list[tuple[Any, Any]]:
    """Each series between two times, thinned as the service thins it."""
    from jupyter_aicci.timeline.series import thinned

    first, last = math.floor(from_s), math.ceil(to_s)
    t_s = np.arange(first, last, dtype=np.float64)
    return [thinned(t_s, row[first:last].astype(np.float64), from_s, to_s, WIDTH_PX) for row in samples]


def a_view(samples: np.ndarray[Any, Any]) -> Any:
    """The whole run as the service sends it."""
    from jupyter_aicci.timeline.lanes import HeatLane, PhaseLane, SeriesLane, Span, Tile, View
    from jupyter_aicci.timeline.many import under_one

    rng = np.random.default_rng(12)
    phases = ("compute", "checkpoint", "compute", "data_wait")
    edges = np.linspace(0, END_S, 1001)
    spans = [Span(t0_s=float(a), t1_s=float(b), phase=phases[i % 4]) for i, (a, b) in enumerate(pairwise(edges))]
    bars = under_one(
        [PhaseLane(id=f"node-{node}", name=f"node {node}", note="leaf", spans=tuple(spans)) for node in range(NODES)]
    )
    heat = HeatLane(
        id="step_heat", name="step time", unit="s", value="310 ms", lo=0.3, hi=0.6, rows=tuple(range(RANKS)),
        t_s=np.linspace(0, END_S, 121), v=0.3 + 0.04 * rng.random((RANKS, 120)),
    )  # fmt: skip
    series = tuple(
        SeriesLane(
            id=f"value:series_{at}",
            name=f"series {at}",
            unit="",
            value="1",
            lo=0.0,
            hi=float(samples[at].max()),
            t_s=t_s,
            v=v,
        )
        for at, (t_s, v) in enumerate(curves(samples, 0.0, END_S))
    )
    names = ("elapsed", "steps", "steps/s", "loss", "cost")
    tiles = tuple(Tile(value="–", label=name) for name in names)
    return View(
        run=SUMMARY, cursor=1, origin_ns=1_780_000_000 * 10**9, end_s=float(END_S), live=True,
        tiles=tiles, lanes=(*bars, heat, *series), legend=phases[1:],
    )  # fmt: skip


def peer_page(samples: np.ndarray[Any, Any]) -> str:
    """One figure, all points, as a person would write it."""
    from bokeh.embed import file_html
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    t_s = np.arange(0, END_S, PEER_EVERY_S, dtype=np.float64)
    plot = figure(width=WIDTH_PX, height=1800, tools="xbox_zoom,reset")
    for row in samples:
        plot.line(t_s, row[::PEER_EVERY_S].astype(np.float64))
    return str(file_html(plot, INLINE, "peer"))


def painted(browser: Any, path: Path, times: int) -> list[float]:
    """Seconds from navigation to the drawn chart, in a fresh page each time."""
    found = []
    for _ in range(times):
        page = browser.new_page(viewport={"width": WIDTH_PX + 200, "height": 1000})
        page.set_default_timeout(300_000)
        page.goto(path.as_uri())
        found.append(float(page.evaluate(IDLE_JS)))
        page.close()
    return found


def zoomed(browser: Any, path: Path, samples: np.ndarray[Any, Any]) -> tuple[list[float], list[float]]:
    """Seconds to paint each of ZOOMS random windows, and to thin all of its curves before."""
    rng = np.random.default_rng(13)
    page = browser.new_page(viewport={"width": WIDTH_PX + 200, "height": 1000})
    page.set_default_timeout(300_000)
    page.goto(path.as_uri())
    page.evaluate(IDLE_JS)
    paint_s, thin_s = [], []
    for _ in range(ZOOMS):
        length = float(END_S * 10 ** rng.uniform(-3, -0.3))
        from_s = float(rng.uniform(0, END_S - length))
        began_s = time.perf_counter()
        part = curves(samples, from_s, from_s + length)
        thin_s.append(time.perf_counter() - began_s)
        columns = {f"lane:value:series_{at}": {"t": t_s.tolist(), "v": v.tolist()} for at, (t_s, v) in enumerate(part)}
        paint_s.append(float(page.evaluate(ZOOM_JS, [from_s, from_s + length, json.dumps(columns)])))
    page.close()
    return paint_s, thin_s


def main() -> None:
    from playwright.sync_api import sync_playwright

    from jupyter_aicci.timeline.page import page

    times = max(1, arguments().launches // 4)
    samples = raw()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(prefix="aicci-bench-") as folder, sync_playwright() as playwright:
        ours, theirs = Path(folder, "run.html"), Path(folder, "peer.html")
        began_s = time.perf_counter()
        ours.write_text(page(a_view(samples)), "utf-8")
        made_s = time.perf_counter() - began_s
        theirs.write_text(peer_page(samples), "utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        paint_s, peer_s = painted(browser, ours, times), painted(browser, theirs, max(1, times // 2))
        zoom_s, thin_s = zoomed(browser, ours, samples)
        browser.close()
        sizes = ours.stat().st_size, theirs.stat().st_size
    report("paint", {
        "ranks": RANKS, "days": END_S // 86_400, "series": SERIES, "page_bytes": sizes[0], "peer_page_bytes": sizes[1],
        "view_and_page_made_s": round(made_s, 3),
        "first_paint_p50_s": round(percentile(paint_s, 0.5), 3), "first_paint_max_s": round(max(paint_s), 3),
        "peer_first_paint_p50_s": round(percentile(peer_s, 0.5), 3),
        "first_paint_of_the_peers": round(percentile(paint_s, 0.5) / percentile(peer_s, 0.5), 3),
        "zoom_p50_s": round(percentile(zoom_s, 0.5), 4), "zoom_p95_s": round(percentile(zoom_s, 0.95), 4),
        "window_thinned_p95_s": round(percentile(thin_s, 0.95), 4),
    })  # fmt: skip


if __name__ == "__main__":
    main()
