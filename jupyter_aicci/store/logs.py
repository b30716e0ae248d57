"""A rank's log, read by offset, and as a terminal would show it.

`read_log` gives any part of a log file that is still being written, never half a character; a place where the oldest
output was cut out (a hole in the file) becomes one line that says how much is gone. `display_lines` is pure: it plays
carriage returns, backspaces and the few escape sequences of progress bars, and drops colours.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from jupyter_aicci.model.text import size as size_text
from jupyter_aicci.store.disk import from_os_error

MOST_UTF8_BYTES = 4
MOST_COLUMNS = 1000  # to which a sequence moves the cursor: a terminal stops at its edge
LINE_END = re.compile(r"\r\n?|\n")
TOKENS = re.compile(
    r"\x1b\[([0-9;?]*)([ -/]*[@-~])"  # cursor, erase, colour
    r"|\x1b\[[0-9;?]*$"  # one of them, cut off
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles
    r"|\x1b.?|[\r\n\b]"
    r"|[^\x00-\x08\x0a-\x1f\x7f]+"  # text; other control characters are nowhere and so are skipped
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A part of a log."""

    text: str
    offset: int  # where the next read goes on, in bytes
    size: int  # bytes in the file, holes included


def read_log(path: Path, offset: int, limit: int, *, ended: bool = False) -> LogChunk:
    """At most `limit` bytes (at least 4) from `offset`, or of the last -`offset` bytes; an absent file is empty.

    A character whose end is not there yet is left for the next read, unless the writer has `ended`.
    Raises `HostError` if the file cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return LogChunk(text="", offset=0, size=0)
    except OSError as error:
        raise from_os_error(error, path, "reading") from error
    try:
        return _read(fd, offset, max(limit, MOST_UTF8_BYTES), ended)
    except OSError as error:
        raise from_os_error(error, path, "reading") from error
    finally:
        os.close(fd)


def _read(fd: int, offset: int, limit: int, ended: bool) -> LogChunk:
    size = os.fstat(fd).st_size
    start = max(0, size + offset) if offset < 0 else min(offset, size)
    data_at = _seek(fd, start, os.SEEK_DATA, size)
    data = os.pread(fd, min(limit, _seek(fd, data_at, os.SEEK_HOLE, size) - data_at), data_at)
    end = data_at + len(data)
    if offset < 0 and data_at == start > 0:
        data = data[_continuation_bytes(data) :]
    rest = 0 if ended and end >= size else _unfinished_bytes(data)
    text = data[: len(data) - rest].decode(errors="replace")
    if data_at > start:
        # The hole's edges are not on our blocks: what was cut out of the first block reads as NUL bytes.
        text = f"[{size_text(data_at - start)} of older output are not kept]\n" + text.lstrip("\0")
    return LogChunk(text=text, offset=end - rest, size=size)


def _seek(fd: int, offset: int, whence: int, size: int) -> int:
    """Where the next data or hole begins; file systems without holes have data everywhere."""
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:  # behind the last data
            return size
        if error.errno == errno.EINVAL:
            return offset if whence == os.SEEK_DATA else size
        raise


def _continuation_bytes(data: bytes) -> int:
    """How many bytes at the start belong to a character that begins before."""
    count = 0
    while count < min(3, len(data)) and data[count] & 0xC0 == 0x80:
        count += 1
    return count


def _unfinished_bytes(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character that goes on behind them."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4 if byte & 0xF8 == 0xF0 else 1
        return back if length > back else 0
    return 0


def from_whole_line(text: str) -> str:
    """What follows the first line end of a text that was cut out of a log; all of it where nothing does.

    A carriage return ends a line as well: the next picture of a progress bar is whole.
    """
    end = LINE_END.search(text)
    return (text[end.end() :] if end else "") or text


def display_lines(text: str) -> tuple[str, ...]:
    """The lines that a terminal of unlimited height shows after `text` was printed; blanks at line ends are dropped."""
    lines, row, column = [""], 0, 0
    for token in TOKENS.finditer(text):
        word = token[0]
        if word == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        elif word == "\r":
            column = 0
        elif word == "\b":
            column = max(0, column - 1)
        elif word[0] != "\x1b":
            line = lines[row].ljust(column)
            lines[row] = line[:column] + word + line[column + len(word) :]
            column += len(word)
        elif token[2]:
            row, column = _move(lines, row, column, token[1], token[2])
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return tuple(line.rstrip() for line in lines) if text else ()


def _move(lines: list[str], row: int, column: int, numbers: str, what: str) -> tuple[int, int]:
    """Play one CSI sequence on `lines` (ours to change); returns the cursor's new place."""
    number = int(numbers[:9]) if numbers.isdigit() else 0
    match what:
        case "A":
            return max(0, row - max(1, number)), column
        case "B":
            return min(len(lines) - 1, row + max(1, number)), column
        case "C":
            return row, max(column, min(column + max(1, number), MOST_COLUMNS))
        case "D":
            return row, max(0, column - max(1, number))
        case "G":
            return row, min(max(0, number - 1), MOST_COLUMNS)
        case "K":
            head, tail = lines[row][:column], lines[row][column:]
            lines[row] = (head, " " * len(head) + tail[1:], "")[number] if number < 3 else lines[row]
    return row, column
