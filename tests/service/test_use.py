"""What users had lately: the past fades by its half-life, exactly, however often it is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import T0, S, placed, released, stepped, submitted

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.states import Step
from jupyter_aicci.scheduler import Host, cluster_of
from jupyter_aicci.service.use import Use

HALF_LIFE_S = 100.0
NOW_S = T0 / S
WHOLE = cluster_of([Host(name="laptop", address="127.0.0.1", cpus=tuple(range(8)), memory_bytes=1 << 34)])


def a_run(run_id: str, ended_s: int, *, owner: str = "ann", nodes: int = 2) -> Run:
    """A run that had `nodes` nodes of two CPUs from T0 on; 0 = it has them still."""
    rows = [
        submitted(RunId(run_id), owner=owner, nodes=nodes),
        stepped(Step.ENQUEUE, T0, run_id=RunId(run_id)),
        *placed(1, T0, nodes=nodes, run_id=RunId(run_id)),
    ]
    if ended_s:
        rows += released(1, T0 + ended_s * S, nodes=nodes, run_id=RunId(run_id))
        rows += [stepped(Step.SUCCEED, T0 + ended_s * S, run_id=RunId(run_id), attempt=1)]
    return fold(rows)


def test_half_of_it_counts_after_a_half_life() -> None:
    """Half the host for a half-life is a quarter at its end, and half of that one half-life later."""
    use = Use(WHOLE, HALF_LIFE_S, [a_run("r0000001", 100)])
    assert use.lately([], NOW_S + 100) == {("default", "ann"): pytest.approx(0.25)}
    assert use.lately([], NOW_S + 200) == {("default", "ann"): pytest.approx(0.125)}


def test_what_runs_now_counts_up_to_now() -> None:
    """And is the same when it ends at that moment; users are kept apart."""
    running = a_run("r0000001", 0)
    use = Use(WHOLE, HALF_LIFE_S, [running, a_run("r0000002", 50, owner="ben")])
    before = use.lately([running], NOW_S + 100)
    use.learn(a_run("r0000001", 100), NOW_S + 100)
    assert use.lately([], NOW_S + 100) == pytest.approx(before)
    assert set(before) == {("default", "ann"), ("default", "ben")}


@given(st.lists(st.floats(100, 1000), max_size=6).map(sorted))
def test_it_is_the_same_however_often_it_is_asked_for(moments: list[float]) -> None:
    """Fading in steps is fading at once."""
    often, once = (Use(WHOLE, HALF_LIFE_S, [a_run("r0000001", 100)]) for _ in range(2))
    for moment_s in moments:
        often.lately([], NOW_S + moment_s)
    assert often.lately([], NOW_S + 1000) == pytest.approx(once.lately([], NOW_S + 1000), rel=1e-6)


def test_a_half_life_of_nothing_remembers_nothing() -> None:
    """`half_life = 0` in config.toml."""
    assert Use(WHOLE, 0.0, [a_run("r0000001", 100)]).lately([], NOW_S + 100) == {}
