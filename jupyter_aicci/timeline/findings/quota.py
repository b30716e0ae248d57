"""A CPU quota that the run meets: F23. The kernel stops all of the group's threads for the rest of each period."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.findings.board import Board, node_of, percent, ratio
from jupyter_aicci.timeline.findings.rule import CALIBRATED, Rule

THROTTLED = 0.10

QUOTA = Rule(
    id="F23",
    name="held back by a CPU quota",
    measures="Periods of the CPU quota in which the run used it up, of all periods.",
    threshold=percent(THROTTLED),
    source=CALIBRATED,
    money="the share of time in which it was stopped, of all ranks of the node",
    needs="node: group_periods, group_throttled, group_throttled_us",
)


def quota(board: Board) -> Iterator[Finding]:
    """F23."""
    for whose in board.owners("group_periods", "group_throttled", scope="node"):
        share = ratio(board.mean("group_throttled", whose), board.mean("group_periods", whose))
        ranks = board.on_node(node_of(whose))
        for episode, from_s, to_s in board.on_grid(share >= THROTTLED, share):
            value = float(np.nanmean(share[episode.span]))
            stopped = board.within("group_throttled_us", whose, from_s, to_s) / 1e6
            limit = board.within("group_cpu_limit", whose, from_s, to_s)
            lost = min(value, stopped) if stopped == stopped else value
            yield board.finding(
                QUOTA,
                from_s=from_s,
                to_s=to_s,
                ongoing=not episode.cleared,
                ranks=ranks,
                nodes=(node_of(whose),),
                value=value,
                threshold=THROTTLED,
                severity="high" if value >= 0.5 else "warning",
                confidence=board.confidence(from_s, to_s),
                wasted_ns=lost * (to_s - from_s) * 1e9 * len(ranks),
                inputs={"stopped": stopped, "limit_cores": limit},
                text="the CPU quota"
                + (f" of {limit:.3g} cores" if limit == limit else "")
                + f" was used up in {percent(value)} of its periods"
                + (f"; the run stood still {percent(min(1.0, stopped))} of the time" if stopped == stopped else ""),
                fix="Take a shape with more CPUs, have the quota raised, or use fewer threads and loader workers.",
                lanes=("quota", "cpu", "step_time", "cost"),
            )
