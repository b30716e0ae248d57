"""The control loop on a real journal: what is recorded and what is done for what agents say."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci.agent.files import write_json
from jupyter_aicci.agent.frames import boot_ns
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import State
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.watches import LAST_ROUNDS


@pytest.fixture
def desk(engine: Scripted) -> Iterator[Desk]:
    desk = a_desk(engine)
    yield desk
    close(desk)


def running(desk: Desk, engine: Scripted, **spec: object) -> Run:
    """A run all of whose ranks have started."""
    run = submit(desk, **spec)
    turn(desk)
    run = desk.runs[run.id]
    for node in range(len(run.attempts[-1].placement.nodes)):
        engine.say(run, node, k="started", rank=node, pid=1)
    turn(desk)
    return desk.runs[run.id]


def end_node(desk: Desk, engine: Scripted, run: Run, node: int = 0, code: int = 0, **more: object) -> None:
    engine.say_exit(run, node, node, code, **more)
    engine.say(run, node, k="done", leftover=0)


def test_a_run_goes_through_its_life(desk: Desk, engine: Scripted) -> None:
    """Queued, placed and started, running, succeeded; one node, billed from PLACE to done."""
    run = submit(desk)
    assert run.state is State.QUEUED
    turn(desk)
    assert desk.runs[run.id].state is State.STARTING
    assert engine.asked("start") == [1]
    run = desk.runs[run.id]
    engine.say(run, 0, k="started", rank=0, pid=1)
    turn(desk)
    assert desk.runs[run.id].state is State.RUNNING
    end_node(desk, engine, run)
    turn(desk)
    ended = desk.runs[run.id]
    assert (ended.state, ended.exit_class) == (State.SUCCEEDED, "")
    (entry,) = desk.runs.ledger(ended).entries
    assert not entry.open
    assert entry.from_ns == ended.attempts[0].placed_ns
    assert 0 < entry.amount_micro <= (entry.to_ns - entry.from_ns) * 3_600_000_000 // 3_600_000_000_000 + 1


def test_a_run_ends_only_when_every_node_is_free(desk: Desk, engine: Scripted) -> None:
    """Every rank has ended well, but something of the run lives on: it runs, and it is billed."""
    run = running(desk, engine, nodes=2)
    end_node(desk, engine, run, 0)
    engine.say_exit(run, 1, 1)
    turn(desk, 3)
    assert desk.runs[run.id].state is State.RUNNING
    engine.say(run, 1, k="done", leftover=0)
    turn(desk)
    assert desk.runs[run.id].state is State.SUCCEEDED


class Dripping(Scripted):
    """Gives out one frame at a time, as an engine does with what a night without a service has left."""

    def observe(self, run: Run, cursors: Mapping[str, int]) -> list[tuple[str, int, dict[str, Any]]]:
        return super().observe(run, cursors)[:1]


def test_an_end_with_much_to_read_before_it_is_read_in_several_looks() -> None:
    """A look takes so much; the run ends when all is read, and nothing of it is lost."""
    engine = Dripping()
    desk = a_desk(engine)
    run = running(desk, engine)
    end_node(desk, engine, run)
    for step in range(30):
        engine.say(run, 0, k="value", name="loss", step=step, value=1.0)
    looks = 0
    while not desk.runs[run.id].ended:
        turn(desk)
        looks += 1
    assert (desk.runs[run.id].state, looks) == (State.SUCCEEDED, 33 // LAST_ROUNDS + 1)
    assert desk.loop.last_frame(run.id) == 0, "the frames are put away"
    close(desk)


def test_a_failed_rank_ends_the_other_nodes(desk: Desk, engine: Scripted) -> None:
    """After a moment for the others to speak, once."""
    run = running(desk, engine, nodes=2)
    error = {"type": "ValueError", "message": "no", "traceback": "", "line": 3, "t_ns": 1, "secondary": False}
    engine.say_exit(run, 0, 0, 1, error=error)
    engine.say(run, 0, k="done", leftover=0)
    turn(desk)
    assert engine.asked("stop") == []
    wait_until_stopped(desk, engine)
    turn(desk, 5)
    assert engine.asked("stop") == [run.spec.grace]
    engine.say_exit(run, 1, 1, -15, signal=15, by_us=True)
    engine.say(run, 1, k="done", leftover=0)
    turn(desk)
    ended = desk.runs[run.id]
    assert (ended.state, ended.exit_class) == (State.FAILED, "user error")
    assert ended.verdict["rank"] == 0


def exit_file(desk: Desk, run: Run, node: int, code: int) -> None:
    """The end of a node's rank as its keeper wrote it, some seconds ago."""
    folder = desk.home.node_dir(run.id, 1, node)
    folder.mkdir(parents=True, exist_ok=True)
    record = {"code": code, "signal": 0, "by_us": False, "oom": False, "t_ns": boot_ns() - 3 * 10**9, "maxrss_bytes": 0}
    write_json(folder / f"rank-{node}.exit", {**record, "source": "keeper"})


def test_an_end_that_is_damaged_in_the_spool_of_an_agent_that_lives_is_read_from_its_file(
    desk: Desk, engine: Scripted
) -> None:
    """The agent says it only once; the other node is stopped all the same, and the rank that failed is named."""
    run = running(desk, engine, nodes=2)
    exit_file(desk, run, 0, 1)
    turn(desk, 2)
    assert desk.runs[run.id].attempts[0].exits == {}, "what is not damaged is waited for"
    engine.say(run, 0, k="gap", lost_bytes=80)
    wait_until_stopped(desk, engine)
    engine.say_exit(run, 1, 1, -15, signal=15, by_us=True)
    engine.say(run, 0, k="done", leftover=0)
    engine.say(run, 1, k="done", leftover=0)
    turn(desk)
    ended = desk.runs[run.id]
    assert (ended.state, ended.verdict["rank"]) == (State.FAILED, 0)


def test_an_end_that_is_damaged_does_not_make_a_run_fail(desk: Desk, engine: Scripted) -> None:
    """Its node is done in the same look, however short ago the rank ended."""
    run = running(desk, engine)
    exit_file(desk, run, 0, 0)
    engine.say(run, 0, k="gap", lost_bytes=80)
    engine.say(run, 0, k="done", leftover=0)
    turn(desk)
    assert desk.runs[run.id].state is State.SUCCEEDED


def wait_until_stopped(desk: Desk, engine: Scripted) -> None:
    for _ in range(2_000_000):
        turn(desk)
        if engine.asked("stop"):
            return
    pytest.fail("the other nodes were never stopped")


def test_a_waiting_run_stops_at_once(desk: Desk, engine: Scripted) -> None:
    """It holds nothing, so nothing has to end first."""
    first = running(desk, engine, nodes=4)
    second = submit(desk, "r0000002")
    turn(desk)
    assert desk.runs[second.id].state is State.QUEUED
    desk.stop(second, {})
    turn(desk)
    assert desk.runs[second.id].state is State.STOPPED
    assert desk.runs[first.id].state is State.RUNNING


def test_a_waiting_reason_is_noted_once(desk: Desk, engine: Scripted) -> None:
    """A row when it changes, none for every look."""
    running(desk, engine, nodes=4)
    second = submit(desk, "r0000002")
    turn(desk, 5)
    desk.loop.kick()
    turn(desk, 5)
    notes = [event for _, event in desk.runs.journal.rows(second.id) if isinstance(event, Noted)]
    assert [note.topic for note in notes] == ["waiting"]
    assert desk.runs[second.id].waiting == notes[0].text


def test_the_next_run_starts_when_nodes_are_free(desk: Desk, engine: Scripted) -> None:
    """In the same look that saw the end of the first."""
    first = running(desk, engine, nodes=4)
    second = submit(desk, "r0000002")
    turn(desk)
    for node in range(4):
        end_node(desk, engine, first, node)
    turn(desk)
    assert desk.runs[second.id].state is State.STARTING


def test_a_stop_asks_the_engine_and_ends_as_stopped(desk: Desk, engine: Scripted) -> None:
    """Its class is "stopped", and its reason the caller's."""
    run = running(desk, engine)
    desk.stop(run, {"grace_s": 2.5, "reason": "enough"})
    turn(desk, 3)
    assert engine.asked("stop") == [2.5]
    assert desk.runs[run.id].state is State.RUNNING
    end_node(desk, engine, run, 0, -15, signal=15, by_us=True)
    turn(desk)
    ended = desk.runs[run.id]
    assert (ended.state, ended.exit_class, ended.reason) == (State.STOPPED, "stopped", "enough")


def test_a_second_stop_shortens_the_grace(desk: Desk, engine: Scripted) -> None:
    """Stop pressed again: the engine hears of it at once; a longer grace is not heard."""
    run = running(desk, engine)
    desk.stop(run, {"grace_s": 30})
    turn(desk)
    desk.stop(desk.runs[run.id], {"grace_s": 60})
    desk.stop(desk.runs[run.id], {"grace_s": 0})
    turn(desk)
    assert engine.asked("stop") == [30.0, 0.0]


def test_a_program_that_ends_well_although_it_was_stopped_is_stopped(desk: Desk, engine: Scripted) -> None:
    """Whoever handles SIGTERM and leaves with 0 did not finish its work."""
    run = running(desk, engine)
    desk.stop(run, {})
    turn(desk)
    end_node(desk, engine, run, 0, 0, by_us=True)
    turn(desk)
    assert desk.runs[run.id].state is State.STOPPED


def test_a_killed_rank_is_tried_again(desk: Desk, engine: Scripted) -> None:
    """Infrastructure's fault: LOST, QUEUED again, and the next attempt starts; both are billed."""
    run = running(desk, engine)
    end_node(desk, engine, run, 0, -9, signal=9)
    turn(desk)
    lost = desk.runs[run.id]
    assert lost.lost == 1
    assert not lost.ended
    for _ in range(2_000_000):
        turn(desk)
        if desk.runs[run.id].holds_nodes:
            break
    assert engine.asked("start") == [1, 2]
    again = desk.runs[run.id]
    engine.say(again, 0, k="started", rank=0, pid=2)
    end_node(desk, engine, again)
    turn(desk, 2)
    ended = desk.runs[run.id]
    assert ended.state is State.SUCCEEDED
    assert [entry.attempt for entry in desk.runs.ledger(ended).entries] == [1, 2]


def test_an_attempt_that_cannot_be_started_frees_its_nodes(desk: Desk, engine: Scripted) -> None:
    """Nothing lives on its nodes, so they are released, and the reason is the engine's."""
    engine.broken = "no such interpreter"
    run = submit(desk, retries=0)
    for _ in range(2_000_000):
        turn(desk)
        if desk.runs[run.id].ended:
            break
    ended = desk.runs[run.id]
    assert ended.state is State.FAILED
    assert "no such interpreter" in ended.reason
    assert not any(entry.open for entry in desk.runs.ledger(ended).entries)


def test_a_service_that_begins_anew_goes_on_where_it_was(engine: Scripted) -> None:
    """All that the old one knew is on disk: it adopts, and records nothing twice."""
    desk = a_desk(engine)
    run = running(desk, engine)
    engine.say(run, 0, k="hang", groups=[], suspects=[0])
    turn(desk)
    close(desk)
    again = a_desk(engine)
    try:
        again.loop.adopt()
        turn(again, 3)
        assert engine.asked("adopt") == [1]
        end_node(again, engine, run)
        turn(again, 2)
        assert again.runs[run.id].state is State.SUCCEEDED
        rows = [event for _, event in again.runs.journal.rows(run.id)]
        kinds, topics = [event.kind for event in rows], [event.topic for event in rows if isinstance(event, Noted)]
        assert topics == ["hang", "finding", "bill"], "and the end says once what the hang was, and what was paid for"
        assert kinds.count("rank_exited") == kinds.count("node_released") == kinds.count("node_held") == 1
    finally:
        close(again)


def test_a_budget_stops_the_run(desk: Desk, engine: Scripted) -> None:
    """At a dollar a second, early enough that what it costs to end is still within it."""
    run = running(desk, engine, budget="7.1", grace=0.0)
    wait_until_stopped(desk, engine)
    end_node(desk, engine, run, 0, -15, signal=15, by_us=True)
    turn(desk)
    ended = desk.runs[run.id]
    assert (ended.state, ended.exit_class) == (State.STOPPED, "budget")


def test_the_loop_sleeps_when_nothing_runs(desk: Desk, engine: Scripted) -> None:
    """No timer at all without runs; a run that holds nodes is looked at every 25 ms."""
    turn(desk)
    assert desk.loop.pause_s is None  # type: ignore[attr-defined]
    run = running(desk, engine)
    assert desk.loop.pause_s == pytest.approx(0.025)  # type: ignore[attr-defined]
    end_node(desk, engine, run)
    turn(desk)
    assert desk.runs[run.id].ended
    assert desk.loop.pause_s is None  # type: ignore[attr-defined]


def test_a_start_that_could_not_be_recorded_is_tried_again_although_nothing_else_happens(
    desk: Desk, engine: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a moment: no other run, no request, and yet it starts."""
    run = submit(desk)
    with monkeypatch.context() as patch:
        patch.setattr(Scripted, "free_port", _full)
        turn(desk)
        assert desk.runs[run.id].state is State.QUEUED
        assert 0 < desk.loop.pause_s <= 1.0  # type: ignore[attr-defined]
    deadline_s = time.monotonic() + 30.0
    while desk.runs[run.id].state is State.QUEUED and time.monotonic() < deadline_s:
        pause_s = desk.loop.pause_s  # type: ignore[attr-defined]
        assert pause_s is not None, "nobody would look at it again"
        time.sleep(pause_s)
        turn(desk)
    assert desk.runs[run.id].state is State.STARTING


def _full(engine: Scripted, placement: object) -> int:
    raise HostError("disk_full", "no space left")


def test_the_loop_looks_again_while_a_run_waits(desk: Desk, engine: Scripted) -> None:
    """What it waits for may come by itself: the next day of a budget that is spent."""
    run = submit(desk)
    desk.runs.closed_until_ns = lambda run: desk.runs.clock.now_ns() + 3600 * 10**9
    turn(desk)
    assert desk.runs[run.id].state is State.QUEUED
    assert 0 < desk.loop.pause_s <= 10.0  # type: ignore[attr-defined]


def test_a_waiting_run_whose_folder_was_deleted_gets_no_nodes(desk: Desk, engine: Scripted) -> None:
    """There is nothing to start: it ends when its turn comes, and nothing is paid for."""
    first = running(desk, engine, nodes=4)
    second = submit(desk, "r0000002")
    turn(desk)
    shutil.rmtree(desk.home.run_dir(second.id))
    for node in range(4):
        end_node(desk, engine, first, node)
    turn(desk, 2)
    found = desk.runs[second.id]
    assert (found.state, found.exit_class, found.attempts) == (State.FAILED, "infrastructure", ())


def test_a_run_whose_folder_was_deleted_ends(engine: Scripted) -> None:
    """While no service looked: it is told, its nodes are free and no longer paid for, and the next run starts."""
    desk = a_desk(engine)
    run = running(desk, engine)
    close(desk)
    shutil.rmtree(desk.home.run_dir(run.id))
    desk = a_desk(engine)
    turn(desk)
    found = desk.runs[run.id]
    assert (found.state, found.exit_class) == (State.FAILED, "infrastructure")
    assert found.reason == f"its folder {desk.home.run_dir(run.id)} is gone"
    assert not any(entry.open for entry in desk.runs.ledger(found).entries)
    other = submit(desk, "r0000002")
    turn(desk)
    assert desk.runs[other.id].state is State.STARTING
    close(desk)
