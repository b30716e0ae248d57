"""`events.jsonl` in a run's folder: the run's rows of the journal, so that the folder can be read where the journal is not.

One line a row: {"seq", "kind", "time_ns", "run_id", "body"}. It is written whole and renamed; the journal stays the truth.
Rule: a line that cannot be read costs that line; what is missing is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jupyter_aicci.agent.files import replacing
from jupyter_aicci.model.events import Event, event_from_row

NAME = "events.jsonl"


def write_events(folder: Path, rows: Sequence[tuple[int, Event]]) -> None:
    """Write the run's rows; afterwards they are on the disk. Raises `OSError`."""
    with replacing(folder / NAME) as file:
        for seq, event in rows:
            row = {
                "seq": seq,
                "kind": event.kind,
                "time_ns": event.time_ns,
                "run_id": event.run_id,
                "body": event.body(),
            }
            file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def read_events(folder: Path) -> tuple[list[Event], tuple[str, ...]]:
    """(the run's events, what of them is lost, in sentences). Raises `OSError` where there is no such file."""
    events, lost = [], 0
    for line in (folder / NAME).read_bytes().splitlines():
        try:
            row = json.loads(line)
            events.append(event_from_row(row["kind"], row["run_id"], row["time_ns"], row["body"]))
        except (ValueError, KeyError, TypeError):
            lost += 1
    return events, (f"{lost} lines of {NAME} cannot be read.",) if lost else ()
