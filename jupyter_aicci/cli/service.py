"""`aicci service start|status|stop`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from jupyter_aicci.cli import DONE, UNREACHABLE
from jupyter_aicci.cli.output import answer
from jupyter_aicci.client import Client, ensure_service
from jupyter_aicci.model.text import duration
from jupyter_aicci.store.sockets import answers


def service(given: argparse.Namespace) -> int:
    """Start it, say how it stands, or end it; runs go on without it."""
    client = Client()
    if given.ACTION == "stop":
        ended = client.shutdown()
        answer({"stopped": ended}, "the service has ended; runs go on" if ended else "no service is running",
               as_json=given.json)  # fmt: skip
        return DONE
    if given.ACTION == "start":
        ensure_service(client.home)
    elif not answers(client.home.service_socket):
        answer(
            {"up": False, "home": str(client.home.root)},
            f"no service is running for {client.home.root}; the next run starts one",
            as_json=given.json,
        )
        return UNREACHABLE
    status = client.status()
    age_s = datetime.now(UTC).timestamp() - status["started_ns"] / 1e9
    lines = [
        (
            f"service {status['version']}, pid {status['pid']}, up {duration(max(0.0, age_s))}: "
            f"{status['running']} running, {status['queued']} queued; home {status['home']}"
        ),
        *status["notes"],
    ]
    answer({"up": True, **status}, "\n".join(lines), as_json=given.json)
    return DONE
