"""What GET /v1/metrics says: the latest samples, states and costs of the runs that live, and the queues' lengths.

In: the desk. Out: the text of `timeline/openmetrics.py`, for Prometheus and its kin.
Rule 1: samples are read from the last minute's frames, in a thread; runs, bills and queues are looked at before, in the loop's.
Rule 2: some metrics are read every ten seconds only, so a node's sample is what was said of it within `RECENT_NS`, the latest
of each metric. A node that said nothing for so long has none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.pricing.meter import cost_micro, rate_micro_per_h
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import parse_source
from jupyter_aicci.timeline.openmetrics import GROUPS, LiveRun, NodeSample, QueueLength, openmetrics

if TYPE_CHECKING:
    from jupyter_aicci.service.desk import Desk

RECENT_NS = 15 * NS
MOST_FRAMES = 200  # of a writer: ten a second around trouble
LATEST = """
SELECT frame FROM frames WHERE source = ? AND time_ns > ? AND instr(frame, '"k":"sample"') ORDER BY seq DESC LIMIT ?
"""


async def exposition(desk: Desk) -> str:
    """The answer of GET /v1/metrics."""
    now_ns, unfinished = desk.runs.clock.now_ns(), desk.runs.unfinished()
    queues = [QueueLength(name=row["name"], running=row["running"], waiting=row["queued"]) for row in desk.queues()]
    stores = [(run, store) for run in unfinished if (store := desk.loop.store(run.id)) is not None]
    samples = await asyncio.to_thread(lambda: [sample for pair in stores for sample in _samples(*pair, now_ns)])
    return openmetrics(samples, [_live(run, now_ns) for run in unfinished], queues)


def _live(run: Run, now_ns: int) -> LiveRun:
    return LiveRun(
        run_id=run.id,
        run_name=run.name,
        queue=run.spec.queue,
        state=str(run.state),
        cost_micro=cost_micro(run, now_ns) if run.cost_known else None,
        per_h_micro=rate_micro_per_h(run) if run.price.known else None,
        currency=run.price.currency,
    )


def _samples(run: Run, store: FrameStore, now_ns: int) -> Iterator[NodeSample]:
    """One a node of the latest attempt, what agent and ranks said of it together; none where the run ended meanwhile."""
    number = run.attempt.number if run.attempt else 0
    nodes: dict[int, dict[str, Any]] = {}
    try:
        for (source,) in store.select("SELECT DISTINCT source FROM frames"):
            attempt, node, _ = parse_source(source)
            if attempt == number:
                for (text,) in reversed(store.select(LATEST, source, now_ns - RECENT_NS, MOST_FRAMES)):
                    _lay_over(nodes.setdefault(node, {}), json.loads(text))
    except AicciError:
        return
    for node, frame in sorted(nodes.items()):
        yield NodeSample(run_id=run.id, run_name=run.name, node=node, frame=frame)


def _lay_over(known: dict[str, Any], frame: Mapping[str, Any]) -> None:
    """Put what a frame says in the place of what was said before."""
    for group in GROUPS.values():
        said = frame.get(group) or {}
        if group == "node":
            known.setdefault(group, {}).update(said)
        else:
            for owner, values in said.items():
                known.setdefault(group, {}).setdefault(owner, {}).update(values)
