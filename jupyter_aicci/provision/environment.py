"""The environment of a rank: what torchrun, JAX, TensorFlow, Ascend and we ourselves tell a process about its gang.

In: the host's environment, the placement, one leased range of ports. Out: the whole environment of one rank.
Order: the host's, our defaults where it is silent, `--env`, then who the rank is, which `--env` does not override. The values of
`--secret` are in no plan: the keeper adds them last (agent/birth.py).
Rule: strings only; no I/O. TORCHELASTIC_USE_AGENT_STORE is never set: with it rank 0 would connect to MASTER_PORT, not listen.
Sources: torch/distributed/elastic/agent/server/local_elastic_agent.py; jax/_src/distributed.py; TF_CONFIG of tf.distribute;
RANK_TABLE_FILE version 1.0 of CANN. Ports: MASTER_PORT is the first, JAX's coordinator has the second, TensorFlow the rest.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any

from jupyter_aicci.model.placement import NodePlacement, Placement

FOREIGN_LAUNCHES = ("AICCI_", "TORCHELASTIC_", "OMPI_", "PMI_", "PMIX_", "MV2_COMM_WORLD_", "SLURM_", "JPY_", "PET_")
FOREIGN_NAMES = frozenset({
    "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_NAME",
    "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TF_CONFIG", "RANK_TABLE_FILE", "RANK_ID", "RANK_SIZE", "DEVICE_ID",
    "JAX_COORDINATOR_ADDRESS", "JAX_COORDINATOR_BIND_ADDRESS", "JAX_LOCAL_DEVICE_IDS", "CUDA_VISIBLE_DEVICES",
    "ASCEND_RT_VISIBLE_DEVICES", "PYTHONSTARTUP",
})  # fmt: skip
JAX_PORT, TENSORFLOW_PORT = 1, 2  # after MASTER_PORT


def ports_needed(placement: Placement) -> int:
    """How many consecutive free ports an attempt leases."""
    return TENSORFLOW_PORT + placement.world_size


def rank_environment(
    base: Mapping[str, str],
    *,
    placement: Placement,
    port: int,
    node: int,
    local_rank: int,
    run_id: str,
    attempt: int,
    node_dir: str,
    python: str = "",
    user: Mapping[str, str] | None = None,
    retries: int = 0,
    interface: str = "",
    rank_table_file: str = "",
) -> dict[str, str]:
    """The whole environment of one rank. `base` is the host's, `user` what `--env` says.

    `interface` is the network interface that the nodes reach each other by, "" where it is not known;
    `rank_table_file` is where `rank_table` was written, "" without NPUs.
    """
    rank = node * placement.ranks_per_node + local_rank
    env = _surroundings(base, placement, python=python, interface=interface)
    env |= user or {}
    env |= _torch(placement, port, node=node, local_rank=local_rank)
    env |= _torchelastic(placement, node=node, rank=rank, run_id=run_id, attempt=attempt, retries=retries)
    env |= _jax(placement, port, local_rank=local_rank)
    env["TF_CONFIG"] = _tensorflow(placement, port, rank)
    env |= _devices(placement, placement.nodes[node], rank=rank, local_rank=local_rank, rank_table_file=rank_table_file)
    return env | _own(run_id=run_id, attempt=attempt, node_dir=node_dir, rank=rank)


def launcher_environment(
    base: Mapping[str, str],
    *,
    placement: Placement,
    port: int,
    node: int,
    run_id: str,
    attempt: int,
    node_dir: str,
    python: str = "",
    user: Mapping[str, str] | None = None,
    interface: str = "",
    rank_table_file: str = "",
) -> dict[str, str]:
    """The environment of the one launcher of a node (`--launcher`), which gives its own ranks theirs.

    PET_* are torchrun's options by environment; AICCI_NODES lists the nodes' addresses for launchers that want a host list.
    """
    env = _surroundings(base, placement, python=python, interface=interface)
    env |= user or {}
    head, here = placement.nodes[0], placement.nodes[node]
    addresses = ",".join(each.address for each in placement.nodes)
    env |= {"MASTER_ADDR": head.address, "MASTER_PORT": str(port), "NODE_RANK": str(node), "AICCI_NODES": addresses}
    env |= {"PET_NNODES": str(len(placement.nodes)), "PET_NODE_RANK": str(node)}
    env |= {"PET_MASTER_ADDR": head.address, "PET_MASTER_PORT": str(port)}
    env |= _visible_devices(placement, here)
    if rank_table_file:
        env["RANK_TABLE_FILE"] = rank_table_file
    return env | _own(run_id=run_id, attempt=attempt, node_dir=node_dir, rank=node)


def rank_table(placement: Placement, *, device_ips: Mapping[tuple[int, str], str]) -> dict[str, Any]:
    """Ascend's rank table, version 1.0; `device_ips` gives the address of each (node index, device) from hccn.conf.

    Raises `ValueError` for a device without an address and for more ranks than devices: the table could not be completed.
    """
    servers = [_server(placement, node, device_ips) for node in placement.nodes]
    return {"version": "1.0", "status": "completed", "server_count": str(len(servers)), "server_list": servers}


def _server(placement: Placement, node: NodePlacement, device_ips: Mapping[tuple[int, str], str]) -> dict[str, Any]:
    devices = node.devices[: placement.ranks_per_node]
    if len(devices) < placement.ranks_per_node:
        raise ValueError(f"node {node.index} has {len(devices)} NPUs for {placement.ranks_per_node} ranks")
    missing = [device for device in devices if (node.index, device) not in device_ips]
    if missing:
        raise ValueError(f"no address is known for NPU {', '.join(missing)} of node {node.index} (/etc/hccn.conf)")
    first = node.index * placement.ranks_per_node
    entries = [
        {"device_id": device, "device_ip": device_ips[node.index, device], "rank_id": str(first + place)}
        for place, device in enumerate(devices)
    ]
    return {"server_id": node.address, "device": entries}


def _surroundings(base: Mapping[str, str], placement: Placement, *, python: str, interface: str) -> dict[str, str]:
    """The host's environment without what an outer launch or a kernel left in it, and our defaults where it is silent."""
    env = {
        key: value for key, value in base.items() if key not in FOREIGN_NAMES and not key.startswith(FOREIGN_LAUNCHES)
    }
    if env.get("MPLBACKEND", "").startswith("module://"):
        env["MPLBACKEND"] = "Agg"  # a kernel's inline backend has nowhere to draw in a rank
    threads = max(1, placement.shape.cpus // placement.ranks_per_node)
    for key, value in {
        "OMP_NUM_THREADS": str(threads),
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        "MPLBACKEND": "Agg",
        **_interface(placement, interface),
    }.items():
        env.setdefault(key, value)
    env |= {"PYTHONUNBUFFERED": "1", **_no_proxy(env, placement)}
    if python:
        folder = posixpath.dirname(python)
        rest = [part for part in env.get("PATH", "").split(posixpath.pathsep) if part and part != folder]
        env["PATH"] = posixpath.pathsep.join([folder, *rest])  # `!torchrun` and `!python` mean the run's own
    return env


def _interface(placement: Placement, interface: str) -> dict[str, str]:
    loopback = all(node.address.startswith("127.") for node in placement.nodes)
    name = interface or ("lo" if loopback else "")
    return {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name} if name else {}


def _no_proxy(env: Mapping[str, str], placement: Placement) -> dict[str, str]:
    """Nodes talk to each other directly: gRPC (JAX's coordinator) would go through an HTTP proxy."""
    if not any(key.lower().endswith("_proxy") and key.lower() != "no_proxy" for key in env):
        return {}
    known = env.get("no_proxy", env.get("NO_PROXY", ""))
    words = [word for word in known.split(",") if word]
    words += sorted({node.address for node in placement.nodes} - set(words))
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(words))


def _torch(placement: Placement, port: int, *, node: int, local_rank: int) -> dict[str, str]:
    """The `env://` set: torch, Lightning, Trainer, DeepSpeed, Megatron, accelerate and torch_npu all read it."""
    return {
        "RANK": str(node * placement.ranks_per_node + local_rank),
        "LOCAL_RANK": str(local_rank),
        "NODE_RANK": str(node),
        "WORLD_SIZE": str(placement.world_size),
        "LOCAL_WORLD_SIZE": str(placement.ranks_per_node),
        "MASTER_ADDR": placement.nodes[0].address,
        "MASTER_PORT": str(port),
    }


def _torchelastic(
    placement: Placement, *, node: int, rank: int, run_id: str, attempt: int, retries: int
) -> dict[str, str]:
    """What libraries look at to see that a launcher is there already."""
    return {
        "GROUP_RANK": str(node),
        "GROUP_WORLD_SIZE": str(len(placement.nodes)),
        "ROLE_RANK": str(rank),
        "ROLE_NAME": "default",
        "ROLE_WORLD_SIZE": str(placement.world_size),
        "TORCHELASTIC_RUN_ID": run_id,
        "TORCHELASTIC_RESTART_COUNT": str(attempt - 1),
        "TORCHELASTIC_MAX_RESTARTS": str(retries),
    }


def _jax(placement: Placement, port: int, *, local_rank: int) -> dict[str, str]:
    """The coordinator's address; rank and size are not read from JAX_* variables, `aicci.init_jax()` passes them."""
    address = f"{placement.nodes[0].address}:{port + JAX_PORT}"
    env = {"JAX_COORDINATOR_ADDRESS": address, "JAX_COORDINATOR_BIND_ADDRESS": address}
    if placement.shape.accelerators:
        env["JAX_LOCAL_DEVICE_IDS"] = str(local_rank)
    return env


def _tensorflow(placement: Placement, port: int, rank: int) -> str:
    workers = [
        f"{node.address}:{port + TENSORFLOW_PORT + node.index * placement.ranks_per_node + local_rank}"
        for node in placement.nodes
        for local_rank in range(placement.ranks_per_node)
    ]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})


def _devices(
    placement: Placement, node: NodePlacement, *, rank: int, local_rank: int, rank_table_file: str
) -> dict[str, str]:
    env = _visible_devices(placement, node)
    if placement.shape.accelerator.startswith("ascend"):
        env |= {"RANK_ID": str(rank), "RANK_SIZE": str(placement.world_size), "DEVICE_ID": str(local_rank)}
        if rank_table_file:
            env["RANK_TABLE_FILE"] = rank_table_file
    return env


def _visible_devices(placement: Placement, node: NodePlacement) -> dict[str, str]:
    """All devices of the node, as torchrun leaves them; LOCAL_RANK picks one. A shape without any hides the host's."""
    listed = ",".join(node.devices)
    if placement.shape.accelerator.startswith("ascend"):
        return {"ASCEND_RT_VISIBLE_DEVICES": listed}
    return {"CUDA_VISIBLE_DEVICES": listed}


def _own(*, run_id: str, attempt: int, node_dir: str, rank: int) -> dict[str, str]:
    return {"AICCI_RUN": run_id, "AICCI_ATTEMPT": str(attempt), "AICCI_NODE_DIR": node_dir, "AICCI_RANK": str(rank)}
