"""Frames that are read piece by piece are the frames that are there, however they are sealed meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.store.following import Following
from jupyter_aicci.store.frames import ChunkRow, FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.sealing import seal

AGENT, RANK = source_of(1, 0, "agent"), source_of(1, 0, "rank-0")
acts = st.lists(st.one_of(st.integers(1, 40), st.just("seal"), st.just("write")), max_size=40)


def write(store: FrameStore, count: int) -> None:
    first = store.last_seq
    store.append(
        [
            (source, first + at + 1, {"k": "log", "t": first + at, "values": {"loss": at / 7}}, first + at)
            for at in range(count)
            for source in (AGENT, RANK)
        ]
    )


@given(acts=acts)
def test_each_frame_comes_once_and_in_order(tmp_path_factory: pytest.TempPathFactory, acts: list[int | str]) -> None:
    """Whatever is added and sealed between two pieces of any size."""
    store = FrameStore(tmp_path_factory.mktemp("following") / "frames.db")
    write(store, 20)
    following, found = Following(store), []
    for act in acts:
        if act == "seal":
            seal(store, store.last_seq // 2)
        elif act == "write":
            write(store, 5)
        else:
            found += following.take(int(act))
    while more := following.take(7):
        found += more
    assert found == store.all()
    store.close()


def test_a_round_is_opened_once_in_however_many_pieces_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two chunks of three hundred frames each; and one may begin behind some of them."""
    store, opened, open_row = FrameStore(tmp_path / "frames.db"), [], ChunkRow.opened
    write(store, 300)
    seal(store)
    monkeypatch.setattr(ChunkRow, "opened", lambda self: (opened.append(self.id), open_row(self))[1])
    following = Following(store, 100)
    pieces = list(iter(lambda: following.take(9), []))
    assert [frame.seq for piece in pieces for frame in piece] == list(range(101, 601))
    assert len(opened) == 2
    store.close()
