"""The service is there when it is needed: found by its socket, or started and waited for.

`python -m jupyter_aicci.service` returns as soon as a service answers, its own or the one that won a race, so two kernels that
start one at once both come back with the same service; a socket that a dead service left is that program's business as well.
Rule: the started service belongs to nobody's process group; the caller may die.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from jupyter_aicci.client.transport import answers
from jupyter_aicci.model.errors import HostError

if TYPE_CHECKING:
    from jupyter_aicci.store.paths import Home

START_LIMIT_S = 20.0
TAIL_LINES = 15


def ensure_service(home: Home) -> None:
    """Return when a service of this home answers; raises `HostError` with the end of its log when none can be started."""
    if not answers(home.service_socket):
        start_service(home)


def start_service(home: Home) -> None:
    """Start a service for this home and wait until it answers; harmless when one runs."""
    import subprocess

    command = [sys.executable, "-m", "jupyter_aicci.service"]
    try:
        done = subprocess.run(
            command,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise _cannot_start(home, f"it did not answer within {START_LIMIT_S:.0f} s") from None
    except OSError as error:
        raise _cannot_start(home, f"{sys.executable} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise _cannot_start(home, done.stderr.strip() or f"exit status {done.returncode}")


def _environment(home: Home) -> dict[str, str]:
    """The caller's environment, with the home spelled out."""
    return {**os.environ, "AICCI_HOME": str(home.root), "AICCI_RUNTIME": str(home.runtime)}


def _cannot_start(home: Home, why: str) -> HostError:
    tail = _log_tail(home)
    return HostError(
        "service_cannot_start",
        f"the aicci service cannot start: {why}"
        + (f"\nThe end of its log {home.service_log}:\n{tail}" if tail else ""),
        hint="Correct that and try again; `aicci service start` starts it by hand.",
    )


def _log_tail(home: Home) -> str:
    try:
        lines = home.service_log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])
