"""Checkpoints on disk: `ckpt/step-000000012/rank-0.pkl` of every rank, or one `shared.pkl` for all.

In: a state, a step, who saves it. Out: whole files, and the step that every rank can go on from.
Rule 1: a file is whole or not there (temporary name, fsync, rename, fsync of the directory).
Rule 2: a step counts when `shared.pkl` or the file of every rank is there; ranks can die one step apart, so the two latest that
count are kept, and beside them what this attempt resumes from (a rank that starts late still has to read it).
Rule 3: a file is two pickles, a small head (who, when, which step) and the state; bits come back as they were saved. Random
generators are part of the state only if the program puts them there.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
from typing import Any

from .files import replacing, sync_directory

KEPT = 2
NONE = -1  # the step of no checkpoint
SHARED = "shared.pkl"
PREFIX = "step-"

StrPath = str | os.PathLike[str]


def step_dir(ckpt_dir: StrPath, step: int) -> str:
    """Where the files of a step lie."""
    return os.path.join(ckpt_dir, f"{PREFIX}{step:09d}")


def file_name(rank: int | None) -> str:
    """A rank's file, or the one for all ranks (None)."""
    return SHARED if rank is None else f"rank-{rank}.pkl"


def steps(ckpt_dir: StrPath) -> list[int]:
    """Every step that has a directory, ascending, complete or not."""
    try:
        names = os.listdir(ckpt_dir)
    except FileNotFoundError:
        return []
    return sorted(
        int(name[len(PREFIX) :]) for name in names if name.startswith(PREFIX) and name[len(PREFIX) :].isdigit()
    )


def complete(ckpt_dir: StrPath, step: int, world_size: int) -> bool:
    """Whether all ranks can go on from this step."""
    try:
        names = set(os.listdir(step_dir(ckpt_dir, step)))
    except FileNotFoundError:
        return False
    return SHARED in names or all(file_name(rank) in names for rank in range(world_size))


def latest_complete(ckpt_dir: StrPath, world_size: int) -> int:
    """The newest step that all ranks can go on from; -1 where there is none."""
    return next((step for step in reversed(steps(ckpt_dir)) if complete(ckpt_dir, step, world_size)), NONE)


def write_state(ckpt_dir: StrPath, step: int, rank: int | None, head: dict[str, Any], state: Any) -> str:
    """Save a state as this rank's (or, with None, as everybody's) file of a step; returns its path.

    Raises what pickling raises, and `OSError` where the disk is full; then the file that was there before stays.
    """
    folder = step_dir(ckpt_dir, step)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    target = os.path.join(folder, file_name(rank))
    with replacing(target) as file:
        pickle.dump(head, file, protocol=5)
        pickle.dump(state, file, protocol=5)
    sync_directory(ckpt_dir)
    return target


def read_state(ckpt_dir: StrPath, step: int, rank: int) -> tuple[dict[str, Any], Any]:
    """(head, state) of a rank at a step, from its own file or the shared one. Raises `FileNotFoundError` where neither is."""
    folder = step_dir(ckpt_dir, step)
    own = os.path.join(folder, file_name(rank))
    with open(own if os.path.exists(own) else os.path.join(folder, SHARED), "rb") as file:
        head = pickle.load(file)
        return head, pickle.load(file)


def discard_newer(ckpt_dir: StrPath, step: int, rank: int) -> None:
    """Take away this rank's files of steps after the one that the attempt resumes from.

    They are leftovers of a step that not every rank saved; completed by another attempt's files they would be a mixture.
    """
    mine = [file_name(rank), *([SHARED] if rank == 0 else [])]
    for newer in steps(ckpt_dir):
        if newer > step:
            for name in mine:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(step_dir(ckpt_dir, newer), name))
            with contextlib.suppress(OSError):  # another rank's file is still in it
                os.rmdir(step_dir(ckpt_dir, newer))


def prune(ckpt_dir: StrPath, world_size: int, *, resume_step: int) -> None:
    """Remove what lies before the two latest complete steps, but not `resume_step`; one rank calls it, after its own save."""
    known = steps(ckpt_dir)
    kept = [step for step in known if complete(ckpt_dir, step, world_size)][-KEPT:]
    if len(kept) < KEPT:
        return
    for step in known:
        if step < kept[0] and step != resume_step:
            shutil.rmtree(step_dir(ckpt_dir, step), ignore_errors=True)
