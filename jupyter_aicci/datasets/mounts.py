"""Local mounts: does the path of `--data NAME=PATH` exist, and may its owner read it.

In: the texts of `--data` and the directory they are relative to. Out: `Mount`s with absolute paths, or one `UserError`
that names every defect and the nearest path that does exist.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.spec import Mount, parse_mount


def check_mounts(items: tuple[str, ...], *, base: Path) -> tuple[Mount, ...]:
    """The mounts of `--data`, absolute and readable. Raises one `UserError` (`bad_data`) naming every defect."""
    mounts, defects = [], []
    for item in items:
        try:
            mount = parse_mount(item)
            path = (base / Path(mount.path).expanduser()).absolute()
            defect = _defect(mount.name, path)
        except ValueError as error:
            defect = str(error)
        if defect:
            defects.append(defect)
        else:
            mounts.append(replace(mount, path=str(path)))
    names = [mount.name for mount in mounts]
    defects += [f"--data {name} is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if defects:
        raise UserError(
            "bad_data",
            "; ".join(defects) + ". Nothing was submitted.",
            hint="--data takes NAME=PATH with a path that exists on this machine.",
            field="--data",
        )
    return tuple(mounts)


def _defect(name: str, path: Path) -> str:
    try:
        path.stat()
    except PermissionError:
        return f"--data {name}: {path} may not be read by this user"
    except OSError:
        return f"--data {name}: {path} does not exist; {_nearest(path)}"
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        return f"--data {name}: {path} may not be read by this user"
    return ""


def _nearest(path: Path) -> str:
    """Where the path stops existing, and the entry there that looks most like it."""
    parent = next((above for above in path.parents if above.is_dir()), Path("/"))
    lost = path.relative_to(parent).parts[0]
    try:
        entries = os.listdir(parent)
    except OSError:
        entries = []
    guess = did_you_mean(lost, entries)
    if guess:
        near = guess.removeprefix("did you mean ").removesuffix("?")
        return f"did you mean {parent / near}?"
    return f"{parent} exists and has no {lost}"
