"""How a program would do at a size, of what its earlier runs showed: speed-up, time to its end, and what that costs.

In: the spec, and the forecast of where it would run. Out: one JSON object, None where no run of the program is known.
Which program it is: its fingerprint, or for a spec without one the latest run of the same name.
Rule 1: an estimate says what it is made of; where there is none, why.
Rule 2: the end is told as for as many steps as the latest run of it took that succeeded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import State
from jupyter_aicci.service.asks import held_s

if TYPE_CHECKING:
    from jupyter_aicci.service.desk import Desk

Json = dict[str, Any]


async def outlook(desk: Desk, spec: RunSpec, told: Json) -> Json | None:
    """What is to be expected of the spec where `told` has placed it."""
    like = _like(desk, spec)
    if like is None:
        return None
    siblings = await desk.speeds.of_program(like, told["placement"]["shape"])
    if not siblings:
        return _answer(told, basis=f"no run of this program has been measured on {told['shape']}")
    own = siblings[0] | {"per_node_micro": None}
    found, refused = await asyncio.to_thread(desk.speeds.forecast, own, siblings, {told["nodes"]: _bus(told)})
    finish_s = _finish_s(desk, siblings, told, found[0] if found else None)
    basis = f"estimated from {len(siblings)} of its runs" if found else refused
    return _answer(told, ratio=found[0]["ratio"] if found else None, finish_s=finish_s, basis=basis)


def _like(desk: Desk, spec: RunSpec) -> str | None:
    """The fingerprint of the program."""
    if spec.fingerprint:
        return spec.fingerprint
    named = (run for run in desk.runs.newest_first() if spec.name and run.name == spec.name)
    return next((run.spec.fingerprint for run in named if run.spec.fingerprint), None)


def _finish_s(desk: Desk, siblings: list[Json], told: Json, forecast: Json | None) -> float | None:
    """Seconds that it would hold its nodes; at another size than a run that ended did, by the forecast's step time."""
    done = [(one, desk.runs[one["id"]]) for one in siblings if one["state"] == State.SUCCEEDED]
    for _, run in done:
        if _size(run) == (told["nodes"], told["world_size"]):
            return held_s(run)
    if not done or forecast is None:
        return None
    measured, run = done[0]
    startup_s = float(measured["measured"]["startup_s"])
    longer = float(forecast["step_s"]) / float(measured["measured"]["step_s"])
    return startup_s + max(0.0, held_s(run) - startup_s) * longer


def _size(run: Run) -> tuple[int, int]:
    placement = run.attempts[-1].placement
    return len(placement.nodes), placement.world_size


def _bus(told: Json) -> int:
    return int((told["bandwidth"] or {}).get("bus_bytes_per_s", 0))


def _answer(told: Json, *, ratio: float | None = None, finish_s: float | None = None, basis: str) -> Json:
    per_h = told["per_h_micro"]
    known = finish_s is not None and per_h is not None
    return {
        "ranks": told["world_size"],
        "ratio": ratio,
        "finish_s": finish_s,
        "finish_micro": round(per_h * finish_s / 3600) if known else None,
        "basis": basis,
    }
