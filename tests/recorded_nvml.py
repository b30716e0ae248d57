"""An NVML without hardware: what nvidia-ml-py's functions answer for a few devices, after nvml.h and the module's own constants.

`Nvml(devices)` stands in for the module `pynvml`: names that are not here are the real module's (constants, structures, errors).
It was written, not recorded on a device; what it shows is our side of each branch.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

U64 = 3  # nvmlValueType_t of an unsigned long long
FIELDS = {83: 5_000_000, 82: 61, 197: 1_000, 198: 2_000, 138: 10, 139: 20, 74: 7, 269: 1, 270: 2, 271: 0, 186: 412_500}
GPM = {2: 88.0, 3: 41.5, 5: 37.25, 10: 55.0, 20: 2.0, 21: 4.0, 61: 8.0, 60: 16.0}


@dataclass(slots=True, kw_only=True)
class FakeDevice:
    """One device. `refuses` maps a function's name, or a field's number, to the return code that it gives instead."""

    uuid: str = "GPU-00000000-1111"
    name: str = "NVIDIA H100 80GB HBM3"
    address: str = "00000000:17:00.0"
    gpm: bool = True
    fields: dict[int, int] = field(default_factory=lambda: dict(FIELDS))
    gpm_values: dict[int, float] = field(default_factory=lambda: dict(GPM))
    refuses: dict[str | int, int] = field(default_factory=dict)
    links: int = 18
    mig: FakeDevice | None = None  # the whole device, if this is an instance of it
    instance: int = 0


class Nvml:
    """The module as its callers see it. `calls` counts them by name."""

    def __init__(self, *devices: FakeDevice, instances: tuple[FakeDevice, ...] = ()) -> None:
        self.devices, self.instances = list(devices), list(instances)
        self.calls: dict[str, int] = {}
        self.events: queue.Queue[Any] = queue.Queue()
        self.gpm_taken: list[tuple[str, int | None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(pynvml, name)

    def _ask(self, name: str, device: FakeDevice | None = None) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        if device is not None and name in device.refuses:
            raise pynvml.NVMLError(device.refuses[name])

    # the library and its devices

    def nvmlInit(self) -> None:
        self._ask("nvmlInit")

    def nvmlDeviceGetCount(self) -> int:
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeDevice:
        self._ask("nvmlDeviceGetHandleByIndex", self.devices[index])
        return self.devices[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeDevice:
        for device in [*self.devices, *self.instances]:
            if device.uuid == uuid:
                return device
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, device: FakeDevice) -> FakeDevice:
        assert device.mig is not None
        return device.mig

    def nvmlDeviceGetGpuInstanceId(self, device: FakeDevice) -> int:
        return device.instance

    def nvmlDeviceGetName(self, device: FakeDevice) -> str:
        return device.name

    def nvmlDeviceGetUUID(self, device: FakeDevice) -> str:
        return device.uuid

    # metrics

    def nvmlDeviceGetPciInfo(self, device: FakeDevice) -> Any:
        self._ask("nvmlDeviceGetPciInfo", device)
        return SimpleNamespace(busId=device.address)

    def nvmlDeviceGetMemoryInfo(self, device: FakeDevice) -> Any:
        self._ask("nvmlDeviceGetMemoryInfo", device)
        return SimpleNamespace(used=20 << 30, total=80 << 30)

    def nvmlDeviceGetUtilizationRates(self, device: FakeDevice) -> Any:
        self._ask("nvmlDeviceGetUtilizationRates", device)
        return SimpleNamespace(gpu=97, memory=40)

    def nvmlDeviceGetPowerUsage(self, device: FakeDevice) -> int:
        self._ask("nvmlDeviceGetPowerUsage", device)
        return 300_000

    def nvmlDeviceGetClockInfo(self, device: FakeDevice, kind: int) -> int:
        self._ask("nvmlDeviceGetClockInfo", device)
        return 1755

    def nvmlDeviceGetMaxClockInfo(self, device: FakeDevice, kind: int) -> int:
        return 1980

    def nvmlDeviceGetTemperature(self, device: FakeDevice, sensor: int) -> int:
        self._ask("nvmlDeviceGetTemperature", device)
        return 54

    def nvmlDeviceGetCurrPcieLinkGeneration(self, device: FakeDevice) -> int:
        return 4

    def nvmlDeviceGetMaxPcieLinkGeneration(self, device: FakeDevice) -> int:
        return 5

    def nvmlDeviceGetCurrPcieLinkWidth(self, device: FakeDevice) -> int:
        return 8

    def nvmlDeviceGetMaxPcieLinkWidth(self, device: FakeDevice) -> int:
        return 16

    def nvmlDeviceGetNvLinkState(self, device: FakeDevice, link: int) -> int:
        if link >= device.links:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return int(link != 3)

    def nvmlDeviceGetTotalEccErrors(self, device: FakeDevice, kind: int, counter: int) -> int:
        self._ask("nvmlDeviceGetTotalEccErrors", device)
        return 0

    def nvmlDeviceGetFieldValues(self, device: FakeDevice, asked: list[Any]) -> list[Any]:
        self._ask("nvmlDeviceGetFieldValues", device)
        numbers = [each[0] if isinstance(each, tuple) else each for each in asked]
        return [self._field(device, number) for number in numbers]

    def _field(self, device: FakeDevice, number: int) -> Any:
        code = device.refuses.get(number, pynvml.NVML_SUCCESS)
        value = SimpleNamespace(ullVal=device.fields.get(number, 0))
        return SimpleNamespace(fieldId=number, nvmlReturn=code, valueType=U64, value=value)

    # GPM

    def nvmlGpmQueryDeviceSupport(self, device: FakeDevice) -> Any:
        self._ask("nvmlGpmQueryDeviceSupport", device)
        return SimpleNamespace(isSupportedDevice=int(device.gpm))

    def nvmlGpmSampleAlloc(self) -> Any:
        return SimpleNamespace(of=None)

    def nvmlGpmSampleGet(self, device: FakeDevice, sample: Any) -> None:
        self._ask("nvmlGpmSampleGet", device)
        sample.of = device
        self.gpm_taken.append((device.uuid, None))

    def nvmlGpmMigSampleGet(self, device: FakeDevice, instance: int, sample: Any) -> None:
        sample.of = device
        self.gpm_taken.append((device.uuid, instance))

    def c_nvmlGpmMetricsGet_t(self) -> Any:
        metrics = [SimpleNamespace(metricId=0, nvmlReturn=0, value=0.0) for _ in range(20)]
        return SimpleNamespace(version=0, numMetrics=0, sample1=None, sample2=None, metrics=metrics)

    def nvmlGpmMetricsGet(self, asked: Any) -> None:
        assert asked.version == pynvml.NVML_GPM_METRICS_GET_VERSION
        assert asked.sample1 is not asked.sample2
        values = asked.sample2.of.gpm_values
        for metric in asked.metrics[: asked.numMetrics]:
            known = metric.metricId in values
            metric.nvmlReturn = pynvml.NVML_SUCCESS if known else pynvml.NVML_ERROR_NOT_SUPPORTED
            metric.value = values.get(metric.metricId, 0.0)

    # events

    def nvmlEventSetCreate(self) -> Any:
        self._ask("nvmlEventSetCreate")
        return "events"

    def nvmlDeviceRegisterEvents(self, device: FakeDevice, kinds: int, events: Any) -> None:
        self._ask("nvmlDeviceRegisterEvents", device)

    def nvmlEventSetWait_v2(self, events: Any, wait_ms: int) -> Any:
        found = self.events.get()
        if isinstance(found, int):
            raise pynvml.NVMLError(found)
        return found

    def xid(self, device: FakeDevice, code: int) -> None:
        """Have the driver report an error."""
        kind = pynvml.nvmlEventTypeXidCriticalError
        self.events.put(SimpleNamespace(device=device, eventType=kind, eventData=code))
