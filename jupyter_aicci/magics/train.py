"""`%%aicci train`: the magic line and the cell body become a spec and a program, and the run is shown until its end.

In: the words after `train`, the body, the notebook's namespace. Out: a run, shown; its values bound.
Rule: what can be refused without the service is refused first, and hints are printed before anything is submitted.
"""

from __future__ import annotations

import linecache
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from jupyter_aicci.client import Client, Program
from jupyter_aicci.datasets.mounts import check_mounts
from jupyter_aicci.magics.outcomes import Cancelled
from jupyter_aicci.magics.watch import Watch
from jupyter_aicci.model.commands import find_command, parse_words
from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.options import BY_FIELD, OPTIONS, parse_values
from jupyter_aicci.model.spec import RunSpec, parse_spec
from jupyter_aicci.render.forecasts import dry_run_text
from jupyter_aicci.source.program import Checked, check_cell

CLIENT_FIELDS = tuple(option.field for option in OPTIONS if option.face == "client")


def train(shell: Any, line: str, body: str) -> None:
    """Run the cell; returns when it succeeded, or at once with `--detach` and `--dry-run`."""
    words, body, first_line = _continued(line, body)
    first_line += _lines_above(shell, line)
    given = options_given(words)
    caller, _ = parse_values({key: given[key] for key in CLIENT_FIELDS if key in given})
    wanted = parse_spec({key: value for key, value in given.items() if key not in CLIENT_FIELDS})
    checked = check_cell(
        body, pushed=wanted.push, pulled=wanted.pull, known=_notebook_names(shell), first_line=first_line
    )
    spec = _completed(wanted, checked, cell_name=_cell_name(shell), first_line=first_line)
    push = _pushed(shell, spec.push)
    for hint in checked.hints:
        print("hint:", hint)
    client = Client()
    if caller["dry_run"]:
        print(dry_run_text(client.forecast(spec)))
        return
    _remember_source(spec.cell_name, body, first_line)
    program = _program(spec, checked, push)
    if caller["probe"]:
        _probe(client, spec, program)
    watch = Watch.submit(shell, client, spec, program, on_stop=caller["on_stop"])
    if caller["out"]:
        shell.user_ns[caller["out"]] = watch.run
    if caller["detach"]:
        watch.show()
        print(watch.how_to_come_back())
    else:
        watch.until_ended(missing=checked.missing)


def _probe(client: Client, spec: RunSpec, program: Program) -> None:
    """The short runs before the real one; Stop ends them, and the cell."""
    from jupyter_aicci.client.probe import probe

    try:
        probe(client, spec, program, print)
    except KeyboardInterrupt:
        print("Stopped while probing: the probe was ended, and the run was not submitted.")
        raise Cancelled("stopped while probing") from None


def options_given(words: str) -> dict[str, Any]:
    """The option texts by field that stand in the magic line. Raises `UserError`."""
    try:
        parts = shlex.split(words)
    except ValueError as error:
        raise UserError("bad_option", f"%%aicci train: {error}. Nothing was submitted.",
                        hint="Quotes come in pairs.") from None  # fmt: skip
    namespace = parse_words(find_command("train", "magic"), "magic", parts)
    given = {key: value for key, value in vars(namespace).items() if value is not None}
    name = given.get("out", "a")
    if not name.isidentifier():
        raise UserError("bad_option", f"-o {name}: expected the name of a variable. Nothing was submitted.", field="-o")
    _, defects = parse_values({key: value for key, value in given.items() if BY_FIELD[key].face == "client"})
    if defects:
        raise UserError("bad_option", "; ".join(defects) + ". Nothing was submitted.",
                        hint='"%aicci train --help" lists the options.')  # fmt: skip
    return given


def _continued(line: str, body: str) -> tuple[str, str, int]:
    """(options, body, the body's first line in the cell) with a magic line that goes on after a backslash joined."""
    first_line = 2
    while line.rstrip().endswith("\\") and body:
        more, _, body = body.partition("\n")
        line = line.rstrip()[:-1] + " " + more
        first_line += 1
    return line, body, first_line


def _lines_above(shell: Any, line: str) -> int:
    """Blank lines above the magic line, which IPython drops and the notebook counts."""
    typed = _raw_cell(shell)
    above = typed[: len(typed) - len(typed.lstrip())]
    return above.count("\n") if typed.lstrip().startswith("%%aicci") and line.split("\\")[0].strip() in typed else 0


def _raw_cell(shell: Any) -> str:
    return str(shell.history_manager.input_hist_raw[-1])


def _cell_name(shell: Any) -> str:
    """As IPython's own tracebacks say it; `execution_count` is not asked, it counts on before the cell runs since 9.0."""
    return f"Cell In[{len(shell.history_manager.input_hist_raw) - 1}]"


def _notebook_names(shell: Any) -> dict[str, str]:
    """Names that the person bound, with the module's name where it is one; IPython's own are left out."""
    return {
        name: value.__name__ if isinstance(value, ModuleType) else ""
        for name, value in shell.user_ns.items()
        if name not in shell.user_ns_hidden and not name.startswith("_")
    }


def _pushed(shell: Any, names: tuple[str, ...]) -> dict[str, Any]:
    missing = [name for name in names if name not in shell.user_ns]
    if missing:
        guess = did_you_mean(missing[0], _notebook_names(shell))
        raise UserError(
            "push_unknown",
            f"--push {missing[0]}: the notebook has no variable of that name"
            + (f"; {guess}" if guess else ".") + " Nothing was submitted.",
            hint="Run the cell that makes it first.", field="--push",
        )  # fmt: skip
    return {name: shell.user_ns[name] for name in names}


def _completed(wanted: RunSpec, checked: Checked, *, cell_name: str, first_line: int) -> RunSpec:
    """The spec with what only the caller's process knows: interpreter, absolute paths, the cell."""
    here = Path.cwd()
    mounts = check_mounts(wanted.data, base=here)
    return parse_spec(
        wanted.to_json()
        | {
            "data": [f"{mount.name}={mount.path}:{mount.mode}" for mount in mounts],
            "workdir": os.path.abspath(here / Path(wanted.workdir).expanduser()) if wanted.workdir else "",
            "framework": checked.framework,
            "python": sys.executable,
            "cell_name": cell_name,
            "cell_first_line": first_line,
        }
    )


def _program(spec: RunSpec, checked: Checked, push: dict[str, Any]) -> Program:
    workdir = Path(spec.workdir) if spec.workdir else None
    return Program(text=checked.text, source=spec.source, workdir=workdir, push=push)


def _remember_source(cell_name: str, body: str, first_line: int) -> None:
    """Let every traceback that names the cell show its lines."""
    lines = ["\n"] * (first_line - 1) + body.splitlines(keepends=True)
    linecache.cache[cell_name] = (len(body), None, lines, cell_name)
