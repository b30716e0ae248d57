"""Spools: every whole frame once, in order; torn and damaged ends cost at most themselves."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.agent.frames import Decoder, SpoolWriter, encode, read_spool

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FRAMES = st.lists(st.dictionaries(st.text(min_size=1, max_size=6), VALUES, max_size=4), min_size=1, max_size=6)


@given(frames=FRAMES, cut=st.integers(1, 50))
def test_any_split_of_the_bytes_gives_the_same_frames(frames: list[dict[str, object]], cut: int) -> None:
    """Bytes come in pieces of any size; frames come out whole and in order."""
    data = b"".join(map(encode, frames))
    decoder, found = Decoder(), []
    for at in range(0, len(data), cut):
        found += decoder.receive(data[at : at + cut])
    assert found == frames
    assert decoder.consumed == len(data)


@settings(deadline=None, max_examples=50)
@given(frames=FRAMES, extra=st.dictionaries(st.text(min_size=1, max_size=6), VALUES, max_size=3))
def test_a_spool_torn_at_any_byte_gives_all_frames_before_it(
    tmp_path_factory: pytest.TempPathFactory, frames: list[dict[str, object]], extra: dict[str, object]
) -> None:
    """A record that is cut at every byte in turn is not read; when the rest of it has come, it is, from the same offset."""
    path = tmp_path_factory.mktemp("spool") / "s.spool"
    whole, last = b"".join(map(encode, frames)), encode(extra)
    for cut in range(len(last)):
        path.write_bytes(whole + last[:cut])
        found, offset = read_spool(path, 0)
        assert [frame for _, frame in found] == frames
        assert offset == len(whole)
        path.write_bytes(whole + last)
        rest, end = read_spool(path, offset)
        assert rest == [(len(whole) + len(last), extra)]
        assert end == len(whole) + len(last)


@settings(deadline=None)
@given(frames=FRAMES, where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_frame_is_ever_read_from_damaged_bytes(
    tmp_path_factory: pytest.TempPathFactory, frames: list[dict[str, object]], where: int, bit: int
) -> None:
    """One flipped bit: the frames before it are read, nothing behind it is, and nothing that was not written."""
    path = tmp_path_factory.mktemp("spool") / "s.spool"
    data = bytearray(b"".join(map(encode, frames)))
    data[where % len(data)] ^= 1 << bit
    path.write_bytes(data)
    found = [frame for _, frame in read_spool(path, 0)[0]]
    assert found == frames[: len(found)]
    assert len(found) < len(frames)


def test_zeros_that_a_file_system_left_are_no_frames(tmp_path: Path) -> None:
    """After a power cut a file may end in zeros; eight of them are a length and a checksum of nothing."""
    path = tmp_path / "s.spool"
    path.write_bytes(encode({"k": "a"}) + bytes(64))
    assert [frame for _, frame in read_spool(path, 0)[0]] == [{"k": "a"}]


def test_a_new_writer_cuts_off_what_a_killed_one_left_torn(tmp_path: Path) -> None:
    """Frames written after a torn one are readable, from the offset where the reader stands."""
    path = tmp_path / "s.spool"
    writer = SpoolWriter(path, "agent")
    writer.write({"k": "one"})
    writer.close()
    _, offset = read_spool(path, 0)
    with path.open("ab") as file:
        file.write(encode({"k": "torn"})[:-3])
    again = SpoolWriter(path, "agent")
    again.write({"k": "two"})
    again.close()
    assert [frame["k"] for _, frame in read_spool(path, offset)[0]] == ["head", "two"]


def test_a_frame_that_finds_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    """A write that is cut short raises, and what is written when there is room again can be read."""
    path = tmp_path / "s.spool"
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = SpoolWriter(path, "agent")
        soft = os.stat(path).st_size + 50
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        try:
            writer.write({"k": "big", "text": "x" * 500})
            os._exit(1)
        except OSError:
            pass
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.write({"k": "small"})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [frame["k"] for _, frame in read_spool(path, 0)[0]] == ["head", "small"]


def test_a_record_longer_than_one_read_is_read(tmp_path: Path) -> None:
    """The reader takes more when a record does not fit into what it asked for."""
    path = tmp_path / "s.spool"
    path.write_bytes(encode({"text": "x" * 5000}) + encode({"k": "next"}))
    found, offset = read_spool(path, 0, limit_bytes=100)
    found += read_spool(path, offset, limit_bytes=100)[0]
    assert [frame for _, frame in found] == [{"text": "x" * 5000}, {"k": "next"}]


def test_a_spool_begins_with_the_head_of_its_writer(tmp_path: Path) -> None:
    """Which boot, and both clocks at one moment, so that a reader can place the times."""
    SpoolWriter(tmp_path / "s.spool", "rank-3").close()
    ((_, head),) = read_spool(tmp_path / "s.spool", 0)[0]
    assert head["k"] == "head"
    assert head["source"] == "rank-3"
    assert head["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < head["boot_ns"] < head["wall_ns"]


def test_a_spool_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Readers come before writers."""
    assert read_spool(tmp_path / "none", 7) == ([], 7)
