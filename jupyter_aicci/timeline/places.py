"""Where each lane of a view lies, in pixels from the top: the same in the live figure and in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_aicci.timeline.lanes import Lane, PhaseLane, SeriesLane

PHASE_PX, BAR_PX = 22, 14
SERIES_PX, COST_PX = 36, 40
PAD_PX = 4  # a curve keeps this far from its neighbours
AFTER_PHASES_PX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one lane lies: its band, and the band that its curve may use."""

    lane: Lane
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def band(self) -> tuple[float, float]:
        return self.top + PAD_PX, self.bottom - PAD_PX


def layout(lanes: Sequence[Lane]) -> tuple[tuple[Place, ...], float]:
    """The lanes' places from the top and the height of all, in pixels."""
    places: list[Place] = []
    top = 0.0
    for lane in lanes:
        if isinstance(lane, SeriesLane) and places and isinstance(places[-1].lane, PhaseLane):
            top += AFTER_PHASES_PX
        height = PHASE_PX if isinstance(lane, PhaseLane) else COST_PX if lane.id == "cost" else SERIES_PX
        places.append(Place(lane=lane, top=top, bottom=top + height))
        top += height
    return tuple(places), top
