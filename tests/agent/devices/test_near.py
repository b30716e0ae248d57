"""The CPUs near a device, from the kernel's list for its PCI address."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.agent.devices import near


@pytest.mark.parametrize(
    "address", ["0000:c1:00.0", "00000000:C1:00.0", " 0000:C1:00.0 ", "0:c1:00.0"], ids=["kernel", "nvml", "npu-smi", "short"]
)  # fmt: skip
def test_the_cpus_of_the_devices_numa_node_are_found_however_its_address_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Each driver writes the same address in its own way."""
    (tmp_path / "0000:c1:00.0").mkdir()
    (tmp_path / "0000:c1:00.0" / "local_cpulist").write_text("48-51,112\n")
    monkeypatch.setattr(near, "ROOT", str(tmp_path))
    assert near.near_cpus(address) == [48, 49, 50, 51, 112]


@pytest.mark.parametrize("address", ["", "0000:ff:00.0", "nonsense", "../../etc:passwd"])
def test_where_the_kernel_names_no_cpus_there_are_none(address: str) -> None:
    """A container that hides /sys, a driver that does not tell the address."""
    assert near.near_cpus(address) == []


@given(st.sets(st.integers(0, 600)))
def test_a_list_of_the_kernel_is_read_back_to_its_numbers(cpus: set[int]) -> None:
    """Ranges and single numbers, in order."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    assert near.numbers(text + "\n") == sorted(cpus)


@given(st.text("0123456789-, \nx", max_size=12))
def test_no_text_is_an_error(text: str) -> None:
    """What the kernel does not write means no CPUs."""
    assert all(cpu >= 0 for cpu in near.numbers(text))
