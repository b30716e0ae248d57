"""One method per route of the service; docs/explanation/processes-and-files.md section 6 has the answers' keys.

Rule 1: every call may start the service, and a call under which it died is made again with a new one; all calls but `shutdown`
may be made twice without harm (a submit by its id, a stop by its nature).
Rule 2: errors are the service's own, `AicciError`s with its code and hint. Answers are JSON objects; handles are `api`'s.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from jupyter_aicci.client.starting import ensure_service
from jupyter_aicci.client.transport import Unreachable, call
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.store.paths import Home, check_socket_dir
from jupyter_aicci.store.sockets import answers

LONG_POLL_S = 25.0
AGAIN_S = (0.0, 0.05, 0.2)


class Calls:
    """The routes of the service of one home."""

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or Home.from_environment(os.environ)

    def request(
        self, verb: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = 30.0, **query: Any
    ) -> Any:
        """The JSON answer to `verb path?query`; starts the service, and again if it died under the request."""
        asked = {key: value for key, value in query.items() if value is not None}
        target = path + ("?" + urlencode(asked) if asked else "")
        check_socket_dir(self.home)
        for pause_s in AGAIN_S:
            try:
                return call(self.home.service_socket, verb, target, body, timeout_s=timeout_s)
            except Unreachable as error:
                if error.silent:
                    raise  # it lives: another one would not be let in
            time.sleep(pause_s)  # a dying service's socket may outlive our connection by a moment
            ensure_service(self.home)
        return call(self.home.service_socket, verb, target, body, timeout_s=timeout_s)

    def status(self) -> dict[str, Any]:
        """`pid, version, started_ns, home, running, queued`."""
        return dict(self.request("GET", "/v1/status"))

    def forecast(self, spec: RunSpec) -> dict[str, Any]:
        """What would happen to this spec now; sends nothing. Raises `UserError` where it can never run."""
        return dict(self.request("POST", "/v1/forecast", {"spec": spec.to_json()}))

    def forecasts(self, spec: RunSpec) -> dict[str, Any]:
        """What would happen on each shape, `{"now_ns", "asked", "answers"}`, with what runs of the same program showed."""
        return dict(self.request("POST", "/v1/forecasts", {"spec": spec.to_json()}))

    def runs(self) -> list[dict[str, Any]]:
        """Summaries of all runs, newest first."""
        return list(self.request("GET", "/v1/runs"))

    def details(self, ref: str) -> dict[str, Any]:
        """Summary, spec, attempts, verdict, what it waits for, stop, and the rows of its journal."""
        return dict(self.request("GET", _run_path(ref)))

    def stop(self, ref: str, *, grace_s: float | None = None, reason: str = "") -> dict[str, Any]:
        """Ask the run to end; the summary says how far it is. A second stop with less grace shortens the first."""
        wish: dict[str, Any] = {"reason": reason} if reason else {}
        if grace_s is not None:
            wish["grace_s"] = grace_s
        return dict(self.request("POST", _run_path(ref) + "/stop", wish))

    def wait_row(self, ref: str, *, after: int, timeout_s: float = LONG_POLL_S) -> dict[str, Any]:
        """`{"seq", "run", "watchers"}` as soon as the run has a row past `after`, or after `timeout_s` as it is."""
        target = f"{_run_path(ref)}/wait?{urlencode({'after': after, 'timeout_s': timeout_s})}"
        return dict(self.request("GET", target, timeout_s=timeout_s + 30.0))

    def logs(
        self, ref: str, *, rank: int = 0, offset: int = 0, limit: int = 65536, attempt: int | None = None
    ) -> dict[str, Any]:
        """`{"rank", "text", "offset", "size", "ended"}`; a negative offset counts from the end."""
        path = _run_path(ref) + "/logs"
        return dict(self.request("GET", path, rank=rank, offset=offset, limit=limit, attempt=attempt))

    def cost(self, ref: str) -> dict[str, Any]:
        """The ledger of one run: `total_micro, currency, entries` and what they were computed from."""
        return dict(self.request("GET", _run_path(ref) + "/cost"))

    def costs(self, by: str) -> dict[str, Any]:
        """What all runs cost together by `user`, `queue`, `shape` or `day`, and what of it was useful."""
        return dict(self.request("GET", "/v1/costs", by=by))

    def focus(self) -> dict[str, Any]:
        """All bills as rows of FOCUS 1.2."""
        return dict(self.request("GET", "/v1/costs/focus"))

    def correct(self, ref: str, amount_micro: int, reason: str) -> dict[str, Any]:
        """Put an amount beside a run's bill, as an invoice has it; what is there stays. Answers the bill."""
        return dict(self.request("POST", _run_path(ref) + "/cost", {"amount_micro": amount_micro, "reason": reason}))

    def view(
        self, ref: str, *, width_px: int = 800, from_s: float | None = None, to_s: float | None = None
    ) -> dict[str, Any]:
        """The timeline's View as JSON."""
        return dict(self.request("GET", _run_path(ref) + "/view", width_px=width_px, from_s=from_s, to_s=to_s))

    def speed(self, ref: str, *, nodes: Sequence[int] = ()) -> dict[str, Any]:
        """What was measured of its speed, its speed-up over a smaller run, and forecasts for so many `nodes`."""
        asked = ",".join(map(str, nodes)) or None
        return dict(self.request("GET", _run_path(ref) + "/speed", nodes=asked))

    def shapes(self) -> list[dict[str, Any]]:
        """What a node may get on this machine, with prices and what is free."""
        return list(self.request("GET", "/v1/shapes"))

    def line(self) -> list[dict[str, Any]]:
        """The runs that wait, first in line first: why, when each is expected to start, and where."""
        return list(self.request("GET", "/v1/forecast"))

    def data(self) -> list[dict[str, Any]]:
        """Data sets that runs have mounted: where they are, how large, who used them last."""
        return list(self.request("GET", "/v1/data"))

    def queues(self) -> list[dict[str, Any]]:
        """Where runs wait: what each queue may count on, what its runs hold, how many run and wait."""
        return list(self.request("GET", "/v1/queues"))

    def warm(self, *, python: str, framework: str) -> None:
        """Prepare a zygote, so that the next run of this interpreter and framework starts at once."""
        self.request("POST", "/v1/warm", {"python": python, "framework": framework})

    def shutdown(self) -> bool:
        """End the service; runs go on. False when none was running."""
        if not answers(self.home.service_socket):
            return False
        try:
            call(self.home.service_socket, "POST", "/v1/shutdown", {})
        except Unreachable as error:
            return error.sent
        return True


def _run_path(ref: str) -> str:
    return f"/v1/runs/{quote(ref, safe='')}"
