"""One method per route of the service; docs/explanation/processes-and-files.md section 6 has the answers' keys.

Rule 1: every call may start the service, and a call under which it died is made again with a new one; all calls but `shutdown`
may be made twice without harm (a submit by its id, a stop by its nature).
Rule 2: errors are the service's own, `AicciError`s with its code and hint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from jupyter_aicci.client.program import Program, discard, lay_out
from jupyter_aicci.client.starting import ensure_service
from jupyter_aicci.client.transport import Unreachable, answers, call
from jupyter_aicci.model.errors import AicciError, UserError
from jupyter_aicci.model.ids import RunId, new_run_id
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.store.paths import Home

if TYPE_CHECKING:
    from jupyter_aicci.client.run import Run

LONG_POLL_S = 25.0
AGAIN_S = (0.0, 0.05, 0.2)
UNANSWERED = (
    "service_unreachable",
    "service_cannot_start",
)  # the service that died under a submit may have recorded it


class Client:
    """The service of one home, as its user sees it."""

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or Home.from_environment(os.environ)

    def request(
        self, verb: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = 30.0, **query: Any
    ) -> Any:
        """The JSON answer to `verb path?query`; starts the service, and again if it died under the request."""
        asked = {key: value for key, value in query.items() if value is not None}
        target = path + ("?" + urlencode(asked) if asked else "")
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

    def submit(
        self,
        spec: RunSpec,
        program: Program,
        *,
        run_id: RunId | None = None,
        secret_values: Mapping[str, str] | None = None,
    ) -> Run:
        """Lay the program out in its run's folder and hand the run to the service.

        The same `run_id` twice is one run. Raises `UserError` (what is wrong with spec or program) and `HostError` (disk full);
        then nothing is left behind. Where no answer came the folder stays: the run may exist, and the same id submits it again.
        """
        run_id = run_id or new_run_id(_random_below)
        body: dict[str, Any] = {"id": run_id, "spec": spec.to_json()}
        if spec.secret:
            body["secrets"] = _secrets(spec, os.environ if secret_values is None else secret_values)
        ensure_service(self.home)  # before anything is written: no service, no half-made run
        laid = lay_out(self.home, run_id, program)
        try:
            summary = self.request("POST", "/v1/runs", body)
        except AicciError as error:
            if laid.fresh and error.code not in UNANSWERED:
                discard(self.home, run_id)
            raise
        return self._handle(summary, laid.notes)

    def forecast(self, spec: RunSpec) -> dict[str, Any]:
        """What would happen to this spec now; sends nothing. Raises `UserError` where it can never run."""
        return dict(self.request("POST", "/v1/forecast", {"spec": spec.to_json()}))

    def runs(self) -> list[dict[str, Any]]:
        """Summaries of all runs, newest first."""
        return list(self.request("GET", "/v1/runs"))

    def run(self, ref: str) -> Run:
        """The run with this id, name or unique start of an id."""
        return self._handle(self.request("GET", _run_path(ref)))

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
        """`{"seq", "run"}` as soon as the run has a row past `after`, or after `timeout_s` as it is."""
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

    def view(
        self, ref: str, *, width_px: int = 800, from_s: float | None = None, to_s: float | None = None
    ) -> dict[str, Any]:
        """The timeline's View as JSON."""
        return dict(self.request("GET", _run_path(ref) + "/view", width_px=width_px, from_s=from_s, to_s=to_s))

    def shapes(self) -> list[dict[str, Any]]:
        """What a node may get on this machine, with prices and what is free."""
        return list(self.request("GET", "/v1/shapes"))

    def queues(self) -> list[dict[str, Any]]:
        """Where runs wait."""
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

    def _handle(self, summary: dict[str, Any], notes: tuple[str, ...] = ()) -> Run:
        from jupyter_aicci.client.run import Run

        return Run(self, summary, notes)


def _random_below(limit: int) -> int:
    """Uniform for powers of two, which is all that ids ask for."""
    return int.from_bytes(os.urandom(4), "little") % limit


def _run_path(ref: str) -> str:
    return f"/v1/runs/{quote(ref, safe='')}"


def _secrets(spec: RunSpec, values: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in spec.secret if name not in values]
    if missing:
        raise UserError(
            "secret_missing", f"--secret {', '.join(missing)}: not in this process's environment. Nothing was submitted.",
            hint="Set it before the cell runs, for example with os.environ or getpass.", field="secret",
        )  # fmt: skip
    return {name: values[name] for name in spec.secret}
