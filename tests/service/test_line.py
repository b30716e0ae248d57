"""The scheduler in the service: who waits why and until when, who gives way, what is journaled of it and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci.agent.checkpoints import write_state
from jupyter_aicci.model.events import Noted, PreemptRequested
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import State
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.store.config import Scheduling

Opened = Callable[..., Desk]


@pytest.fixture
def opened(engine: Scripted) -> Iterator[Opened]:
    """`opened(policy, **queues)`: a service with these settings, in the place of the one before it."""
    open_desks: list[Desk] = []

    def open_(policy: str = "", **queues: object) -> Desk:
        for desk in open_desks:
            close(desk)
        open_desks[:] = [a_desk(engine, scheduling=Scheduling(tables=queues, policy=policy, source="config.toml"))]
        return open_desks[0]

    yield open_
    for desk in open_desks:
        close(desk)


def running(desk: Desk, engine: Scripted, run_id: str = "r0000001", **spec: object) -> Run:
    """A run all of whose ranks have started."""
    submit(desk, run_id, **spec)
    turn(desk)
    run = desk.runs[RunId(run_id)]
    for node in range(len(run.attempts[-1].placement.nodes)):
        engine.say(run, node, k="started", rank=node, pid=1)
    turn(desk)
    return desk.runs[run.id]


def end_node(engine: Scripted, run: Run, node: int = 0, code: int = 0, **more: object) -> None:
    engine.say_exit(run, node, node, code, **more)
    engine.say(run, node, k="done", leftover=0)


def save_checkpoint(desk: Desk, run: Run, step: int = 7) -> None:
    write_state(desk.home.ckpt_dir(run.id), step, None, {}, step)


def notes(desk: Desk, run: Run, topic: str = "waiting") -> list[Noted]:
    rows = desk.runs.journal.rows(run.id)
    return [event for _, event in rows if isinstance(event, Noted) and event.topic == topic]


def wait_until(desk: Desk, true: Callable[[], bool], what: str) -> None:
    for _ in range(2_000_000):
        turn(desk)
        if true():
            return
    pytest.fail(f"it never came that {what}")


# ---- why and when ----


def test_a_waiting_run_is_told_why_when_and_its_place(opened: Opened, engine: Scripted) -> None:
    """In its summary: class, words, place in line, the likely and the latest start on the epoch axis."""
    desk = opened()
    first = running(desk, engine, nodes=4, time_limit="10m")
    second, third = submit(desk, "r0000002", nodes=4, time_limit="10m"), submit(desk, "r0000003", nodes=4)
    turn(desk)
    told = desk.runs.summary(desk.runs[second.id])
    assert (told["why"], told["place"], told["domain"]) == ("behind", 1, "laptop")
    assert told["waiting"].startswith(
        "first in line: 4 cpux1 nodes need 4 CPUs, 0 free; the rest is held by 1 running run"
    )
    assert told["reason"] == told["waiting"]
    assert first.attempts[0].placed_ns < told["start_ns"] <= told["latest_ns"]
    after = desk.runs.summary(desk.runs[third.id])
    assert after["waiting"].startswith("behind 1 waiting run: ")
    assert (after["place"], after["start_ns"] > told["start_ns"]) == (2, True)
    begun = desk.runs.summary(desk.runs[first.id])
    assert (begun["why"], begun["waiting"], begun["place"], begun["start_ns"]) == (None, "", 0, None)


def test_without_limits_there_is_no_latest_start(opened: Opened, engine: Scripted) -> None:
    """Nobody knows when a run without a limit ends, so nothing is promised of the one behind it."""
    desk = opened()
    running(desk, engine, nodes=4)
    second = submit(desk, "r0000002")
    turn(desk)
    told = desk.runs.summary(desk.runs[second.id])
    assert told["latest_ns"] is None
    assert told["start_ns"] > desk.runs.clock.now_ns()


def test_a_note_is_written_when_the_class_changes_and_not_for_every_number(opened: Opened, engine: Scripted) -> None:
    """The line moves up without a row of the journal; the words in the summary move at once."""
    desk = opened()
    running(desk, engine, nodes=4)
    runs = [submit(desk, f"r000000{number}") for number in range(2, 6)]
    turn(desk)
    before = [desk.runs.summary(desk.runs[run.id])["waiting"] for run in runs]
    desk.stop(desk.runs[runs[0].id], {})
    turn(desk, 3)
    after = [desk.runs.summary(desk.runs[run.id])["waiting"] for run in runs[1:]]
    assert all(one != other for one, other in zip(before[1:], after, strict=True))
    assert after == before[:-1], "each stands where the one before it stood"
    assert [len(notes(desk, run)) for run in runs] == [1, 1, 1, 1]
    stopped = desk.runs.summary(desk.runs[runs[0].id])
    assert (stopped["state"], stopped["why"], stopped["waiting"]) == ("stopped", None, "")
    assert desk.runs[runs[1].id].why == "behind"


def test_a_service_that_begins_anew_notes_nothing_again(opened: Opened, engine: Scripted) -> None:
    """The class is in the journal; before the scheduler was asked, its words stand in the summary."""
    desk = opened()
    running(desk, engine, nodes=4)
    second = submit(desk, "r0000002")
    turn(desk)
    desk = opened()
    noted = notes(desk, second)
    assert desk.runs.summary(desk.runs[second.id])["waiting"] == noted[0].text
    desk.loop.adopt()
    turn(desk, 3)
    assert len(notes(desk, second)) == 1


def test_a_queue_at_its_limit_is_told_as_quota(opened: Opened, engine: Scripted) -> None:
    """CPUs are free, and the queue may have no more of them."""
    desk = opened(small={"limit": {"cpu": 1}})
    running(desk, engine, queue="small")
    second = submit(desk, "r0000002", queue="small")
    turn(desk)
    told = desk.runs.summary(desk.runs[second.id])
    assert told["why"] == "quota"
    assert "small" in told["waiting"]
    assert desk.forecasts.one({"spec": {"shape": "cpux1", "queue": "small"}})["why"] == "quota"
    assert desk.forecasts.one({"spec": {"shape": "cpux1"}})["starts"] == "now"


def test_behind_a_run_that_has_just_begun_a_start_is_foretold(opened: Opened, engine: Scripted) -> None:
    """Nothing waits, so nobody has asked the scheduler since that run got its nodes: its limit bounds the wait all the same."""
    desk = opened()
    running(desk, engine, nodes=4, time_limit="20m")
    told = desk.forecasts.one({"spec": {"shape": "cpux1"}})
    assert told["starts"] == "later"
    assert told["start_ns"] - desk.runs.clock.now_ns() == pytest.approx(20 * 60 * 1e9, rel=0.1)


def test_runs_of_two_users_wait_for_one_host(opened: Opened, engine: Scripted) -> None:
    """Each sees why and when; the other's run is one of those that it stands behind."""
    desk = opened()
    running(desk, engine, nodes=4, time_limit="1h")
    for number, owner in ((2, "ann"), (3, "ben")):
        src = desk.home.src_dir(RunId(f"r000000{number}"))
        src.mkdir(parents=True)
        (src / "cell.py").write_text("")
        desk.submit({"id": f"r000000{number}", "spec": {"shape": "cpux1", "nodes": 3, "time_limit": "1h"}}, owner)
    turn(desk)
    ann, ben = desk.forecasts.line()
    assert (ann["owner"], ann["place"], ben["owner"], ben["place"]) == ("ann", 1, "ben", 2)
    assert ann["start_ns"] < ben["start_ns"]
    assert ann["latest_ns"] < ben["latest_ns"]
    assert desk.queues()[0]["users"] == ["", "ann", "ben"]


def test_a_run_that_ended_says_how_long_the_next_one_takes(opened: Opened, engine: Scripted) -> None:
    """The same owner's program of that name took a moment, so the run behind it starts soon; the limit bounds it."""
    desk = opened()
    first = running(desk, engine, nodes=4, name="digits", time_limit="1h")
    for node in range(4):
        end_node(engine, first, node)
    turn(desk)
    assert desk.runs[first.id].state is State.SUCCEEDED
    running(desk, engine, "r0000002", nodes=4, name="digits", time_limit="1h")
    waiting = submit(desk, "r0000003", nodes=4, name="other")
    turn(desk)
    told = desk.runs.summary(desk.runs[waiting.id])
    now_ns = desk.runs.clock.now_ns()
    assert told["start_ns"] - now_ns < 600e9, "not the hour of its limit"
    assert told["latest_ns"] - now_ns > 3500e9


# ---- who gives way ----


def test_a_run_with_a_checkpoint_gives_way_and_comes_back(opened: Opened, engine: Scripted) -> None:
    """Told in the journal, stopped with its own grace, queued again; it goes on when there is room, and no retry is used up."""
    desk = opened()
    low = running(desk, engine, nodes=4, grace="3s")
    save_checkpoint(desk, low)
    high = submit(desk, "r0000002", nodes=4, priority=5)
    wait_until(desk, lambda: bool(engine.asked("stop")), "the run is told to go")
    assert engine.asked("stop") == [3.0]
    (told,) = [event for _, event in desk.runs.journal.rows(low.id) if isinstance(event, PreemptRequested)]
    assert (told.attempt, told.for_run) == (1, high.id)
    assert desk.runs[high.id].state is State.QUEUED, "the other has not gone yet"
    assert desk.runs.summary(desk.runs[high.id])["waiting"] == f"takes the place of {low.id}, which is about to leave"
    turn(desk, 3)
    for node in range(4):
        end_node(engine, low, node, -15, signal=15, by_us=True)
    turn(desk)
    gone, other = desk.runs[low.id], desk.runs[high.id]
    assert (gone.state, gone.exit_class, gone.lost, gone.attempts[0].gave_way) == (State.QUEUED, "preempted", 0, True)
    assert other.state is State.STARTING
    for node in range(4):
        end_node(engine, other, node)
    turn(desk)
    again = desk.runs[low.id]
    assert (again.state, again.attempts[-1].number, again.attempts[-1].resume_step) == (State.STARTING, 2, 7)
    assert len([1 for _, event in desk.runs.journal.rows(low.id) if isinstance(event, PreemptRequested)]) == 1


def test_a_run_without_a_checkpoint_keeps_its_place(opened: Opened, engine: Scripted) -> None:
    """All its work would be lost."""
    desk = opened()
    low = running(desk, engine, nodes=4)
    high = submit(desk, "r0000002", nodes=4, priority=5)
    turn(desk, 3)
    assert engine.asked("stop") == []
    assert (desk.runs[low.id].attempts[0].preempt, desk.runs[high.id].state) == (None, State.QUEUED)


def test_a_service_killed_after_it_told_a_run_to_go_has_it_go(opened: Opened, engine: Scripted) -> None:
    """The row is there and the signal was never sent: the next service sends it, and nobody else is asked."""
    desk = opened()
    low = running(desk, engine, nodes=4)
    high = submit(desk, "r0000002", nodes=4, priority=5)
    told = PreemptRequested(
        run_id=low.id, time_ns=desk.runs.clock.now_ns(), attempt=1, for_run=high.id, reason="priority 5"
    )
    desk.runs.record((told,))
    desk = opened()
    desk.loop.adopt()
    turn(desk, 3)
    assert engine.asked("stop") == [low.spec.grace]
    for node in range(4):
        end_node(engine, low, node, -15, signal=15, by_us=True)
    turn(desk, 2)
    assert (desk.runs[low.id].state, desk.runs[high.id].state) == (State.QUEUED, State.STARTING)


def test_a_queue_takes_back_what_is_guaranteed(opened: Opened, engine: Scripted) -> None:
    """Who borrowed leaves from its last checkpoint."""
    desk = opened(mine={"guarantee": {"cpu": 4}}, default={})
    low = running(desk, engine, nodes=4)
    save_checkpoint(desk, low)
    high = submit(desk, "r0000002", nodes=4, queue="mine")
    wait_until(desk, lambda: bool(engine.asked("stop")), "the borrower is told to go")
    told = desk.runs[low.id].attempts[0].preempt
    assert told is not None
    assert (told.for_run, "mine" in told.reason) == (high.id, True)


# ---- promises ----


def test_a_promise_is_journaled_once_and_kept_by_the_next_service(opened: Opened, engine: Scripted) -> None:
    """The conservative policy keeps a place for every run; the place is the same after a restart."""
    desk = opened("conservative")
    running(desk, engine, nodes=4, time_limit="10m")
    second = submit(desk, "r0000002", nodes=4, time_limit="10m")
    third = submit(desk, "r0000003", nodes=4, time_limit="10m")
    turn(desk, 2)
    (noted,) = notes(desk, second, "promise")
    assert (noted.data["hosts"], noted.data["counts"], noted.data["shape"]) == (["laptop"], [4], "cpux1")
    before = desk.runs.summary(desk.runs[third.id])["latest_ns"]
    desk = opened("conservative")
    desk.loop.adopt()
    turn(desk, 2)
    assert [len(notes(desk, run, "promise")) for run in (second, third)] == [1, 1]
    assert set(desk.loop.line.asks().promises) == {second.id, third.id}
    assert desk.runs.summary(desk.runs[third.id])["latest_ns"] <= before + 1e9


# ---- what it costs ----


def test_runs_that_did_not_change_are_not_made_anew(
    opened: Opened, engine: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of many costs what has changed in it."""
    from jupyter_aicci.service import line

    desk = opened()
    running(desk, engine, nodes=4)
    for number in range(2, 8):
        submit(desk, f"r000000{number}")
    turn(desk)
    desk.loop.kick()
    turn(desk)
    made: list[str] = []
    real = line.waiting_of
    monkeypatch.setattr(line, "waiting_of", lambda run, **more: (made.append(run.id), real(run, **more))[1])
    desk.loop.kick()
    turn(desk)
    submit(desk, "r0000008")
    turn(desk, 2)
    assert set(made) == {"r0000008"}


def test_the_outlook_is_worked_out_once_for_each_answer(
    opened: Opened, engine: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask, and not at all if nobody does."""
    from jupyter_aicci.service import line

    desk = opened()
    running(desk, engine, nodes=4)
    for number in range(2, 5):
        submit(desk, f"r000000{number}")
    asked: list[int] = []
    real = line.outlook
    monkeypatch.setattr(line, "outlook", lambda *words: (asked.append(1), real(*words))[1])
    turn(desk, 5)
    assert asked == []
    for _ in range(3):
        desk.runs.summary(desk.runs[RunId("r0000003")])
        desk.forecasts.line()
    assert asked == [1]
