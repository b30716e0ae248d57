"""Spools: every whole frame once, in order; what is torn or damaged costs itself and is told."""

from __future__ import annotations

import os
import resource
import signal
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.agent.frames import SpoolWriter, decode, encode, read_spool

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


@settings(deadline=None, max_examples=20)
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


@given(frames=FRAMES, end=st.integers(0, 5000))
def test_a_part_of_a_spool_gives_the_records_that_are_whole_in_it(frames: list[dict[str, object]], end: int) -> None:
    """Wherever the part ends; each with the offset behind it."""
    records = [encode(frame) for frame in frames]
    ends = list(accumulate(map(len, records)))
    whole = [(at, frame) for at, frame in zip(ends, frames, strict=True) if at <= end]
    assert decode(b"".join(records)[:end]) == whole


@st.composite
def damaged(draw: st.DrawFn) -> tuple[list[dict[str, object]], bytes, int, int]:
    """(frames, their bytes with one damage in them, from where, to where it was): flipped, cut out, put in, or overwritten."""
    frames = [frame | {"n": n} for n, frame in enumerate(draw(FRAMES))]
    data = b"".join(map(encode, frames))
    at = draw(st.integers(0, len(data) - 1))
    length = draw(st.integers(1, len(data) - at) | st.integers(1, 12)) if draw(st.booleans()) else 1
    behind = min(len(data), at + length)
    match draw(st.sampled_from(("flip", "cut", "insert", "overwrite"))):
        case "flip":
            hurt = bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 : behind]
        case "cut":
            hurt = b""
        case "insert":
            hurt, behind = draw(st.binary(min_size=1, max_size=40)), at
        case _:
            hurt = draw(st.sampled_from((bytes(behind - at), b"\xff" * (behind - at))))
    return frames, data[:at] + hurt + data[behind:], at, behind


@settings(max_examples=400)
@given(damage=damaged())
def test_every_record_outside_the_damage_is_read_once_and_the_gap_is_told(
    damage: tuple[list[dict[str, object]], bytes, int, int],
) -> None:
    """Bytes are flipped, cut out, put in or overwritten anywhere, also in a length: no other record is lost, none is made up."""
    frames, data, at, behind = damage
    ends = list(accumulate(len(encode(frame)) for frame in frames))
    spared = [
        n for n, begin, end in zip(range(len(ends)), [0, *ends], ends, strict=False) if end <= at or begin >= behind
    ]
    found = decode(data)
    read = [frame for _, frame in found if "lost_bytes" not in frame]
    numbers = [int(str(frame["n"])) for frame in read]
    assert read == [frames[n] for n in numbers]
    assert numbers == sorted(set(numbers))
    assert set(spared) <= set(numbers)
    gaps = [int(str(frame["lost_bytes"])) for _, frame in found if "lost_bytes" in frame]
    left = len(data) - (found[-1][0] if found else 0)
    assert sum(gaps) + sum(len(encode(frame)) for frame in read) + left == len(data)
    assert len(gaps) <= 1


def test_a_gap_says_how_much_is_lost_and_takes_its_time_from_what_comes_behind(tmp_path: Path) -> None:
    """It stands in front of the next whole record, which a reader that begins there does not see it again."""
    path = tmp_path / "s.spool"
    one, two, three = (encode({"k": kind, "t": t}) for t, kind in enumerate(("one", "two", "three"), 7))
    path.write_bytes(one + b"?" * len(two) + three)
    gap = {"k": "gap", "t": 9, "lost_bytes": len(two)}
    found, end = read_spool(path, 0)
    assert [frame for _, frame in found] == [{"k": "one", "t": 7}, gap, {"k": "three", "t": 9}]
    assert end == path.stat().st_size
    assert read_spool(path, len(one))[0] == found[1:]
    assert read_spool(path, found[1][0])[0] == found[2:]


def test_a_gap_in_front_of_a_head_has_its_clocks(tmp_path: Path) -> None:
    """A machine that went down in the midst of a write: the time of the gap is one of the next boot."""
    path = tmp_path / "s.spool"
    path.write_bytes(bytes(100))
    SpoolWriter(path, "agent").close()
    (_, gap), (_, head) = read_spool(path, 0)[0]
    assert gap == {"k": "gap", "lost_bytes": 100} | {
        name: head[name] for name in ("t", "boot_id", "boot_ns", "wall_ns")
    }


def test_what_may_still_be_on_its_way_is_waited_for(tmp_path: Path) -> None:
    """Zeros, half a record, a record that is wrong: nothing is told of them until a whole record stands behind."""
    path = tmp_path / "s.spool"
    first = encode({"k": "a"})
    for rest in (bytes(64), encode({"k": "b"})[:-1], encode({"k": "b"})[:-1] + b"!", b"\xff" * 5):
        path.write_bytes(first + rest)
        assert read_spool(path, 0) == ([(len(first), {"k": "a"})], len(first))
        assert read_spool(path, len(first)) == ([], len(first))
        path.write_bytes(first + rest + first)
        assert [frame["k"] for _, frame in read_spool(path, len(first))[0]] == ["gap", "a"]


@pytest.mark.parametrize("filling", [b"\0", b"{", b"\xff", b'{"'])
def test_damage_larger_than_any_record_is_passed_over(tmp_path: Path, filling: bytes) -> None:
    """In bounded memory, and fast enough to be looked at several times a second."""
    path = tmp_path / "s.spool"
    size = (80 << 20) // len(filling) * len(filling)
    with path.open("wb") as file:
        file.write(encode({"k": "a"}))
        for _ in range(8):
            file.write(filling * (size // len(filling) // 8))
        file.write(encode({"k": "b"}))
    lost = path.stat().st_size - 2 * len(encode({"k": "a"}))
    found, end = read_spool(path, 0)
    more, end = read_spool(path, end)
    gap = {"k": "gap", "t": 0, "lost_bytes": lost}
    assert ([frame for _, frame in (*found, *more)], end) == ([{"k": "a"}, gap, {"k": "b"}], path.stat().st_size)


def test_a_new_writer_leaves_what_is_there_and_is_read_behind_it(tmp_path: Path) -> None:
    """A killed writer left a torn record, and there is damage in front of it: what lies between is read, and what comes behind."""
    path = tmp_path / "s.spool"
    writer = SpoolWriter(path, "agent")
    writer.write({"k": "hurt"})
    writer.write({"k": "one"})
    writer.close()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"hurt", b"hexe") + encode({"k": "torn"})[:-3])
    _, offset = read_spool(path, 0)
    again = SpoolWriter(path, "agent")
    again.write({"k": "two"})
    again.close()
    assert [frame["k"] for _, frame in read_spool(path, 0)[0]] == ["head", "gap", "one", "gap", "head", "two"]
    assert [frame["k"] for _, frame in read_spool(path, offset)[0]] == ["gap", "head", "two"]


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
