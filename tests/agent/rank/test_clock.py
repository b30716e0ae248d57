"""The clock of a rank: every nanosecond in one phase, whatever is entered and left; phase frames for what lasts."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.agent.rank import clock as module
from jupyter_aicci.agent.rank.clock import (
    CHECKPOINT,
    COMM,
    COMPILE,
    COMPUTE,
    DATA_WAIT,
    DONE,
    LONG_NS,
    OTHER,
    Clock,
    Span,
)

MS = 1_000_000


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now_ns = 1_000 * MS

    def read(self, _):
        return self.now_ns


@pytest.fixture
def time(monkeypatch):
    found = Time()
    monkeypatch.setattr(module, "_now", found.read)
    return found


def a_clock(working=True):
    """A clock, and what it says: [(phase, ns)]."""
    said = []
    clock = Clock(lambda phase, t_ns: said.append((phase, t_ns)))
    clock.start()
    if working:
        clock.rebase(COMPUTE)
    return clock, said


def by_name(clock, ns):
    return {clock.names[place]: spent for place, spent in enumerate(ns) if spent}


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "span", "moved", "step", "rest", "leave_all"]),
        st.sampled_from([DATA_WAIT, COMM, CHECKPOINT, COMPILE, OTHER]),
        st.integers(0, 120 * MS),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_every_nanosecond_is_in_exactly_one_phase(operations):
    """Whatever is entered, left in the wrong order or heard of late: the ns of a step are its length, none is negative; frames
    are in the order of their times."""
    time = Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_now", time.read)
        clock, said = a_clock()
        stepped_ns = time.now_ns
        for operation, place, ns in operations:
            time.now_ns += ns
            if operation == "enter":
                clock.enter(place)
            elif operation == "leave":
                clock.leave(place)
            elif operation == "span":
                with Span(clock, clock.place(f"s{place}")):
                    time.now_ns += ns // 2
            elif operation == "moved":
                clock.moved(place, ns, time.now_ns - ns, time.now_ns)
            elif operation == "leave_all":
                clock.leave_all()
            elif operation == "step":
                now_ns, spent, _ = clock.step()
                assert (sum(spent), min(spent) >= 0) == (now_ns - stepped_ns, True)
                stepped_ns = now_ns
    times = [t_ns for _, t_ns in said]
    assert times == sorted(times)


def test_the_innermost_phase_has_the_time(time):
    """compute 1, eval 2, data wait inside it 3, eval again 4, compute 5."""
    clock, _ = a_clock()
    evaluating = clock.place("eval")
    time.now_ns += 1
    clock.enter(evaluating)
    time.now_ns += 2
    clock.enter(DATA_WAIT)
    time.now_ns += 3
    assert clock.leave(DATA_WAIT) == 3
    time.now_ns += 4
    clock.leave(evaluating)
    time.now_ns += 5
    assert by_name(clock, clock.step()[1]) == {"compute": 6, "eval": 6, "data_wait": 3}


def test_what_is_short_is_no_frame_and_what_lasts_is_told_from_its_begin(time):
    """49 ms of waiting are only counted; 50 ms are a phase, told when they are over, since nobody knew."""
    clock, said = a_clock()
    del said[:]
    for waited_ns in (LONG_NS - 1, LONG_NS):
        clock.enter(DATA_WAIT)
        time.now_ns += waited_ns
        clock.leave(DATA_WAIT)
    assert said == [("data_wait", time.now_ns - LONG_NS), ("compute", time.now_ns)]


def test_what_lasted_is_told_when_it_begins_the_next_time_and_no_more_once_it_was_short(time):
    """So a long evaluation is seen while it lasts, and a program with a thousand short spans a second writes none of them."""
    clock, said = a_clock()
    evaluating = Span(clock, clock.place("eval"))
    seen = []
    for lasts_ns in (1 * MS, 1 * MS, LONG_NS, 2 * MS, 1 * MS):
        del said[:]
        with evaluating:
            before = len(said)
            time.now_ns += lasts_ns
        seen.append((before, [phase for phase, _ in said]))
    pair = ["eval", "compute"]
    assert seen == [(1, pair), (0, []), (0, pair), (1, pair), (0, [])]


def test_a_long_phase_inside_an_untold_one_tells_both_in_their_order(time):
    """eval was short before, so nothing is said of it until the wait inside it lasts."""
    clock, said = a_clock()
    evaluating = Span(clock, clock.place("eval"))
    with evaluating:
        time.now_ns += 1
    del said[:]
    with evaluating:
        time.now_ns += 1
        clock.enter(DATA_WAIT)
        time.now_ns += LONG_NS
        clock.leave(DATA_WAIT)
    assert [phase for phase, _ in said] == ["eval", "data_wait", "eval", "compute"]


def test_a_phase_that_was_left_open_inside_another_ends_with_it(time):
    """A generator that opened a span and is never resumed."""
    clock, _ = a_clock()
    clock.enter(clock.place("outer"))
    clock.enter(clock.place("lost"))
    time.now_ns += 7
    clock.leave(clock.place("outer"))
    assert (clock.phase, clock.open) == ("compute", [])
    assert clock.leave(clock.place("lost")) == 0


def test_time_before_the_work_and_after_it_is_of_no_step(time):
    """The start and the end are phases, not steps."""
    clock, said = a_clock(working=False)
    time.now_ns += 5 * MS
    clock.rebase(COMPUTE)
    time.now_ns += 3
    assert by_name(clock, clock.step()[1]) == {"compute": 3}
    clock.rebase(DONE)
    assert [phase for phase, _ in said] == ["starting", "compute", "done"]


def test_names_without_end_are_one_phase_from_some_point_on(time):
    """span(f"step {i}"): the records stay small."""
    clock, _ = a_clock()
    places = {clock.place(f"step {number}") for number in range(1000)}
    assert OTHER in places
    assert len(clock.names) == module.MOST_NAMES


def test_a_span_of_another_thread_moves_nothing(time):
    """Its time is not the rank's; nothing of the rank's is closed by it."""
    clock, _ = a_clock()
    span = Span(clock, clock.place("eval"))

    def inside():
        with span:
            time.now_ns += 5

    other = threading.Thread(target=inside)
    other.start()
    other.join()
    assert by_name(clock, clock.step()[1]) == {"compute": 5}


def test_a_span_is_a_decorator_too_and_lets_exceptions_out(time):
    """As contextlib's are."""
    clock, _ = a_clock()

    @Span(clock, clock.place("eval"))
    def fails():
        time.now_ns += 4
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fails()
    assert by_name(clock, clock.step()[1]) == {"eval": 4}
