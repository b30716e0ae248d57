"""One replay from a trace to its numbers: the hosts, the policy, what it may know, the forecasts that are asked for.

In: a `Trace` and `Options`. Out: `Replay`. Faces read files into these and write what comes out.
Rule 1: the policies that know how long runs take are named here, and no other is told: `KNOWING`.
Rule 2: a policy whose placement is the pool looks at the count of free accelerators alone, so its cluster is one host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.scheduler import (
    Cluster,
    Decisions,
    Host,
    Policy,
    Queues,
    Runs,
    Waiting,
    cluster_of,
    decide,
    outlook,
    policy_named,
)
from jupyter_aicci.scheduler.decide import settled
from jupyter_aicci.scheduler.policies import Placing
from jupyter_aicci.scheduler.topology import Topology
from jupyter_aicci.traces import openb
from jupyter_aicci.traces.gangs import Gangs, flat_hosts, gangs, mapped_hosts
from jupyter_aicci.traces.metrics import filled_summary, summary
from jupyter_aicci.traces.progress import FreeRestarts, Progress, muri_costs
from jupyter_aicci.traces.simulate import Decide, Played, Stage, Watch, simulate
from jupyter_aicci.traces.table import NS
from jupyter_aicci.traces.trace import Trace

KNOWING = frozenset({"sjf", "srtf", "srsf", "easy", "conservative"})  # policies that are told exact run times
RESTART_COSTS = ("none", "muri")
PLACINGS = tuple(placing for placing in Placing if placing is not Placing.RANDOM)  # chance is openb's
FORECASTS = 500  # jobs of a trace that the forecast is asked about; each answer looks at every run there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a trace is played on, and how."""

    policy: str = ""  # "" = the default of our own
    nodes: int = 0  # hosts; 0 = those of the topology
    gpus: int = 8  # accelerators of each
    topology: Topology | None = None
    restart_costs: str = "none"
    placement: str = ""  # "" = the policy's own
    forecasts: int = FORECASTS  # at most so many jobs, evenly over the trace
    queues: Queues = field(default_factory=Queues)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """A trace that was played to its end."""

    trace: Trace
    gangs: Gangs
    policy: Policy
    accelerators: int
    played: Played
    summary: dict[str, Any]


def replay_trace(trace: Trace, options: Options, watch: Watch | None = None) -> Replay:
    """Play it. Raises `UserError`: bad_trace for jobs that do not fit, bad_cluster, unknown_policy, and the like."""
    policy = chosen_policy(options)
    hosts = (
        mapped_hosts(options.topology, options.gpus) if options.topology else flat_hosts(options.nodes, options.gpus)
    )
    found = gangs(trace, hosts=len(hosts), per_host=options.gpus)
    progress = _progress(options.restart_costs, trace, found)
    knows = policy.name in KNOWING
    stage = Stage(
        cluster=_cluster(hosts, options, found, policy),
        queues=replace(options.queues, policy=policy.name),
        knows_durations=knows,
        learns=policy.order == "gittins",
        decide=decided_by(policy),
        ask=_ask,
        asked=_asked(len(trace), options.forecasts) if knows or trace.limit_ns.any() else frozenset(),
        watch=watch,
    )
    played = simulate(trace, found, progress, stage)
    accelerators = len(hosts) * options.gpus
    numbers = summary(trace, found, played, work_ns=progress.work_ns, accelerators=accelerators)
    told = {"policy": policy.name, "placement": str(policy.placing), "format": trace.format}
    return Replay(
        trace=trace, gangs=found, policy=policy, accelerators=accelerators, played=played, summary=numbers | told
    )


def fill(
    pods: tuple[str, str], nodes: tuple[str, str], *, policy: str, placement: str, seed: int, watch: Watch | None = None
) -> dict[str, Any]:
    """The numbers of an openb workload; pods and nodes are (text, name of the file). Raises `UserError`."""
    if placement and placement not in list(openb.Placing):
        raise _unknown("placement", placement, list(openb.Placing))
    placing = openb.Placing(placement) if placement else openb.Placing.FGD
    filled = openb.replay_openb(
        openb.parse_nodes(*nodes),
        openb.parse_pods(*pods),
        source=pods[1],
        seed=seed,
        placing=placing,
        progress=watch or (lambda done, of: None),
    )
    return filled_summary(filled) | {
        "policy": policy_named(policy).name, "placement": str(placing), "format": "openb",
    }  # fmt: skip


def chosen_policy(options: Options) -> Policy:
    """The policy of these options. Raises `UserError` (unknown_policy, unknown_placement) with the nearest one."""
    policy = policy_named(options.policy)
    if not options.placement:
        return policy
    if options.placement not in PLACINGS:
        raise _unknown("placement", options.placement, PLACINGS)
    return replace(policy, placing=Placing(options.placement))


def decided_by(policy: Policy) -> Decide:
    """`scheduler.decide`; under a placement that is not the policy's own, the same with that placement."""
    if policy == policy_named(policy.name):
        return decide

    def decide_placed(cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Decisions:
        return settled(cluster, queues, runs, now_ns / NS, policy=policy).decisions()

    return decide_placed


def _cluster(hosts: Sequence[Host], options: Options, found: Gangs, policy: Policy) -> Cluster:
    if policy.placing is Placing.POOL:
        return cluster_of(flat_hosts(1, len(hosts) * options.gpus), shapes=found.shapes)
    topology = options.topology
    levels, links = (topology.levels, topology.links) if topology else ((), ())
    return cluster_of(hosts, levels=levels, links=links, shapes=found.shapes)


def _progress(costs: str, trace: Trace, found: Gangs) -> Progress:
    if costs not in RESTART_COSTS:
        raise _unknown("restart_costs", costs, RESTART_COSTS)
    return muri_costs(trace, found) if costs == "muri" else FreeRestarts(trace.work_ns)


def _ask(cluster: Cluster, queues: Queues, runs: Runs, request: Waiting, now_ns: int) -> tuple[int, int]:
    """The scheduler's start forecast for one more run."""
    told = outlook(cluster, queues, runs.submitted(request), now_ns).of(request.run_id)
    return _ns(told.start_s), _ns(told.latest_s)


def _asked(jobs: int, most: int) -> frozenset[int]:
    """Which jobs are asked about: all, or as many as there may be, evenly."""
    return frozenset(np.linspace(0, jobs - 1, min(jobs, most)).astype(int).tolist())


def _ns(moment_s: float) -> int:
    return round(moment_s * NS) if np.isfinite(moment_s) else -1


def _unknown(field: str, word: str, known: Sequence[str]) -> UserError:
    guess = did_you_mean(word, known)
    return UserError(
        f"unknown_{field}", f"--{field.replace('_', '-')} {word!r} is not known{': ' + guess if guess else '.'}",
        hint=f"Known are {', '.join(known)}.", field=field,
    )  # fmt: skip
