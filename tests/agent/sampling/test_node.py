"""The node's numbers on a recorded /proc, and on this host."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_aicci.agent.sampling import Sampler
from jupyter_aicci.agent.sampling.kernel import read_once
from jupyter_aicci.agent.sampling.node import Node
from jupyter_aicci.agent.sampling.rdma import Port, metrics, ports
from jupyter_aicci.model.metrics import BY_NAME

FILES = {
    "proc/stat": "cpu  100 0 50 1000 20 0 5 0 0 0\ncpu0 100 0 50 1000 20 0 5 0 0 0\n",
    "proc/meminfo": "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\nBuffers: 1 kB\n",
    "proc/pressure/cpu": "some avg10=3.39 avg60=2.61 avg300=1.40 total=770\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=11\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
    "proc/pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n",
    "proc/net/dev": (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier\n"
        "    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0\n"
        "  eth0: 100 2 0 0 0 0 0 0 200 3 0 0 0 0 0 0\n"
        "  eth1:1000 2 0 0 0 0 0 0 2000 3 0 0 0 0 0 0\n"
        " bond0: 1100 2 0 0 0 0 0 0 2200 3 0 0 0 0 0 0\n"
    ),
    "proc/net/snmp": "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm InSegs OutSegs RetransSegs\nTcp: 1 50 60 7\n",
    "proc/net/netstat": "TcpExt: SyncookiesSent TCPTimeouts TCPLostRetransmit\nTcpExt: 0 3 1\nIpExt: InOctets\nIpExt: 5\n",
    "proc/diskstats": (
        " 259 0 nvme0n1 10 0 100 5 20 0 200 6 0 300 0 0 0 0 0 0 0\n"
        " 259 1 nvme0n1p1 10 0 100 5 20 0 200 6 0 300 0 0 0 0 0 0 0\n"
        " 259 2 nvme1n1 10 0 1 5 20 0 2 6 0 40 0 0 0 0 0 0 0\n"
        "   7 0 loop0 10 0 900 5 20 0 900 6 0 900 0 0 0 0 0 0 0\n"
    ),
}  # fmt: skip


def a_host(root: Path, *, hardware: bool = True) -> Node:
    """A recorded host: two NICs in a bond, two disks with a partition."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    real = ("net/eth0", "net/eth1", "../block/nvme0n1", "../block/nvme1n1") if hardware else ()
    for name in real:
        (root / "sys/class" / name / "device").mkdir(parents=True)
    return Node(root=str(root))


def test_a_node_tells_its_counters_as_they_were_read(tmp_path: Path) -> None:
    """Bytes, segments, microseconds; bonds, partitions and loops count nothing twice."""
    found = a_host(tmp_path).metrics(1.0, b"4.77 1.0 1.0 2/141 9\n", slow=True)
    assert found == {
        "cpu": 0.0, "memory": 600 * 1024, "memory_total": 1000 * 1024, "psi_cpu": 770, "psi_memory": 11, "psi_memory_full": 7,
        "psi_io": 5, "net_rx": 1100, "net_tx": 2200, "tcp_out": 60, "tcp_retrans": 7, "tcp_timeouts": 3,
        "disk_read": 101 * 512, "disk_write": 202 * 512, "disk_busy": 0, "load": 4.77,
    }  # fmt: skip


def test_the_busiest_disk_is_the_one_that_counts(tmp_path: Path) -> None:
    """300 ms of one and 900 ms of another in a second are 900, not 1200."""
    node = a_host(tmp_path)
    node.metrics(1.0, b"", slow=True)
    text = FILES["proc/diskstats"].replace(" 0 40 0", " 0 940 0").replace(" 0 300 0", " 0 600 0")
    (tmp_path / "proc/diskstats").write_text(text)
    assert node.metrics(1.0, b"", slow=False)["disk_busy"] == 900


def test_cores_are_ticks_that_were_neither_idle_nor_waiting(tmp_path: Path) -> None:
    """User, system and soft interrupts over the time that passed."""
    node = a_host(tmp_path)
    (tmp_path / "proc/stat").write_text("cpu  250 0 90 9000 999 0 15 0 0 0\n")
    assert node.metrics(2.0, b"", slow=False)["cpu"] == 1.0


def test_a_container_without_hardware_counts_all_but_loopback(tmp_path: Path) -> None:
    """A pod's eth0 is software; it has no disks of its own."""
    found = a_host(tmp_path, hardware=False).metrics(1.0, b"", slow=True)
    assert found["net_rx"] == 2200
    assert "disk_read" not in found


@pytest.mark.parametrize(
    ("missing", "metrics_gone"),
    [
        ("proc/pressure/io", {"psi_io"}),
        ("proc/net/snmp", {"tcp_out", "tcp_retrans"}),
        ("proc/net/netstat", {"tcp_timeouts"}),
        ("proc/diskstats", {"disk_read", "disk_write", "disk_busy"}),
    ],
)
def test_what_the_kernel_does_not_tell_is_absent(tmp_path: Path, missing: str, metrics_gone: set[str]) -> None:
    """And costs nothing else."""
    whole = a_host(tmp_path / "whole").metrics(1.0, b"", slow=True)
    a_host(tmp_path / "part")
    (tmp_path / "part" / missing).unlink()
    part = Node(root=str(tmp_path / "part")).metrics(1.0, b"", slow=True)
    assert whole.keys() - part.keys() == metrics_gone


def test_every_name_of_a_frame_of_this_host_is_in_the_table() -> None:
    """The agent's end of the table of metrics; the keys that lanes need are there."""
    sampler = Sampler({"run_dir": "/tmp"})
    sampler.watch(0, 1)
    frame = sampler.sample()
    assert {("node", name) for name in frame["node"]} <= BY_NAME.keys()
    assert {("rank", name) for values in frame["ranks"].values() for name in values} <= BY_NAME.keys()
    assert {"cpu", "memory", "memory_total", "shm_used", "scratch_total", "load"} <= frame["node"].keys()
    assert "load" not in sampler.sample()["node"]


def test_rdma_ports_tell_bytes_and_what_their_driver_counts(tmp_path: Path) -> None:
    """Words of four become bytes; a driver without hw_counters lacks these; a second port has a name of its own."""
    port = tmp_path / "mlx5_0/ports/1"
    plain = tmp_path / "irdma0/ports/2"
    for folder in (port / "counters", port / "hw_counters", plain / "counters"):
        folder.mkdir(parents=True)
    files = {
        "counters/port_xmit_data": 1000, "counters/port_rcv_data": 2000, "counters/port_xmit_wait": 5,
        "counters/port_rcv_packets": 70, "counters/symbol_error": 0, "counters/link_downed": 1,
        "hw_counters/out_of_sequence": 3, "hw_counters/packet_seq_err": 4, "hw_counters/local_ack_timeout_err": 6,
        "hw_counters/np_ecn_marked_roce_packets": 8,
    }  # fmt: skip
    for name, value in files.items():
        (port / name).write_text(f"{value}\n")
    (port / "rate").write_text("400 Gb/sec (4X NDR)\n")
    (port / "state").write_text("4: ACTIVE\n")
    (plain / "counters/port_xmit_data").write_text("1\n")
    (plain / "state").write_text("1: DOWN\n")
    found = metrics(ports(str(tmp_path)))
    assert found["mlx5_0"] == {
        "rdma_tx": 4000, "rdma_rx": 8000, "rdma_wait": 5, "rdma_packets": 70, "rdma_symbol_errors": 0, "rdma_link_downs": 1,
        "rdma_out_of_sequence": 3, "rdma_sequence_errors": 4, "rdma_ack_timeouts": 6, "rdma_congestion": 8, "rdma_rate": 400.0,
        "rdma_up": 1,
    }  # fmt: skip
    assert found["irdma0:2"] == {"rdma_tx": 4, "rdma_up": 0}
    assert {("nic", name) for name in found["mlx5_0"]} <= BY_NAME.keys()
    assert ports(str(tmp_path / "none")) == []
    assert metrics([Port("gone", str(tmp_path / "gone"))]) == {}


def test_a_long_table_of_the_kernel_is_read_to_its_end() -> None:
    """The kernel gives a page of it at a time: mounts of a container with many layers, disks and interfaces of a large host."""
    content = read_once("/proc/self/maps", 1 << 20)
    assert len(content) > 8192
    assert content.endswith(b"\n")
    assert b"[stack]" in content
