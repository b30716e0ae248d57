"""The future that is played is the one that comes, where expectations hold and nobody new is sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler import Cluster, Queues, Running, Runs, Waiting, cluster_of, decide, policy_named, runs_of
from jupyter_aicci.scheduler.ahead import ahead
from jupyter_aicci.traces.gangs import flat_hosts, shape_of

S = 1_000_000_000
Job = tuple[int, int, int, int]  # nodes, devices of each, run time in s, its limit in run times
JOBS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(1, 50), st.integers(1, 3)),
    min_size=1,
    max_size=15,
)


def a_cluster() -> Cluster:
    return cluster_of(flat_hosts(3, 4), shapes=tuple(shape_of(size) for size in (1, 2, 4)))


def waiting(jobs: list[Job]) -> Runs:
    """All submitted at once, in this order; what they take is known, limits are longer."""
    return runs_of(request(number, *job) for number, job in enumerate(jobs))


def request(number: int, nodes: int, devices: int, took_s: int, slack: int) -> Waiting:
    return Waiting(
        run_id=RunId(f"r{number:07}"), shapes=(shape_of(devices).name,), nodes=nodes, submitted_ns=S,
        expected_s=float(took_s), limit_s=float(took_s * slack),
    )  # fmt: skip


def as_it_comes(jobs: list[Job], policy: str) -> dict[RunId, float]:
    """Starts in seconds when `decide` is asked whenever something happens, and every run takes what was expected."""
    cluster, runs, now_s, found = a_cluster(), waiting(jobs), 10, dict[RunId, float]()
    ends: dict[RunId, int] = {}
    while len(found) < len(jobs) or ends:
        for start in decide(cluster, Queues(policy=policy), runs, now_s * S).starts:
            number = int(start.run_id[1:])
            found[start.run_id], ends[start.run_id] = now_s, now_s + jobs[number][2]
            run = request(number, *jobs[number])
            runs = runs.started(Running(run=run, placement=start.placement, started_ns=now_s * S))
            cluster = cluster.without([start.placement])
        now_s = min(ends.values())
        for run_id in [run_id for run_id, end_s in ends.items() if end_s == now_s]:
            cluster = cluster.released([runs.placements[runs.running_ids.index(run_id)]])
            runs = runs.ended(run_id)
            del ends[run_id]
    return found


@pytest.mark.parametrize("policy", ["fifo", "fifo-skip", "easy"])
@settings(max_examples=40)
@given(JOBS)
def test_what_is_played_is_what_comes(policy: str, jobs: list[Job]) -> None:
    """Every start, at its moment."""
    played = ahead(a_cluster(), Queues(policy=policy), waiting(jobs), 10.0, policy=policy_named(policy), work=10**9)

    assert {run_id: begun.start_s for run_id, begun in played.items()} == as_it_comes(jobs, policy)


def test_it_stops_where_the_run_that_is_asked_about_has_started() -> None:
    """Nobody behind it is played."""
    jobs: list[Job] = [(3, 4, 5, 1), (3, 4, 5, 1), (3, 4, 5, 1)]
    played = ahead(
        a_cluster(), Queues(policy="fifo"), waiting(jobs), 0.0, policy=policy_named("fifo"), until=RunId("r0000001")
    )
    assert {run_id: begun.start_s for run_id, begun in played.items()} == {"r0000000": 0.0, "r0000001": 5.0}


def test_it_ends_when_it_has_cost_what_it_may() -> None:
    """Who starts later than that is not told anything from here."""
    jobs: list[Job] = [(3, 4, 5, 1)] * 5
    runs = waiting(jobs)
    each = 3 + 5  # hosts, waiting runs
    played = ahead(a_cluster(), Queues(policy="fifo"), runs, 0.0, policy=policy_named("fifo"), work=2 * each)

    assert list(played) == ["r0000000", "r0000001"]
    assert len(runs.waiting_ids) == 5, "what was given stays as it is"


def test_a_run_that_is_past_its_time_ends_any_moment_and_one_without_any_stays() -> None:
    """As in the plan."""
    cluster, (shape,) = a_cluster(), [shape_of(4)]
    late = runs_of([Waiting(run_id=RunId("r0000001"), shapes=(shape.name,), nodes=3, submitted_ns=S)])
    (start,) = decide(cluster, Queues(policy="fifo"), late, S).starts
    held = Running(run=Waiting(run_id=RunId("r0000000"), expected_s=5.0), placement=start.placement, started_ns=S)
    cluster = cluster.without([start.placement])

    def starts(running: Running) -> list[float]:
        runs = runs_of([Waiting(run_id=RunId("r0000001"), shapes=(shape.name,), nodes=3, submitted_ns=S)], [running])
        return [begun.start_s for begun in ahead(cluster, Queues(), runs, 100.0, policy=policy_named("fifo")).values()]

    assert starts(held) == [pytest.approx(100.0, abs=0.01)]
    assert starts(replace(held, run=Waiting(run_id=RunId("r0000000")))) == []
    assert np.isfinite(starts(replace(held, run=Waiting(run_id=RunId("r0000000"), limit_s=500.0)))).all()
