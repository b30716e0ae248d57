"""NVIDIA's devices on an NVML that answers as nvml.h says; never run on hardware."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pynvml
import pytest
from recorded_nvml import FakeDevice, Nvml

from jupyter_aicci.agent.devices import near
from jupyter_aicci.agent.devices.nvidia import Nvidia, open_nvidia
from jupyter_aicci.model.metrics import BY_NAME

WAIT_S = 20.0


def opened(nvml: Nvml, listed: str | None = None) -> tuple[Nvidia, list[Any]]:
    """The driver on this NVML, and the notes that it makes. The thread that waits for Xid errors ends with the test."""
    notes: list[Any] = []
    driver = open_nvidia(listed, notes.append, nvml)
    nvml.events.put(pynvml.NVML_ERROR_UNINITIALIZED)
    assert driver is not None
    return driver, notes


def by_topic(notes: list[Any], topic: str) -> list[dict[str, Any]]:
    return [data for each, _, data in notes if each == topic]


def test_a_device_tells_every_metric_that_it_has() -> None:
    """Counters as read in the table's units: bytes, ns, mJ; links in KiB become bytes; only names of the table."""
    driver, notes = opened(Nvml(FakeDevice()))
    found = driver.read(slow=True)["0"]
    assert found == {
        "mem_used": 20 << 30, "mem_total": 80 << 30, "util": 97, "power": 412.5, "clock": 1755, "energy": 5_000_000,
        "mem_temp": 61, "host_tx": 1_000, "host_rx": 2_000, "link_tx": 10 << 10, "link_rx": 20 << 10, "throttle_power": 7,
        "throttle_brake": 0, "throttle_thermal": 3, "temp": 54, "clock_max": 1980, "pcie_gen": 4, "pcie_gen_max": 5,
        "pcie_width": 8, "pcie_width_max": 16, "link_up": 17, "ecc_errors": 0,
    }  # fmt: skip
    assert {("device", name) for name in found} <= BY_NAME.keys()
    assert by_topic(notes, "device") == [
        {"index": "0", "kind": "nvidia", "name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-00000000-1111", "cpus": []}
    ]
    assert "temp" not in driver.read(slow=False)["0"]


@pytest.mark.parametrize(
    ("refused", "missing"),
    [
        ("nvmlDeviceGetUtilizationRates", {"util"}),
        ("nvmlDeviceGetMemoryInfo", {"mem_used", "mem_total"}),
        ("nvmlDeviceGetTotalEccErrors", {"ecc_errors"}),
        ("nvmlGpmQueryDeviceSupport", set()),
        (83, {"energy"}),
        (269, set()),
        (197, {"host_tx"}),
        ("nvmlDeviceGetFieldValues", {
            "energy", "mem_temp", "host_tx", "host_rx", "link_tx", "link_rx", "throttle_power", "throttle_brake",
            "throttle_thermal", "power",
        }),
    ],
)  # fmt: skip
def test_one_metric_that_is_not_supported_costs_no_other(refused: str | int, missing: set[str]) -> None:
    """What the device does not have is absent, not zero; the rest is as on a device that has it all."""
    whole = opened(Nvml(FakeDevice()))[0].read(slow=True)["0"]
    device = FakeDevice(refuses={refused: pynvml.NVML_ERROR_NOT_SUPPORTED})
    found = opened(Nvml(device))[0].read(slow=True)["0"]
    assert whole.keys() - found.keys() == missing


def test_a_note_tells_the_cpus_near_the_device_and_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the PCI address of NVML; of a MIG instance by the whole device's. Not told, the device is still there."""
    monkeypatch.setattr(near, "ROOT", str(tmp_path))
    (tmp_path / "0000:17:00.0").mkdir()
    (tmp_path / "0000:17:00.0" / "local_cpulist").write_text("0-3\n")
    whole = FakeDevice()
    mig = FakeDevice(uuid="MIG-1", mig=whole, refuses={"nvmlDeviceGetPciInfo": pynvml.NVML_ERROR_NOT_SUPPORTED})
    mute = FakeDevice(refuses={"nvmlDeviceGetPciInfo": pynvml.NVML_ERROR_NO_PERMISSION})
    nvml = Nvml(whole, mute, instances=(mig,))
    assert [data["cpus"] for data in by_topic(opened(nvml)[1], "device")] == [[0, 1, 2, 3], []]
    assert [data["cpus"] for data in by_topic(opened(nvml, "MIG-1")[1], "device")] == [[0, 1, 2, 3]]


def test_what_is_not_supported_is_not_asked_again_at_the_next_sample() -> None:
    """A call that always fails would cost time every second."""
    nvml = Nvml(FakeDevice(refuses={"nvmlDeviceGetUtilizationRates": pynvml.NVML_ERROR_NOT_SUPPORTED}))
    driver, _ = opened(nvml)
    for _ in range(5):
        driver.read(slow=False)
    assert nvml.calls["nvmlDeviceGetUtilizationRates"] == 1
    assert nvml.calls["nvmlDeviceGetMemoryInfo"] == 5


def test_power_falls_back_to_the_average_where_the_field_is_missing() -> None:
    """Field 186 is newer than nvmlDeviceGetPowerUsage."""
    device = FakeDevice(refuses={186: pynvml.NVML_ERROR_NOT_SUPPORTED})
    assert opened(Nvml(device))[0].read(slow=False)["0"]["power"] == 300.0


def test_a_lost_device_is_noted_once_and_the_others_go_on() -> None:
    """No lane of zeros, and no error that ends the sampling."""
    lost, good = FakeDevice(uuid="GPU-a"), FakeDevice(uuid="GPU-b")
    driver, notes = opened(Nvml(lost, good))
    assert driver.read(slow=False).keys() == {"0", "1"}
    lost.refuses["nvmlDeviceGetMemoryInfo"] = pynvml.NVML_ERROR_GPU_IS_LOST
    assert driver.read(slow=False).keys() == {"1"}
    assert driver.read(slow=True).keys() == {"1"}
    assert by_topic(notes, "xid") == [{"device": "0", "code": 79}]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [(None, {"0", "1", "2"}), ("2,0", {"0", "2"}), ("GPU-b", {"1"}), ("7", None), ("1,7", {"1"})],
)
def test_only_the_runs_devices_are_read(listed: str | None, expected: set[str] | None) -> None:
    """CUDA_VISIBLE_DEVICES by number or UUID; what is not there is left out."""
    nvml = Nvml(FakeDevice(uuid="GPU-a"), FakeDevice(uuid="GPU-b"), FakeDevice(uuid="GPU-c"))
    driver = open_nvidia(listed, lambda note: None, nvml)
    nvml.events.put(pynvml.NVML_ERROR_UNINITIALIZED)
    assert (None if driver is None else driver.read(slow=False).keys()) == expected


def test_of_a_mig_instance_only_what_is_its_own_is_told() -> None:
    """Memory of the instance, GPM through the instance's own call; energy and power belong to the whole device."""
    whole = FakeDevice(uuid="GPU-a")
    nvml = Nvml(whole, instances=(FakeDevice(uuid="MIG-1", mig=whole, instance=3, name="NVIDIA H100 MIG 1g.10gb"),))
    driver, notes = opened(nvml, "MIG-1")
    driver.read(slow=True)
    time.sleep(0.51)  # what GPM measures is an interval
    found = driver.read(slow=True)["0:3"]
    assert {"mem_used", "mem_total", "sm_util", "tensor"} <= found.keys()
    assert not {"energy", "power", "util", "clock", "throttle_power"} & found.keys()
    assert set(nvml.gpm_taken) == {("GPU-a", 3)}
    assert by_topic(notes, "device")[0]["index"] == "0:3"


def test_without_a_driver_there_is_a_note_and_no_device() -> None:
    """NVML that does not answer is no crash of the agent."""

    class Broken(Nvml):
        def nvmlInit(self) -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    notes: list[Any] = []
    assert open_nvidia(None, notes.append, Broken()) is None
    assert [topic for topic, _, _ in notes] == ["agent"]


def test_an_xid_error_is_noted_with_its_device_and_its_meaning() -> None:
    """The thread wakes up in the moment in which the driver reports it; a time-out is nothing."""
    device = FakeDevice(uuid="GPU-b")
    nvml = Nvml(FakeDevice(uuid="GPU-a"), device)
    notes: list[Any] = []
    open_nvidia(None, notes.append, nvml)
    nvml.events.put(pynvml.NVML_ERROR_TIMEOUT)
    nvml.xid(device, 79)
    nvml.events.put(pynvml.NVML_ERROR_UNINITIALIZED)
    deadline_s = time.monotonic() + WAIT_S
    while not any("not watched" in text for _, text, _ in notes) and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert by_topic(notes, "xid") == [{"device": "1", "code": 79}]
    assert "accelerator 1: Xid 79: it has fallen off the bus" in [text for _, text, _ in notes]
