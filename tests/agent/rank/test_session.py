"""Whose steps are counted under which numbers, and which thread's time is told."""

import threading

import pytest
from agent.rank.rank_builders import a_gang

from jupyter_aicci.agent.rank.session import Session

ADAM, OTHER = 11, 12  # ids of optimizers


@pytest.fixture
def session(tmp_path):
    made = Session(a_gang(tmp_path, "").plan, 0)
    made.gang = a_gang_of(tmp_path)
    made.begin()
    return made


def a_gang_of(run_dir):
    """The gang whose plan the session has."""
    from agent.rank.rank_builders import Gang

    return Gang(run_dir=run_dir)


def told(session):
    """[(steps, number)] of all records."""
    session.done()
    return [tuple(row[:2]) for frame in session.gang.frames("steps") for row in frame["records"]]


def test_without_numbers_the_optimizers_steps_are_counted(session):
    """From nought, or from the checkpoint."""
    session.steps_done = 40
    for _ in range(3):
        session.optimizer_step(ADAM)
    assert told(session) == [(1, 40), (1, 41), (1, 42)]


def test_of_several_optimizers_one_counts(session):
    """Two that take turns, or one for each parameter in backward: a turn is a step."""
    for _ in range(3):
        for optimizer in (ADAM, OTHER, 13, 14):
            session.optimizer_step(optimizer)
    assert told(session) == [(1, 0), (1, 1), (1, 2)]


def test_an_optimizer_that_steps_no_more_leaves_the_lead(session):
    """A program that trains one network and then another."""
    for optimizer in (ADAM, ADAM, OTHER, OTHER, OTHER):
        session.optimizer_step(optimizer)
    assert told(session) == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_numbers_after_the_optimizer_are_its_steps_numbers(session):
    """optimizer.step(); aicci.log(step=i): one step, not two; numbered as the program does, from 1 or from nought."""
    for number in range(1, 5):
        session.optimizer_step(ADAM)
        session.numbered_step(number)
    assert (session.step, session.steps_done) == (4, 5)
    assert told(session) == [(1, 0), (1, 2), (1, 3), (1, 4)]


def test_between_numbers_that_agree_the_optimizer_counts_on(session):
    """A program that logs each tenth step still has each step's time."""
    for number in range(1, 31):
        session.optimizer_step(ADAM)
        if number % 10 == 0:
            session.numbered_step(number)
    assert session.step == 30
    assert told(session)[10:] == [(1, number) for number in range(11, 31)]


def test_numbers_that_count_something_else_are_followed_alone(session):
    """Tokens, say: from the first that does not agree, a record is what lies between two numbers, and counts its steps."""
    for tokens in (4096, 8192, 12288):
        for _ in range(4):
            session.optimizer_step(ADAM)
        session.numbered_step(tokens)
    assert session.step == 12288
    assert told(session)[-1] == (4, 12288)
    assert sum(count for count, _ in told(session)) == 4 + 4 + 4 + 4


def test_numbers_before_the_optimizer_are_the_programs_alone(session):
    """aicci.log(step=i) while step i is under way: what is logged after it has the same number."""
    for number in range(4):
        session.numbered_step(number)
        session.optimizer_step(ADAM)
        assert session.step == number
    assert told(session) == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_a_number_that_jumps_counts_the_steps_between(session):
    """aicci.step(n) each hundredth; a jump beyond reason, or back, is one."""
    for number in (0, 100, 200, 5_000_000, 3):
        session.numbered_step(number)
    assert told(session) == [(1, 0), (100, 100), (100, 200), (1, 5_000_000), (1, 3)]


def test_the_clock_is_of_the_thread_that_steps(session):
    """A program may train in a thread of its own; then that one's time is told, and another's steps are no part of it."""

    def train():
        session.optimizer_step(ADAM)
        assert session.mine()
        with session.span("eval"):
            pass
        session.optimizer_step(ADAM)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert not session.mine()
    session.optimizer_step(ADAM)
    assert told(session) == [(1, 0), (1, 1)]
    assert session.mine()


def test_a_plan_is_told_once_a_number(session):
    """The card says 1,840 / 4,000."""
    for steps in (4000, 4000, 0, 5000):
        session.plan_steps(steps)
    notes = session.gang.frames("note")
    assert [(note["topic"], note["data"]) for note in notes] == [("plan", {"steps": 4000}), ("plan", {"steps": 5000})]


def test_steps_are_told_before_the_checkpoint_that_follows_them(session):
    """What a resumed run goes on from is never newer than what was told."""
    session.optimizer_step(ADAM)
    session.optimizer_step(ADAM)
    session.sync()
    assert session.gang.frames("steps")[-1]["step"] == 1
