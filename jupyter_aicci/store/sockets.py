"""Whether somebody listens on a Unix socket: asked by who wants the service, and by a second service that wants its place.

Rule: the standard library only, since both ask before anything else is imported.
"""

from __future__ import annotations

import socket
from pathlib import Path


def answers(path: Path) -> bool:
    """Whether somebody listens on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            sock.connect(str(path))
        except OSError:
            return False
    return True
