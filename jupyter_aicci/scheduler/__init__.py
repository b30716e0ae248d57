"""Which waiting runs start now, where, and why the others do not.

`decide(cluster, queues, runs, now_ns) -> Decisions` is the one scheduling function: the live service, the forecast and
the property tests call it and nothing else. `forecast` asks it about a run that was not sent; `refusal` says at
submission that a run could never start.
Rule: no clock, no I/O, no randomness; equal arguments give equal decisions. Imports `model` only.
"""

from jupyter_aicci.scheduler.cluster import Cluster, Host
from jupyter_aicci.scheduler.decisions import (
    Decisions,
    Never,
    Queue,
    Start,
    Wait,
    Waiting,
    WhyClass,
    waiting_of,
    waiting_of_spec,
)
from jupyter_aicci.scheduler.first_come import decide, forecast, refusal

__all__ = [
    "Cluster",
    "Decisions",
    "Host",
    "Never",
    "Queue",
    "Start",
    "Wait",
    "Waiting",
    "WhyClass",
    "decide",
    "forecast",
    "refusal",
    "waiting_of",
    "waiting_of_spec",
]
