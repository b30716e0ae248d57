"""A program laid out in its run's folder: `src/` with the cell or script and the snapshot of `--workdir`, and `push/`.

Rule 1: the folder appears whole, by one rename, and before the service hears of the run; if the service refuses it, it goes away
again. So nothing is ever left half done, whatever dies or fills up meanwhile.
Rule 2: the program is written as a file of its own, never through the hard links that a snapshot consists of.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_aicci.client.push import pickled
from jupyter_aicci.model.errors import ConflictError, UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.disk import from_os_error
from jupyter_aicci.store.paths import Home, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What goes into the folder."""

    text: str
    source: str = "cell.py"  # path within src, as in RunSpec.source
    workdir: Path | None = None  # snapshot this directory first
    push: Mapping[str, Any] = field(default_factory=dict)  # name -> value


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """`fresh` is false when the folder was there already; `notes` say what stayed out of the snapshot."""

    fresh: bool
    notes: tuple[str, ...] = ()


def lay_out(home: Home, run_id: RunId, program: Program) -> LaidOut:
    """Make the run's folder, unless it is there already (the submit is a repeated one).

    Raises `UserError` for values that cannot be pushed or a directory that cannot be snapshot, `HostError` for the disk.
    """
    target, source = home.run_dir(run_id), _within(program.source)
    if target.exists():
        if program.text:  # without one it is what somebody has laid out there
            _must_be(program, home.src_dir(run_id) / source, run_id)
        return LaidOut(fresh=False)
    values = pickled(program.push)
    prepare(home)
    building = home.runs_dir / f".{run_id}.{os.getpid()}.tmp"
    try:
        notes = _fill(home, building, program, source, values)
        building.rename(target)
    except OSError as error:
        raise from_os_error(error, building, "writing to") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return LaidOut(fresh=True, notes=notes)


def discard(home: Home, run_id: RunId) -> None:
    """Take a folder away whose run the service refused."""
    shutil.rmtree(home.run_dir(run_id), ignore_errors=True)


def _must_be(program: Program, laid: Path, run_id: RunId) -> None:
    """What lies there from an earlier try is this program: a file that was edited since must not run as it was."""
    try:
        same = laid.read_text(encoding="utf-8") == program.text
    except (OSError, UnicodeDecodeError):
        same = False
    if not same:
        raise ConflictError(
            "id_taken", f"run {run_id} was laid out already with another program. Nothing was submitted.",
            hint="Submit again: a new id is drawn.", field="id",
        )  # fmt: skip


def _within(source: str) -> Path:
    path = PurePosixPath(source)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise UserError("bad_source", f"the program's path {source!r} must lie within the run's src.", field="source")
    return Path(path)


def _fill(home: Home, building: Path, program: Program, source: Path, values: Mapping[str, bytes]) -> tuple[str, ...]:
    src, push = building / "src", building / "push"
    building.mkdir(mode=0o700)  # programs, values and output are their owner's, wherever AICCI_HOME lies
    src.mkdir()
    push.mkdir()
    notes: tuple[str, ...] = ()
    if program.workdir is not None:
        from jupyter_aicci.datasets.snapshot import snapshot

        notes = snapshot(program.workdir, into=src, store=home.root / "objects").notes
    (src / source).parent.mkdir(parents=True, exist_ok=True)
    (src / source).unlink(missing_ok=True)
    _write(src / source, program.text.encode())
    for name, data in values.items():
        _write(push / f"{name}.pkl", data)
    return notes


def _write(path: Path, data: bytes) -> None:
    """Bytes that are on the disk when this returns: the journal's row about them will be, too."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
