"""What is seen of an accelerator, on a module with the functions of torch.cuda: no such device was at hand."""

import sys
import types

import pytest
from agent.rank.rank_builders import Gang, a_gang

from jupyter_aicci.agent.rank import accelerator
from jupyter_aicci.agent.rank.clock import DATA_WAIT
from jupyter_aicci.agent.rank.session import Session

MS = 1_000_000


class Stream:
    """Marks that pass in the order in which they are recorded, `gap_ms` apart."""

    def __init__(self, gap_ms=6.0):
        self.now_ms, self.gap_ms, self.capturing, self.fails = 0.0, gap_ms, False, False

    def event(self, *, enable_timing):
        assert enable_timing
        return Mark(self)


class Mark:
    def __init__(self, stream):
        self.stream, self.at_ms = stream, None

    def record(self):
        if self.stream.fails:
            raise RuntimeError("device-side assert")
        self.stream.now_ms += self.stream.gap_ms
        self.at_ms = self.stream.now_ms

    def query(self):
        return self.at_ms is not None

    def elapsed_time(self, later):
        return later.at_ms - self.at_ms


@pytest.fixture
def stream(monkeypatch):
    found, module = Stream(), types.ModuleType("torch.cuda")
    module.is_initialized = lambda: True
    module.is_current_stream_capturing = lambda: found.capturing
    module.Event = found.event
    module.memory_allocated, module.memory_reserved = lambda: 100, lambda: 300
    monkeypatch.setitem(sys.modules, "torch.cuda", module)
    return found


@pytest.fixture
def session(tmp_path, stream):
    made = Session(a_gang(tmp_path, "").plan, 0)
    made.begin()
    accelerator.watch(made)
    made.flush()
    return made


def test_the_memory_that_the_framework_holds_is_sampled(session, tmp_path):
    """Once a second, with the rank that holds it."""
    (sample,) = Gang(run_dir=tmp_path).frames("sample")
    assert sample["ranks"] == {"0": {"gpu_allocated": 100, "gpu_reserved": 300}}


def test_two_marks_around_a_wait_say_how_long_the_device_stood_still(session, tmp_path):
    """The host waited 8 ms, 6 passed between the marks: these wait, the other 2 are compute."""
    session.works()
    before = session.device.mark()
    session.device.after(DATA_WAIT, 8 * MS, before)
    session.clock.ns[DATA_WAIT] = 8 * MS
    session.optimizer_step()
    session.done()
    (frame,) = Gang(run_dir=tmp_path).frames("steps")
    assert frame["records"][0][2 + frame["phases"].index("data_wait")] == 6 * MS


def test_nothing_is_marked_while_a_graph_is_captured(session, stream):
    """An event in it would be part of the program."""
    stream.capturing = True
    assert session.device.mark() is None
    assert not session.clock.pending


def test_a_device_that_fails_is_told_once_and_left_alone(session, stream, tmp_path):
    """After three times; the program goes on."""
    stream.fails = True
    assert [session.device.mark() for _ in range(5)] == [None] * 5
    notes = [frame["text"] for frame in Gang(run_dir=tmp_path).frames("note")]
    assert notes == ["waits of the accelerator are no longer watched: RuntimeError: device-side assert"]
