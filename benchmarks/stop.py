"""From Stop to nothing of the run alive, for ranks and daemons that ignore SIGTERM; the grace is taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import arguments, boot_s, own_house, processes_with, report, spread, until
from programs import STUBBORN

if TYPE_CHECKING:
    from jupyter_aicci.client import Client

GRACE_S = 0.5


def beyond_grace_s(client: Client) -> float:
    """One run that has to be killed; the time from the request until no process carries its mark, less the grace."""
    from jupyter_aicci.client import Program
    from jupyter_aicci.model.spec import parse_spec

    spec = {"ranks_per_node": 2, "grace": GRACE_S, "framework": "plain"}
    run = client.submit(parse_spec(spec), Program(text=STUBBORN))
    until("both ranks ready", lambda: all("ready" in run.logs(rank) for rank in (0, 1)))
    began_s = boot_s()
    run.stop()
    until("nothing of the run alive", lambda: not processes_with(f"AICCI_RUN={run.id}"))
    seconds = boot_s() - began_s - GRACE_S
    run.wait(60)
    return seconds


def main() -> None:
    stops = arguments().launches
    with own_house():
        from jupyter_aicci.client import Client

        client = Client()
        over_s = [beyond_grace_s(client) for _ in range(stops)]
    report("stop", {"stops": stops, "grace_s": GRACE_S, **spread("beyond_grace", over_s)})


if __name__ == "__main__":
    main()
