"""Why a run does not start, in one sentence, and what would.

In: the cluster and the run that `decide` did not start. Out: `Wait` or `Never` with its text.
Rule: a hint is tried on the cluster before it is given: what it says would run, would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.text import size
from jupyter_aicci.scheduler.choose import AUTO, Choice, candidates, choices, place, ranks_on
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Never, Queue, Wait, Waiting, WhyClass


def never(cluster: Cluster, queues: Sequence[Queue], run: Waiting) -> Never | None:
    """Why the run could not start even on the emptied cluster, None if it could."""
    error = _refusal(cluster, queues, run)
    if error is None:
        return None
    return Never(run_id=run.run_id, code=error.code, text=error.message, hint=error.hint, field=error.field)


def _refusal(cluster: Cluster, queues: Sequence[Queue], run: Waiting) -> UserError | None:
    names = [queue.name for queue in queues]
    if run.queue not in names:
        return UserError(
            "unknown_queue", f"queue {run.queue!r} does not exist{_guess(run.queue, names)}.",
            hint="`%aicci queues` lists the queues.", field="queue",
        )  # fmt: skip
    known = [AUTO, *(shape.name for shape in cluster.shapes)]
    for name in run.shapes:
        if name not in known:
            return UserError(
                "unknown_shape", f"shape {name!r} is not offered here{_guess(name, known)}.",
                hint="`%aicci shapes` lists what is.", field="shape",
            )  # fmt: skip
    if choices(cluster, run):
        return None
    return UserError(
        "never_fits", f"this run can never start here: {_too_much(cluster, run)}.",
        hint=_what_would(cluster, run), field=_field(cluster, run),
    )  # fmt: skip


def _guess(word: str, known: Sequence[str]) -> str:
    guess = did_you_mean(word, known)
    return f"; {guess.removesuffix('?')}" if guess else ""


def _too_much(cluster: Cluster, run: Waiting) -> str:
    """What the run asks for, against what there is."""
    shape = _shape_meant(cluster, run)
    if shape is None:
        return "no host offers a shape"
    if ranks_on(shape, run) > shape.slots:
        takes = f"{shape.name}, the largest," if AUTO in run.shapes else f"a {shape.name} node"
        return (
            f"it asks for {run.ranks_per_node} ranks a node, "
            f"and {takes} takes {shape.slots} (one per {'accelerator' if shape.accelerators else 'CPU'})"
        )
    nodes = run.sizes[-1]
    asks, has = _scarcest(cluster.emptied(), shape, nodes)
    gang = f"{nodes} {shape.name} node{'s' if nodes > 1 else ''}"
    return f"it asks for {gang} ({asks}), and {_place_name(cluster)} has {has}"


def _shape_meant(cluster: Cluster, run: Waiting) -> Shape | None:
    """The shape to speak of: the first that takes the ranks, else the first named one, else the largest."""
    for name in run.shapes:
        for choice in candidates(cluster, run, name):
            return choice.shape
    named = [shape for name in run.shapes for shape in cluster.shapes if shape.name == name]
    return named[0] if named else max(cluster.shapes, key=lambda shape: shape.slots, default=None)


def _scarcest(cluster: Cluster, shape: Shape, nodes: int) -> tuple[str, str]:
    """(what `nodes` of the shape need, what is free of it) for the resource that there is too little of."""
    hosts = [host for host in cluster.hosts if host.offers(shape.name)]
    devices = sum(len(host.free_devices) for host in hosts if host.accelerator == shape.accelerator)
    cpus = sum(len(host.free_cpus) for host in hosts)
    memory = sum(host.free_bytes for host in hosts)
    if shape.accelerators * nodes > devices:
        return f"{shape.accelerators * nodes} {shape.accelerator}", f"{devices}"
    if shape.cpus * nodes > cpus:
        return _count(shape.cpus * nodes, "CPU"), f"{cpus}"
    if shape.memory_bytes * nodes > memory:
        return f"{size(shape.memory_bytes * nodes)} of memory", size(memory)
    return f"{_count(shape.cpus, 'CPU')} each, on one host", f"room for {cluster.room(shape)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _place_name(cluster: Cluster) -> str:
    return "this host" if len(cluster.hosts) == 1 else f"all {len(cluster.hosts)} hosts together"


def _field(cluster: Cluster, run: Waiting) -> str:
    shape = _shape_meant(cluster, run)
    return "ranks_per_node" if shape is not None and ranks_on(shape, run) > shape.slots else "nodes"


def _what_would(cluster: Cluster, run: Waiting) -> str:
    """The nearest thing that would run, as options to type, and whether it would start now."""
    for options, other in _alternatives(cluster, run):
        fitting = choices(cluster, other)
        if fitting:
            when = "would start now" if place(cluster, other, fitting) else "would run when what is held is free"
            return f"{options} {when}."
    return "`%aicci shapes` lists what is."


def _alternatives(cluster: Cluster, run: Waiting) -> Iterator[tuple[str, Waiting]]:
    """Fewer nodes, then another shape, then fewer ranks, then both; each with the options that say it.

    Counting down begins at what the emptied cluster has: a count that was typed may be absurd.
    """
    whole, empty = replace(run, min_nodes=0), cluster.emptied()
    most_nodes = max((empty.room(shape) for shape in cluster.shapes), default=0)
    most_ranks = max((shape.slots for shape in cluster.shapes), default=0)
    fewer_nodes = range(min(run.nodes - 1, most_nodes), 0, -1)
    for nodes in fewer_nodes:
        yield f"--nodes {nodes}", replace(whole, nodes=nodes)
    for shape in cluster.shapes:
        yield f"--shape {shape.name}", replace(whole, shapes=(shape.name,))
    for ranks in range(min(run.ranks_per_node - 1, most_ranks), 0, -1):
        yield f"--ranks-per-node {ranks}", replace(whole, ranks_per_node=ranks)
    for nodes in fewer_nodes:
        yield f"--nodes {nodes} --shape auto", replace(whole, nodes=nodes, shapes=(AUTO,))
    smallest = replace(whole, nodes=1, ranks_per_node=1, shapes=(AUTO,))
    yield "--nodes 1 --ranks-per-node 1 --shape auto", smallest


def no_room(cluster: Cluster, run: Waiting, fitting: tuple[Choice, ...]) -> Wait:
    """The run is first in line, and too little is free."""
    shape, nodes = fitting[0].shape, run.sizes[-1]
    asks, free = _scarcest(cluster, shape, nodes)
    gang = f"{nodes} {shape.name} nodes need" if nodes > 1 else f"1 {shape.name} node needs"
    if free.startswith("room"):
        text = f"first in line: {gang} {asks}; enough is free in all, but not together"
        return Wait(run_id=run.run_id, why_class=WhyClass.FRAGMENTATION, text=text)
    text = f"first in line: {gang} {asks}, {free} free; the rest is held by running runs"
    return Wait(run_id=run.run_id, why_class=WhyClass.BEHIND, text=text)


def behind(run: Waiting, head: Waiting, *, ahead: int, fits: bool) -> Wait:
    """Another run is first in line; `fits`: this one would start if that one did not keep what is free."""
    if fits:
        text = f"what is free is reserved for {head.run_id}, which is first in line"
        return Wait(run_id=run.run_id, why_class=WhyClass.RESERVED, text=text)
    text = f"behind {_count(ahead, 'waiting run')}; {head.run_id} is first in line"
    return Wait(run_id=run.run_id, why_class=WhyClass.BEHIND, text=text)


def back_off(run: Waiting) -> Wait:
    """The run lost an attempt and is tried again later; no countdown, so that the text changes only with the reason."""
    text = "pauses before its next attempt, because the last one ended by a fault"
    return Wait(run_id=run.run_id, why_class=WhyClass.BEHIND, text=text)
