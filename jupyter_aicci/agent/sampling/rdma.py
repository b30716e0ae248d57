"""RDMA ports, from the counters that their drivers keep in /sys/class/infiniband.

Rule 1: counters are told as they were read, data in bytes (the kernel counts words of four); a port is `mlx5_0`, a second port of
the same adapter `mlx5_0:2`.
Rule 2: what a driver does not keep (hw_counters are mlx5's) is absent.
Never run on hardware: read on trees made after Documentation/ABI/stable/sysfs-class-infiniband and the mlx5 counter list.
"""

from __future__ import annotations

from .kernel import KernelFile, names_in, read_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOT = "/sys/class/infiniband"
WORD_BYTES = 4  # port_xmit_data and port_rcv_data count words, one for each lane of four
COUNTERS = (
    # metric, file below the port, factor
    ("rdma_tx", "counters/port_xmit_data", WORD_BYTES),
    ("rdma_rx", "counters/port_rcv_data", WORD_BYTES),
    ("rdma_wait", "counters/port_xmit_wait", 1),
    ("rdma_packets", "counters/port_rcv_packets", 1),
    ("rdma_symbol_errors", "counters/symbol_error", 1),
    ("rdma_link_downs", "counters/link_downed", 1),
    ("rdma_out_of_sequence", "hw_counters/out_of_sequence", 1),
    ("rdma_sequence_errors", "hw_counters/packet_seq_err", 1),
    ("rdma_ack_timeouts", "hw_counters/local_ack_timeout_err", 1),
    ("rdma_congestion", "hw_counters/np_ecn_marked_roce_packets", 1),
)


class Port:
    """One port, its counters open."""

    __slots__ = ("_files", "_folder", "name")

    def __init__(self, name: str, folder: str) -> None:
        self.name, self._folder = name, folder
        opened = [(metric, KernelFile(f"{folder}/{file}"), factor) for metric, file, factor in COUNTERS]
        self._files = [each for each in opened if each[1]]

    def metrics(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric, file, factor in self._files:
            value = file.number()
            if value is not None:
                found[metric] = value * factor
        rate = read_once(f"{self._folder}/rate", 64).split()  # "400 Gb/sec (4X NDR)"
        state = read_once(f"{self._folder}/state", 64)  # "4: ACTIVE"
        if rate:
            found["rdma_rate"] = _rate(rate[0])
        if state:
            found["rdma_up"] = int(state.startswith(b"4:"))
        return found


def ports(root: str = ROOT) -> list[Port]:
    """The RDMA ports of this host."""
    found = []
    for adapter in names_in(root):
        for number in names_in(f"{root}/{adapter}/ports"):
            name = adapter if number == "1" else f"{adapter}:{number}"
            found.append(Port(name, f"{root}/{adapter}/ports/{number}"))
    return found


def metrics(of: list[Port]) -> dict[str, dict[str, Any]]:
    """The `nics` of a sample; a port without any number is left out."""
    told = {port.name: port.metrics() for port in of}
    return {name: values for name, values in told.items() if values}


def _rate(word: bytes) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0
