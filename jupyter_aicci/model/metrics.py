"""The one table of metrics: what each number of a `sample` frame is, of what, and in which unit.

The agent writes these names, store and timeline read them, findings and exports name them; tests compare both ends.
Rule 1: a metric exists here or nowhere. Where a machine does not have it, it is absent, never zero.
Rule 2: a counter is kept as it was read and differenced when it is looked at; a step back is a restart of the counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["node", "rank", "device", "nic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row. `unit` is of the gauge, or of what the counter counts; a counter is drawn as `unit`/s."""

    name: str
    scope: Scope
    unit: str
    label: str  # how a lane is called
    counter: bool = False


def _rows(scope: Scope, *rows: tuple[str, str, str], counter: bool = False) -> tuple[Metric, ...]:
    return tuple(Metric(name=n, scope=scope, unit=u, label=label, counter=counter) for n, u, label in rows)


METRICS: tuple[Metric, ...] = (
    *_rows(
        "rank",
        ("cpu", "cores", "CPU"),
        ("rss", "B", "memory"),
        ("pss", "B", "memory, shared parts divided"),
        ("threads", "", "threads"),
        ("workers", "", "worker processes"),
        ("worker_cpu", "cores", "CPU of workers"),
        ("blocked", "", "processes waiting for storage"),
        ("gpu_allocated", "B", "accelerator memory in use by the framework"),
        ("gpu_reserved", "B", "accelerator memory held by the framework"),
    ),
    *_rows("rank", ("read", "B", "read"), ("written", "B", "written"), ("major_faults", "", "major faults"), counter=True),
    *_rows(
        "node",
        ("cpu", "cores", "CPU"),
        ("memory", "B", "host memory"),
        ("memory_total", "B", "host memory, all"),
        ("load", "", "load"),
        ("shm_used", "B", "/dev/shm"),
        ("shm_total", "B", "/dev/shm, all"),
        ("scratch_used", "B", "scratch"),
        ("scratch_total", "B", "scratch, all"),
        ("group_memory", "B", "memory of the group"),
        ("group_memory_max", "B", "memory limit of the group"),
        ("group_cache", "B", "page cache of the group that can be given back"),
        ("group_cpu_limit", "cores", "CPU limit of the group"),
    ),
    *_rows(
        "node",
        ("psi_cpu", "us", "CPU pressure"),
        ("psi_memory", "us", "memory pressure"),
        ("psi_memory_full", "us", "memory pressure, all stalled"),
        ("psi_io", "us", "storage pressure"),
        ("net_rx", "B", "network in"),
        ("net_tx", "B", "network out"),
        ("tcp_out", "segments", "TCP sent"),
        ("tcp_retrans", "segments", "TCP sent again"),
        ("tcp_timeouts", "", "TCP timeouts"),
        ("disk_read", "B", "disk read"),
        ("disk_write", "B", "disk write"),
        ("disk_busy", "ms", "disk busy"),
        ("group_cpu", "us", "CPU of the group"),
        ("group_periods", "", "quota periods"),
        ("group_throttled", "", "quota periods throttled"),
        ("group_throttled_us", "us", "throttled by quota"),
        ("group_oom_kills", "", "processes killed, out of memory"),
        counter=True,
    ),
    *_rows(
        "device",
        ("util", "%", "busy"),
        ("sm_util", "%", "SM busy"),
        ("sm_occupancy", "%", "SM occupancy"),
        ("tensor", "%", "tensor cores"),
        ("hbm_bw", "%", "memory bandwidth"),
        ("mem_used", "B", "accelerator memory"),
        ("mem_total", "B", "accelerator memory, all"),
        ("power", "W", "power"),
        ("temp", "°C", "temperature"),
        ("mem_temp", "°C", "memory temperature"),
        ("clock", "MHz", "clock"),
        ("clock_max", "MHz", "clock, highest"),
        ("pcie_gen", "", "PCIe generation"),
        ("pcie_gen_max", "", "PCIe generation, highest"),
        ("pcie_width", "", "PCIe lanes"),
        ("pcie_width_max", "", "PCIe lanes, most"),
        ("link_up", "", "links up"),
    ),
    *_rows(
        "device",
        ("energy", "mJ", "energy"),
        ("host_tx", "B", "to the host"),
        ("host_rx", "B", "from the host"),
        ("link_tx", "B", "NVLink out"),
        ("link_rx", "B", "NVLink in"),
        ("throttle_power", "ns", "capped by power"),
        ("throttle_thermal", "ns", "capped by heat"),
        ("throttle_brake", "ns", "braked by hardware"),
        ("ecc_errors", "", "memory errors"),
        counter=True,
    ),
    *_rows("nic", ("rdma_rate", "Gbit/s", "RDMA rate"), ("rdma_up", "", "RDMA port up")),
    *_rows(
        "nic",
        ("rdma_tx", "B", "RDMA out"),
        ("rdma_rx", "B", "RDMA in"),
        ("rdma_wait", "ticks", "RDMA waits to send"),
        ("rdma_packets", "", "RDMA packets in"),
        ("rdma_out_of_sequence", "", "RDMA out of sequence"),
        ("rdma_sequence_errors", "", "RDMA sequence errors"),
        ("rdma_ack_timeouts", "", "RDMA timeouts"),
        ("rdma_congestion", "", "RDMA congestion marks"),
        ("rdma_symbol_errors", "", "RDMA symbol errors"),
        ("rdma_link_downs", "", "RDMA link downs"),
        counter=True,
    ),
)  # fmt: skip

BY_NAME = {(metric.scope, metric.name): metric for metric in METRICS}


def owner(scope: Scope, node: int, unit: str = "") -> str:
    """Whose a series is, as text: "node-0", "rank-5", "node-0/gpu-3", "node-0/mlx5_0"; `unit` is the rank's number, the
    device's index or the NIC's name."""
    match scope:
        case "node":
            return f"node-{node}"
        case "rank":
            return f"rank-{unit}"
        case "device":
            return f"node-{node}/gpu-{unit}"
    return f"node-{node}/{unit}"
