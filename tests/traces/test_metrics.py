"""What the numbers of a replay mean, on cases that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jupyter_aicci.traces.metrics import facts, filled_summary, job_columns, p99, summary, use_columns
from jupyter_aicci.traces.openb import Filled
from jupyter_aicci.traces.replay import Options, Replay, replay_trace
from jupyter_aicci.traces.trace import Trace, parse_trace

KEYS = {
    "jobs", "avg_jct_s", "median_jct_s", "p99_jct_s", "makespan_s", "avg_wait_s", "utilisation", "allocation_ratio",
    "fragmentation_ratio", "forecast", "policy", "placement", "format",
}  # fmt: skip
FORECAST = {"median_abs_error_ratio", "p90_abs_error_ratio", "bound_kept_ratio"}


def a_trace(*rows: str) -> Trace:
    """Jobs in our own columns."""
    return parse_trace("\n".join(["id,submit_s,duration_s,nodes,gpus_per_node", *rows]) + "\n", "csv", "t.csv")


def played() -> Replay:
    """Two hosts of four: a on one for 100 s; b wants both from 10 s on and waits for a; c waits for b, and runs 10 s."""
    return replay_trace(a_trace("a,0,100,1,4", "b,10,50,2,4", "c,20,10,1,1"), Options(policy="fifo", nodes=2, gpus=4))


def test_the_numbers_are_those_of_their_definitions() -> None:
    """Held: 4 for 100 s, 8 for 50 s, 1 for 10 s. A run waits from 10 s to 150 s."""
    found = played().summary

    assert set(found) == KEYS
    assert set(found["forecast"]) == FORECAST
    assert found["jobs"] == 3
    assert found["avg_jct_s"] == pytest.approx((100 + 140 + 140) / 3)
    assert (found["median_jct_s"], found["p99_jct_s"], found["makespan_s"]) == (140.0, 140.0, 160.0)
    assert found["avg_wait_s"] == pytest.approx((0 + 90 + 130) / 3)
    assert found["utilisation"] == pytest.approx((400 + 400 + 10) / (8 * 160))
    assert found["allocation_ratio"] == pytest.approx((4 * 90 + 8 * 50) / (8 * 140))


def test_a_free_accelerator_is_stranded_by_the_share_of_jobs_too_large_for_its_host() -> None:
    """Three of four are free beside c, and two of three jobs need four on a node; nobody waits, so all time counts."""
    trace = a_trace("c,0,10,1,1", "a,20,1,1,4", "b,30,1,1,4")
    found = replay_trace(trace, Options(policy="fifo", nodes=1, gpus=4)).summary

    assert found["fragmentation_ratio"] == pytest.approx(3 * (2 / 3) * 10 / (4 * 31))


def test_p99_is_the_value_at_place_int_of_099_n() -> None:
    """As Muri counts it, not interpolated."""
    assert p99(np.arange(100)[::-1]) == 99
    assert p99(np.arange(200)) == 198
    assert p99(np.array([7])) == 7


def test_forecast_errors_count_where_a_job_waited_and_promises_where_it_was_not_preempted() -> None:
    """b was told 130 s and started at 100 s after 90 s; c was not told; a did not wait. b's promise was kept, c's broken."""
    replayed = played()
    second = 10**9
    told = replace(
        replayed.played,
        predicted_ns=np.array([0, 130 * second, -1]),
        bound_ns=np.array([0, 100 * second, 149 * second]),
    )
    found = summary(replayed.trace, replayed.gangs, told, work_ns=replayed.trace.work_ns, accelerators=8)["forecast"]

    assert found["median_abs_error_ratio"] == pytest.approx(30 / 90)
    assert found["p90_abs_error_ratio"] == pytest.approx(30 / 90)
    assert found["bound_kept_ratio"] == pytest.approx(2 / 3)

    preempted = replace(told, preemptions=np.array([0, 0, 1]))
    found = summary(replayed.trace, replayed.gangs, preempted, work_ns=replayed.trace.work_ns, accelerators=8)
    assert found["forecast"]["bound_kept_ratio"] == 1.0


def test_frames_have_a_row_for_each_job_and_each_event() -> None:
    """The columns that notebooks count on."""
    replayed = played()
    jobs, use = job_columns(replayed.trace, replayed.played), use_columns(replayed.played.use)

    assert list(jobs) == ["id", "submit_s", "start_s", "end_s", "wait_s", "jct_s", "preemptions"]
    assert [jobs[name][1] for name in jobs] == ["b", 10.0, 100.0, 150.0, 90.0, 140.0, 0]
    assert use["time_s"].tolist() == [0.0, 10.0, 20.0, 100.0, 150.0, 160.0]
    assert use["held"].tolist() == [4, 4, 4, 8, 1, 0]
    assert use["waiting_accelerators"].tolist() == [0, 8, 9, 1, 0, 0]


def test_a_filled_cluster_has_the_same_names_and_no_times() -> None:
    """openb has an order, and no clock."""
    filled = Filled(pods=5, placed=4, allocation_ratio=0.9, fragmentation_ratio=0.05, utilisation=0.5)
    found = filled_summary(filled) | {"policy": "fifo", "placement": "fgd", "format": "openb"}

    assert set(found) == KEYS
    assert found["avg_jct_s"] is None
    assert (found["jobs"], found["allocation_ratio"]) == (5, 0.9)
    assert facts(found)[-1] == "while runs waited: held 90.0%, stranded 5.0%"


def test_the_numbers_in_words() -> None:
    """What a terminal shows."""
    assert facts(played().summary) == [
        "3 jobs · policy fifo · placement best",
        "JCT: mean 2 min, median 2 min, p99 2 min",
        "makespan 3 min · mean wait 73 s",
        "used 63.3%",
        "while runs waited: held 67.9%, stranded 0.0%",
    ]
