"""Records between a step and its frame: joined without a loss, aligned between ranks, held back for the accelerator."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.agent.rank.clock import COMM, COMPUTE, DATA_WAIT, FIXED
from jupyter_aicci.agent.rank.records import MOST, Record, Records

MS = 1_000_000
NOTHING = [0] * len(FIXED)


def a_record(step, ns=10, count=1, pending=(), **places):
    """A record that ended at `step` times 100."""
    spent = list(NOTHING)
    spent[COMPUTE] = ns
    for place, more in places.items():
        spent[FIXED.index(place)] = more
    return Record(count, step, step * 100, spent, list(pending))


def rows(frames):
    return [row for frame in frames for row in frame["records"]]


def test_a_step_is_a_record_with_only_the_phases_that_the_frame_has():
    """[count, step, ns of each phase]; the frame ends where its last record does."""
    records = Records()
    records.add(a_record(3))
    records.add(a_record(4, data_wait=7))
    assert records.frame(FIXED) == {
        "step": 4, "phases": ["compute", "data_wait"], "records": [[1, 3, 10, 0], [1, 4, 10, 7]], "t": 400,
    }  # fmt: skip
    assert records.frame(FIXED) is None


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 5), st.integers(0, 50)), max_size=400), st.data())
def test_counts_and_ns_survive_any_joining(steps, data):
    """Any numbers, in any order, told at any moment: sums are the same and no frame is larger than allowed."""
    records, frames = Records(), []
    for step, count, ns in steps:
        records.add(a_record(step, ns, count, comm=count))
        if data.draw(st.integers(0, 9)) == 0 and (frame := records.frame(FIXED)):
            frames.append(frame)
    if frame := records.frame(FIXED, all_of_them=True):
        frames.append(frame)
    assert all(len(frame["records"]) <= MOST for frame in frames)
    assert sum(row[0] for row in rows(frames)) == sum(count for _, count, _ in steps)
    assert sum(sum(row[2:]) for row in rows(frames)) == sum(ns + count for _, count, ns in steps)


@given(
    st.lists(st.integers(130, 700), min_size=1, max_size=12), st.lists(st.integers(130, 700), min_size=1, max_size=12)
)
def test_the_records_of_two_ranks_can_be_laid_side_by_side(mine, theirs):
    """A record of up to 2^n steps ends at a multiple of 2^n, so the ends of coarser ones are ends of finer ones."""
    ends = []
    for bursts in (mine, theirs):
        records, step, frames = Records(), itertools.count(), []
        for burst in bursts:
            for _ in range(burst):
                records.add(a_record(next(step)))
            if frame := records.frame(FIXED):
                frames.append(frame)
        ends.append([(row[1] + 1, row[0]) for row in rows(frames)])
    for end, count in ends[0] + ends[1]:
        width = 1
        while width < count:
            width *= 2
        assert end % width == 0


def test_a_program_that_slows_down_has_its_steps_told_one_by_one_again():
    """Wide records are for those that need them."""
    records = Records()
    for step in range(1000):
        records.add(a_record(step))
    first = records.frame(FIXED)
    assert max(row[0] for row in first["records"]) > 1
    for step in range(1000, 1040):
        records.add(a_record(step))
        assert records.frame(FIXED)["step"] == step
    for step in range(1040, 1044):
        records.add(a_record(step))
    assert [row[0] for row in records.frame(FIXED)["records"]] == [1, 1, 1, 1]


class Mark:
    """A mark in a stream: passed or not, at some millisecond."""

    def __init__(self, at_ms, passed=True):
        self.at_ms, self.passed = at_ms, passed

    def query(self):
        return self.passed

    def elapsed_time(self, later):
        return later.at_ms - self.at_ms


def test_a_wait_for_data_counts_as_far_as_the_accelerator_stood_still():
    """The program waited 8 ms, the accelerator had work for 6 of them."""
    records = Records()
    pending = [(DATA_WAIT, 8 * MS, Mark(5.0), Mark(7.0))]
    records.add(a_record(0, ns=2 * MS, data_wait=8 * MS, pending=pending))
    frame = records.frame(FIXED)
    assert frame["phases"] == ["compute", "data_wait"]
    assert frame["records"] == [[1, 0, 8 * MS, 2 * MS]]


def test_a_collective_counts_where_only_the_accelerator_waits_for_it():
    """The program went on at once; 3 ms of its 10 were the stream's wait. Never more than there is."""
    records = Records()
    records.add(a_record(0, ns=10 * MS, comm=MS, pending=[(COMM, MS, Mark(0.0), Mark(3.0))]))
    records.add(a_record(1, ns=2 * MS, pending=[(COMM, 0, Mark(0.0), Mark(9.0))]))
    assert records.frame(FIXED)["records"] == [[1, 0, 8 * MS, 3 * MS], [1, 1, 0, 2 * MS]]


def test_a_step_that_the_accelerator_has_not_finished_holds_back_itself_and_later_ones():
    """Nobody waits for it; at the end, and where there are too many, the host's view is told."""
    records, late = Records(), Mark(0.0, passed=False)
    records.add(a_record(0))
    records.add(a_record(1, data_wait=5, pending=[(DATA_WAIT, 5, Mark(0.0), late)]))
    records.add(a_record(2))
    assert records.frame(FIXED)["records"] == [[1, 0, 10]]
    assert records.frame(FIXED) is None
    assert len(records) == 2
    assert records.frame(FIXED, all_of_them=True)["records"] == [[1, 1, 10, 5], [1, 2, 10, 0]]
    for step in range(3, 3 + MOST):
        records.add(a_record(step, pending=[(DATA_WAIT, 5, Mark(0.0), late)]))
    assert len(records.frame(FIXED)["records"]) == MOST
