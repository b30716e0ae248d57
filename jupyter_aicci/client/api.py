"""The client: the service's routes, and runs as handles.

Rule: a submit lays the program out first and is made twice without harm; where it is refused, nothing is left behind.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyter_aicci.client.calls import Calls
from jupyter_aicci.client.fingerprint import fingerprint
from jupyter_aicci.client.program import Program, discard, lay_out
from jupyter_aicci.client.run import Run
from jupyter_aicci.client.starting import ensure_service
from jupyter_aicci.model.errors import AicciError, UserError
from jupyter_aicci.model.ids import RunId, new_run_id
from jupyter_aicci.model.spec import RunSpec

UNANSWERED = (
    "service_unreachable",
    "service_cannot_start",
)  # the service that died under a submit may have recorded it


class Client(Calls):
    """The service of one home, as its user sees it."""

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
        spec = replace(spec, fingerprint=spec.fingerprint or fingerprint(spec, program))
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
        return Run(self, summary, laid.notes)

    def run(self, ref: str) -> Run:
        """The run with this id, name or unique start of an id."""
        return Run(self, self.details(ref))


def _random_below(limit: int) -> int:
    """Uniform for powers of two, which is all that ids ask for."""
    return int.from_bytes(os.urandom(4), "little") % limit


def _secrets(spec: RunSpec, values: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in spec.secret if name not in values]
    if missing:
        raise UserError(
            "secret_missing", f"--secret {', '.join(missing)}: not in this process's environment. Nothing was submitted.",
            hint="Set it before the cell runs, for example with os.environ or getpass.", field="secret",
        )  # fmt: skip
    return {name: values[name] for name in spec.secret}
