"""All bills as a FOCUS 1.2 file for the tools of those who pay them.

In: the rows that the service makes. Out: a CSV file, written whole or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_aicci.agent.files import write_atomic
from jupyter_aicci.client.calls import Calls
from jupyter_aicci.pricing.focus import to_csv
from jupyter_aicci.store.disk import from_os_error


def save_focus(client: Calls, file: Path) -> dict[str, Any]:
    """Write the file; `{"version", "file", "rows"}`. Raises `HostError` where it cannot be written."""
    found, file = client.focus(), file.expanduser()
    try:
        write_atomic(file, to_csv(found["rows"]).encode())
    except OSError as error:
        raise from_os_error(error, file, "writing to") from error
    return {"version": found["version"], "file": str(file), "rows": len(found["rows"])}
