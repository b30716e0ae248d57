"""A program in a file, made ready to be submitted: what `aicci run`, the launch form and the page share.

In: the file's name, its words, what was asked for, and the folder that relative paths mean. Out: a spec and a program.
Rule: what can be refused without the service is refused here, and nothing is written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_aicci.client.program import Program
from jupyter_aicci.datasets.mounts import check_mounts
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import BY_FIELD
from jupyter_aicci.model.spec import RunSpec, parse_spec
from jupyter_aicci.model.text import size
from jupyter_aicci.source.program import check_script

MOST_BYTES = 4_000_000  # of a program's text; a device or a pipe is none


def prepared(name: str, args: tuple[str, ...], wanted: RunSpec, here: Path) -> tuple[RunSpec, Program]:
    """The spec with what only this process knows, and the file checked. Raises `UserError` for what cannot run."""
    file = Path(os.path.abspath(here / Path(name).expanduser()))
    text = _read(file, name)
    checked = check_script(text, name=name)
    workdir = Path(os.path.abspath(here / Path(wanted.workdir).expanduser())) if wanted.workdir else None
    inside = workdir is not None and file.is_relative_to(workdir)
    source = file.relative_to(workdir).as_posix() if workdir and inside else file.name
    mounts = check_mounts(wanted.data, base=here)
    spec = parse_spec(
        wanted.to_json()
        | {
            "data": [f"{mount.name}={mount.path}:{mount.mode}" for mount in mounts],
            "workdir": str(workdir or ""),
            "source": source,
            "argv": args,
            "framework": checked.framework,
            "python": sys.executable,
        }
    )
    return spec, Program(text=text, source=source, workdir=workdir)


def refuse_notebook_options(given: Mapping[str, Any]) -> None:
    """Raises `UserError` where an option needs a notebook, which a file that is launched does not have."""
    for field, why in (("push", "takes values of a notebook"), ("out", "names a variable of a notebook")):
        if given.get(field):
            raise UserError(
                "notebook_only",
                f"{BY_FIELD[field].flag} {why}, and a file that is launched has none. Nothing was submitted.",
                hint="Give the program arguments behind FILE, or files with --data.",
                field=field,
            )


def _read(file: Path, name: str) -> str:
    try:
        if file.exists() and not (file.is_file() and file.stat().st_size <= MOST_BYTES):
            raise UserError(
                "bad_file", f"{name} is no file of at most {size(MOST_BYTES)}. Nothing was submitted.",
                hint="What is launched is a Python file.", field="FILE",
            )  # fmt: skip
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not UTF-8 text ({error.reason})"
        raise UserError("bad_file", f"{name} cannot be read: {reason}. Nothing was submitted.",
                        hint="What is launched is a Python file.", field="FILE") from None  # fmt: skip
