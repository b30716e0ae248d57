"""NVIDIA's devices through NVML (nvidia-ml-py), without DCGM's daemon.

In: NVML, CUDA_VISIBLE_DEVICES. Out: the metrics of scope "device" of the table in model/metrics.py.
Rule 1: counters, not windows: nvmlDeviceGetPcieThroughput measures for 20 ms within each call, bits of clock event reasons alias at
1 Hz; the fields 197/198, 138/139, 83 and 74/269/270/271 count all the time.
Rule 2: each metric is asked for apart (`probe`), each field of one call judged by its own return code.
Rule 3: of a MIG instance only what is its own is told: its memory and GPM's numbers. Energy, power, clock and links are the whole
device's, whom others may share.
Never run on hardware: tests drive it with an NVML (tests/recorded_nvml.py) made after nvml.h and nvidia-ml-py.
"""

from __future__ import annotations

from .gpm import Gpm
from .near import near_cpus
from .probe import Lost, Probe, Unsupported, wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .driver import Note, Readings

KIB = 1024
ALL_LINKS = 0xFFFFFFFF  # as scopeId: the sum over all links
FIELDS = (
    # metric, field id (nvml.h), its scope, factor
    ("energy", 83, 0, 1),  # mJ since the driver was loaded
    ("mem_temp", 82, 0, 1),
    ("host_tx", 197, 0, 1),
    ("host_rx", 198, 0, 1),
    ("link_tx", 138, ALL_LINKS, KIB),
    ("link_rx", 139, ALL_LINKS, KIB),
    ("throttle_power", 74, 0, 1),  # ns, as the three below
    ("throttle_brake", 271, 0, 1),
)
THERMAL_FIELDS = (269, 270)  # by software, by hardware; told as one
THERMAL = "throttle_thermal"
POWER_FIELD = 186  # mW, now; nvmlDeviceGetPowerUsage is an average of a second on newer devices
FALLEN_OFF = 79  # the Xid of what nvml.h calls "fallen off the bus or otherwise inaccessible"
VALUE_TYPES = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}  # nvmlValueType_t


class Device:
    """One device, or one MIG instance of it."""

    __slots__ = ("_fast", "_field_off", "_gpm", "_handle", "_mig", "_nvml", "_parent", "_slow", "index", "lost")

    def __init__(self, nvml: Any, handle: Any, index: str, parent: Any = None) -> None:
        self._nvml, self._handle, self._mig = nvml, handle, parent is not None
        self._parent = parent if self._mig else handle
        self.index, self.lost = index, False
        self._field_off: set[str] = set()  # fields that this device does not have; asked again with the hourly probe
        self._gpm = Gpm(nvml, self._parent, nvml.nvmlDeviceGetGpuInstanceId(handle) if self._mig else None)
        fast, slow = self._asks()
        self._fast = Probe({name: self._guarded(ask) for name, ask in fast.items()})
        self._slow = Probe({name: self._guarded(ask) for name, ask in slow.items()})

    def read(self, *, slow: bool) -> dict[str, float]:
        """What it says now. Raises `Lost`."""
        found = self._fast.read()
        if slow:
            found |= self._slow.read()
        # Where a counter is missing, what GPM measured between its samples is added up to one.
        counted = self._gpm.counters()
        return {**{name: value for name, value in counted.items() if name not in found}, **found}

    def _asks(self) -> tuple[dict[str, Callable[[], Any]], dict[str, Callable[[], Any]]]:
        nvml, device, whole = self._nvml, self._handle, self._parent
        own: dict[str, Callable[[], Any]] = {
            "mem_used": lambda: _memory(nvml.nvmlDeviceGetMemoryInfo(device)),
            "gpm": self._gpm.read,
        }
        if self._mig:
            return own, {}
        fast = own | {
            "util": lambda: nvml.nvmlDeviceGetUtilizationRates(whole).gpu,
            "power": self._power_w,
            "clock": lambda: nvml.nvmlDeviceGetClockInfo(whole, nvml.NVML_CLOCK_SM),
            "fields": self._fields,
        }
        slow: dict[str, Callable[[], Any]] = {
            "temp": lambda: nvml.nvmlDeviceGetTemperature(whole, nvml.NVML_TEMPERATURE_GPU),
            "clock_max": lambda: nvml.nvmlDeviceGetMaxClockInfo(whole, nvml.NVML_CLOCK_SM),
            "pcie_gen": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(whole),
            "pcie_gen_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(whole),
            "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(whole),
            "pcie_width_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(whole),
            "link_up": self._links_up,
            "ecc_errors": lambda: nvml.nvmlDeviceGetTotalEccErrors(
                whole, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
            ),
        }
        return fast, slow

    def _guarded(self, ask: Callable[[], Any]) -> Callable[[], Any]:
        """The same with NVML's errors in the words of `probe`."""
        nvml = self._nvml

        def asked() -> Any:
            try:
                return ask()
            except nvml.NVMLError as error:
                if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
                    raise Lost from error
                if error.value in _for_good(nvml):
                    raise Unsupported from error
                raise

        return asked

    def _fields(self) -> dict[str, float]:
        """All counters by one call; each has its own return code."""
        nvml = self._nvml
        asked = [(name, number, scope, factor) for name, number, scope, factor in FIELDS if name not in self._field_off]
        if THERMAL not in self._field_off:
            asked += [(THERMAL, number, 0, 1) for number in THERMAL_FIELDS]
        if not asked:
            raise Unsupported
        found: dict[str, float] = {}
        values = nvml.nvmlDeviceGetFieldValues(self._parent, [(number, scope) for _, number, scope, _ in asked])
        for (name, _, _, factor), value in zip(asked, values, strict=True):
            if value.nvmlReturn == nvml.NVML_SUCCESS:
                found[name] = found.get(name, 0) + _number(value) * factor
        for name in {name for name, *_ in asked} - found.keys():
            codes = {value.nvmlReturn for (each, *_), value in zip(asked, values, strict=True) if each == name}
            if codes <= _for_good(nvml):
                self._field_off.add(name)
        return found

    def _power_w(self) -> float:
        nvml = self._nvml
        (value,) = nvml.nvmlDeviceGetFieldValues(self._parent, [POWER_FIELD])
        if value.nvmlReturn == nvml.NVML_SUCCESS:
            return _number(value) / 1000
        used_mw: float = nvml.nvmlDeviceGetPowerUsage(self._parent)
        return used_mw / 1000

    def _links_up(self) -> int:
        nvml, up, there = self._nvml, 0, 0
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            try:
                up += bool(nvml.nvmlDeviceGetNvLinkState(self._parent, link))
                there += 1
            except nvml.NVMLError as error:
                if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
                    raise
        if not there:
            raise Unsupported
        return up


class Nvidia:
    """The run's NVIDIA devices."""

    def __init__(self, nvml: Any, devices: list[Device], note: Callable[[Note], None]) -> None:
        self._nvml, self._devices, self._note = nvml, devices, note

    def read(self, *, slow: bool) -> Readings:
        found: Readings = {}
        for device in self._devices:
            if device.lost:
                continue
            try:
                metrics = device.read(slow=slow)
            except Lost:
                device.lost = True
                text = f"accelerator {device.index} is lost: the driver does not reach it any more"
                self._note(("xid", text, {"device": device.index, "code": FALLEN_OFF}))
                continue
            if metrics:
                found[device.index] = metrics
        return found


def open_nvidia(listed: str | None, note: Callable[[Note], None], nvml: Any = None) -> Nvidia | None:
    """The devices of NVML that CUDA_VISIBLE_DEVICES lists (None: all there are), with a note of each and a watch for Xid errors.

    Without nvidia-ml-py or a driver that answers there are none, and a note says why.
    """
    nvml = nvml or _packed()
    if nvml is None:
        note(("agent", "GPU metrics are absent: the agent was packed without nvidia-ml-py", {}))
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        note(("agent", f"GPU metrics are absent: NVML says {error}", {}))
        return None
    devices = []
    for index, handle, parent in _chosen(nvml, wanted(listed)):
        try:
            device = Device(nvml, handle, index, parent)
            data: dict[str, Any] = {"index": index, "kind": "nvidia", "name": _text(nvml.nvmlDeviceGetName(handle))}
            data["uuid"] = _text(nvml.nvmlDeviceGetUUID(handle))
            data["cpus"] = near_cpus(_address(nvml, parent or handle))
        except nvml.NVMLError as error:
            note(("agent", f"accelerator {index} cannot be read: {error}", {}))
            continue
        devices.append(device)
        note(("device", f"accelerator {index}: {data['name']}", data))
    if devices:
        from .xid import watch_xid

        watch_xid(nvml, {device.index: device._parent for device in devices}, note)
    return Nvidia(nvml, devices, note) if devices else None


def _packed() -> Any:
    """The module of nvidia-ml-py that lies in the agent's file, None without it."""
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def _chosen(nvml: Any, ids: tuple[str, ...] | None) -> list[tuple[str, Any, Any]]:
    """(index, handle, the whole device's handle if it is a MIG instance) of the run's devices.

    An id is a number in PCI order (CUDA_DEVICE_ORDER=PCI_BUS_ID), or the beginning of a UUID; what is not there is left out, since
    a container shows its own devices only, numbered from 0 again.
    """
    count = nvml.nvmlDeviceGetCount()
    handles = {}
    for number in range(count):
        try:
            handles[str(number)] = nvml.nvmlDeviceGetHandleByIndex(number)
        except nvml.NVMLError:
            continue  # lost, or not permitted: the others count
    if ids is None:
        return [(index, handle, None) for index, handle in handles.items()]
    found = []
    for name in ids:
        if name in handles:
            found.append((name, handles[name], None))
        elif name.startswith("MIG-"):
            found += _mig(nvml, name, handles)
        elif name.startswith("GPU-"):
            found += [
                (index, handle, None)
                for index, handle in handles.items()
                if _text(nvml.nvmlDeviceGetUUID(handle)).startswith(name)
            ]
    return found


def _mig(nvml: Any, uuid: str, handles: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        parent = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
        whole = _text(nvml.nvmlDeviceGetUUID(parent))
        instance = nvml.nvmlDeviceGetGpuInstanceId(handle)
        index = next(index for index, each in handles.items() if _text(nvml.nvmlDeviceGetUUID(each)) == whole)
    except (nvml.NVMLError, StopIteration):
        return []
    return [(f"{index}:{instance}", handle, parent)]


def _address(nvml: Any, whole: Any) -> str:
    """The device's PCI address, "" where it is not told."""
    try:
        return _text(nvml.nvmlDeviceGetPciInfo(whole).busId)
    except nvml.NVMLError:
        return ""


def _memory(info: Any) -> dict[str, float]:
    return {"mem_used": info.used, "mem_total": info.total}


def _number(value: Any) -> float:
    number: float = getattr(value.value, VALUE_TYPES.get(value.valueType, "ullVal"))
    return number


def _for_good(nvml: Any) -> frozenset[int]:
    """Return codes that stay as they are."""
    return frozenset({
        nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_NO_PERMISSION, nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        nvml.NVML_ERROR_INVALID_ARGUMENT, nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    })  # fmt: skip


def _text(value: Any) -> str:
    """Older releases of nvidia-ml-py give bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
