"""openb's pods through `decide`: what fills the cluster in a replay is what the live scheduler would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler import Cluster, Host, Queues, Waiting, cluster_of, policy_named, runs_of
from jupyter_aicci.scheduler.decide import settled
from jupyter_aicci.scheduler.policies import Placing
from jupyter_aicci.scheduler.small import demand_of
from jupyter_aicci.traces.openb import Node, Pod, arrivals, parse_nodes, parse_pods, replay_openb

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "traces" / "openb"
SEED, RATIO = 42, 1.3


def shape_of(pod: Pod) -> Shape:
    """What the pod asks for, on accelerators of any kind."""
    milli = pod.gpu_milli or 1000
    return Shape(
        name=f"{pod.cpu_milli}-{pod.memory_mib}-{pod.gpus}-{milli}",
        accelerators=pod.gpus,
        accelerator_milli=milli,
        cpus=0,
        cpu_share_milli=pod.cpu_milli,
        memory_bytes=pod.memory_mib,
    )


def a_cluster(nodes: tuple[Node, ...], pods: tuple[Pod, ...]) -> Cluster:
    hosts = [
        Host(
            name=node.name,
            cpu_milli=node.cpu_milli,
            memory_bytes=node.memory_mib,
            accelerator="gpu" if node.gpus else "",
            devices=tuple(map(str, range(node.gpus))),
        )
        for node in nodes
    ]
    return cluster_of(hosts, shapes=tuple({shape_of(pod).name: shape_of(pod) for pod in pods}.values()))


def test_a_replay_of_shares_is_what_decide_would_do() -> None:
    """The same pods in the same order: as many are placed, and as much is allocated, to the thousandth of an accelerator."""
    nodes = parse_nodes((FOLDER / "openb_node_list_gpu_node.csv").read_text(), "nodes")[::8]
    pods = parse_pods((FOLDER / "openb_pod_list_multigpu20.csv").read_text(), "pods")[::8]
    filled = replay_openb(nodes, pods, source="pods", seed=SEED, ratio=RATIO)

    total_milli = 1000 * sum(node.gpus for node in nodes)
    arrived = arrivals(pods, total_milli, RATIO, SEED).tolist()
    waiting = [
        Waiting(run_id=RunId(f"r{at:07}"), shapes=(shape_of(pods[pod]).name,), submitted_ns=at)
        for at, pod in enumerate(arrived)
    ]
    runs = runs_of(waiting).knowing(usual=Counter(demand_of(shape_of(pod)) for pod in pods))
    policy = replace(policy_named("fifo-skip"), placing=Placing.FGD)
    session = settled(a_cluster(nodes, pods), Queues(), runs, 0.0, policy=policy)

    allocated = sum(pods[arrived[int(start.run_id[1:])]].milli for start in session.starts)
    assert (len(arrived), len(session.starts)) == (filled.pods, filled.placed)
    assert allocated == round(filled.allocation_ratio * total_milli)
