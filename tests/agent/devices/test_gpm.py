"""GPM's two samples: intervals without a gap, rates added up to counters."""

from __future__ import annotations

import pytest
from recorded_nvml import FakeDevice, Nvml

from jupyter_aicci.agent.devices.gpm import Gpm
from jupyter_aicci.agent.devices.nvidia import Device
from jupyter_aicci.agent.devices.probe import Unsupported

MIB = 1 << 20


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def test_gauges_are_of_the_interval_since_the_last_sample() -> None:
    """The first sample begins an interval, one too soon after it changes nothing, the next one tells."""
    device, clock = FakeDevice(), Clock()
    gpm = Gpm(Nvml(device), device, None, clock)
    assert gpm.read() == {}
    clock.s += 0.1
    assert gpm.read() == {}
    clock.s += 0.9
    assert gpm.read() == {"sm_util": 88.0, "sm_occupancy": 41.5, "tensor": 37.25, "hbm_bw": 55.0}


def test_rates_add_up_to_counters_over_all_intervals() -> None:
    """Two MiB a second for 1 s, then four for 2 s are ten MiB: nothing falls between two intervals."""
    device, clock = FakeDevice(), Clock()
    gpm = Gpm(Nvml(device), device, None, clock)
    gpm.read()
    clock.s += 1.0
    gpm.read()
    device.gpm_values[20] = 4.0
    clock.s += 2.0
    gpm.read()
    assert gpm.counters()["host_tx"] == 10 * MIB


def test_a_metric_that_gpm_does_not_have_costs_no_other() -> None:
    """Each of GPM's metrics has its own return code."""
    device, clock = FakeDevice(gpm_values={2: 50.0, 10: float("nan")}), Clock()
    gpm = Gpm(Nvml(device), device, None, clock)
    gpm.read()
    clock.s += 1.0
    assert gpm.read() == {"sm_util": 50.0}
    assert gpm.counters() == {}


def test_a_device_before_hopper_has_no_gpm() -> None:
    """Absent, and not asked for again before the hourly probe."""
    device = FakeDevice(gpm=False)
    nvml = Nvml(device)
    with pytest.raises(Unsupported):
        Gpm(nvml, device, None).read()
    reader = Device(nvml, device, "0")
    nvml.calls.clear()
    found = [reader.read(slow=False) for _ in range(3)]
    assert all("sm_util" not in each and "util" in each for each in found)
    assert nvml.calls["nvmlGpmQueryDeviceSupport"] == 1
