"""The record of the exception that ended a rank, with the lines of the cell instead of the lines of our files.

In: an exception, the plan. Out: the traceback as text and the record of docs/explanation/processes-and-files.md, section 5.
Rule 1: `File "<run>/src/cell.py", line 17` becomes `Cell In[7], line 18`; source lines and carets stay; a script keeps its name.
Rule 2: frames of our runner and of torch's module call machinery are left out; chained causes and groups are kept.
Rule 3: nothing here raises, whatever the exception does.
"""

from __future__ import annotations

import linecache
import os
import re
import threading
import traceback
from typing import Any

from ..files import remove, write_atomic
from ..frames import boot_ns
from .classify import infrastructure_reason, is_secondary
from .fresh import tell

OWN_DIR = os.path.dirname(os.path.abspath(__file__)) + os.sep
AGENT_DIR = os.path.dirname(os.path.dirname(OWN_DIR)) + os.sep
PLUMBING = (os.path.join("torch", "nn", "modules", "module.py"),)
PLUMBING_NAMES = ("_call_impl", "_wrapped_call_impl")
RESERVE = "keeper.reserve"  # keeper.py makes it
SHOWN_FRAMES = 50
MESSAGE_CHARS = 4000
TRACEBACK_CHARS = 60_000


class CellTraceback:
    """Tracebacks of one program, in the words of its notebook."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.src = os.path.join(plan["run_dir"], "src") + os.sep
        self.file = self.src + plan["source"]
        self.cell_name, self.offset = plan["cell_name"], plan["cell_first_line"] - 1
        self._place = re.compile(r'File "' + re.escape(self.src) + r'([^"\n]+)", line (\d+)')

    def text(self, error: BaseException) -> str:
        """The whole traceback, causes first, as Python prints it."""
        try:
            found = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
            self._strip(found, seen=set())
            text = "".join(found.format())
        except Exception as broken:  # an exception whose attributes raise
            text = f"{type(error).__name__}: {message_of(error)}\n(its traceback cannot be shown: {type(broken).__name__})\n"
        text = self._place.sub(self._rename, text)
        return text if len(text) <= TRACEBACK_CHARS else f"{text[:2000]}\n  …\n{text[-TRACEBACK_CHARS + 2000 :]}"

    def frames(self, error: BaseException) -> list[list[Any]]:
        """[[file, line, function]], outermost first; files of the program by their name in `src`, cell lines as the cell counts."""
        found: list[list[Any]] = []
        for frame, line in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            if not _ours(name, frame.f_code.co_name):
                shown = name.removeprefix(self.src)
                found.append([shown, line + self.offset if name == self.file else line, frame.f_code.co_name])
        return found[-SHOWN_FRAMES:]

    def place(self, error: BaseException) -> tuple[int, str, str]:
        """(line as the person counts, source text, "Cell In[7], line 18") of the innermost line of the program; 0 without one."""
        if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(self.src) and error.lineno:
            return self._at(error.filename, error.lineno)
        inner = (self.file, 0)
        for frame, line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename == self.file:
                inner = (self.file, line)
        return self._at(*inner) if inner[1] else (0, "", "")

    def _at(self, file: str, line: int) -> tuple[int, str, str]:
        code = linecache.getline(file, line).strip("\n")
        shown = line + self.offset if file == self.file else line
        name = self.cell_name if file == self.file and self.cell_name else file.removeprefix(self.src)
        return shown, code, f"{name}, line {shown}"

    def _rename(self, match: re.Match[str]) -> str:
        name, line = match[1], int(match[2])
        if self.src + name != self.file:
            return f'File "{name}", line {line}'
        return f"{self.cell_name}, line {line + self.offset}" if self.cell_name else f'File "{name}", line {line}'

    def _strip(self, found: Any, seen: set[int]) -> None:
        """Leave our frames and the plumbing out of a formatted exception and all it came from."""
        if found is None or id(found) in seen:
            return
        seen.add(id(found))
        found.stack[:] = [frame for frame in found.stack if not _ours(frame.filename, frame.name)]
        for other in (
            found.__cause__,
            found.__context__,
            *(found.exceptions or () if hasattr(found, "exceptions") else ()),
        ):
            self._strip(other, seen)


def _ours(filename: str, name: str) -> bool:
    if filename.startswith((AGENT_DIR, "<frozen ")):
        return True
    return name in PLUMBING_NAMES and filename.endswith(PLUMBING)


def message_of(error: BaseException) -> str:
    """`str(error)`, whatever its `__str__` does."""
    try:
        text = str(error)
    except Exception as broken:
        text = f"<its __str__ raised {type(broken).__name__}>"
    return text if len(text) <= MESSAGE_CHARS else text[:MESSAGE_CHARS] + " …"


def record_of(error: BaseException, tracebacks: CellTraceback, *, step: int | None) -> dict[str, Any]:
    """The error record; `step` is the last step that the rank made."""
    line, code, where = tracebacks.place(error)
    reason = infrastructure_reason(error)
    return {
        "t_ns": boot_ns(),
        "type": type(error).__name__,
        "message": message_of(error),
        "traceback": tracebacks.text(error),
        "line": line,
        "cell_line": code,
        "where": where,
        "secondary": not reason and is_secondary(error),
        "infra": bool(reason),
        "reason": reason,
        "frames": tracebacks.frames(error),
        "step": step,
    }


def write_record(path: str, record: dict[str, Any]) -> None:
    """Write `rank-R.error`, whole or not at all. On a full disk it takes the keeper's reserve: without the record, nobody could
    tell the disk's fault from the program's."""
    import json

    data = json.dumps(record, separators=(",", ":"), default=str).encode("utf-8", "backslashreplace")
    for last in (False, True):
        try:
            write_atomic(path, data)
            return
        except OSError as error:
            if last:
                tell(f"aicci: the error record could not be written: {error}")
            remove(os.path.join(os.path.dirname(path), RESERVE))


def print_thread_errors(tracebacks: CellTraceback) -> None:
    """Exceptions that end a thread go to the log with cell lines; they end nothing else."""

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = args.thread.name if args.thread else "a thread"
            tell(f"Exception in thread {name}:\n{tracebacks.text(args.exc_value)}", end="")

    threading.excepthook = hook
