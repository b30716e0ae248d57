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

    def total(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Any:
        mean = np.array([MEANS[metric]])
        return SimpleNamespace(t_s=np.arange(3.0), column_s=1.0, total=np.nansum(mean, axis=0), seen=~np.isnan(mean))

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


class Curves(OneDevice):
    """Roll-ups of these metrics, two ranks each, the second at half of the first."""

    def __init__(self, *metrics: tuple[str, str]) -> None:
        self._metrics = metrics

    def metrics(self) -> tuple[tuple[str, str], ...]:
        return self._metrics

    def owners(self, metric: str, scope: str = "rank") -> tuple[str, ...]:
        return ("rank-0", "rank-1") if (scope, metric) in self._metrics else ()

    def window(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Any:
        mean = np.array([[0.5, 0.5], [0.25, 0.25]])[: len(owners)]
        return SimpleNamespace(t_s=np.arange(2.0), column_s=1.0, mean=mean, first=mean, low=mean, high=mean, last=mean)

    def total(self, metric: str, owners: Sequence[str], from_s: float, to_s: float, columns: int) -> Any:
        mean = self.window(metric, owners, from_s, to_s, columns).mean
        return SimpleNamespace(t_s=np.arange(2.0), column_s=1.0, total=mean.sum(axis=0), seen=~np.isnan(mean))


def test_logged_values_stand_in_the_order_in_which_they_appeared() -> None:
    """As while the run lived, loss first; what only another rank logs follows, and all of it has the same bound."""
    run = Journal(ranks_per_node=2).placed(0.0).runs(0.0).run()
    names = ["zeta", "acc", "loss", *(f"more{number}" for number in range(20))]
    live = view(run, Frames().log(1.0, **dict.fromkeys(names, 1.0)).stored, cost=(), now_ns=at(3))
    rolled = Curves(*(("value", f"value:{name}") for name in sorted([*names, "alone"])))
    ids = [lane.id for lane in live.lanes if lane.id.startswith("value:")]
    assert ids[:3] == ["value:loss", "value:zeta", "value:acc"]
    assert [lane.id for lane in overview(live, rolled, run, 800).lanes if lane.id.startswith("value:")] == ids
    few = view(run, Frames().log(1.0, zeta=1.0).stored, cost=(), now_ns=at(3))
    drawn = overview(few, Curves(("value", "value:alone"), ("value", "value:zeta")), run, 800)
    assert [lane.id for lane in drawn.lanes if lane.id.startswith("value:")] == ["value:zeta", "value:alone"]


def test_a_curve_stands_on_the_scale_that_it_had_while_the_run_lived() -> None:
    """CPU up to the cores that there are, the ranks' own curves all up to the highest of them."""
    run = Journal(ranks_per_node=2).placed(0.0).runs(0.0).run()
    frames = Frames()
    for second in (1.0, 2.0):
        frames.sample(second, 1.0, 1e9)
    live = view(run, frames.stored, cost=(), now_ns=at(3))
    drawn = overview(live, Curves(("rank", "cpu")), run, 800)
    hi = [{lane.id: lane.hi for lane in each.lanes if lane.id.startswith("cpu")} for each in (live, drawn)]  # type: ignore[union-attr]
    assert hi[1] == hi[0] == {"cpu": 2.0, "cpu/rank-0": 0.5, "cpu/rank-1": 0.5}
