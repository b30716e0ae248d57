"""The journal's rows: an event or an anchor as columns, with a checksum, and back.

Every row carries the CRC of its other columns, so that a damaged row is known as one, even where its page still reads.
`once` is the key of a fact that is true once (a node is held once an attempt); NULL for what may happen again.
Rule: no I/O.
"""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.events import (
    Event,
    NodeHeld,
    NodeReleased,
    PreemptRequested,
    RankExited,
    Submitted,
    event_from_row,
)

ANCHOR = "anchor"  # the kind of the rows that fix the time axis; they belong to no run


class Row(NamedTuple):
    """One row of the table `rows`, in the order of its columns."""

    seq: int
    run_id: str  # "" for an anchor
    kind: str
    time_ns: int
    body: str  # JSON
    once: str | None
    crc: int

    @property
    def intact(self) -> bool:
        return self.crc == checksum(self.seq, self.run_id, self.kind, self.time_ns, self.body, self.once)


def checksum(seq: int, run_id: str, kind: str, time_ns: int, body: str, once: str | None) -> int:
    """CRC-32 of a row's other columns."""
    return zlib.crc32(repr((seq, run_id, kind, time_ns, body, once)).encode())


def row_of_event(seq: int, event: Event) -> Row:
    """The row that keeps `event`."""
    return _row(seq, event.run_id, event.kind, event.time_ns, event.body(), once_key(event))


def row_of_anchor(seq: int, boot_id: str, offset_ns: int, time_ns: int) -> Row:
    """The row that fixes `epoch = boot time + offset_ns` for one boot of the machine."""
    return _row(seq, "", ANCHOR, time_ns, {"boot_id": boot_id, "offset_ns": offset_ns}, f"anchor/{boot_id}")


def _row(seq: int, run_id: str, kind: str, time_ns: int, body: dict[str, object], once: str | None) -> Row:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Row(seq, run_id, kind, time_ns, text, once, checksum(seq, run_id, kind, time_ns, text, once))


def once_key(event: Event) -> str | None:
    """What makes a second row of the same fact the same row."""
    match event:
        case Submitted():
            return "submitted"
        case NodeHeld() | NodeReleased():
            return f"{event.kind}/{event.attempt}/{event.node}"
        case RankExited():
            return f"{event.kind}/{event.attempt}/{event.rank}"
        case PreemptRequested():
            return f"{event.kind}/{event.attempt}"
    return None


def event_of_row(row: Row) -> Event:
    """The event that `row_of_event` kept. Raises `HostError` for a row that a newer version wrote."""
    try:
        return event_from_row(row.kind, row.run_id, row.time_ns, json.loads(row.body))
    except (KeyError, TypeError) as error:  # a kind or a field that this version does not know
        raise newer_journal(f"its row {row.seq} of run {row.run_id}, '{row.kind}', is unknown here") from error


def anchor_of_row(row: Row) -> tuple[str, int]:
    """(boot id, offset in ns) of an anchor row."""
    body = json.loads(row.body)
    return str(body["boot_id"]), int(body["offset_ns"])


def newer_journal(reason: str) -> HostError:
    """The refusal to work on a journal of a version that knows more than this one."""
    return HostError(
        "journal_newer",
        f"the journal was written by a newer jupyter-aicci: {reason}. It was not changed.",
        hint="pip install --upgrade jupyter-aicci",
    )
