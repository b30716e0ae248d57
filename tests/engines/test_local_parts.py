"""What the engine is made of: inventory, shapes, ports, the zipapp, mounts, the rank table."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jupyter_aicci.engines.local.agents import environment
from jupyter_aicci.engines.local.ascend import parse_addresses, write_rank_table
from jupyter_aicci.engines.local.bundle import agent_zipapp
from jupyter_aicci.engines.local.inventory import (
    Accelerators,
    inventory,
    kind_of,
    parse_nvidia,
    part,
    pinnable,
    shapes,
    sizes,
)
from jupyter_aicci.engines.local.mounts import resolve
from jupyter_aicci.engines.local.ports import FIRST, LAST, Ports
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape


def test_shapes_are_powers_of_two_and_all_there_is() -> None:
    """A host of 6 CPUs offers 1, 2, 4 and 6; accelerators come with their part of the CPUs, and first."""
    assert sizes(6) == (1, 2, 4, 6)
    assert sizes(1) == (1,)
    assert sizes(0) == ()
    offered = shapes(16, Accelerators(kind="h100", devices=("0", "1", "2", "3")))
    assert [(shape.name, shape.accelerators, shape.cpus) for shape in offered] == [
        ("h100x1", 1, 4), ("h100x2", 2, 8), ("h100x4", 4, 16),
        ("cpux1", 0, 1), ("cpux2", 0, 2), ("cpux4", 0, 4), ("cpux8", 0, 8), ("cpux16", 0, 16),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA A100-SXM4-40GB", "a100"), ("Tesla V100-SXM2-16GB", "v100"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"), ("Tesla T4", "t4"), ("NVIDIA L40S", "l40s"), ("NVIDIA GB200", "gb200"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx6000"), ("", ""),
    ],
)  # fmt: skip
def test_a_device_is_called_by_its_chip(name: str, kind: str) -> None:
    """The name that people use in --shape."""
    assert kind_of(name) == kind


def test_of_several_kinds_the_most_frequent_counts() -> None:
    """Two H100 and a display card: h100, with the indices of those two."""
    text = "0, NVIDIA T400\n1, NVIDIA H100 80GB HBM3\n2, NVIDIA H100 80GB HBM3\n"
    assert parse_nvidia(text) == Accelerators(kind="h100", devices=("1", "2"))
    assert parse_nvidia("No devices were found\n") is None
    assert parse_nvidia("") is None


def test_the_users_setting_decides_how_many_cpus_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration, over it the environment; without either, what the process may run on."""
    monkeypatch.delenv("AICCI_LOCAL_CPUS", raising=False)
    assert inventory(6).cpus == (0, 1, 2, 3, 4, 5)
    assert set(inventory().cpus) <= os.sched_getaffinity(0)
    monkeypatch.setenv("AICCI_LOCAL_CPUS", "3")
    host = inventory(6)
    assert host.cpus == (0, 1, 2)
    assert [shape.name for shape in host.shapes if not shape.accelerators] == ["cpux1", "cpux2", "cpux3"]
    assert host.memory_bytes > 0


def test_users_who_keep_to_a_part_of_the_host_get_different_cpus() -> None:
    """As long as there are some; more than the host has are numbers that are none."""
    real = tuple(range(8))
    assert part(real, 4, others=()) == (0, 1, 2, 3)
    assert part(real, 4, others=(0, 1, 2, 3)) == (4, 5, 6, 7)
    assert part(real, 6, others=(0, 1, 2, 3)) == (0, 1, 4, 5, 6, 7)
    assert part(real, 16, others=(0,)) == tuple(range(16))


def test_only_cpus_that_are_there_are_pinned_to() -> None:
    """CPUs that a setting invented, and a node that has the whole host, are left to the scheduler of the kernel."""
    here = os.sched_getaffinity(0)
    assert pinnable(here) == ()
    assert pinnable((9_000, 9_001)) == ()
    if len(here) > 1:
        assert set(pinnable([min(here)])) <= {min(here)}


def test_ports_are_free_consecutive_and_not_given_twice() -> None:
    """A port that is listened on is passed over; two leases never overlap."""
    ports = Ports()
    leases = [ports.lease(4) for _ in range(50)]
    taken = [port for first in leases for port in range(first, first + 4)]
    assert len(set(taken)) == 200
    assert all(FIRST <= port < LAST for port in taken)
    with socket.socket() as busy:
        busy.bind(("", leases[0]))
        busy.listen()
        assert all(leases[0] not in range(first, first + 4) for first in (Ports().lease(4) for _ in range(20)))


def test_the_zipapp_is_the_same_file_for_the_same_code(tmp_path: Path) -> None:
    """Named by content, built once, complete, with bytecode for this interpreter and source for any other."""
    path = agent_zipapp(tmp_path)
    built_ns = path.stat().st_mtime_ns
    assert agent_zipapp(tmp_path) == path
    assert path.stat().st_mtime_ns == built_ns
    names = zipfile.ZipFile(path).namelist()
    assert {"__main__.py", "aicci_agent/main.py", "aicci_agent/main.pyc", "aicci_agent/rank/main.py"} <= set(names)
    other = tmp_path / "other"
    other.mkdir()
    again = agent_zipapp(other)
    assert again.name == path.name


def test_the_zipapp_brings_nvidias_bindings_with_it(tmp_path: Path) -> None:
    """An agent started with -I -S, in an image without nvidia-ml-py, can still ask NVML."""
    path = agent_zipapp(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(path)!r}); import pynvml; print(pynvml.__spec__.origin, pynvml.NVML_SUCCESS)"
    out = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == [f"{path}/pynvml.pyc", "0"]


def test_the_zipapp_needs_nothing_but_an_interpreter(tmp_path: Path) -> None:
    """Isolated and without site: every module of it that agent, keeper and zygote need is imported from the file alone."""
    path = agent_zipapp(tmp_path)
    code = (
        f"import sys; sys.path[:] = [{str(path)!r}, *sys.path]; import aicci_agent.main, aicci_agent.keeper, aicci_agent.zygote; "
        "print([m for m in sys.modules if m.startswith('jupyter')], 'dataclasses' in sys.modules, 'typing' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    assert out == "[] False False\n"


def test_agents_do_not_inherit_whose_rank_we_are_or_when_we_are_to_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service started from inside a rank, or by a crash test, starts agents that are neither."""
    monkeypatch.setenv("AICCI_NODE_DIR", "/somewhere")
    monkeypatch.setenv("AICCI_FAIL_AT", "commit:3")
    assert not {"AICCI_NODE_DIR", "AICCI_FAIL_AT"} & environment().keys()
    monkeypatch.setenv("AICCI_FAIL_AT", "keeper/any:3")
    assert environment()["AICCI_FAIL_AT"] == "keeper/any:3"


def test_data_is_read_only_only_where_that_harms_nothing(tmp_path: Path) -> None:
    """Data that holds the run's own directory stays writable, with a sentence about it; so does all where mounts are refused."""
    run_dir = tmp_path / "home" / "runs" / "r1"
    run_dir.mkdir(parents=True)
    data = tmp_path / "data"
    data.mkdir()
    free = resolve([f"d={data}", f"all={tmp_path}"], run_dir=run_dir, may_mount=True)
    assert free.read_only == (str(data),)
    assert free.paths == {"d": str(data), "all": str(tmp_path)}
    assert len(free.notes) == 1
    assert "data all is writable" in free.notes[0]
    assert resolve([f"d={data}"], run_dir=run_dir, may_mount=False).read_only == ()


def test_the_rank_table_is_written_where_npus_and_their_addresses_are(tmp_path: Path) -> None:
    """hccn.conf gives the addresses; without it a run goes on without a table."""
    hccn = tmp_path / "hccn.conf"
    hccn.write_text("address_0=10.0.0.1\nnetmask_0=255.255.255.0\naddress_1=10.0.0.2\n")
    assert parse_addresses(hccn.read_text()) == {"0": "10.0.0.1", "1": "10.0.0.2"}
    shape = Shape(name="ascendx2", accelerator="ascend", accelerators=2, cpus=2)
    node = NodePlacement(index=0, host="here", address="127.0.0.1", devices=("0", "1"))
    placement = Placement(shape=shape, ranks_per_node=2, nodes=(node,))
    table = json.loads(Path(write_rank_table(placement, tmp_path, 1, hccn)).read_text())
    assert [device["device_ip"] for device in table["server_list"][0]["device"]] == ["10.0.0.1", "10.0.0.2"]
    assert write_rank_table(placement, tmp_path, 1, tmp_path / "none") == ""
    plain = Placement(shape=Shape(name="cpux1", cpus=1), ranks_per_node=1, nodes=(node,))
    assert write_rank_table(plain, tmp_path, 1, hccn) == ""
