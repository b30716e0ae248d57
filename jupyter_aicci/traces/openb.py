"""The openb workloads (Alibaba's cluster-trace-gpu-v2023): a cluster of accelerator shares is filled until nothing fits.

In: the text of a node list and of a pod list. Out: `Filled`: how much of the accelerators is allocated and how much of
what is free is fragments, when pods that ask for `ratio` times all accelerators have arrived.

| list | columns that it must have | may have |
|---|---|---|
| nodes | sn, cpu_milli, memory_mib, gpu, model | |
| pods | name, cpu_milli, memory_mib, num_gpu, gpu_milli | gpu_spec, creation_time, deletion_time |

`gpu_spec` names the models that will do, joined by |; empty = any. Other columns are not read.
Recipe (FGD, USENIX ATC 2023): arrivals only, in an order drawn from the seed; pods are drawn again until the ratio is
reached; a pod that does not fit is dropped; fragments are counted over the pods' own mix (`scheduler.fragmentation`).
Rule: pure; one `numpy` generator from the seed; nothing half loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.scheduler.fragmentation import (
    MILLI,
    Demand,
    Flags,
    Gradient,
    Ints,
    Shares,
    Typical,
    fragments,
    has_room,
    typical,
)
from jupyter_aicci.scheduler.scorers import Best, First, Random
from jupyter_aicci.traces.table import MOST_S, Table, bad_trace, read_table

NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
POD_MAY = ("gpu_spec", "creation_time", "deletion_time")
MOST_DEVICES = 16  # of one node
NO_KIND = -1
RATIO = 1.3  # of all accelerators, what FGD's table submits


class Placing(StrEnum):
    """Which placement fills the cluster."""

    FGD = "fgd"
    BEST = "best"
    FIRST = "first"
    RANDOM = "random"


class Placement(Protocol):
    """One function: where a demand goes, given what is free; and word that it went there."""

    def best(self, demand: Demand, mask: Flags | None = None) -> tuple[int, tuple[int, ...]] | None: ...

    def took(self, demand: Demand, host: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the node list."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of the pod list."""

    name: str
    row: int  # where it stands in the file, the header is row 1
    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int  # of each of its accelerators; 0 without any
    models: tuple[str, ...] = ()  # that will do, () = any

    @property
    def milli(self) -> int:
        """Thousandths of an accelerator that it asks for in all."""
        return self.gpus * self.gpu_milli


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What came out of filling the cluster."""

    pods: int  # that arrived
    placed: int
    allocation_ratio: float  # allocated / all accelerator milli, at the end
    fragmentation_ratio: float  # fragments / all accelerator milli, at the end
    utilisation: float  # mean of the allocated ratio over the arrivals, as the recipe has no clock

    def to_json(self) -> dict[str, Any]:
        return {
            "jobs": self.pods,
            "placed": self.placed,
            "allocation_ratio": self.allocation_ratio,
            "fragmentation_ratio": self.fragmentation_ratio,
            "utilisation": self.utilisation,
        }


def parse_nodes(text: str, source: str) -> tuple[Node, ...]:
    """The nodes of a list. Raises `UserError` (bad_trace) naming file, row and field of each defect."""
    table = read_table(text, source, needs=NODE_COLUMNS)
    table.unique("sn")
    cpu_milli, memory_mib = table.whole("cpu_milli", least=1), table.whole("memory_mib", least=1)
    gpus = table.whole("gpu", most=MOST_DEVICES)
    nameless = np.array([not model for model in table.columns["model"]]) & (gpus > 0)
    table.note(nameless, "model", "expected the model of its accelerators")
    table.check()
    columns = (table.columns["sn"], cpu_milli.tolist(), memory_mib.tolist(), gpus.tolist(), table.columns["model"])
    return tuple(
        Node(name=name, cpu_milli=cpu, memory_mib=memory, gpus=count, model=model)
        for name, cpu, memory, count, model in zip(*columns, strict=True)
    )


def parse_pods(text: str, source: str) -> tuple[Pod, ...]:
    """The pods of a list, in its order. Raises `UserError` (bad_trace) naming file, row and field of each defect."""
    table = read_table(text, source, needs=POD_COLUMNS, may=POD_MAY)
    table.unique("name")
    cpu_milli, memory_mib = table.whole("cpu_milli"), table.whole("memory_mib")
    gpus, gpu_milli = table.whole("num_gpu"), table.whole("gpu_milli", most=MILLI, blank="0")
    table.note((gpus > 0) & (gpu_milli == 0), "gpu_milli", f"expected 1 to {MILLI} for a pod with accelerators")
    _check_times(table)
    table.check()
    specs = table.columns["gpu_spec"] if "gpu_spec" in table else ("",) * len(table)
    columns = (table.columns["name"], table.rows.tolist(), cpu_milli.tolist(), memory_mib.tolist(), gpus.tolist())
    return tuple(
        Pod(
            name=name,
            row=row,
            cpu_milli=cpu,
            memory_mib=memory,
            gpus=count,
            gpu_milli=milli if count else 0,
            models=tuple(model for model in spec.split("|") if model),
        )
        for name, row, cpu, memory, count, milli, spec in zip(*columns, gpu_milli.tolist(), specs, strict=True)
    )


def arrivals(pods: tuple[Pod, ...], total_milli: int, ratio: float, seed: int) -> Ints:
    """Indices of pods in the order of arrival; together they ask for as nearly `ratio` x `total_milli` as whole pods do.

    Every pod arrives once and drawn ones again; where all pods are too many, the last of the order stay away.
    """
    rng = np.random.default_rng(seed)
    asked = np.array([pod.milli for pod in pods], dtype=np.int64)
    room = int(ratio * total_milli) - int(asked.sum())
    again: list[int] = []
    while room > 0 and asked.any():
        pod = int(rng.integers(len(pods)))
        if asked[pod] > room:
            break
        again.append(pod)
        room -= int(asked[pod])
    order = rng.permutation(np.concatenate([np.arange(len(pods)), np.array(again, dtype=np.int64)]))
    return np.asarray(order if room >= 0 else order[asked[order].cumsum() <= int(ratio * total_milli)])


def replay_openb(
    nodes: tuple[Node, ...],
    pods: tuple[Pod, ...],
    *,
    source: str,
    ratio: float = RATIO,
    seed: int,
    placing: Placing = Placing.FGD,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Filled:
    """The cluster of `nodes`, filled with `pods` up to `ratio`; `source` is the pod list's name for errors.

    Raises `UserError` (bad_trace) for a pod larger than any node, for a `gpu_spec` of unknown models, and for nodes without
    accelerators. A pod that only the models it asks for are too small for is dropped like any other (gpuspec33 has one).
    """
    floor = _Floor.of(nodes)
    demands = tuple(floor.demand(pod) for pod in pods)
    _check_sizes(floor, pods, demands, source)
    usual = typical(Counter(demands), kinds=len(floor.models))
    placement = _placement(placing, floor, usual, seed)
    order = arrivals(pods, floor.total_milli, ratio, seed)
    placed = allocated = seen = 0
    for done, pod in enumerate(order.tolist(), start=1):
        found = placement.best(demands[pod])
        if found is not None:
            floor.take(demands[pod], *found)
            placement.took(demands[pod], found[0])
            placed, allocated = placed + 1, allocated + pods[pod].milli
        seen += allocated
        progress(done, len(order))
    fragmented = float(fragments(usual, floor.cpu_milli, floor.memory, floor.share, floor.kind).sum())
    return Filled(
        pods=len(order),
        placed=placed,
        allocation_ratio=allocated / floor.total_milli,
        fragmentation_ratio=fragmented / floor.total_milli,
        utilisation=seen / (len(order) * floor.total_milli),
    )


@dataclass(slots=True, kw_only=True)
class _Floor:
    """What is free, as columns that change."""

    cpu_milli: Ints
    memory: Ints
    share: Shares
    kind: Ints
    models: tuple[str, ...]  # kind -> model
    total_milli: int

    @classmethod
    def of(cls, nodes: tuple[Node, ...]) -> _Floor:
        models = tuple(sorted({node.model for node in nodes if node.gpus} | {""}))
        most = max((node.gpus for node in nodes), default=0)
        share = np.full((len(nodes), max(1, most)), -1, dtype=np.int16)
        for host, node in enumerate(nodes):
            share[host, : node.gpus] = MILLI
        return cls(
            cpu_milli=np.array([node.cpu_milli for node in nodes], dtype=np.int64),
            memory=np.array([node.memory_mib for node in nodes], dtype=np.int64),
            share=share,
            kind=np.array([models.index(node.model if node.gpus else "") for node in nodes], dtype=np.int64),
            models=models,
            total_milli=MILLI * sum(node.gpus for node in nodes),
        )

    def demand(self, pod: Pod) -> Demand:
        """What the pod asks for, in this cluster's kinds; a model that no node has is NO_KIND."""
        kinds = (self.models.index(model) if model in self.models else NO_KIND for model in pod.models if pod.gpus)
        return Demand(
            cpu_milli=pod.cpu_milli,
            memory=pod.memory_mib,
            devices=pod.gpus,
            milli=pod.gpu_milli or MILLI,
            kinds=tuple(sorted(set(kinds))),
        )

    def take(self, demand: Demand, host: int, devices: tuple[int, ...]) -> None:
        self.cpu_milli[host] -= demand.cpu_milli
        self.memory[host] -= demand.memory
        for device in devices:
            self.share[host, device] -= demand.milli


def _placement(placing: Placing, floor: _Floor, usual: Typical, seed: int) -> Placement:
    columns = (floor.cpu_milli, floor.memory, floor.share, floor.kind)
    match placing:
        case Placing.FGD:
            return Gradient(usual, *columns)
        case Placing.BEST:
            return Best(*columns)
        case Placing.FIRST:
            return First(*columns)
        case Placing.RANDOM:
            return Random(*columns, np.random.default_rng((seed, 1)))  # not the stream that the arrivals come from


def _check_times(table: Table) -> None:
    """A pod cannot end before it was created."""
    if "creation_time" not in table or "deletion_time" not in table:
        return
    created, deleted = table.numbers("creation_time", blank="0"), table.numbers("deletion_time", blank=str(int(MOST_S)))
    table.note(deleted < created, "deletion_time", "expected a time after creation_time")


def _check_sizes(floor: _Floor, pods: tuple[Pod, ...], demands: tuple[Demand, ...], source: str) -> None:
    if not floor.total_milli:
        raise UserError("bad_trace", "the node list has no accelerators, expected some to fill", field="gpu")
    columns = (floor.cpu_milli, floor.memory, floor.share, floor.kind)
    sizes = {replace(demand, kinds=()) for demand in demands}
    too_large = {size for size in sizes if not has_room(size, *columns).any()}
    defects = []
    for pod, demand in zip(pods, demands, strict=True):
        if replace(demand, kinds=()) in too_large:
            defects.append(
                f"row {pod.row}, {_size(pod)}: larger than any node, expected a pod that fits on an empty one"
            )
        elif demand.kinds == (NO_KIND,):
            known = ", ".join(model for model in floor.models if model)
            defects.append(
                f"row {pod.row}, gpu_spec: {'|'.join(pod.models)!r}, expected a model of the node list ({known})"
            )
    if defects:
        raise bad_trace(source, defects)


def _size(pod: Pod) -> str:
    return f"num_gpu {pod.gpus}, gpu_milli {pod.gpu_milli}, cpu_milli {pod.cpu_milli}, memory_mib {pod.memory_mib}"
