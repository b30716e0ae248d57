"""A log is read in any pieces without losing or breaking a character, and shown as a terminal would."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.store.logs import LogChunk, display_lines, from_whole_line, read_log

PUNCH_HOLE, KEEP_SIZE = 2, 1


def read_all(path: Path, limit: int) -> tuple[str, int]:
    """(the text in pieces of `limit`, the offset at the end), as a follower reads it."""
    text, offset = "", 0
    for _ in range(10_000):
        chunk = read_log(path, offset, limit)
        if chunk.offset == offset:
            return text, offset
        text, offset = text + chunk.text, chunk.offset
    raise AssertionError("the reader does not come to an end")


@given(st.text(max_size=60), st.integers(1, 9))
def test_pieces_of_any_size_give_the_whole_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, limit: int
) -> None:
    """No character is split, repeated or lost between two reads."""
    path = tmp_path_factory.mktemp("log") / "rank-0.log"
    path.write_bytes(text.encode())
    assert read_all(path, limit) == (text, len(text.encode()))


def test_a_character_that_is_not_all_there_waits(tmp_path: Path) -> None:
    """Unless the writer has ended: then what is there is shown."""
    path = tmp_path / "rank-0.log"
    path.write_bytes("ab€".encode()[:-1])
    assert read_log(path, 0, 100) == LogChunk(text="ab", offset=2, size=4)
    assert read_log(path, 0, 100, ended=True) == LogChunk(text="ab�", offset=4, size=4)
    path.write_bytes("ab€".encode())
    assert read_log(path, 2, 100) == LogChunk(text="€", offset=5, size=5)


def test_a_negative_offset_is_the_tail(tmp_path: Path) -> None:
    """The last bytes, from the first whole character on."""
    path = tmp_path / "rank-0.log"
    path.write_bytes("one\ntwo€\n".encode())
    assert read_log(path, -5, 100).text == "o€\n"
    assert read_log(path, -3, 100).text == "\n"
    assert read_log(path, -999, 100).text == "one\ntwo€\n"


def test_an_absent_log_is_empty_and_an_offset_behind_the_end_stays_there(tmp_path: Path) -> None:
    """A rank that has not started has printed nothing."""
    assert read_log(tmp_path / "none", 0, 10) == LogChunk(text="", offset=0, size=0)
    (tmp_path / "log").write_text("abc")
    assert read_log(tmp_path / "log", 99, 10) == LogChunk(text="", offset=3, size=3)


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    """A program may print anything."""
    (tmp_path / "log").write_bytes(b"a\xff\xfeb\x80\x80\x80\x80\n")
    text, offset = read_all(tmp_path / "log", 4)
    assert (text.replace("�", ""), offset) == ("ab\n", 9)


def test_what_was_cut_out_is_one_line(tmp_path: Path) -> None:
    """A log of which only the newest part is kept reads on from there, with how much is gone."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1_000_000 + b"the end\n")
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDWR)
    cut = libc.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(999_990))
    os.close(fd)
    if cut:
        pytest.skip("this file system cannot cut holes into files")
    text, offset = read_all(path, 65_536)
    head, _, rest = text.partition("\n")
    assert head.endswith("of older output are not kept]")
    assert rest == "x" * 10 + "the end\n"
    assert offset == 1_000_008


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ()),
        ("a\nb\n", ("a", "b")),
        ("a\n\n", ("a", "")),
        ("  0%|   |\r 50%|#  |\r100%|###|\n", ("100%|###|",)),
        ("long line\rshort", ("shortline",)),
        ("long line\r\x1b[Kshort", ("short",)),
        ("abc\b\bX\n", ("aXc",)),
        ("\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[m\n", ("red and green",)),
        ("bar0\nbar1\n\x1b[A\x1b[Anew0\n\nend", ("new0", "bar1", "end")),
        ("\x1b]0;title\x07text", ("text",)),
        ("cut \x1b[3", ("cut",)),
        ("a\r\nb\r\n", ("a", "b")),
        ("bell\x07\x00\tand tab", ("bell\tand tab",)),
    ],
)
def test_a_terminal_would_show_this(text: str, lines: tuple[str, ...]) -> None:
    """Progress bars are one line, colours are none, cursors go up again."""
    assert display_lines(text) == lines


@pytest.mark.parametrize("number", ["1000000", "9" * 5000])
@pytest.mark.parametrize("what", "CG")
def test_a_cursor_that_is_sent_far_away_stops_at_an_edge(number: str, what: str) -> None:
    """Neither a line of a gigabyte nor a number that Python refuses."""
    (line,) = display_lines(f"\x1b[{number}{what}x" * 3)
    assert len(line) <= 1003


@given(st.text(st.sampled_from("ab \r\n\b\x1b[AKm019;G]\x07"), max_size=80))
def test_any_output_is_shown_without_control_characters(text: str) -> None:
    """Whatever a program prints, the page gets plain lines."""
    for line in display_lines(text):
        assert not set(line) & set("\r\n\b\x1b")


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("f a line\nnext\n", "next\n"),
        ("bar: 3 %|#\rbar: 4 %|#\rbar: 5 %|#\n", "bar: 4 %|#\rbar: 5 %|#\n"),
        ("f a line\r\nnext", "next"),
        ("one long line", "one long line"),
        ("the last line\n", "the last line\n"),
    ],
)
def test_a_cut_text_begins_with_a_whole_line(cut: str, whole: str) -> None:
    """Of a progress bar with the next picture; what is one line in all is shown, though its start is gone."""
    assert from_whole_line(cut) == whole
