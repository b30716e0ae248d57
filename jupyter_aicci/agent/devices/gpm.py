"""GPM: what Hopper and later devices measure of themselves between two samples, without a profiler.

In: NVML's nvmlGpm* calls. Out: SM and tensor core activity, occupancy and memory bandwidth in percent of the interval, and bytes
over PCIe and NVLink, added up to counters for devices without such counters.
Rule: an interval is at least half a second; the later sample of one is the earlier of the next, so that nothing falls between.
Never run on hardware (see `nvidia`); units after nvml.h: percent, and MiB a second.
"""

from __future__ import annotations

import time

from .probe import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

AT_LEAST_S = 0.5
MIB = 1 << 20
GAUGES = {2: "sm_util", 3: "sm_occupancy", 5: "tensor", 10: "hbm_bw"}  # NVML_GPM_METRIC_*
RATES = {20: "host_tx", 21: "host_rx", 61: "link_tx", 60: "link_rx"}


class Gpm:
    """The two samples of one device (or of one MIG instance, by its number)."""

    __slots__ = (
        "_counted",
        "_device",
        "_earlier",
        "_earlier_s",
        "_instance",
        "_later",
        "_now_s",
        "_nvml",
        "_supported",
    )

    def __init__(
        self, nvml: Any, device: Any, instance: int | None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._nvml, self._device, self._instance, self._now_s = nvml, device, instance, now_s
        self._earlier: Any = None
        self._later: Any = None
        self._earlier_s = 0.0
        self._supported: bool | None = None
        self._counted: dict[str, float] = {}

    def read(self) -> dict[str, float]:
        """The gauges of the interval that ends now; {} while it is too short. Raises `Unsupported` where there is no GPM."""
        nvml = self._nvml
        if self._supported is None:
            self._supported = bool(nvml.nvmlGpmQueryDeviceSupport(self._device).isSupportedDevice)
        if not self._supported:
            self._supported = None  # asked anew when the probe comes again
            raise Unsupported
        now_s = self._now_s()
        if self._earlier is None:
            self._earlier, self._later = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
            self._take(self._earlier)
            self._earlier_s = now_s
            return {}
        if now_s - self._earlier_s < AT_LEAST_S:
            return {}
        self._take(self._later)
        found = self._values(now_s - self._earlier_s)
        self._earlier, self._later = self._later, self._earlier
        self._earlier_s = now_s
        return found

    def counters(self) -> dict[str, float]:
        """Bytes since the first sample, by metric, as far as they are measured."""
        return dict(self._counted)

    def _take(self, sample: Any) -> None:
        if self._instance is None:
            self._nvml.nvmlGpmSampleGet(self._device, sample)
        else:
            self._nvml.nvmlGpmMigSampleGet(self._device, self._instance, sample)

    def _values(self, passed_s: float) -> dict[str, float]:
        nvml = self._nvml
        asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
        numbers = [*GAUGES, *RATES]
        asked.numMetrics = len(numbers)
        asked.sample1, asked.sample2 = self._earlier, self._later
        for place, number in enumerate(numbers):
            asked.metrics[place].metricId = number
        nvml.nvmlGpmMetricsGet(asked)
        found: dict[str, float] = {}
        for place, number in enumerate(numbers):
            metric = asked.metrics[place]
            if metric.nvmlReturn != nvml.NVML_SUCCESS or metric.value != metric.value:  # NaN: not measured
                continue
            if number in GAUGES:
                found[GAUGES[number]] = round(metric.value, 2)
            else:
                name = RATES[number]
                self._counted[name] = self._counted.get(name, 0) + int(metric.value * MIB * passed_s)
        return found
