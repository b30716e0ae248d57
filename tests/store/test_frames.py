"""Every frame of a run exactly once, under a number that stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import T0

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.store.frames import FrameStore, StoredFrame
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.sealing import seal

RANK, AGENT = source_of(1, 0, "rank-0"), source_of(2, 1, "agent")


def test_a_frame_comes_back_with_its_place(tmp_path: Path) -> None:
    """Attempt, node and writer are read from the spool's name."""
    store = FrameStore(tmp_path / "frames.db")
    frame = {"k": "log", "t": 1, "values": {"loss": 0.5}, "text": "é"}
    (stored,) = store.append([(AGENT, 90, frame, T0)])
    assert stored == StoredFrame(seq=1, source=AGENT, attempt=2, node=1, time_ns=T0, frame=frame)
    assert stored.writer == "agent"
    assert store.all() == [stored]
    store.close()


def test_frames_that_are_there_are_dropped(tmp_path: Path) -> None:
    """A spool that is read again from an older offset adds only what is new."""
    store = FrameStore(tmp_path / "frames.db")
    store.append([(RANK, 10, {"n": 1}, T0), (AGENT, 10, {"n": 2}, T0)])
    fresh = store.append([(RANK, 10, {"n": 1}, T0), (RANK, 20, {"n": 3}, T0 + 1)])
    assert [(frame.seq, frame.frame["n"]) for frame in fresh] == [(3, 3)]
    assert store.cursors() == {RANK: 20, AGENT: 10}
    assert [frame.seq for frame in store.since(1, 1)] == [2]
    assert [frame.seq for frame in store.since(1, 99)] == [2, 3]
    assert store.last_seq == 3
    store.close()


def test_a_batch_with_a_bad_frame_leaves_nothing(tmp_path: Path) -> None:
    """All or none, and the numbers go on without a gap."""
    store = FrameStore(tmp_path / "frames.db")
    with pytest.raises(ValueError, match="spool name"):
        store.append([(RANK, 10, {}, T0), ("nonsense", 20, {}, T0)])
    assert store.all() == []
    assert store.append([(RANK, 10, {}, T0)])[0].seq == 1
    store.close()


def test_a_closed_run_folder_can_be_copied_away(tmp_path: Path) -> None:
    """One file holds everything; nothing is left beside it."""
    (tmp_path / "run").mkdir()
    store = FrameStore(tmp_path / "run" / "frames.db")
    store.append([(RANK, 10, {"n": 1}, T0)])
    store.close()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["frames.db"]
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere")
    copy = FrameStore(tmp_path / "elsewhere" / "frames.db")
    assert [frame.frame for frame in copy.all()] == [{"n": 1}]
    copy.close()


def test_a_damaged_store_begins_anew(tmp_path: Path) -> None:
    """The spools are the truth: an empty store with empty cursors makes the service read them again."""
    path = tmp_path / "frames.db"
    path.write_bytes(b"no database" * 1000)
    store = FrameStore(path)
    assert (store.all(), store.cursors()) == ([], {})
    assert path.with_name("frames.db.damaged").exists()
    store.close()


def test_a_truncated_store_begins_anew(tmp_path: Path) -> None:
    """A folder that was copied halfway is noticed when it is opened, not when a frame is missing."""
    path = tmp_path / "frames.db"
    store = FrameStore(path)
    store.append([(RANK, number, {"text": "x" * 500}, T0) for number in range(200)])
    store.close()
    path.write_bytes(path.read_bytes()[:40_000])
    again = FrameStore(path)
    assert (again.all(), again.last_seq) == ([], 0)
    assert path.with_name("frames.db.damaged").stat().st_size == 40_000
    again.close()


def test_an_absent_folder_is_an_error_with_its_name(tmp_path: Path) -> None:
    """Not a stack of SQLite."""
    with pytest.raises(HostError, match="absent"):
        FrameStore(tmp_path / "absent" / "frames.db")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.booleans()), max_size=12))
def test_any_order_of_reading_gives_each_frame_once(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int, bool]]
) -> None:
    """Readers that go back, overlap or repeat, with frames sealed meanwhile: every frame once, numbered as they came."""
    store = FrameStore(tmp_path_factory.mktemp("frames") / "frames.db")
    expected: list[int] = []
    for back, count, sealed in reads:
        first = max(0, len(expected) - back)  # a spool is read in order: from its cursor or from before it
        store.append([(RANK, 10 * (first + i + 1), {"at": first + i}, T0) for i in range(count)])
        expected = list(range(max(len(expected), first + count)))
        if sealed:
            seal(store)
    assert [frame.frame["at"] for frame in store.all()] == expected
    assert [frame.seq for frame in store.all()] == [at + 1 for at in expected]
    assert store.last_seq == len(expected)
    store.close()
