"""What clients and services that were killed half-way have left in the home, taken away when a service starts.

In: the home and the journal's runs. Gone: folders that a dead client was building, secrets of submits that were never recorded.
Rule: a run's own folder is never touched; the client that laid it out may send its submit again.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Container
from pathlib import Path

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.paths import Home

BUILDING = re.compile(r"\.r\w{7}\.(\d+)\.tmp")  # client/program.py makes it; the number is its process


def clear(home: Home, runs: Container[RunId]) -> None:
    """Take it away; what cannot be stays."""
    for path in home.runs_dir.iterdir():
        match = BUILDING.fullmatch(path.name)
        if match and not Path("/proc", match[1]).exists():
            shutil.rmtree(path, ignore_errors=True)
        elif RunId(path.name) not in runs:
            with contextlib.suppress(OSError):
                home.secrets_json(RunId(path.name)).unlink()
