"""What aicci itself takes: the service's start to its first answer, what it needs while idle, and an agent's memory."""

from __future__ import annotations

import json
import time

from common import arguments, boot_s, cpu_s, own_house, processes_with, report, rss_bytes, spread, until
from programs import SLEEP

IDLE_S = 30.0


def main() -> None:
    starts, first_s = min(arguments().launches, 10), []
    with own_house() as root:
        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        client = Client()
        for _ in range(starts):
            began_s = boot_s()
            pid = client.status()["pid"]
            first_s.append(boot_s() - began_s)
            client.shutdown()
            until("the service's end", lambda: not processes_with(str(root)))
        run = client.submit(parse_spec({"framework": "plain", "grace": 0.2}), Program(text=SLEEP))
        until("the rank ready", lambda: "ready" in run.logs(0))
        time.sleep(3.0)  # memory settles; what is measured is the state, not the moment
        claim = json.loads((client.home.node_dir(run.id, 1, 0) / "agent.claim").read_text())
        agent_bytes = rss_bytes(claim["pid"])
        run.stop()
        run.wait(60)
        pid = client.status()["pid"]
        before_s = cpu_s(pid)
        time.sleep(IDLE_S)
        idle_ratio = (cpu_s(pid) - before_s) / IDLE_S
        service_bytes = rss_bytes(pid)
    figures = {
        "starts": starts,
        **spread("start_to_first_answer", first_s),
        "idle_service_rss_mb": round(service_bytes / 1e6, 1),
        "idle_service_cpu_ratio": round(idle_ratio, 5),
        "agent_rss_mb": round(agent_bytes / 1e6, 1),
    }
    report("service", figures)


if __name__ == "__main__":
    main()
