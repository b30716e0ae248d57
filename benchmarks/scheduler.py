"""The scheduler on 10,000 hosts: one gang, a stream of runs with the journal, the forecast, a cold start, memory.

Each part has a process of its own, so that none is helped or hurt by what another left behind; times are wall time.
What is measured is the function that the live service calls, on the cluster and the runs of `scheduler_world`.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from common import arguments, percentile, report
from scheduler_world import GPUS, HOUR_S, NOW_NS, QUEUES, SHAPES, batches, cluster, filled, full, gang, requests

from jupyter_aicci.model.events import Event, NodeHeld, Placed, Stepped, Submitted
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import Step
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import Cluster, Running, Runs, Start, Waiting, decide, outlook, runs_of
from jupyter_aicci.scheduler.fit import fit
from jupyter_aicci.service.asks import running_of, waiting_of
from jupyter_aicci.store.journal import Journal

HOSTS = 10_000
GANG = 512
STREAM = 20_000  # runs of one node
BATCHES = (1_000, 100)  # runs that one decision sees
ALONE = 200  # of them one at a time
QUEUE = 1_000
JOURNAL_RUNS = 10_000  # in the journal of a cold start ...
JOURNAL_HOLDING = 2_000  # ... of which so many hold nodes,
JOURNAL_WAITING = 1_000  # so many wait, and the rest has ended
PORT = 29_500


def main() -> None:
    repeats = max(5, arguments().launches)
    figures: dict[str, Any] = {"hosts": HOSTS, "accelerators": HOSTS * GPUS, "gang_nodes": GANG}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as apart:
        for part in (gangs, forecasts):
            figures |= apart.submit(part, repeats).result()
        for size in BATCHES:
            figures |= apart.submit(stream, size, STREAM).result()
        figures |= apart.submit(stream, 1, ALONE).result()
        with tempfile.TemporaryDirectory(prefix="aicci-bench-") as folder:
            path = Path(folder) / "journal.db"
            apart.submit(write_journal, path).result()
            figures |= apart.submit(cold_start, path).result()
    report("scheduler", figures)


def gangs(repeats: int) -> dict[str, Any]:
    """(a) the kernel that places a gang, (b) the whole decision about it; on an empty cluster and on a half full one."""
    empty = cluster(HOSTS)
    half, held = filled(empty, HOSTS // 2)
    big = gang(1, GANG)
    figures: dict[str, Any] = {}
    for name, place, runs in (("empty", empty, runs_of()), ("half", half, held)):
        room, asked = place.free.room(SHAPES[-1]), runs.submitted(big)
        assert len(decide(place, QUEUES, asked, NOW_NS).starts) == 1, "the gang starts"
        figures |= spread_ms(f"fit_{name}", timed(10 * repeats, partial(fit, empty.fabric.tree, room, GANG)))
        figures |= spread_ms(f"decide_{name}", timed(repeats, partial(decide, place, QUEUES, asked, NOW_NS)))
    return figures


def forecasts(repeats: int) -> dict[str, Any]:
    """(d) what one more run would get on a full cluster, and what each of a thousand that wait will; half have a history."""
    taken, held = full(cluster(HOSTS))
    line = requests(QUEUE, nodes=(1, 2, 4, 8, 16, 32, 64))
    line = [replace(run, expected_s=run.limit_s * 0.6) if at % 2 else run for at, run in enumerate(line)]
    runs = held.submitted(*line)
    seen = outlook(taken, QUEUES, runs, NOW_NS)
    assert all(NOW_NS / NS < seen.of(run.run_id).latest_s < float("inf") for run in line), "all are told a latest start"
    asked = gang(2, GANG)
    return {
        "waiting": QUEUE,
        **spread_ms("forecast_of_one_more", timed(repeats, lambda: seen.would(asked))),
        **spread_ms("forecast_of_all", timed(max(3, repeats // 4), lambda: outlook(taken, QUEUES, runs, NOW_NS))),
        **spread_ms("forecast_of_one_alone", timed(repeats, lambda: outlook(taken, QUEUES, held, NOW_NS).would(asked))),
    }


def stream(size: int, count: int) -> dict[str, Any]:
    """(c) runs of one node through decide and the journal, `size` submitted together and recorded in one transaction."""
    with tempfile.TemporaryDirectory(prefix="aicci-bench-") as folder:
        journal = Journal(Path(folder) / "journal.db")
        place, runs = cluster(HOSTS), runs_of()
        asked = requests(count)
        decide(place, QUEUES, runs.submitted(asked[0]), NOW_NS)
        gc.collect()
        began_s, decided_s = time.perf_counter(), 0.0
        for some in batches(asked, size):
            runs = runs.submitted(*some)
            before_s = time.perf_counter()
            starts = decide(place, QUEUES, runs, NOW_NS).starts
            decided_s += time.perf_counter() - before_s
            journal.append([row for start in starts for row in placed(start)])
            place, runs = taken(place, runs, some, starts)
        took_s = time.perf_counter() - began_s
        journal.close()
    assert len(runs.running_ids) == count, "every run got its node"
    name = "one_at_a_time" if size == 1 else f"batches_of_{size}"
    return {
        f"placements_per_s_{name}": round(count / took_s),
        f"placements_per_s_{name}_decision_only": round(count / decided_s),
    }


def placed(start: Start) -> list[Event]:
    """The rows that a start is in the journal, as the service's loop writes them."""
    placement, run_id = start.placement, start.run_id
    return [
        Placed(run_id=run_id, time_ns=NOW_NS, attempt=1, placement=placement.to_json(), port=PORT),
        Stepped(run_id=run_id, time_ns=NOW_NS, step=Step.PLACE, attempt=1, reason=placement.why),
        *(
            NodeHeld(run_id=run_id, time_ns=NOW_NS, attempt=1, node=node.index, shape=placement.shape.name)
            for node in placement.nodes
        ),
    ]


def taken(place: Cluster, runs: Runs, asked: Sequence[Waiting], starts: Sequence[Start]) -> tuple[Cluster, Runs]:
    """Cluster and runs after these starts."""
    by_id = {run.run_id: run for run in asked}
    held = [Running(run=by_id[each.run_id], placement=each.placement, started_ns=NOW_NS) for each in starts]
    return place.without([each.placement for each in starts]), runs.started(*held)


def write_journal(path: Path) -> None:
    """The journal of a cold start: runs that have ended, that hold all hosts, and that wait; each a gang of 1 to 10 nodes."""
    journal = Journal(path)
    empty = cluster(HOSTS)
    _, held = full(empty)
    placements = held.placements[:JOURNAL_HOLDING]
    for number, run in enumerate(requests(JOURNAL_RUNS, nodes=(1, 2, 4, 8, 10), shape="h100x8")):
        spec = RunSpec(
            shape=run.shapes, nodes=run.nodes, time_limit=run.limit_s, owner=run.user, name=f"train-{number}"
        )
        rows: list[Event] = [Submitted(run_id=run.run_id, time_ns=run.submitted_ns, spec=spec.to_json(), prices={})]
        rows.append(Stepped(run_id=run.run_id, time_ns=run.submitted_ns, step=Step.ENQUEUE, attempt=0))
        if number >= JOURNAL_WAITING:
            placement = placements[number % len(placements)]
            rows += placed(Start(run_id=run.run_id, placement=placement))
            rows.append(Stepped(run_id=run.run_id, time_ns=NOW_NS, step=Step.RUN, attempt=1))
        if number >= JOURNAL_WAITING + len(placements):
            rows.append(Stepped(run_id=run.run_id, time_ns=NOW_NS, step=Step.SUCCEED, attempt=1))
        journal.append(rows)
    journal.close()


def cold_start(path: Path) -> dict[str, Any]:
    """(e) from a journal on disk to the first decision and forecast, (f) and the most memory that it took."""
    marks = [time.perf_counter()]
    journal = Journal(path)
    folded = journal.load()
    marks.append(time.perf_counter())
    place = cluster(HOSTS)
    unfinished = [run for run in folded.values() if not run.ended]
    holding = [run for run in unfinished if run.holds_nodes]
    place = place.without([run.attempts[-1].placement for run in holding])
    runs = runs_of([waiting_of(run) for run in unfinished if not run.holds_nodes], [running_of(run) for run in holding])
    marks.append(time.perf_counter())
    decisions = decide(place, QUEUES, runs, NOW_NS + int(HOUR_S) * NS)
    marks.append(time.perf_counter())
    assert (len(folded), len(runs.waiting_ids)) == (JOURNAL_RUNS, JOURNAL_WAITING), "nothing was lost"
    assert not decisions.never
    outlook(place, QUEUES, runs, NOW_NS + int(HOUR_S) * NS)
    journal.close()
    return {
        "cold_start_runs": len(folded),
        "cold_start_holding": len(holding),
        "cold_start_s": round(marks[-1] - marks[0], 3),
        "cold_start_load_s": round(marks[1] - marks[0], 3),
        "cold_start_arrays_s": round(marks[2] - marks[1], 3),
        "cold_start_decide_s": round(marks[3] - marks[2], 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }


def timed(count: int, act: Callable[[], object]) -> list[float]:
    """Seconds of each of so many calls, the first one not counted."""
    act()
    gc.collect()
    times = []
    for _ in range(count):
        began_s = time.perf_counter()
        act()
        times.append(time.perf_counter() - began_s)
    return times


def spread_ms(name: str, times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    return {
        f"{name}_{word}_ms": round(percentile(times, ratio) * 1e3, 3) for word, ratio in (("p50", 0.5), ("p95", 0.95))
    }


if __name__ == "__main__":
    main()
