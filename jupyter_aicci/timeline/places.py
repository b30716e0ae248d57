"""Where each lane of a view lies, in pixels from the top: the same in the live figure, the picture and the offline page.

A lane with a parent follows it, and has a place only while every lane above it is unfolded. Of very many lanes under one
parent the first `MOST_UNDER` are drawn, and the parent's place says how many there are.
Rule: pure; imports `timeline.lanes` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.timeline.lanes import HeatLane, Lane, PhaseLane

PHASE_PX, BAR_PX = 22, 14
SERIES_PX, COST_PX = 36, 40
UNDER_PX = {"phases": 16, "series": 28, "heat": 34}  # a lane under another is lower
UNDER_BAR_PX = 9
HEAT_ROW_PX, LEAST_HEAT_PX, MOST_HEAT_PX = 2.2, 34, 120
PAD_PX = 4  # a curve keeps this far from its neighbours
AFTER_PHASES_PX = 6
FOOT_PX = 2  # under the last lane, for the line of a box around it
MOST_UNDER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one lane lies: its band, and the band that its curve may use."""

    lane: Lane
    top: float
    bottom: float
    depth: int = 0  # how many lanes it stands under
    under: int = 0  # how many lanes stand directly under it
    unfolded: bool = False  # whether they are drawn

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def band(self) -> tuple[float, float]:
        return self.top + PAD_PX, self.bottom - PAD_PX

    @property
    def bar_px(self) -> int:
        return UNDER_BAR_PX if self.depth else BAR_PX

    def to_json(self) -> dict[str, Any]:
        """What the page needs to put a label beside it."""
        return {
            "id": self.lane.id,
            "top": self.top,
            "bottom": self.bottom,
            "depth": self.depth,
            "under": self.under,
            "unfolded": self.unfolded,
        }


def layout(lanes: Sequence[Lane], unfolded: Collection[str] | None = None) -> tuple[tuple[Place, ...], float]:
    """The places of the lanes that are drawn, from the top, and the height of all, in pixels.

    `unfolded` are the ids of the lanes whose lanes under them are drawn; by default what each lane says of itself.
    """
    under = Counter(lane.parent for lane in lanes if lane.parent)
    opened = unfolded_lanes(lanes) if unfolded is None else set(unfolded)
    depths: dict[str, int] = {}
    drawn_under: Counter[str] = Counter()
    places: list[Place] = []
    top = 0.0
    for lane in lanes:
        if lane.parent:
            if lane.parent not in depths or lane.parent not in opened or drawn_under[lane.parent] >= MOST_UNDER:
                continue
            drawn_under[lane.parent] += 1
        depth = depths[lane.parent] + 1 if lane.parent else 0
        depths[lane.id] = depth
        if places and isinstance(places[-1].lane, PhaseLane) and not isinstance(lane, PhaseLane):
            top += AFTER_PHASES_PX
        bottom = top + height_px(lane, depth)
        opens = lane.id in opened and under[lane.id] > 0
        places.append(Place(lane=lane, top=top, bottom=bottom, depth=depth, under=under[lane.id], unfolded=opens))
        top = bottom
    return tuple(places), top + FOOT_PX


def unfolded_lanes(lanes: Sequence[Lane]) -> set[str]:
    """Ids of the lanes whose lanes under them are drawn from the beginning."""
    parents = {lane.parent for lane in lanes if lane.parent}
    return {lane.id for lane in lanes if lane.id in parents and not lane.folded}


def height_px(lane: Lane, depth: int) -> float:
    """The height of a lane; a strip of heat grows with its rows to a limit."""
    if isinstance(lane, HeatLane):
        return float(min(max(round(len(lane.rows) * HEAT_ROW_PX) + 2 * PAD_PX, LEAST_HEAT_PX), MOST_HEAT_PX))
    if depth:
        return UNDER_PX[lane.kind]
    return PHASE_PX if isinstance(lane, PhaseLane) else COST_PX if lane.id == "cost" else SERIES_PX
