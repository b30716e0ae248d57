"""Runs side by side: speed, speed-up, cost, waste and findings of each, forecasts for more nodes, and time against cost.

In: runs by id or name, and the node counts to forecast for. Out: one JSON document, which both faces show.
Rule: nothing is computed here that the service knows; a forecast is of a program, so runs of one program share theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.speedup.frontier import Point, frontier, point_from_json

if TYPE_CHECKING:
    from jupyter_aicci.client.api import Client

S_PER_H = 3_600.0
Json = dict[str, Any]


def compare(client: Client, refs: Sequence[str], nodes: Sequence[int] = ()) -> Json:
    """`{"runs", "forecasts", "refused", "points"}`; raises `NotFoundError` for a run that is not there."""
    runs = [_row(client, ref, nodes) for ref in refs]
    forecasts, refused = [], []
    for first in {(run["fingerprint"] or run["id"], run["accelerator"]): run for run in reversed(runs)}.values():
        forecasts += [told | {"of": first["id"], "shape": first["shape"]} for told in first.pop("forecasts")]
        why = first.pop("forecast_refused")
        refused += [{"of": first["id"], "why": why}] if why else []
    for run in runs:
        run.pop("forecasts", None)
        run.pop("forecast_refused", None)
    points = [point for run in runs if (point := _point(run))]
    points += [_expected(told, runs) for told in forecasts if told["samples_per_s"]]
    best = {id(point) for point in frontier(points)}
    drawn = [point.to_json() | {"best": id(point) in best} for point in points]
    return {"runs": runs, "forecasts": forecasts, "refused": refused, "points": drawn}


def points_of(document: Json) -> tuple[Point, ...]:
    """The document's points, as figure and picture take them."""
    return tuple(point_from_json(point) for point in document["points"])


def save_page(document: Json, path: str | Path) -> None:
    """Write a page that opens offline: time against cost. Raises `HostError` (cannot_write)."""
    from jupyter_aicci.speedup.figure import page

    try:
        Path(path).expanduser().write_text(page(points_of(document)), encoding="utf-8")
    except OSError as error:
        raise HostError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None


def _row(client: Client, ref: str, nodes: Sequence[int]) -> Json:
    run = client.run(ref)
    summary, speed, view = run.summary(), client.speed(run.id, nodes=nodes), client.view(run.id, width_px=100)
    measured = speed["measured"]
    per_h = speed["per_node_micro"]
    per_h = per_h * speed["nodes"] if per_h is not None else None
    keys = ("id", "name", "state", "icon", "shape", "nodes", "attempt", "cost_micro", "currency", "unpriced")
    return {
        **{key: summary[key] for key in keys},
        **{key: speed[key] for key in ("fingerprint", "accelerator", "measured", "why", "speedup", "speedup_why")},
        **{key: speed[key] for key in ("mfu", "mfu_why", "power_w", "forecasts", "forecast_refused")},
        "ranks": summary["world_size"],
        "per_h_micro": per_h,
        "cost_per_step_micro": per_h * measured["step_s"] / S_PER_H if measured and per_h is not None else None,
        "headline": view.get("headline", ""),
        "findings": view["findings"],
    }


def _point(run: Json) -> Point | None:
    measured = run["measured"]
    if not measured:
        return None
    times = run["nodes"]
    return Point(
        label=f"{run['shape']} ×{times}" if times > 1 else run["shape"],
        accelerator=run["accelerator"],
        nodes=times,
        ranks=measured["ranks"],
        per_s=measured["per_s"],
        unit=measured["unit"],
        per_h_micro=run["per_h_micro"],
        currency=run["currency"],
        power_w=run["power_w"],
        lo_per_s=measured["per_s"] * measured["step_s"] / measured["hi_s"],
        hi_per_s=measured["per_s"] * measured["step_s"] / measured["lo_s"],
    )


def _expected(told: Json, runs: Sequence[Json]) -> Point:
    run = next(run for run in runs if run["id"] == told["of"])
    per_rank_w = run["power_w"] / run["ranks"] if run["power_w"] else None
    return Point(
        label=f"{told['shape']} ×{told['nodes']}" if told["nodes"] > 1 else told["shape"],
        accelerator=run["accelerator"],
        nodes=told["nodes"],
        ranks=told["ranks"],
        per_s=told["samples_per_s"],
        unit="samples/s",
        per_h_micro=told["per_h_micro"],
        currency=run["currency"],
        power_w=per_rank_w * told["ranks"] if per_rank_w else None,
        estimated=True,
        lo_per_s=told["samples_per_s"] * told["lo"] / told["ratio"],
        hi_per_s=told["samples_per_s"] * told["hi"] / told["ratio"],
    )
