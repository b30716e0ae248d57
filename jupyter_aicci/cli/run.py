"""`aicci run [options] FILE.py [args]`: a file on every rank, followed until its end.

Rule: as with `python FILE args`, everything behind FILE belongs to the program.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.output import answer, say
from jupyter_aicci.client import Client, Program
from jupyter_aicci.datasets.mounts import check_mounts
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import BY_FIELD, parse_values
from jupyter_aicci.model.spec import RunSpec, parse_spec
from jupyter_aicci.render.forecasts import dry_run_text
from jupyter_aicci.render.runs import first_line
from jupyter_aicci.source.program import check_script


def run(given: argparse.Namespace) -> int:
    """Submit FILE and follow it; with `--detach` return at once, with `--dry-run` submit nothing."""
    texts = {key: value for key, value in vars(given).items() if key in BY_FIELD and value is not None}
    _refuse_notebook_options(texts)
    caller, defects = parse_values({key: text for key, text in texts.items() if BY_FIELD[key].face == "client"})
    if defects:
        raise UserError(
            "bad_option", "; ".join(defects) + ". Nothing was submitted.", hint='"aicci run --help" lists them.'
        )
    spec, program = _prepared(given.FILE, tuple(given.args), parse_spec(_spec_texts(texts)))
    client = Client()
    if caller["dry_run"]:
        forecast = client.forecast(spec)
        answer(forecast, dry_run_text(forecast), as_json=given.json)
        return DONE
    if caller["probe"]:
        from jupyter_aicci.client.probe import probe

        probe(client, spec, program, say)
    handle = client.submit(spec, program)
    summary = handle.summary()
    say(first_line(summary))
    for note in handle.notes:
        say(f"note: {note}")
    if caller["detach"]:
        answer(summary, summary["id"], as_json=given.json)
        return DONE
    from jupyter_aicci.cli.follow import follow

    return follow(handle, as_json=given.json, on_stop=caller["on_stop"])


def _spec_texts(texts: dict[str, Any]) -> dict[str, Any]:
    return {key: text for key, text in texts.items() if BY_FIELD[key].face == "spec"}


def _refuse_notebook_options(texts: dict[str, Any]) -> None:
    for field, why in (("push", "takes values of a notebook"), ("out", "names a variable of a notebook")):
        if texts.get(field):
            raise UserError(
                "notebook_only",
                f"{BY_FIELD[field].flag} {why}, and `aicci run` has none. Nothing was submitted.",
                hint="Give the program arguments behind FILE, or files with --data.",
                field=field,
            )


def _prepared(name: str, args: tuple[str, ...], wanted: RunSpec) -> tuple[RunSpec, Program]:
    """The spec with what only this process knows, and the file checked."""
    here = Path.cwd()
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


def _read(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not UTF-8 text ({error.reason})"
        raise UserError("bad_file", f"{name} cannot be read: {reason}. Nothing was submitted.",
                        hint="`aicci run` takes a Python file.", field="FILE") from None  # fmt: skip
