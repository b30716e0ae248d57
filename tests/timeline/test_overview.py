"""overview: what stands in the roll-ups is drawn as it is while the run lives."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from timeline_builders import Frames, Journal, at

from jupyter_aicci.timeline.lanes import SeriesLane
from jupyter_aicci.timeline.overview import overview
from jupyter_aicci.timeline.view import view

MEANS = {"throttle_power": [2e8, 2e8, np.nan], "throttle_thermal": [1e8, np.nan, np.nan]}


class OneDevice:
    """Roll-ups of a device that counts the time capped by power and by heat, heat only sometimes, and has no brake."""

    def metrics(self) -> tuple[tuple[str, str], ...]:
        return tuple(("device", name) for name in MEANS)

    def owners(self, metric: str, scope: str = "rank") -> tuple[str, ...]:
        return ("node-0/gpu-0",) if (scope, metric) in self.metrics() else ()

    def window(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Any:
        mean = np.array([MEANS[metric]])
        return SimpleNamespace(t_s=np.arange(3.0), column_s=1.0, mean=mean)

    def heat(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("no rank told its steps")

    def damaged(self) -> tuple[str, ...]:
        return ()


def test_a_device_without_one_of_a_lanes_metrics_has_the_lane() -> None:
    """As while it lived: what was seen is added, and where nothing was seen nothing is drawn."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    drawn = overview(view(run, Frames().stored, cost=(), now_ns=at(3)), OneDevice(), run, 800)
    (lane,) = (lane for lane in drawn.lanes if lane.id == "throttle")
    assert isinstance(lane, SeriesLane)
    np.testing.assert_allclose(lane.v, [30.0, 20.0])
