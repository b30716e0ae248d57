"""How long runs took tells how long the next ones take: of the same program first, of the same name else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_builders import T0, S, flat, placed, released, stepped, submitted

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.states import Step
from jupyter_aicci.service.checkpoints import Checkpoints
from jupyter_aicci.service.history import History
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare


@pytest.fixture
def home(aicci_home: Path, aicci_runtime: Path) -> Home:
    home = Home(root=aicci_home, runtime=aicci_runtime)
    prepare(home)
    return home


@pytest.fixture
def history(home: Home) -> History:
    journal = Journal(home.journal)
    history = History(home, Runs(journal, Clock(journal)))
    journal.close()
    return history


def a_run(
    home: Home,
    run_id: str,
    took_s: int = 0,
    *,
    text: str = "train()",
    nodes: int = 1,
    end: Step = Step.SUCCEED,
    **spec: object,
) -> Run:
    """A run with its program; one that `took_s` has ended."""
    source = home.src_dir(RunId(run_id)) / "cell.py"
    source.parent.mkdir(parents=True)
    source.write_text(text)
    known = {"owner": "ann", "shape": ("cpux2",), "nodes": nodes, **spec}
    rows = [submitted(RunId(run_id), **known), stepped(Step.ENQUEUE, T0, run_id=RunId(run_id))]  # type: ignore[arg-type]
    if took_s:
        ended_ns = T0 + took_s * S
        rows += [
            *placed(1, T0, nodes=nodes, run_id=RunId(run_id)),
            *released(1, ended_ns, nodes=nodes, run_id=RunId(run_id)),
            stepped(end, ended_ns, run_id=RunId(run_id), attempt=1),
        ]
    return fold(rows)


def test_the_median_of_the_same_program_counts(home: Home, history: History) -> None:
    """Whatever the runs were called; an hour of one bad day changes little."""
    for number, took_s in enumerate((60, 64, 3600)):
        history.learn(a_run(home, f"r000000{number}", took_s, name=f"try {number}"))
    assert history.total_s(a_run(home, "r0000009")) == 64


def test_what_is_more_like_it_counts_first(home: Home, history: History) -> None:
    """Shape and nodes, then nodes, then any; another text only under the same name; another owner never."""
    history.learn(a_run(home, "r0000001", 100, nodes=1))
    history.learn(a_run(home, "r0000002", 40, nodes=4))
    history.learn(a_run(home, "r0000003", 7, text="other()", name="digits"))
    assert history.total_s(a_run(home, "r0000010", nodes=4)) == 40
    assert history.total_s(a_run(home, "r0000011", nodes=1, shape=("auto",))) == 100
    assert history.total_s(a_run(home, "r0000012", nodes=2)) == 70
    assert history.total_s(a_run(home, "r0000013", text="other() # again", name="digits")) == 7
    assert history.total_s(a_run(home, "r0000014", text="new()")) == 0
    assert history.total_s(a_run(home, "r0000015", owner="ben")) == 0


def test_a_failure_teaches_nothing(home: Home, history: History) -> None:
    """It says nothing about how long it would have taken."""
    history.learn(a_run(home, "r0000001", 5, end=Step.FAIL))
    assert history.total_s(a_run(home, "r0000002")) == 0
    assert list(history.for_policies.sizes) == []


def test_a_journal_teaches_when_the_service_starts(home: Home) -> None:
    """What ended before counts as what ends now; sizes are unit-seconds."""
    journal = Journal(home.journal)
    runs = Runs(journal, Clock(journal))
    a_run(home, "r0000001")
    rows = [submitted(RunId("r0000001"), owner="ann", shape=("cpux2",))]
    rows += flat(((stepped(Step.ENQUEUE, T0, run_id=RunId("r0000001")),), placed(1, T0, run_id=RunId("r0000001"))))
    rows += [*released(1, T0 + 30 * S, run_id=RunId("r0000001"))]
    rows += [stepped(Step.SUCCEED, T0 + 30 * S, run_id=RunId("r0000001"), attempt=1)]
    runs.record(rows)
    history = History(home, runs)
    journal.close()
    assert history.total_s(a_run(home, "r0000002")) == 30
    assert list(history.for_policies.sizes) == [60.0], "two CPUs for half a minute"


def test_a_checkpoint_counts_when_every_rank_has_written_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is looked for once a second at most."""
    from jupyter_aicci.agent.checkpoints import write_state

    journal = Journal(home.journal)
    clock = Clock(journal)
    journal.close()
    run_id = RunId("r0000001")
    run = fold(
        [submitted(run_id, nodes=2), stepped(Step.ENQUEUE, T0, run_id=run_id), *placed(1, T0, nodes=2, run_id=run_id)]
    )
    write_state(home.ckpt_dir(run_id), 5, 0, {}, 0)
    assert Checkpoints(home, clock).written_ns(run) == 0
    write_state(home.ckpt_dir(run_id), 5, 1, {}, 0)
    seen = Checkpoints(home, clock)
    written_ns = seen.written_ns(run)
    assert 0 < written_ns <= clock.now_ns()
    write_state(home.ckpt_dir(run_id), 6, None, {}, 0)
    assert seen.written_ns(run) == written_ns
    seen.keep([])
    assert seen.written_ns(replace(run)) > 0
