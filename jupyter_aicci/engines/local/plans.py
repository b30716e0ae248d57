"""plan.json of one node: everything its agent, keeper and ranks need to know (processes-and-files.md, section 4).

In: the run with its placed attempt, the host's environment. Out: the JSON object.
Rule 1: the plan is written once, whole, before the agent starts.
Rule 2: it stays in the run's folder, so it names secrets and holds none; the keeper reads their values from secrets.json.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.engines.local.inventory import pinnable
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.provision import launcher_environment, rank_environment
from jupyter_aicci.store.paths import Home

SETTLE_S = 0.5  # after a rank failed, so that the others can still say what they saw
HANG_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the plan takes from outside the run."""

    home: Home
    base: Mapping[str, str]  # the host's environment
    data: Mapping[str, str]  # name -> absolute path
    read_only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rank_table_file: str = ""


def plan_of(run: Run, attempt: Attempt, node: int, around: Surroundings) -> dict[str, Any]:
    """The plan of node `node` of the attempt."""
    spec, placement = run.spec, attempt.placement
    return {
        "run_id": run.id,
        "attempt": attempt.number,
        "node": node,
        "nodes": len(placement.nodes),
        "run_dir": str(around.home.run_dir(run.id)),
        "python": spec.python or sys.executable,
        "framework": spec.framework,
        "warm": True,
        "source": spec.source,
        "argv": list(spec.argv),
        "launcher": spec.launcher,
        "ranks": _ranks(run, attempt, node, around),
        "grace_s": spec.grace,
        "cap_t_ns": attempt.cap_t_ns,
        "settle_s": SETTLE_S,
        "hang_s": HANG_S,
        "memory_limit_bytes": 0,
        "cpus": list(pinnable(placement.nodes[node].cpus)),
        "resume_step": attempt.resume_step,
        "push": list(spec.push),
        "pull": list(spec.pull),
        "secrets": list(spec.secret),
        "data": dict(around.data),
        "read_only": list(around.read_only),
        "notes": list(around.notes),
        "cell_name": spec.cell_name,
        "cell_first_line": spec.cell_first_line,
        "runtime_dir": str(around.home.runtime),
    }


def ranks_of(run: Run, attempt: Attempt, node: int) -> tuple[int, ...]:
    """The ranks of a node; a launcher is one."""
    per_node = 1 if run.spec.launcher else attempt.placement.ranks_per_node
    return tuple(range(node * per_node, (node + 1) * per_node))


def _ranks(run: Run, attempt: Attempt, node: int, around: Surroundings) -> list[dict[str, Any]]:
    common: dict[str, Any] = {
        "placement": attempt.placement,
        "port": attempt.port,
        "node": node,
        "run_id": run.id,
        "attempt": attempt.number,
        "node_dir": str(around.home.node_dir(run.id, attempt.number, node)),
        "python": run.spec.python or sys.executable,
        "user": _user_environment(run),
        "rank_table_file": around.rank_table_file,
    }
    if run.spec.launcher:
        env = launcher_environment(around.base, **common) | _homes(around.home)
        return [{"rank": node, "local_rank": 0, "env": env}]
    ranks = []
    for local_rank, rank in enumerate(ranks_of(run, attempt, node)):
        env = rank_environment(around.base, local_rank=local_rank, retries=run.spec.retries, **common)
        ranks.append({"rank": rank, "local_rank": local_rank, "env": env | _homes(around.home)})
    return ranks


def _homes(home: Home) -> dict[str, str]:
    """So that a program that uses the client, and a person who looks at /proc, find the right home."""
    return {"AICCI_HOME": str(home.root), "AICCI_RUNTIME": str(home.runtime)}


def _user_environment(run: Run) -> dict[str, str]:
    return dict(item.split("=", 1) for item in run.spec.env)
