"""`aicci timeline RUN`: a run in words, and as a file: of the service, or from a folder that was copied from elsewhere.

Rule 1: what is a directory is the folder of a run, and no service is asked or started for it.
Rule 2: which formats there are, `client/exports.py` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.output import answer, say
from jupyter_aicci.client import Client, CopiedRun, Run

if TYPE_CHECKING:
    from jupyter_aicci.client.source import Source

WIDTH_PX = 800


def timeline(given: argparse.Namespace) -> int:
    """Write the file that was asked for, or print the summary; what is damaged goes to standard error."""
    from jupyter_aicci.client.exports import export, format_named

    made = format_named(given.export[0]) if given.export else None
    run = _run(given.RUN)
    with run.source() as source:
        written = export(source, made, given.export[1]) if made else ()
        document, text = ({}, "") if made else _summary(source)
        notes = source.folder.notes
    for note in notes:
        say(note)
    if made:
        files = [str(path) for path in written]
        document, text = {"id": run.id, "format": made.name, "files": files}, f"wrote {', '.join(files)}"
    answer(document, text, as_json=given.json)
    return DONE


def _run(ref: str) -> Run | CopiedRun:
    return CopiedRun(ref) if Path(ref).expanduser().is_dir() else Client().run(ref)


def _summary(source: Source) -> tuple[dict[str, Any], str]:
    from jupyter_aicci.timeline.summary import summary_text

    view = source.view(WIDTH_PX)
    return view.to_json(), summary_text(view)
