"""A client process like a notebook's kernel: `python storm_kernel.py LIST OVER` submits the runs of a list and stops some of them.

LIST is JSON, [[run id, kind]]; as soon as the file OVER is there nothing new is submitted, and the process ends with the last run.
Rule: it remembers nothing. Killed and started again it looks at the service, and submits what is not there: same id, same run.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from storm_programs import KINDS

from jupyter_aicci.client import Client, Program
from jupyter_aicci.model.errors import ConflictError, HostError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.model.states import TERMINAL
from jupyter_aicci.store.paths import Home

ALIVE = 5  # runs at once; the tests' machine is said to have eight CPUs
LOOK_S = 0.05


def submit(client: Client, run_id: str, name: str) -> None:
    kind = KINDS[name]
    shape = f"cpux{kind.spec.get('ranks_per_node', 1)}"
    spec = {"framework": "plain", "python": sys.executable, "grace": 1.0, "shape": shape, "name": name, **kind.spec}
    client.submit(parse_spec(spec), Program(text=kind.program), run_id=RunId(run_id))


def look(client: Client, wanted: list[tuple[str, str]], *, over: bool) -> bool:
    """Bring the service up to the list; whether there is nothing left to do."""
    known = {row["id"]: row["state"] for row in client.runs()}
    alive = sum(state not in TERMINAL for state in known.values())
    for run_id, name in wanted:
        state = known.get(run_id)
        if state is None and not over and alive < ALIVE:
            submit(client, run_id, name)
            alive += 1
        elif state == "running" and KINDS[name].stop:
            client.stop(run_id, grace_s=0.5, reason="the kernel wants it so")
    return not alive and (over or len(known) == len(wanted))


def main(list_path: str, over_path: str) -> None:
    wanted = [(run_id, kind) for run_id, kind in json.loads(Path(list_path).read_text())]
    client = Client(Home.from_environment(os.environ))
    while True:
        with contextlib.suppress(
            HostError, ConflictError
        ):  # killed under the request, twice; ended before it was stopped
            if look(client, wanted, over=os.path.exists(over_path)):
                return
        time.sleep(LOOK_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
