"""The environment of a rank: the whole set of what launchers tell, whatever the gang's size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.provision import launcher_environment, ports_needed, rank_environment, rank_table

CPU = Shape(name="cpux4", cpus=4)
H100 = Shape(name="h100x2", accelerator="h100", accelerators=2, cpus=16)
NPU = Shape(name="ascend910bx2", accelerator="ascend910b", accelerators=2, cpus=16)


def a_placement(shape=CPU, *, nodes=2, ranks_per_node=2, devices=(), address="127.0.0.1"):
    placed = tuple(NodePlacement(index=i, host=f"host-{i}", address=address, devices=devices) for i in range(nodes))
    return Placement(shape=shape, ranks_per_node=ranks_per_node, nodes=placed)


def an_environment(placement, base=None, *, node=0, local_rank=0, **more):
    return rank_environment(
        base or {}, placement=placement, port=29500, node=node, local_rank=local_rank, run_id="r0f3c2ab", attempt=2,
        node_dir="/runs/r0f3c2ab/attempt-2/node-0", **more,
    )  # fmt: skip


def test_a_cpu_rank_gets_exactly_this():
    """Golden: the third of four ranks, second attempt, nothing from the host."""
    env = an_environment(a_placement(), node=1, local_rank=0, retries=3)
    assert env == {
        "RANK": "2", "LOCAL_RANK": "0", "NODE_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "GROUP_RANK": "1", "GROUP_WORLD_SIZE": "2",
        "ROLE_RANK": "2", "ROLE_NAME": "default", "ROLE_WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "r0f3c2ab",
        "TORCHELASTIC_RESTART_COUNT": "1", "TORCHELASTIC_MAX_RESTARTS": "3", "OMP_NUM_THREADS": "2",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1", "MPLBACKEND": "Agg", "PYTHONUNBUFFERED": "1",
        "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": "",
        "JAX_COORDINATOR_ADDRESS": "127.0.0.1:29501", "JAX_COORDINATOR_BIND_ADDRESS": "127.0.0.1:29501",
        "TF_CONFIG": '{"cluster": {"worker": ["127.0.0.1:29502", "127.0.0.1:29503", "127.0.0.1:29504", '
                     '"127.0.0.1:29505"]}, "task": {"type": "worker", "index": 2}}',
        "AICCI_RUN": "r0f3c2ab", "AICCI_ATTEMPT": "2", "AICCI_NODE_DIR": "/runs/r0f3c2ab/attempt-2/node-0",
        "AICCI_RANK": "2",
    }  # fmt: skip


def test_accelerators_of_the_node_are_visible_and_no_others():
    """A rank sees its node's devices as torchrun leaves them; a shape without any hides the host's."""
    env = an_environment(a_placement(H100, devices=("4", "5")), {"CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5"}, local_rank=1)
    assert (env["CUDA_VISIBLE_DEVICES"], env["JAX_LOCAL_DEVICE_IDS"]) == ("4,5", "1")
    assert an_environment(a_placement(), {"CUDA_VISIBLE_DEVICES": "0,1"})["CUDA_VISIBLE_DEVICES"] == ""


def test_ascend_ranks_get_their_table_and_device():
    """Ascend's names stand beside torch's, which torch_npu reads."""
    env = an_environment(a_placement(NPU, devices=("6", "7")), node=1, local_rank=1, rank_table_file="/t.json")
    wanted = {"RANK_ID": "3", "RANK_SIZE": "4", "DEVICE_ID": "1", "RANK_TABLE_FILE": "/t.json", "RANK": "3"}
    assert env.items() >= wanted.items()
    assert env["ASCEND_RT_VISIBLE_DEVICES"] == "6,7"
    assert "CUDA_VISIBLE_DEVICES" not in env


def test_the_agent_store_of_torchrun_is_never_announced():
    """TORCHELASTIC_USE_AGENT_STORE makes rank 0 connect instead of listen; neither host nor person's outer launch leaks it."""
    env = an_environment(a_placement(), {"TORCHELASTIC_USE_AGENT_STORE": "True", "SLURM_PROCID": "4", "PMI_RANK": "1"})
    assert not {"TORCHELASTIC_USE_AGENT_STORE", "SLURM_PROCID", "PMI_RANK"} & env.keys()


def test_the_person_overrides_defaults_but_not_the_rank():
    """--env wins over host and defaults; who the rank is stays true."""
    env = an_environment(
        a_placement(), {"OMP_NUM_THREADS": "3", "HOME": "/home/u"}, user={"RANK": "9", "OMP_NUM_THREADS": "1", "A": "b"}
    )
    assert (env["RANK"], env["OMP_NUM_THREADS"], env["A"], env["HOME"]) == ("0", "1", "b", "/home/u")


def test_a_kernels_surroundings_do_not_reach_the_rank():
    """The inline backend, the kernel's own variables and a proxy in the way of the coordinator are taken care of."""
    base = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "JPY_PARENT_PID": "1",
        "http_proxy": "p:1",
        "PATH": "/usr/bin",
    }
    env = an_environment(a_placement(address="10.0.0.7"), base, python="/venv/bin/python")
    assert env["MPLBACKEND"] == "Agg"
    assert "JPY_PARENT_PID" not in env
    assert env["no_proxy"] == env["NO_PROXY"] == "10.0.0.7"
    assert env["PATH"] == "/venv/bin:/usr/bin"
    assert "GLOO_SOCKET_IFNAME" not in env  # which interface 10.0.0.7 is on, nobody said


@given(nodes=st.integers(1, 20), ranks_per_node=st.integers(1, 16), port=st.integers(1024, 60000))
def test_ranks_are_unique_and_all_agree_on_the_gang(nodes, ranks_per_node, port):
    """For every size: each rank once, one size, one head, ports within the lease and no worker's port twice."""
    placement = a_placement(nodes=nodes, ranks_per_node=ranks_per_node)
    envs = [
        rank_environment(
            {}, placement=placement, port=port, node=n, local_rank=k, run_id="r0", attempt=1, node_dir="/n"
        )
        for n in range(nodes)
        for k in range(ranks_per_node)
    ]
    assert [int(env["RANK"]) for env in envs] == list(range(nodes * ranks_per_node))
    assert {env["WORLD_SIZE"] for env in envs} == {str(nodes * ranks_per_node)}
    assert {(env["NODE_RANK"], env["LOCAL_RANK"]) for env in envs} == {
        (str(n), str(k)) for n in range(nodes) for k in range(ranks_per_node)
    }
    clusters = {json.dumps(json.loads(env["TF_CONFIG"])["cluster"]) for env in envs}
    assert len(clusters) == 1
    ports = [int(worker.rpartition(":")[2]) for worker in json.loads(clusters.pop())["worker"]]
    ports += [port, int(envs[0]["JAX_COORDINATOR_ADDRESS"].rpartition(":")[2])]
    assert sorted(ports) == list(range(port, port + ports_needed(placement)))


def test_a_launcher_gets_the_nodes_and_no_rank():
    """torchrun finds its options in PET_*; ranks are the launcher's own affair."""
    env = launcher_environment(
        {"RANK": "7"}, placement=a_placement(), port=29500, node=1, run_id="r0", attempt=1, node_dir="/n"
    )
    assert (
        env.items()
        >= {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "127.0.0.1", "AICCI_RANK": "1"}.items()
    )
    assert env["AICCI_NODES"] == "127.0.0.1,127.0.0.1"
    assert not {"RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RUN_ID"} & env.keys()


def test_the_rank_table_lists_every_npu_once():
    """Version 1.0: servers, their devices with addresses, ranks in order."""
    placement = a_placement(NPU, devices=("0", "1"))
    table = rank_table(placement, device_ips={(n, d): f"192.168.{n}.{d}" for n in (0, 1) for d in ("0", "1")})
    assert (table["version"], table["status"], table["server_count"]) == ("1.0", "completed", "2")
    assert table["server_list"][1]["device"] == [
        {"device_id": "0", "device_ip": "192.168.1.0", "rank_id": "2"},
        {"device_id": "1", "device_ip": "192.168.1.1", "rank_id": "3"},
    ]


def test_a_rank_table_without_an_address_is_refused():
    """A table that names no address would hang HCCL; it is an error that names the NPU."""
    with pytest.raises(ValueError, match="NPU 1 of node 0"):
        rank_table(a_placement(NPU, nodes=1, devices=("0", "1")), device_ips={(0, "0"): "192.168.0.1"})
