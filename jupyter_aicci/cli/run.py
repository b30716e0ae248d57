"""`aicci run [options] FILE.py [args]`: a file on every rank, followed until its end.

Rule: as with `python FILE args`, everything behind FILE belongs to the program.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.output import answer, say
from jupyter_aicci.client import Client
from jupyter_aicci.client.scripts import prepared, refuse_notebook_options
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import BY_FIELD, parse_values
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.render.forecasts import dry_run_text
from jupyter_aicci.render.runs import first_line


def run(given: argparse.Namespace) -> int:
    """Submit FILE and follow it; with `--detach` return at once, with `--dry-run` submit nothing."""
    texts = {key: value for key, value in vars(given).items() if key in BY_FIELD and value is not None}
    refuse_notebook_options(texts)
    caller, defects = parse_values({key: text for key, text in texts.items() if BY_FIELD[key].face == "client"})
    if defects:
        raise UserError(
            "bad_option", "; ".join(defects) + ". Nothing was submitted.", hint='"aicci run --help" lists them.'
        )
    spec, program = prepared(given.FILE, tuple(given.args), parse_spec(_spec_texts(texts)), Path.cwd())
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
