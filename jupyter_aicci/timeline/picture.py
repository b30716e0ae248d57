"""The run card as a PNG: header, tiles, legend, bars, heat, curves, bill, findings and what failed; readable alone.

Drawn with matplotlib's Agg canvas and no pyplot, so that nobody's figures or settings are touched or taken over. Units
are the card's pixels, 960 wide, y from the top, as in the live figure; `dpi` and `width_in` only scale them.
Rule: equal views give equal bytes (one font, which matplotlib brings along; no date in the file).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from PIL import Image

from jupyter_aicci.model.states import State
from jupyter_aicci.model.text import clock
from jupyter_aicci.timeline.colours import (
    AMBER,
    BLUE,
    OK,
    RED,
    SEVERITY_COLOURS,
    THEMES,
    heat_palette,
    lane_colour,
    look,
)
from jupyter_aicci.timeline.findings.words import cost_words, heading, seen
from jupyter_aicci.timeline.fonts import fitted, font, shown, width_of
from jupyter_aicci.timeline.heat import heat_image, heat_scale
from jupyter_aicci.timeline.lanes import HeatLane, PhaseLane, SeriesLane, View
from jupyter_aicci.timeline.marks import BADGE_PX, marks
from jupyter_aicci.timeline.places import Place, layout
from jupyter_aicci.timeline.summary import verdict_lines

MOST_BYTES = 120_000
COLOURS = 128  # a palette is a third of the bytes, and no eye tells the difference
WIDTH = 960.0
LEFT, RIGHT = 170.0, 940.0  # the frame's edges
HEADER_PX, TILES_PX, LEGEND_PX, AXIS_PX, LINE_PX, FINDING_PX = 40.0, 54.0, 28.0, 20.0, 20.0, 28.0
NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000, 86400)
THEME = THEMES["light"]
STATE_COLOURS = {
    State.RUNNING: BLUE,
    State.SUCCEEDED: OK,
    State.FAILED: RED,
    State.LOST: AMBER,
    State.PREEMPTED: AMBER,
    State.STOPPED: AMBER,
}


def picture(view: View, *, dpi: float = 150, width_in: float = 8.4) -> bytes:
    """The card as PNG bytes, `dpi * width_in` pixels wide.

    Many noisy curves do not compress: such a card is drawn again with fewer pixels until it is under `MOST_BYTES`, so
    that a notebook stays small.
    """
    data = _drawn(view, dpi, width_in)
    while len(data) > MOST_BYTES:
        dpi *= 0.8
        data = _drawn(view, dpi, width_in)
    return data


def _drawn(view: View, dpi: float, width_in: float) -> bytes:
    places, lanes_px = layout(view.lanes)
    words = said(view)
    frame_top = HEADER_PX + TILES_PX + (LINE_PX if view.headline else 0) + LEGEND_PX + AXIS_PX
    found_top = frame_top + lanes_px + 10
    words_top = found_top + FINDING_PX * len(view.findings)
    height = words_top + (LINE_PX * len(words) + 14 if words else 0)
    with mpl.rc_context(_plain(width_in)):
        card = _card(height, width_in, dpi)
        _header(card, view)
        _tiles(card, view)
        _legend(card, view, frame_top - AXIS_PX - LEGEND_PX)
        _time_axis(card, view, frame_top, lanes_px)
        for place in places:
            _lane(card, place, frame_top, view.end_s)
        _marks(card, view, places, frame_top)
        for at, finding in enumerate(view.findings):
            _finding(card, view, finding, at + 1, found_top + FINDING_PX * at)
        if words:
            _words(card, view, words, words_top)
        return card.png()


def _plain(width_in: float) -> Any:
    """matplotlib's own settings, whatever the user's are; the backend is nobody's business here."""
    ours = ("font", "text", "path", "agg", "hatch", "savefig")
    plain = {key: value for key, value in mpl.rcParamsDefault.items() if key.startswith(ours)}
    return plain | {"hatch.linewidth": 0.9 * width_in * 72 / WIDTH}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """A drawing area in card pixels."""

    figure: Figure
    axes: Any
    point: float  # a font size of one card pixel, in points

    def text(
        self, x: float, y: float, text: str, *, px: float = 11, colour: str = THEME.text, bold: bool = False,
        align: str = "left", within: float = math.inf, above: float = 3,
    ) -> float:  # fmt: skip
        """Write on the middle line y; returns the width."""
        text = fitted(shown(text), px, within, bold=bold)
        self.axes.text(
            x, y, text, fontproperties=font(px * self.point, bold=bold), color=colour, ha=align,
            va="center_baseline", parse_math=False, zorder=above,
        )  # fmt: skip
        return width_of(text, px, bold=bold)

    def box(self, x: float, y: float, width: float, height: float, **style: Any) -> None:
        self.axes.add_patch(Rectangle((x, y), width, height, **style))

    def round_box(self, x: float, y: float, width: float, height: float, radius: float, **style: Any) -> None:
        shape = f"round,pad=0,rounding_size={radius}"
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **style))

    def rule(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.axes.plot([x0, x1], [y0, y1], color=THEME.grid, linewidth=self.point, zorder=0.9)

    def png(self) -> bytes:
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.draw()
        drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        few = drawn.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        out = io.BytesIO()
        few.save(out, "PNG", optimize=True)
        return out.getvalue()


def _card(height: float, width_in: float, dpi: float) -> _Card:
    figure = Figure(figsize=(width_in, width_in * height / WIDTH), dpi=dpi, facecolor=THEME.background)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    card = _Card(figure=figure, axes=axes, point=width_in * 72 / WIDTH)
    card.round_box(
        0.8,
        0.8,
        WIDTH - 1.6,
        height - 1.6,
        6,
        facecolor=THEME.background,
        edgecolor=THEME.grid,
        linewidth=card.point,
        zorder=0.5,
    )
    return card


def _header(card: _Card, view: View) -> None:
    run, y = view.run, HEADER_PX / 2 + 1
    state = State(run["state"])
    colour = STATE_COLOURS[state].light if state in STATE_COLOURS else THEME.muted
    card.text(16, y, run["icon"], px=13, colour=colour)
    x = 36 + card.text(36, y, run["name"] or run["id"], px=14, bold=True, within=320)
    pill = width_of(state, 11.5) + 18
    card.round_box(x + 12, y - 9, pill, 18, 9, facecolor="none", edgecolor=colour, linewidth=card.point)
    card.text(x + 12 + pill / 2, y, state, px=11.5, colour=colour, align="center")
    card.text(x + pill + 24, y, _surroundings(run), px=12, colour=THEME.muted, within=WIDTH - x - pill - 40)
    card.rule(0, HEADER_PX, WIDTH, HEADER_PX)


def _surroundings(run: dict[str, Any]) -> str:
    parts = [f"{run['shape']} × {run['nodes']}"]
    parts += [f"{run['world_size']} ranks"] if run["world_size"] > 1 else []
    parts += [f"attempt {run['attempt']}"] if run["attempt"] > 1 else []
    parts += [str(run["exit_class"])] if run["exit_class"] else []
    parts += [str(run["submitted_at"])[:16].replace("T", " ") + " UTC"]
    parts += [run["id"]] if run["name"] else []
    return " · ".join(parts)


def _tiles(card: _Card, view: View) -> None:
    each = WIDTH / len(view.tiles)
    for place, tile in enumerate(view.tiles):
        x = place * each
        card.text(x + 16, HEADER_PX + 20, tile.value, px=17, bold=True, within=each - 24)
        card.text(x + 16, HEADER_PX + 40, tile.label, px=11.5, colour=THEME.muted, within=each - 24)
        if place:
            card.rule(x, HEADER_PX, x, HEADER_PX + TILES_PX)
    card.rule(0, HEADER_PX + TILES_PX, WIDTH, HEADER_PX + TILES_PX)


def _legend(card: _Card, view: View, top: float) -> None:
    if view.headline:
        card.text(16, top - LINE_PX / 2 + 4, view.headline, px=12, within=WIDTH - 32)
    x, y = 16.0, top + LEGEND_PX / 2 + 2
    for phase in view.legend:
        row = look(phase)
        if x + width_of(row.label, 11.5) > WIDTH - 40:
            card.text(x, y, "…", colour=THEME.muted)
            return
        card.box(x, y - 5, 10, 10, **_filling(phase))
        x += 16 + card.text(x + 16, y, row.label, px=11.5, colour=THEME.muted) + 16
    if any(isinstance(lane, HeatLane) and not lane.parent for lane in view.lanes):
        _heat_legend(card, x, y)


def _heat_legend(card: _Card, x: float, y: float) -> None:
    """The scale of the strip: usual at its left, much slower at its right."""
    usual, slow = "usual step", "1.6×"
    colours = heat_palette(THEME.palette)
    if x + width_of(usual + slow, 11.5) + 6 * len(colours) + 12 > WIDTH - 16:
        return
    x += card.text(x, y, usual, px=11.5, colour=THEME.muted) + 6
    for colour in colours:
        card.box(x, y - 5, 6, 10, facecolor=colour, linewidth=0)
        x += 6
    card.text(x + 6, y, slow, px=11.5, colour=THEME.muted)


def _filling(phase: str) -> dict[str, Any]:
    row = look(phase)
    return {
        "facecolor": row.colour.light,
        "edgecolor": (1, 1, 1, 0.5),  # of the hatch
        "hatch": row.hatch.strip() * 3 or None,
        "linewidth": 0,
    }


def _time_axis(card: _Card, view: View, top: float, height: float) -> None:
    end_s = max(view.end_s, 1.0)
    for tick_s in ticks(end_s):
        x = _x(tick_s, end_s)
        card.rule(x, top, x, top + height)
        card.text(x, top - AXIS_PX / 2, clock(tick_s), px=11, colour=THEME.muted, align="center")


def ticks(end_s: float) -> tuple[float, ...]:
    """Four to ten round times from 0 to `end_s`."""
    step_s = next((nice for nice in NICE_S if end_s / nice <= 8), math.ceil(end_s / 8 / 86400) * 86400)
    return tuple(float(step_s * place) for place in range(int(end_s / step_s) + 1))


def _x(seconds: float, end_s: float) -> float:
    return LEFT + (RIGHT - LEFT) * seconds / end_s


def _lane(card: _Card, place: Place, frame_top: float, end_s: float) -> None:
    lane, middle = place.lane, frame_top + place.middle
    value = lane.note if isinstance(lane, PhaseLane) else lane.value
    width = card.text(LEFT - 12, middle, value, px=11, colour=THEME.muted, align="right", within=90)
    indent = 12 * place.depth
    card.text(16 + indent, middle, lane.name, px=12, within=LEFT - 40 - width - indent)
    top, bottom = frame_top + place.band[0], frame_top + place.band[1]
    end_s = max(end_s, 1.0)
    match lane:
        case PhaseLane():
            _bar(card, lane, middle, place.bar_px, end_s)
        case HeatLane():
            _heat(card, lane, top, bottom, end_s)
        case SeriesLane():
            card.rule(LEFT, frame_top + place.bottom, RIGHT, frame_top + place.bottom)
            for from_s, to_s in lane.shade:
                _wasted(card, _x(from_s, end_s), _x(to_s, end_s), frame_top + place.top + 2, frame_top + place.bottom)
            _curve(card, lane, top, bottom, end_s)


def _wasted(card: _Card, x0: float, x1: float, top: float, bottom: float) -> None:
    """Time whose money was wasted: hatched as well as coloured."""
    box = (x0, top, max(x1 - x0, 1.0), bottom - top)
    card.box(*box, facecolor=AMBER.light, alpha=0.2, linewidth=0)
    card.box(*box, facecolor="none", edgecolor=AMBER.light, alpha=0.35, hatch="///", linewidth=0)


def _heat(card: _Card, lane: HeatLane, top: float, bottom: float, end_s: float) -> None:
    """One row of colour a rank, the first on top; what was not seen stays white."""
    cells = heat_image(lane)
    if not cells.size:
        return
    low, high = heat_scale(lane)
    extent = (_x(float(lane.t_s[0]), end_s), _x(float(lane.t_s[-1]), end_s), bottom, top)
    card.axes.imshow(
        np.ma.masked_invalid(cells), cmap=ListedColormap(heat_palette(THEME.palette)), vmin=low, vmax=high,
        extent=extent, aspect="auto", interpolation="nearest", origin="upper", zorder=1,
    )  # fmt: skip


def _bar(card: _Card, lane: PhaseLane, middle: float, bar_px: float, end_s: float) -> None:
    for span in lane.spans:
        x0, x1 = _x(span.t0_s, end_s), _x(span.t1_s, end_s)
        gap = 0.8 if x1 - x0 > 4 else 0.0
        box = (x0, middle - bar_px / 2, max(x1 - x0 - gap, 1.2), bar_px)
        if gap:
            card.round_box(*box, 2, **_filling(span.phase))
        else:
            card.box(*box, **_filling(span.phase))


def _curve(card: _Card, lane: SeriesLane, top: float, bottom: float, end_s: float) -> None:
    if not len(lane.t_s):
        return
    lo, hi = lane.lo, lane.hi
    if hi <= lo:
        half = max(abs(lo) / 20, 1e-9)
        lo, hi = lo - half, lo + half
    x = LEFT + (RIGHT - LEFT) * lane.t_s / end_s
    y = bottom - (bottom - top) * (lane.v - lo) / (hi - lo)
    colour = lane_colour(lane.id).light
    if lane.id == "cost":
        card.axes.fill_between(x, y, np.full_like(y, bottom), color=colour, alpha=0.13, linewidth=0)
    single = len(lane.t_s) == 1
    card.axes.plot(
        x, y, color=colour, linewidth=1.4 * card.point, solid_joinstyle="round", marker="." if single else None
    )


def _marks(card: _Card, view: View, places: Sequence[Place], frame_top: float) -> None:
    """A dashed box over the lanes that show each finding, and its number."""
    end_s = max(view.end_s, 1.0)
    found = marks(view.findings, places, view.lanes)
    for mark in found:
        x0, x1 = _x(max(mark.left, 0.0), end_s), _x(min(mark.right, end_s), end_s)
        box = (x0, frame_top + mark.top, max(x1 - x0, 1.5), mark.bottom - mark.top)
        colour = _severity(mark.severity)
        card.box(*box, facecolor=colour, alpha=0.1, linewidth=0, zorder=2)
        card.box(*box, facecolor="none", edgecolor=colour, linewidth=card.point, linestyle=(0, (3, 3)), zorder=3)
    for mark in found:
        if mark.numbered:
            x = _x((max(mark.left, 0.0) + min(mark.right, end_s)) / 2, end_s)
            _badge(card, x, frame_top + mark.badge_y, mark.number, mark.severity)


def _badge(card: _Card, x: float, y: float, number: int, severity: str) -> None:
    card.axes.add_patch(Circle((x, y), BADGE_PX, facecolor=_severity(severity), linewidth=0, zorder=4))
    card.text(x, y, str(number), px=10, colour="#ffffff", bold=True, align="center", above=5)


def _severity(severity: str) -> str:
    return SEVERITY_COLOURS.get(severity, AMBER).light


def _finding(card: _Card, view: View, finding: Mapping[str, Any], number: int, top: float) -> None:
    """One row: number, name and when, what was seen, what to try, and on the right what it costs."""
    card.rule(0, top, WIDTH, top)
    y = top + FINDING_PX / 2
    _badge(card, 24, y, number, str(finding["severity"]))
    cost = cost_words(finding, view.run["currency"])
    right = WIDTH - 16 - card.text(WIDTH - 16, y, cost, px=12, align="right", within=220) - 16
    x = 42.0
    x += card.text(x, y, f"{heading(finding)}.", px=12, bold=True, within=right - x) + 8
    x += card.text(x, y, seen(finding), px=12, within=max(0.0, right - x)) + 8
    if right - x > 60:
        card.text(x, y, finding["fix"], px=12, colour=THEME.muted, within=right - x)


def said(view: View) -> list[str]:
    """What failed, or why the run waits or was stopped; nothing while all is well."""
    if view.verdict:
        return verdict_lines(view.verdict)
    state = State(view.run["state"])
    told = view.run["reason"] and state not in (State.RUNNING, State.SUCCEEDED, State.STARTING)
    return [view.run["reason"]] if told else []


def _words(card: _Card, view: View, lines: Iterable[str], top: float) -> None:
    card.rule(0, top, WIDTH, top)
    y = top + LINE_PX / 2 + 7
    if view.verdict:
        card.axes.add_patch(Circle((24, y), 8, facecolor=RED.light, linewidth=0))
        card.text(24, y, "✕", px=10, colour="#ffffff", bold=True, align="center")
    else:
        card.text(24, y, view.run["icon"], px=13, colour=THEME.muted, align="center")
    for place, line in enumerate(lines):
        first = place == 0
        card.text(42, y, line, px=12, bold=first, colour=THEME.text if first else THEME.muted, within=WIDTH - 60)
        y += LINE_PX
