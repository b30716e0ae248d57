"""Which waiting runs start now, where, and why the others do not.

`decide(cluster, queues, runs, now_ns) -> Decisions` is the one scheduling function: the live service, the forecast, the
replay of traces and the property tests call it and nothing else. `outlook` says when the others start, `why` why they wait,
and `refusal`, at submission, that a run could never start.
Rule: no clock, no I/O, no randomness; equal arguments give equal decisions. Imports `model` and numpy only.
"""

from jupyter_aicci.scheduler.backfill import promise_of
from jupyter_aicci.scheduler.cluster import Cluster, cluster_of
from jupyter_aicci.scheduler.decide import decide
from jupyter_aicci.scheduler.decisions import Decisions, Never, Preempt, Reserve, Start, Wait, WhyClass
from jupyter_aicci.scheduler.explain import why
from jupyter_aicci.scheduler.fabric import Host, NodeState
from jupyter_aicci.scheduler.forecast import Forecast, Outlook, domain_of, outlook
from jupyter_aicci.scheduler.never import never, refusal, would_start_now
from jupyter_aicci.scheduler.order import History
from jupyter_aicci.scheduler.policies import POLICIES, Policy, policy_named
from jupyter_aicci.scheduler.queues import Queue, Queues, parse_queues
from jupyter_aicci.scheduler.runs import Promise, Running, Runs, Waiting, runs_of

__all__ = [
    "POLICIES",
    "Cluster",
    "Decisions",
    "Forecast",
    "History",
    "Host",
    "Never",
    "NodeState",
    "Outlook",
    "Policy",
    "Preempt",
    "Promise",
    "Queue",
    "Queues",
    "Reserve",
    "Running",
    "Runs",
    "Start",
    "Wait",
    "Waiting",
    "WhyClass",
    "cluster_of",
    "decide",
    "domain_of",
    "never",
    "outlook",
    "parse_queues",
    "policy_named",
    "promise_of",
    "refusal",
    "runs_of",
    "why",
    "would_start_now",
]
