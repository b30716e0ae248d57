"""`--data NAME=PATH` on this host: the path itself, made read-only for the ranks where the system lets us.

In: the mounts of the spec, the run's own directory. Out: paths by name, those to be bound read-only, a sentence for each that is
not.
Rule: a rank never finds another path here than on the next try: read-only is a property of the mount, the path stays the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jupyter_aicci.model.errors import EngineError
from jupyter_aicci.model.spec import parse_mount

CAP_SYS_ADMIN = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What the ranks see."""

    paths: dict[str, str]
    read_only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def resolve(items: Iterable[str], *, run_dir: Path, may_mount: bool) -> Data:
    """The data of a run. Raises `EngineError` for a path that is gone since the run was submitted."""
    paths, read_only, notes = dict[str, str](), list[str](), list[str]()
    for item in items:
        mount = parse_mount(item)
        path = os.path.abspath(mount.path)
        if not os.access(path, os.R_OK):
            raise EngineError("data_gone", f"--data {mount.name}: {path} is not there any more, or not readable.")
        paths[mount.name] = path
        if run_dir.resolve().is_relative_to(Path(path).resolve()):
            notes.append(f"data {mount.name} is writable: the run's own directory lies in {path}")
        elif not may_mount:
            notes.append(f"data {mount.name} is writable: this user may not make mounts, so {path} is used as it is")
        else:
            read_only.append(path)
    return Data(paths=paths, read_only=tuple(read_only), notes=tuple(notes))


def may_mount() -> bool:
    """Whether this process may make mounts in a namespace of its own (CAP_SYS_ADMIN)."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    except (OSError, ValueError):
        pass
    return False
