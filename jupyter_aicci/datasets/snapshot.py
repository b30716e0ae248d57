"""The snapshot of `--workdir`: the ranks run in a copy, so that editing a file during a run cannot change a restart.

In: a directory, the run's `src`, the store's folder. Out: how much went in and notes on what stayed out, or an error.
Rule 1: by content (`objects.py`): an unchanged file costs one `stat` and one hard link.
Rule 2: nothing from outside the directory comes in: a link that leads out is refused, data belongs to `--data`.
Rule 3: an index entry is trusted only if the file was old when it was hashed, so that two writes within one tick of the
file system's clock cannot hide a change (git's "racy" rule).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_aicci.datasets.ignore import Ignore, ignore_above
from jupyter_aicci.datasets.objects import Objects
from jupyter_aicci.model.errors import HostError, UserError
from jupyter_aicci.model.text import size

MAX_FILE_BYTES = 10_000_000
MAX_TOTAL_BYTES = 100_000_000
RACY_NS = 2_000_000_000  # coarsest mtime in use: FAT and some network file systems, 2 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What went in."""

    files: int
    total_bytes: int
    notes: tuple[str, ...] = ()  # for the person: what stayed out and why


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One entry that goes in; `link` is the relative target of a link to a directory."""

    path: Path
    stat: os.stat_result
    link: str = ""


def snapshot(workdir: Path, *, into: Path, store: Path) -> Snapshot:
    """Fill `into` (made if missing) with the files of `workdir`; `store` is AICCI_HOME/objects.

    Raises `UserError` (`bad_workdir`, `workdir_too_large`, `link_outside`) and `HostError` (`snapshot_failed`).
    """
    workdir = Path(os.path.abspath(workdir.expanduser()))
    if not workdir.is_dir():
        raise UserError(
            "bad_workdir",
            f"--workdir {workdir} is not a directory. Nothing was submitted.",
            hint="--workdir takes a directory of this machine.",
            field="--workdir",
        )
    found, notes = _collect(workdir, kept_out={store.parent, store, into})
    _refuse_too_large(workdir, found)
    try:
        _fill(workdir, found, into, Objects(store))
    except OSError as error:
        raise HostError(
            "snapshot_failed",
            f"the snapshot of {workdir} stopped at {error.filename or into}: {error.strerror}. Nothing was submitted.",
            hint="Free disk space or give the run a smaller --workdir.",
            field="--workdir",
        ) from error
    return Snapshot(files=len(found), total_bytes=sum(item.stat.st_size for item in found), notes=tuple(notes))


def _collect(workdir: Path, *, kept_out: set[Path]) -> tuple[list[_Found], list[str]]:
    found, large, odd = [], [], []
    for item in _walk(workdir, workdir, ignore_above(workdir), kept_out):
        if not item.link and not stat.S_ISREG(item.stat.st_mode):
            odd.append(item)
        elif not item.link and item.stat.st_size > MAX_FILE_BYTES:
            large.append(item)
        else:
            found.append(item)
    notes = []
    if large:
        notes.append(f"left out of the snapshot, over {size(MAX_FILE_BYTES)}: {_named(workdir, large)}; "
                     "give the ranks large files with --data.")  # fmt: skip
    if odd:
        notes.append(f"left out of the snapshot, not files: {', '.join(_inside(workdir, item) for item in odd[:5])}.")
    return found, notes


def _walk(workdir: Path, directory: Path, rules: Ignore, kept_out: set[Path]) -> Iterator[_Found]:
    """Every entry that no rule leaves out, directories entered, in name order."""
    rules = rules.below(directory)
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            "bad_workdir",
            f"--workdir: {directory} may not be read: {error.strerror}. Nothing was submitted.",
            hint="Name it in .aicciignore to leave it out.",
            field="--workdir",
        ) from None
    for entry in entries:
        path = Path(entry.path)
        is_dir = entry.is_dir()
        if path in kept_out or rules.leaves_out(path, is_dir=is_dir):
            continue
        if entry.is_symlink():
            yield _linked(workdir, path, is_dir)
        elif is_dir:
            yield from _walk(workdir, path, rules, kept_out)
        else:
            yield _Found(path=path, stat=entry.stat())


def _linked(workdir: Path, path: Path, is_dir: bool) -> _Found:
    """A link within the directory: to a file, the file itself; to a directory or to nothing, a relative link."""
    target, root = path.resolve(), workdir.resolve()
    if not target.is_relative_to(root):
        raise UserError(
            "link_outside",
            f"--workdir: {_inside_path(workdir, path)} links to {target}, outside of {workdir}. Nothing was submitted.",
            hint="Name the link in .aicciignore, and give the ranks its target with --data.",
            field="--workdir",
        )
    if is_dir or not target.exists():
        return _Found(path=path, stat=path.lstat(), link=os.path.relpath(target, path.parent.resolve()))
    return _Found(path=path, stat=path.stat())


def _refuse_too_large(workdir: Path, found: list[_Found]) -> None:
    total_bytes = sum(item.stat.st_size for item in found)
    if total_bytes <= MAX_TOTAL_BYTES:
        return
    largest = sorted(found, key=lambda item: -item.stat.st_size)[:5]
    raise UserError(
        "workdir_too_large",
        f"--workdir {workdir} holds {size(total_bytes)}, and a snapshot may hold {size(MAX_TOTAL_BYTES)}; "
        f"the largest: {_named(workdir, largest)}. Nothing was submitted.",
        hint="Name what the program does not import in .aicciignore, and give data with --data.",
        field="--workdir",
    )


def _named(workdir: Path, items: list[_Found]) -> str:
    shown = ", ".join(f"{_inside(workdir, item)} ({size(item.stat.st_size)})" for item in items[:5])
    return shown + (f" and {len(items) - 5} more" if len(items) > 5 else "")


def _inside(workdir: Path, item: _Found) -> str:
    return _inside_path(workdir, item.path)


def _inside_path(workdir: Path, path: Path) -> str:
    return path.relative_to(workdir).as_posix()


def _fill(workdir: Path, found: list[_Found], into: Path, objects: Objects) -> None:
    into.mkdir(parents=True, exist_ok=True)
    index_path = objects.folder / f"index-{hashlib.blake2b(os.fsencode(workdir), digest_size=10).hexdigest()}.json"
    old, new = _read_index(index_path), {}
    for item in found:
        name = _inside(workdir, item)
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if item.link:
            target.symlink_to(item.link)
            continue
        mark = [item.stat.st_mtime_ns, item.stat.st_size, item.stat.st_ino]
        entry = old.get(name)
        if entry and entry[:3] == mark and objects.intact(entry[3], size_bytes=item.stat.st_size):
            digest = entry[3]
        else:
            digest = objects.add(item.path)
        objects.place(digest, target)
        if time.time_ns() - item.stat.st_mtime_ns > RACY_NS:
            new[name] = [*mark, digest]
    if new != old:
        _write_index(index_path, new)


def _read_index(path: Path) -> dict[str, list[Any]]:
    """Name -> [mtime, size, inode, digest]; anything unreadable is an empty index, which only costs time."""
    try:
        index = json.loads(path.read_bytes())
        return {name: entry for name, entry in index.items() if len(entry) == 4}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_index(path: Path, index: dict[str, list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(index))
    temporary.replace(path)
