"""HTTP/1.1 with JSON on a Unix socket: one connection a call, by the standard library alone.

In: the socket's path, a verb, a path and a JSON body. Out: the JSON answer, or the `AicciError` that the answer stands for.
Rule 1: no tornado, numpy or Jupyter here: the kernel and the CLI import this first and pay for every millisecond.
Rule 2: `Unreachable` says whether the request may have arrived; who calls decides whether to send it again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_aicci.model.errors import HostError, error_from_json


class Unreachable(HostError):
    """No answer from the service. `sent`: the request may have been carried out; `silent`: it lives, and says nothing."""

    def __init__(self, message: str, *, sent: bool, silent: bool = False) -> None:
        super().__init__("service_unreachable", message, hint="`aicci service start` starts it and says what is wrong.")
        self.sent, self.silent = sent, silent


def call(path: Path, verb: str, target: str, body: dict[str, Any] | None = None, *, timeout_s: float = 30.0) -> Any:
    """The JSON answer to one request; raises `Unreachable` or the error that the service answered with."""
    from jupyter_aicci.client.connection import UnixConnection

    connection = UnixConnection(path, timeout_s)
    try:
        try:
            connection.connect()
        except OSError as error:
            raise Unreachable(f"the service's socket {path} cannot be reached ({error}).", sent=False) from None
        try:
            status, raw = connection.exchange(verb, target, body)
        except OSError as error:
            what = "did not answer in time" if isinstance(error, TimeoutError) else f"broke off ({error})"
            raise Unreachable(f"the service at {path} {what}.", sent=True) from None
    finally:
        connection.close()
    answer = _decode(raw)
    if status >= 400:
        raise error_from_json(answer if isinstance(answer, dict) else {}, status)
    return answer


def _decode(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return {"code": "bad_answer", "message": f"the service's answer is no JSON: {raw[:200]!r}"}
