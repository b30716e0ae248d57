"""Why a run can never start, in one sentence, and what would.

In: a cluster, its queues, and a run. Out: the `Never` with its text, or None where it can start some day.
Rule: a hint is tried on the cluster before it is given: what it says would run, would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.text import size
from jupyter_aicci.scheduler.choose import AUTO, Choice, candidates, choices, fits_now, highest_level, ranks_on
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Never
from jupyter_aicci.scheduler.free import whole_of
from jupyter_aicci.scheduler.queues import Queues, asked
from jupyter_aicci.scheduler.runs import Kind, Waiting
from jupyter_aicci.scheduler.turns import quota_tree


def never(cluster: Cluster, queues: Queues, run: Waiting) -> Never | None:
    """Why the run could not start even on the emptied cluster, None if it could."""
    error = _refusal(cluster, queues, run)
    if error is None:
        return None
    return Never(run_id=run.run_id, code=error.code, text=error.message, hint=error.hint, field=error.field)


def refusal(cluster: Cluster, queues: Queues, run: Waiting) -> UserError | None:
    """The error for a run that could never start, told before it is accepted; None if it can."""
    refused = never(cluster, queues, run)
    return refused.error() if refused else None


def _refusal(cluster: Cluster, queues: Queues, run: Waiting) -> UserError | None:
    closed = queues.refusal(run.queue)
    if closed is not None:
        return closed
    known = [AUTO, *(shape.name for shape in cluster.shapes)]
    for name in run.shapes:
        if name not in known:
            return UserError(
                "unknown_shape", f"shape {name!r} is not offered here{_guess(name, known)}.",
                hint="`%aicci shapes` lists what is.", field="shape",
            )  # fmt: skip
    if run.hard_level and highest_level(cluster.fabric, run.kind) is None:
        levels = cluster.fabric.tree.levels
        return UserError(
            "unknown_level", f"level {run.hard_level!r} is not one of this cluster's{_guess(run.hard_level, levels)}.",
            hint=f"--topology hard:LEVEL takes {', '.join(levels[1:])}.", field="topology",
        )  # fmt: skip
    options = choices(cluster.fabric, run.kind)
    if options:
        return _over_limit(cluster, queues, run, options[0])
    return UserError(
        "never_fits", f"this run can never start here: {_too_much(cluster, run)}.",
        hint=_what_would(cluster, run), field=_field(cluster, run),
    )  # fmt: skip


def _over_limit(cluster: Cluster, queues: Queues, run: Waiting, choice: Choice) -> UserError | None:
    """The error for a run that is larger than its queue may ever be; None if it is not."""
    tree = quota_tree(cluster.fabric, queues)
    quota = tree.too_large(run.queue, tree.vector(asked(choice.shape, run.kind.sizes[-1])))
    if quota is None:
        return None
    return UserError(
        "over_quota", f"this run can never start in queue {run.queue}: {quota.text}.",
        hint="`%aicci queues` lists the queues and their limits.", field="queue",
    )  # fmt: skip


def _guess(word: str, known: Sequence[str]) -> str:
    guess = did_you_mean(word, known)
    return f"; {guess.removesuffix('?')}" if guess else ""


def _too_much(cluster: Cluster, run: Waiting) -> str:
    """What the run asks for, against what there is."""
    kind, shape = run.kind, _shape_meant(cluster, run.kind)
    if shape is None:
        return "no host offers a shape"
    if ranks_on(shape, kind) > shape.slots:
        takes = f"{shape.name}, the largest," if AUTO in kind.shapes else f"a {shape.name} node"
        return (
            f"it asks for {kind.ranks_per_node} ranks a node, "
            f"and {takes} takes {shape.slots} (one per {'accelerator' if shape.accelerators else 'CPU'})"
        )
    nodes = kind.sizes[-1]
    gang = f"{nodes} {shape.name} node{'s' if nodes > 1 else ''}"
    if kind.hard_level and replace(kind, hard_level="") and choices(cluster.fabric, replace(kind, hard_level="")):
        name, most = _largest_domain(cluster, shape, kind)
        return (
            f"it asks for {gang} under one {kind.hard_level} (--topology hard:{kind.hard_level}), "
            f"and the largest, {name}, takes {most}"
        )
    asks, has = scarcest(cluster.emptied(), shape, nodes)
    return f"it asks for {gang} ({asks}), and {_place_name(cluster)} has {has}"


def _largest_domain(cluster: Cluster, shape: Shape, kind: Kind) -> tuple[str, int]:
    """(name of the domain of the level that takes most nodes, how many it takes)"""
    tree, level = cluster.fabric.tree, highest_level(cluster.fabric, kind) or 0
    sums = np.add.reduceat(whole_of(cluster.fabric).room(shape), tree.starts[level])
    return tree.names[level][int(sums.argmax())], int(sums.max())


def _shape_meant(cluster: Cluster, kind: Kind) -> Shape | None:
    """The shape to speak of: the first that takes the ranks, else the first named one, else the largest."""
    for name in kind.shapes:
        for choice in candidates(cluster.fabric, kind, name):
            return choice.shape
    named = [shape for name in kind.shapes for shape in cluster.shapes if shape.name == name]
    return named[0] if named else max(cluster.shapes, key=lambda shape: shape.slots, default=None)


def scarcest(cluster: Cluster, shape: Shape, nodes: int) -> tuple[str, str]:
    """(what `nodes` of the shape need, what is free of it) for the resource that there is too little of."""
    free, mine = cluster.free, cluster.fabric.accepting(shape)
    devices = int((np.maximum(free.share[mine], 0) // shape.accelerator_milli).sum()) if free.share.size else 0
    cpus, memory = int(free.cpu_milli[mine].sum()) // 1000, int(free.memory[mine].sum())
    if shape.accelerators * nodes > devices:
        return f"{shape.accelerators * nodes} {shape.accelerator}", f"{devices}"
    if shape.cpus * nodes > cpus:
        return count(shape.cpus * nodes, "CPU"), f"{cpus}"
    if shape.memory_bytes * nodes > memory:
        return f"{size(shape.memory_bytes * nodes)} of memory", size(memory)
    each = f"{shape.accelerators} {shape.accelerator}" if shape.accelerators else count(shape.cpus, "CPU")
    return f"{each} each, on one host", f"room for {cluster.room(shape)}"


def count(number: int, what: str) -> str:
    """`1 CPU`, `2 CPUs`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _place_name(cluster: Cluster) -> str:
    return "this host" if len(cluster.hosts) == 1 else f"all {len(cluster.hosts)} hosts together"


def _field(cluster: Cluster, run: Waiting) -> str:
    shape = _shape_meant(cluster, run.kind)
    if shape is not None and ranks_on(shape, run.kind) > shape.slots:
        return "ranks_per_node"
    soft = replace(run.kind, hard_level="")
    return "topology" if run.hard_level and choices(cluster.fabric, soft) else "nodes"


def _what_would(cluster: Cluster, run: Waiting) -> str:
    """The nearest thing that would run, as options to type, and whether it would start now."""
    for options, kind in alternatives(cluster, run.kind):
        if choices(cluster.fabric, kind):
            when = "would start now" if fits_now(cluster, kind) else "would run when what is held is free"
            return f"{options} {when}."
    return "`%aicci shapes` lists what is."


def would_start_now(cluster: Cluster, kind: Kind) -> str:
    """The nearest change that would start the run on what is free now, as options to type; "" = none would."""
    return next((options for options, other in alternatives(cluster, kind) if fits_now(cluster, other)), "")


def alternatives(cluster: Cluster, kind: Kind) -> Iterator[tuple[str, Kind]]:
    """Any place, then fewer nodes, another shape, fewer ranks, then both; each with the options that say it.

    Counting down begins at what the emptied cluster has: a count that was typed may be absurd.
    """
    whole = replace(kind, min_nodes=0)
    if kind.hard_level:
        yield "--topology soft", replace(kind, hard_level="")
    most_nodes = max((cluster.emptied().room(shape) for shape in cluster.shapes), default=0)
    most_ranks = max((shape.slots for shape in cluster.shapes), default=0)
    fewer_nodes = range(min(kind.nodes - 1, most_nodes), 0, -1)
    for nodes in fewer_nodes:
        yield f"--nodes {nodes}", replace(whole, nodes=nodes)
    for shape in cluster.shapes:
        yield f"--shape {shape.name}", replace(whole, shapes=(shape.name,))
    for ranks in range(min(kind.ranks_per_node - 1, most_ranks), 0, -1):
        yield f"--ranks-per-node {ranks}", replace(whole, ranks_per_node=ranks)
    for nodes in fewer_nodes:
        yield f"--nodes {nodes} --shape auto", replace(whole, nodes=nodes, shapes=(AUTO,))
    smallest = replace(whole, nodes=1, ranks_per_node=1, shapes=(AUTO,))
    yield "--nodes 1 --ranks-per-node 1 --shape auto", smallest
