"""Where each finding is marked on the chart: a box over each block of the lanes that show it, the number on the first.

A lane that is not drawn is marked where it is folded into. The page repeats `marks` (labextension/src/chart/marks.ts);
both are tested with tests/timeline/marks.json. Rule: pure; imports lanes and places only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.timeline.lanes import HeatLane, Lane
from jupyter_aicci.timeline.places import Place

BADGE_PX = 8  # the radius of the number's disc
LEAST_PX = 6  # the height of the least box: one row of a strip over a thousand ranks is still seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One box. Left and right are chart seconds, top and bottom pixels from the frame's top."""

    number: int  # 1 = the first finding of the list
    severity: str
    left: float
    right: float
    top: float
    bottom: float
    numbered: bool  # whether the number stands on this one

    @property
    def badge_y(self) -> float:
        """Where the number's middle lies: on a thin box in its middle, else inside its upper edge."""
        thin = self.bottom - self.top < 2 * BADGE_PX + 2
        return max((self.top + self.bottom) / 2 if thin else self.top + BADGE_PX + 1, BADGE_PX + 1)


def marks(findings: Sequence[Mapping[str, Any]], places: Sequence[Place], lanes: Sequence[Lane]) -> tuple[Mark, ...]:
    """The boxes of all findings, in the findings' order; a finding none of whose lanes is there has none."""
    made: list[Mark] = []
    shown = _shown_by(places, lanes)
    for number, finding in enumerate(findings, 1):
        for place, (top, bottom) in enumerate(_blocks(finding, places, shown)):
            made.append(
                Mark(
                    number=number,
                    severity=str(finding["severity"]),
                    left=float(finding["from_s"]),
                    right=float(finding["to_s"]),
                    top=top,
                    bottom=bottom,
                    numbered=place == 0,
                )
            )
    return tuple(made)


def _shown_by(places: Sequence[Place], lanes: Sequence[Lane]) -> dict[str, str]:
    """The drawn lane of each lane: itself, or the one that it is folded into."""
    drawn, parents = {place.lane.id for place in places}, {lane.id: lane.parent for lane in lanes}
    shown: dict[str, str] = {}
    for lane_id in parents:
        at = lane_id
        while at and at not in drawn:
            at = parents.get(at, "")
        shown[lane_id] = at
    return shown


def _blocks(finding: Mapping[str, Any], places: Sequence[Place], shown: Mapping[str, str]) -> list[tuple[float, float]]:
    """Top and bottom of each block of neighbouring lanes; of a strip of heat only the rows of the finding's ranks."""
    marked = {shown.get(lane_id, "") for lane_id in finding["lanes"]}
    blocks: list[tuple[float, float]] = []
    whole = False  # whether the last block ends with a whole lane
    last = -2
    for at, place in enumerate(places):
        if place.lane.id not in marked:
            continue
        rows = _rows(finding, place)
        if rows is None and whole and last == at - 1:
            blocks[-1] = (blocks[-1][0], place.bottom)
        else:
            blocks.append(rows or (place.top, place.bottom))
        whole, last = rows is None, at
    return blocks


def _rows(finding: Mapping[str, Any], place: Place) -> tuple[float, float] | None:
    """The pixels of the finding's ranks in a strip of heat; None where all of the lane is meant."""
    if not isinstance(place.lane, HeatLane) or not finding["ranks"]:
        return None
    at = [row for row, rank in enumerate(place.lane.rows) if rank in finding["ranks"]]
    if not at or len(at) == len(place.lane.rows):
        return None
    top, bottom = place.band
    row_px = (bottom - top) / len(place.lane.rows)
    first, last = top + at[0] * row_px, top + (at[-1] + 1) * row_px
    spare = max(0.0, LEAST_PX - (last - first)) / 2
    return first - spare, last + spare
