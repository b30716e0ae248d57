"""What a view is made of: spans, lanes, tiles, and their JSON (section 7 of docs/explanation/processes-and-files.md).

Rule 1: times are seconds since the run was submitted; `v` is in the lane's `unit`, `value` is finished text with unit.
Rule 2: a NaN among `v` is a break: nothing was seen between its neighbours, and nothing is drawn. In JSON it is null.
Rule 3: the JSON is enough to draw everything: figure, picture and summary take what `view_from_json` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # the service makes summaries without numpy in its memory
    import numpy as np
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"


class Frame(Protocol):
    """One stored frame, as `store.frames` yields it."""

    @property
    def seq(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def node(self) -> int: ...
    @property
    def time_ns(self) -> int: ...  # epoch
    @property
    def frame(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A node is in one phase from `t0_s` to `t1_s`."""

    t0_s: float
    t1_s: float
    phase: str

    def to_json(self) -> dict[str, Any]:
        return {"t0": round(self.t0_s, 3), "t1": round(self.t1_s, 3), "phase": self.phase}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number of the run card and what it means."""

    value: str
    label: str
    note: str = ""  # where the number is from, for who wants to know

    def to_json(self) -> dict[str, str]:
        return {"value": self.value, "label": self.label, "note": self.note}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseLane:
    """The bar of one node or rank."""

    id: str  # "node-0"
    name: str
    note: str  # the node's host
    spans: tuple[Span, ...]
    parent: str = ""  # id of the lane under which it is drawn, once that is unfolded; "" = it stands by itself
    folded: bool = False  # whether the lanes that have this one as parent begin hidden

    kind: Literal["phases"] = "phases"

    def to_json(self) -> dict[str, Any]:
        return _head(self) | {"spans": [span.to_json() for span in self.spans]}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesLane:
    """One curve; `t_s` ascends, `v` has the same length."""

    id: str  # "value:loss", "step_time", "cpu", "memory", "cost"
    name: str
    unit: str  # of v
    value: str  # the latest value as text
    lo: float
    hi: float
    t_s: Floats
    v: Floats
    note: str = ""  # what was left out
    parent: str = ""
    folded: bool = False
    shade: tuple[tuple[float, float], ...] = ()  # of the lane "cost": time whose money was wasted

    kind: Literal["series"] = "series"

    def to_json(self) -> dict[str, Any]:
        return _head(self) | {
            **_scale(self),
            "t": times_json(self.t_s),
            "v": values_json(self.v),
            "shade": [times(pair) for pair in self.shade],
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeatLane:
    """One row of colour a rank; `v` is rows x columns, NaN where nothing was seen."""

    id: str  # "step_heat"
    name: str
    unit: str  # of v
    value: str  # the latest value over all rows, as text
    lo: float
    hi: float
    rows: tuple[int, ...]  # the rank of each row
    t_s: Floats  # the edges of the columns: one more than there are columns, ascending
    v: Floats
    note: str = ""
    parent: str = ""
    folded: bool = False

    kind: Literal["heat"] = "heat"

    def to_json(self) -> dict[str, Any]:
        return _head(self) | {
            **_scale(self),
            "rows": list(self.rows),
            "t": times_json(self.t_s),
            "v": values_json(self.v),
        }


Lane = PhaseLane | SeriesLane | HeatLane


def _head(lane: Lane) -> dict[str, Any]:
    """What every lane says of itself."""
    names = ("id", "kind", "name", "note", "parent", "folded")
    return {name: getattr(lane, name) for name in names}


def _scale(lane: SeriesLane | HeatLane) -> dict[str, Any]:
    return {"unit": lane.unit, "value": lane.value, "lo": significant(lane.lo), "hi": significant(lane.hi)}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One run as it looks at one moment."""

    run: dict[str, Any]  # the summary of section 6
    cursor: int  # seq of the last frame in it
    origin_ns: int
    end_s: float
    live: bool
    tiles: tuple[Tile, ...]
    lanes: tuple[Lane, ...]
    legend: tuple[str, ...]  # phases that occur, in the colour table's order
    log: dict[str, Any] = field(default_factory=lambda: {"rank": 0, "text": ""})
    findings: tuple[dict[str, Any], ...] = ()
    verdict: dict[str, Any] | None = None
    headline: str = ""  # where the money went, in one sentence
    window: tuple[float, float] | None = None  # chart seconds; None = all of the run

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "cursor": self.cursor,
            "origin_ns": self.origin_ns,
            "end_s": round(self.end_s, 3),
            "live": self.live,
            "tiles": [tile.to_json() for tile in self.tiles],
            "lanes": [lane.to_json() for lane in self.lanes],
            "legend": list(self.legend),
            "log": self.log,
            "findings": list(self.findings),
            "verdict": self.verdict,
            "headline": self.headline,
            "window": times(self.window) if self.window else None,
        }


def view_from_json(data: Mapping[str, Any]) -> View:
    """The view that `View.to_json` wrote."""
    return View(
        run=dict(data["run"]),
        cursor=int(data["cursor"]),
        origin_ns=int(data["origin_ns"]),
        end_s=float(data["end_s"]),
        live=bool(data["live"]),
        tiles=tuple(Tile(**tile) for tile in data["tiles"]),
        lanes=tuple(_lane(lane) for lane in data["lanes"]),
        legend=tuple(data["legend"]),
        log=dict(data["log"]),
        findings=tuple(data["findings"]),
        verdict=data["verdict"],
        headline=str(data["headline"]),
        window=_pair(data["window"]) if data["window"] else None,
    )


def _lane(data: Mapping[str, Any]) -> Lane:
    import numpy as np

    head: dict[str, Any] = {name: data[name] for name in ("id", "name", "note", "parent", "folded")}
    if data["kind"] == "phases":
        spans = tuple(Span(t0_s=span["t0"], t1_s=span["t1"], phase=span["phase"]) for span in data["spans"])
        return PhaseLane(**head, spans=spans)
    scale: dict[str, Any] = {name: data[name] for name in ("unit", "value", "lo", "hi")}
    t_s = np.asarray(data["t"], dtype=np.float64)
    if data["kind"] == "heat":
        v = np.asarray(data["v"], dtype=np.float64).reshape(len(data["rows"]), max(0, len(t_s) - 1))
        return HeatLane(**head, **scale, rows=tuple(data["rows"]), t_s=t_s, v=v)
    v = np.asarray(data["v"], dtype=np.float64)  # None becomes NaN
    return SeriesLane(**head, **scale, t_s=t_s, v=v, shade=tuple(_pair(pair) for pair in data["shade"]))


def times(pair: tuple[float, float]) -> list[float]:
    """From and to, to the millisecond."""
    return [round(pair[0], 3), round(pair[1], 3)]


def _pair(pair: Any) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def times_json(t_s: Floats) -> list[float]:
    """Times to the millisecond."""
    rounded: list[float] = t_s.round(3).tolist()
    return rounded


def values_json(v: Floats) -> list[Any]:
    """Values to six significant digits, breaks as null; of a matrix a list of its rows."""
    import numpy as np

    rounded = _significant(v)
    gaps = np.isnan(rounded)
    told = rounded.astype(object) if gaps.any() else rounded
    told[gaps] = None
    found: list[Any] = told.tolist()
    return found


def significant(value: float) -> float:
    """`value` to six significant digits: more than a pixel shows, half the bytes."""
    return float(f"{value:.6g}")


def _significant(v: Floats) -> Floats:
    """`significant` of all values at once: a strip of heat has a hundred thousand."""
    import numpy as np

    with np.errstate(all="ignore"):
        places = 5 - np.floor(np.log10(np.abs(v)))
        scale = 10.0 ** np.abs(places)
        rounded = np.where(places < 0, np.rint(v / scale) * scale, np.rint(v * scale) / scale)
    return np.where(np.isfinite(rounded) & (v != 0), rounded, v)


def lane_range(lo: float, hi: float, band: tuple[float, float], total: float) -> tuple[float, float]:
    """(start, end) of the y range that draws lo..hi within `band` of a frame `total` pixels high.

    `band` is (top, bottom) in pixels from the frame's top edge. So the data source keeps raw values, and each lane has
    a range of its own over the whole frame: one pixel is (hi - lo) / (bottom - top), `start` is the frame's bottom,
    `end` its top. lo = hi is widened to `lo ± max(|lo| / 20, 1e-9)`. The TypeScript repeats this function; both are
    tested with the same table.
    """
    if hi <= lo:
        half = max(abs(lo) / 20, 1e-9)
        lo, hi = lo - half, lo + half
    top, bottom = band
    per_px = (hi - lo) / (bottom - top)
    return hi - per_px * (total - top), hi + per_px * top
