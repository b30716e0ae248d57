"""`aicci timeline DIR`: a run's folder, also one that was copied from elsewhere, shown or exported without a service.

Rule: an export is a row of `EXPORTS`: the ending of a file's name, and what makes its bytes from the view.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.output import answer, say
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.pricing.meter import cost_series, meter
from jupyter_aicci.store.folder import RunFolder
from jupyter_aicci.timeline.lanes import View


def _png(view: View) -> bytes:
    from jupyter_aicci.timeline.picture import picture

    return picture(view)


EXPORTS: dict[str, Callable[[View], bytes]] = {"png": _png}


def timeline(given: argparse.Namespace) -> int:
    """Print the summary, or write the file that was asked for; what is damaged goes to standard error."""
    kind = Path(given.export).suffix.removeprefix(".")
    if given.export and kind not in EXPORTS:
        raise UserError(
            "unknown_export",
            f"--export {given.export}: expected a file that ends in {', '.join(f'.{each}' for each in EXPORTS)}.",
            hint="Nothing was written.",
        )
    view, notes = view_of(Path(given.DIR))
    if given.export:
        Path(given.export).write_bytes(EXPORTS[kind](view))
        say(f"wrote {given.export}")
    for note in notes:
        say(note)
    from jupyter_aicci.timeline.summary import summary_text

    answer(view.to_json() if given.json else None, summary_text(view), as_json=given.json)
    return DONE


def view_of(path: Path) -> tuple[View, tuple[str, ...]]:
    """(the run as its folder shows it, what is missing). Raises `UserError` "not_a_run_folder"."""
    from jupyter_aicci.timeline.view import view

    with RunFolder(path) as folder:
        now_ns = folder.now_ns()
        drawn = view(
            folder.run,
            folder.frames(),
            cost=cost_series(folder.run, now_ns),
            billed=meter(folder.run, now_ns).entries,
            now_ns=now_ns,
            log_text=folder.log_tail(),
        )
        return drawn, folder.notes
