"""The service is there when it is needed: found by its socket, or started and waited for.

`python -m jupyter_aicci.service` returns as soon as a service answers, its own or the one that won a race, so two kernels that
start one at once both come back with the same service; a socket that a dead service left is that program's business as well.
Rule 1: the started service belongs to nobody's process group; the caller may die.
Rule 2: a service of an older version makes room for one of ours, which adopts its runs; a newer one is left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from jupyter_aicci import __version__
from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.identity import alive, claim_from_json
from jupyter_aicci.client.transport import call
from jupyter_aicci.model.errors import AicciError, HostError
from jupyter_aicci.store.paths import check_socket_dir
from jupyter_aicci.store.sockets import answers

if TYPE_CHECKING:
    from jupyter_aicci.agent.identity import Claim
    from jupyter_aicci.store.paths import Home

START_LIMIT_S = 20.0
TAIL_LINES = 15


def ensure_service(home: Home) -> None:
    """Return when a service of this home answers; raises `HostError` with the end of its log when none can be started."""
    check_socket_dir(home)
    if answers(home.service_socket):
        if not _is_older(_version_of(home)):
            return
        _end(home)
    start_service(home)


def _version_of(home: Home) -> str:
    """The version of the service as it introduced itself, "" where it did not."""
    introduced = read_json(home.service_json) or {}
    return str(introduced.get("version", ""))


def _is_older(version: str) -> bool:
    """Whether a service of this version was started before the package was upgraded to ours."""
    return bool(version) and _numbers(version) < _numbers(__version__)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _end(home: Home) -> None:
    """Have the service end and wait until its process has; its runs go on, and its socket may stay for a moment longer."""
    claim = _claim_of(home)
    with contextlib.suppress(AicciError):
        call(home.service_socket, "POST", "/v1/shutdown", {})
    deadline_s = time.monotonic() + START_LIMIT_S
    while claim is not None and alive(claim) and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _claim_of(home: Home) -> Claim | None:
    """Who the service is, by its introduction."""
    return claim_from_json((read_json(home.service_json) or {}).get("claim"))


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
