"""The CPUs that are near a device: those of its NUMA node, as the kernel tells them for its PCI address.

In: an address as NVML, DCMI or npu-smi write it. Out: CPU numbers; [] where the kernel names none, as in a virtual machine that
shows no NUMA nodes or a container that hides /sys.
Source: Documentation/ABI/testing/sysfs-bus-pci, `local_cpulist`.
"""

from __future__ import annotations

from ..sampling.kernel import read_once

ROOT = "/sys/bus/pci/devices"


def near_cpus(address: str) -> list[int]:
    """The CPUs near the device at this address; NVML writes the domain with eight digits, the kernel with four."""
    domain, colon, rest = address.strip().lower().partition(":")
    return cpus_of(f"{ROOT}/{domain[-4:].rjust(4, '0')}:{rest}") if colon else []


def cpus_of(folder: str) -> list[int]:
    """The same of the device's own directory."""
    return numbers(read_once(f"{folder}/local_cpulist").decode("ascii", "replace"))


def numbers(text: str) -> list[int]:
    """`0-2,8` as [0, 1, 2, 8]; [] for what is no such list."""
    found: list[int] = []
    try:
        for part in text.strip().split(","):
            first, dash, last = part.partition("-")
            found += range(int(first), int(last if dash else first) + 1)
    except ValueError:
        return []
    return found
