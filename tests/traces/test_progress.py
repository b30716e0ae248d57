"""How far jobs are, and what interruptions cost them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.traces.gangs import gangs
from jupyter_aicci.traces.progress import FOREVER_NS, FreeRestarts, MuriCosts, muri_costs
from jupyter_aicci.traces.trace import parse_trace

S = 1_000_000_000


def test_a_preempted_job_goes_on_where_it_was() -> None:
    """Three seconds of ten, a pause, then the other seven."""
    progress = FreeRestarts(np.array([10 * S]))
    progress.start(0, 0)
    progress.stop(0, 3 * S)

    assert progress.next_end_ns() == FOREVER_NS
    assert progress.left_ns(0, 5 * S) == 7 * S

    progress.start(0, 5 * S)

    assert (progress.next_end_ns(), progress.left_ns(0, 6 * S)) == (12 * S, 6 * S)
    assert progress.advance(12 * S) == [0]
    assert progress.next_end_ns() == FOREVER_NS


def test_jobs_that_end_at_one_moment_end_together_once_each() -> None:
    """Also one that was stopped and started within the moment before."""
    progress = FreeRestarts(np.array([4 * S, 4 * S, 9 * S]))
    for job in range(3):
        progress.start(job, 0)
    progress.stop(1, 0)
    progress.start(1, 0)

    assert progress.advance(4 * S) == [0, 1]
    assert progress.advance(9 * S) == [2]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 30)), min_size=1, max_size=30))
def test_free_restarts_neither_lose_nor_win_work(pieces: list[tuple[int, int]]) -> None:
    """However often a job is interrupted, it runs its work and no more."""
    progress, now, ran = FreeRestarts(np.array([200])), 0, 0
    for piece, pause in pieces:
        progress.start(0, now)
        if progress.next_end_ns() <= now + piece:
            break
        progress.stop(0, now + piece)
        now, ran = now + piece + pause, ran + piece
    else:
        progress.start(0, now)
    end = progress.next_end_ns()

    assert ran + (end - now) == 200


def test_muri_charges_every_running_job_at_every_event_but_its_last_interval() -> None:
    """Work is 1.015 times as long; the overhead of an interval is lost, and of one shorter than it, all."""
    progress = MuriCosts(np.array([1000 * S, 10_000 * S]), np.array([10 * S, 4 * S]))
    progress.start(0, 0)
    progress.start(1, 0)

    assert progress.advance(100 * S) == []
    assert [progress.left_ns(job, 100 * S) for job in (0, 1)] == [925 * S, 10_054 * S]
    assert progress.advance(103 * S) == []
    assert [progress.left_ns(job, 103 * S) for job in (0, 1)] == [925 * S, 10_054 * S]
    assert progress.next_end_ns() == 1028 * S
    assert progress.advance(1028 * S) == [0]
    assert progress.left_ns(1, 1028 * S) == 10_054 * S - (925 - 4) * S


def test_muri_charges_by_model_and_size() -> None:
    """Between two sizes of the table the larger counts, beyond it the largest; an unknown model pays ten seconds."""
    head = "job_id,num_gpu,submit_time,iterations,model_name,duration,iteration_time\n"
    rows = [(1, "a2c"), (8, "a2c"), (6, "resnet18"), (64, "dqn"), (2, "mine")]
    text = head + "".join(f"{i},{gpus},0,1000,{model},1000000,1000\n" for i, (gpus, model) in enumerate(rows))
    trace = parse_trace(text, "muri", "m.csv")
    progress = muri_costs(trace, gangs(trace, hosts=8, per_host=8))
    for job in range(len(rows)):
        progress.start(job, 0)
    progress.advance(100 * S)

    lost = [100 * S - (1015 * S - progress.left_ns(job, 100 * S)) for job in range(len(rows))]
    assert lost == [38 * S, 46 * S, 7 * S, 8 * S, 10 * S]
