"""Sealed frames are the same frames in less room; what is damaged or dropped is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import T0, S

from jupyter_aicci.store import sealing
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.sealing import Dropped, drop_raw, drops, finish, rounds, seal, seal_due

AGENT, RANK, OTHER = (source_of(1, 0, "agent"), source_of(1, 0, "rank-0"), source_of(1, 1, "agent"))


def a_sample(second: int, cores: float = 1.5) -> dict[str, Any]:
    return {"k": "sample", "t": second * S, "node": {"load": 0.5}, "ranks": {"0": {"cpu": cores, "rss": 1000 + second}}}


def filled(path: Path, seconds: int = 300) -> FrameStore:
    """Five minutes of an agent's samples, a rank's values, and the few frames between them."""
    store = FrameStore(path / "frames.db")
    head = {"k": "head", "t": 0, "boot_id": "b1", "boot_ns": 0, "wall_ns": T0, "source": "agent"}
    store.append([(AGENT, 1, head, T0), (AGENT, 2, {"k": "started", "t": 1, "rank": 0, "pid": 7}, T0 + 1)])
    for second in range(seconds):
        now_ns = T0 + second * S
        log = {"k": "log", "t": second * S, "rank": 0, "step": second, "values": {"loss": 1 / (second + 1)}}
        store.append([(AGENT, 10 + second, a_sample(second), now_ns), (RANK, 10 + second, log, now_ns)])
    return store


def test_sealed_frames_are_the_same_frames(tmp_path: Path) -> None:
    """All of them, and those after any number, in their order, across chunks and rows."""
    store = filled(tmp_path)
    before = store.all()
    assert seal(store, T0 + 100 * S)
    assert seal(store, T0 + 200 * S)
    assert rounds(store, 0)[-1] == 2 + 2 * 200
    assert store.all() == before
    for after in (0, 1, 201, 202, 203, 402, 403, 600):
        assert store.since(after, 150) == before[after : after + 150]
    assert store.select("SELECT count(*) FROM frames") == [(200,)]
    store.close()


def test_numbers_go_on_behind_sealed_frames_after_a_restart(tmp_path: Path) -> None:
    """The last number is known although no row of JSON is left."""
    store = filled(tmp_path)
    finish(store)
    cursors, last = store.cursors(), store.last_seq
    store.close()
    again = FrameStore(tmp_path / "frames.db")
    assert (again.cursors(), again.last_seq, again.boots()) == (cursors, last, {AGENT: "b1"})
    assert again.append([(AGENT, 10, a_sample(0), T0)]) == []
    assert again.append([(AGENT, 1000, a_sample(1000), T0)])[0].seq == last + 1
    again.close()


def test_a_minute_stays_fresh_and_a_minute_is_waited_for(tmp_path: Path) -> None:
    """A chunk spans about a minute; what is younger stays as it came."""
    store = filled(tmp_path)
    assert not seal_due(store, T0 + 119 * S)
    assert seal_due(store, T0 + 120 * S)
    assert rounds(store, 0) == [2 + 2 * 60]
    assert not seal_due(store, T0 + 121 * S)
    assert not seal(store, T0)
    store.close()


def test_a_late_frame_waits_for_those_before_it(tmp_path: Path) -> None:
    """Rounds follow the numbers, so that a reader's cursor stays one number."""
    store = FrameStore(tmp_path / "frames.db")
    store.append(
        [(AGENT, 1, a_sample(0), T0), (AGENT, 2, a_sample(90), T0 + 90 * S), (OTHER, 1, a_sample(5), T0 + 5 * S)]
    )
    seal(store, T0 + 60 * S)
    assert (rounds(store, 0), [frame.seq for frame in store.all()]) == ([1], [1, 2, 3])
    store.close()


def test_what_happened_is_found_without_the_samples(tmp_path: Path) -> None:
    """A service that adopts a run of three days reads a handful of frames; of the others it learns until when they came."""
    store = filled(tmp_path)
    seal(store)
    store.append([(AGENT, 5000, {"k": "exit", "t": 9, "rank": 0, "code": 0}, T0 + 400 * S)])
    end_ns = T0 + 299 * S
    assert [(frame.seq, frame.frame["k"], frame.time_ns) for frame in store.told()] == [
        (1, "head", T0), (2, "started", T0 + 1), (601, "sealed", end_ns), (602, "sealed", end_ns), (603, "exit", T0 + 400 * S)
    ]  # fmt: skip
    store.close()


def test_no_chunk_of_samples_spans_a_restart_of_its_writer(tmp_path: Path) -> None:
    """So the last sign of life before a restart is known."""
    store = filled(tmp_path, 5)
    head = {"k": "head", "t": 0, "boot_id": "b2", "boot_ns": 0, "wall_ns": T0, "source": "agent"}
    store.append([(AGENT, 100, head, T0 + 9 * S), (AGENT, 101, a_sample(9), T0 + 9 * S)])
    before = store.all()
    seal(store)
    assert [f.time_ns for f in store.told() if f.source == AGENT and f.frame["k"] == "sealed"] == [
        T0 + 4 * S,
        T0 + 9 * S,
    ]
    assert (store.all(), store.boots()) == (before, {AGENT: "b2"})
    store.close()


def test_a_finished_run_takes_a_tenth_of_the_room(tmp_path: Path) -> None:
    """The file itself becomes small, not only what is in it."""
    store = filled(tmp_path, 3000)
    rows = store.select("SELECT sum(length(frame)) FROM frames")[0][0]
    finish(store)
    store.close()
    assert (tmp_path / "frames.db").stat().st_size * 5 < rows


def test_a_damaged_chunk_costs_its_own_frames_only(tmp_path: Path) -> None:
    """In their place stands one gap that says how long it is, and the store says what is missing."""
    store = filled(tmp_path)
    seal(store, T0 + 100 * S)
    seal(store, T0 + 200 * S)
    before = store.all()
    store.close()
    db = sqlite3.connect(tmp_path / "frames.db")
    hurt, first, last = db.execute(
        "SELECT id, from_ns, to_ns FROM chunks WHERE class = 'raw' ORDER BY round LIMIT 1"
    ).fetchone()
    db.execute("UPDATE chunks SET body = zeroblob(length(body)) WHERE id = ?", (hurt,))
    db.commit()
    db.close()
    store = FrameStore(tmp_path / "frames.db")
    frames = store.all()
    (gap,) = [frame for frame in frames if frame.frame["k"] == "gap"]
    assert (gap.frame["from_ns"], gap.frame["to_ns"], gap.frame["frames"]) == (first, last, 100)
    rest = {frame.seq for frame in frames}
    assert [frame for frame in before if frame.seq in rest - {gap.seq}] == [f for f in frames if f is not gap]
    assert len(before) - len(frames) == 99
    (sentence,) = store.losses
    assert "100 frames of attempt-1/node-0/agent are damaged" in sentence
    assert store.all() == frames
    assert store.losses == (sentence,)
    store.close()


def test_dropped_samples_are_told_and_events_keep_theirs(tmp_path: Path) -> None:
    """Old samples go, those around an event and everything that is no sample stay."""
    store = filled(tmp_path)
    for minute in range(1, 6):
        seal(store, T0 + minute * 60 * S)
    gone = drop_raw(store, T0 + 200 * S, [(T0 + 70 * S, T0 + 80 * S)], "more than 64 ranks")
    assert gone is not None
    assert (gone.from_ns, gone.to_ns, gone.frames, gone.why) == (T0, T0 + 179 * S, 120, "more than 64 ranks")
    assert drops(store) == (gone,)
    assert isinstance(gone, Dropped)
    seconds = [frame.frame["t"] // S for frame in store.all() if frame.frame["k"] == "sample"]
    assert seconds == [*range(60, 120), *range(180, 300)]
    assert sum(frame.frame["k"] == "log" for frame in store.all()) == 300
    assert drop_raw(store, T0 + 200 * S, [(T0 + 70 * S, T0 + 80 * S)], "again") is None
    store.close()


def test_an_open_folder_can_be_read_without_writing(tmp_path: Path) -> None:
    """A copy on a disk that is read-only is opened as it is."""
    store = filled(tmp_path)
    seal(store, T0 + 100 * S)
    before = store.all()
    store.close()
    (tmp_path / "frames.db").chmod(0o400)
    names = sorted(path.name for path in tmp_path.iterdir())
    copy = FrameStore(tmp_path / "frames.db", read_only=True)
    assert copy.all() == before
    copy.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@given(st.lists(st.tuples(st.sampled_from([AGENT, RANK, OTHER]), st.integers(0, 200), st.booleans()), max_size=30))
def test_sealing_at_any_moment_changes_no_reader(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int, bool]]
) -> None:
    """A reader that follows with a cursor gets every frame once, in order, whenever rounds are sealed."""
    store = FrameStore(tmp_path_factory.mktemp("sealing") / "frames.db")
    got: list[int] = []
    for number, (source, second, sealed) in enumerate(moves, 1):
        store.append([(source, number, a_sample(second), T0 + second * S)])
        if sealed:
            seal(store, T0 + 100 * S)
        got += [frame.seq for frame in store.since(got[-1] if got else 0, 2)]
    got += [frame.seq for frame in store.since(got[-1] if got else 0, -1)]
    assert got == list(range(1, len(moves) + 1))
    store.close()


def test_a_long_backlog_is_sealed_in_several_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads of a round opens all of it, so that none is longer than that; the frames are the same."""
    monkeypatch.setattr(sealing, "ROUND", 100)
    store = filled(tmp_path)
    before = store.all()
    assert seal(store)
    assert not seal(store)
    assert sealing.rounds(store, 0) == [100, 200, 300, 400, 500, 600, 602]
    assert store.all() == before
    store.close()
