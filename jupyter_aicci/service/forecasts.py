"""What would happen to a spec that is sent now: when, where, at which bandwidth and price, how fast, and to which end.

In: the spec of a request. Out: one answer, or one for each shape of this host; of the runs that wait, what is expected of each.
Rule 1: nothing is submitted and nothing is journalled.
Rule 2: what runs of the same program showed is told as an estimate, with what it is made of; where there is none, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.text import NOT_SET, money
from jupyter_aicci.provision import launcher_environment, rank_environment
from jupyter_aicci.service.limits import moment_ns

if TYPE_CHECKING:
    from jupyter_aicci.service.desk import Desk
    from jupyter_aicci.service.line import Foreseen

FORECAST_ID = RunId("r0000000")
OF_ONE_SHAPE = ("never_fits", "over_quota", "no_price", "budget_too_small")  # refusals that another shape may not meet
LINE_KEYS = ("id", "name", "state", "queue", "shape", "nodes")

Json = dict[str, Any]


class Forecasts:
    """Forecasts by one service."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def one(self, body: Mapping[str, Any], owner: str = "") -> Json:
        """The answer of POST /v1/forecast. Raises `UserError` where it can never run."""
        return self._of(replace(self._desk.spec(body), owner=owner))

    async def every(self, body: Mapping[str, Any], owner: str = "") -> Json:
        """The answer of POST /v1/forecasts: of each shape of this host what would happen, or why it cannot; those asked for first.

        Raises `UserError` for a spec that means nothing on any shape.
        """
        spec = replace(self._desk.spec(body), owner=owner)
        asked, refused = self._asked(spec)
        others = [shape.name for shape in self._desk.loop.line.shapes() if shape.name not in asked]
        answers = [await self._answer(spec, name) for name in (*asked, *others)]
        return {"now_ns": self._desk.runs.clock.now_ns(), "asked": asked, "answers": answers, "refused": refused}

    def line(self) -> list[Json]:
        """What is expected of each run that waits, first in line first."""
        runs = self._desk.runs
        waiting = [runs[run_id] for run_id in self._desk.loop.line.in_line()]
        return [
            {key: summary[key] for key in LINE_KEYS} | {"owner": run.spec.owner} | dict(runs.told(run))
            for run in waiting
            if not run.holds_nodes and not run.ended
            for summary in [runs.summary(run)]
        ]

    def _asked(self, spec: RunSpec) -> tuple[list[str], str]:
        """(the shapes that the spec means, of `auto` the one that it would get; why it would be refused as it stands, or "")"""
        named = [] if "auto" in spec.shape else list(spec.shape)
        try:
            self._desk.refuse(FORECAST_ID, spec)
        except UserError as error:
            if error.code not in OF_ONE_SHAPE:
                raise
            return named, error.message
        return named or [self._desk.loop.line.foresee(spec).placement.shape.name], ""

    async def _answer(self, spec: RunSpec, shape: str) -> Json:
        from jupyter_aicci.service.outlooks import (
            outlook,
        )  # brings the scheduler, which a service does without until it is asked

        narrowed = replace(spec, shape=(shape,))
        try:
            told = self._of(narrowed)
        except UserError as error:
            if error.code not in OF_ONE_SHAPE:
                raise
            return {"shape": shape, "forecast": None, "refused": error.message}
        return {
            "shape": shape,
            "forecast": told | {"outlook": await outlook(self._desk, narrowed, told)},
            "refused": "",
        }

    def _of(self, spec: RunSpec) -> Json:
        self._desk.refuse(FORECAST_ID, spec)
        foreseen = self._desk.loop.line.foresee(spec)
        placement = foreseen.placement
        price = self._desk.prices.price(placement.shape.name)
        per_h_micro = price.micro_per_h * len(placement.nodes) if price.known else None
        return {
            "spec": spec.to_json(),
            "shape": placement.shape.name,
            "nodes": len(placement.nodes),
            "world_size": placement.world_size,
            **_when(foreseen),
            "price": price.to_json(),
            "price_text": _price_text(per_h_micro, price.currency),
            "per_h_micro": per_h_micro,
            "currency": price.currency,
            "placement": placement.to_json(),
            "environment": self._environment(spec, placement),
        }

    def _environment(self, spec: RunSpec, placement: Placement) -> dict[str, str]:
        """What rank 0, or node 0's launcher, is told beside the host's environment; values of secrets are not shown."""
        common: Json = {
            "placement": placement,
            "port": self._desk.engine.free_port(placement),
            "node": 0,
            "run_id": FORECAST_ID,
            "attempt": 1,
            "node_dir": str(self._desk.home.node_dir(FORECAST_ID, 1, 0)),
            "python": spec.python,
            "user": dict(item.split("=", 1) for item in spec.env) | dict.fromkeys(spec.secret, "(secret)"),
        }
        if spec.launcher:
            return launcher_environment({}, **common)
        return rank_environment({}, local_rank=0, retries=spec.retries, **common)


def _when(foreseen: Foreseen) -> Json:
    expected, bandwidth = foreseen.expected, foreseen.expected.bandwidth
    return {
        "starts": "later" if foreseen.why else "now",
        "start_ns": moment_ns(expected.start_s),
        "latest_ns": moment_ns(expected.latest_s),
        "place": expected.place,
        "domain": expected.domain,
        "bandwidth": bandwidth.to_json() if bandwidth is not None and bandwidth.levels else None,
        "reason": foreseen.text,
        "why": foreseen.why or None,
        "change": foreseen.change,
    }


def _price_text(micro_per_h: int | None, currency: str) -> str:
    if micro_per_h is None:
        return NOT_SET
    return f"{money(micro_per_h, currency)}/h" if micro_per_h else "free"
