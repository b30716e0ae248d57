"""An HTTP connection whose address is a socket's path; apart, because `http.client` is 12 ms that a mere import need not pay."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 on a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("aicci", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    def exchange(self, verb: str, target: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        """(status, body) of one request. Raises `OSError`, also for what is no HTTP."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            self.request(verb, target, body=data, headers=headers)
            response = self.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise OSError(repr(error)) from error
