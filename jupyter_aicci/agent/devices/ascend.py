"""Huawei's NPUs through libdcmi.so, the driver's own library, by ctypes; `npu_smi` where it cannot be loaded.

In: the library, ASCEND_RT_VISIBLE_DEVICES (logic numbers). Out: the metrics of scope "device" of the table in model/metrics.py.
Rule 1: each metric is asked for apart (`probe`); a return code other than nought is a metric that this chip or this container does
not show, as DCMI has no code of its own for that which all drivers use.
Rule 2: what DCMI calls the AI cores' utilisation is told as `util`: like NVIDIA's it is a share of time, not of what could be done.
Source: dcmi_interface_api.h and the DCMI API reference (Ascend 910B and 910_93); memory in MB, power in 0.1 W, frequency in MHz.
Never run on hardware: tests call a library that is compiled from the documented signatures.
"""

from __future__ import annotations

import ctypes

from .near import near_cpus
from .npu_smi import NpuSmi
from .probe import Probe, Unsupported, wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .driver import Note, Readings

LIBRARIES = ("libdcmi.so", "/usr/local/dcmi/libdcmi.so", "/usr/local/Ascend/driver/lib64/driver/libdcmi.so")
MIB = 1 << 20
MOST_CARDS = 64
AICORE, HBM_BANDWIDTH = 2, 10  # input_type of dcmi_get_device_utilization_rate
FREQUENCY_NOW, FREQUENCY_MAX = 7, 9  # enum dcmi_freq_type, of the AI cores
HBM = 2  # enum dcmi_device_type
NAME_BYTES = 32


class HbmInfo(ctypes.Structure):
    """struct dcmi_hbm_info."""

    _fields_ = (
        ("memory_size", ctypes.c_ulonglong),
        ("freq", ctypes.c_uint),
        ("memory_usage", ctypes.c_ulonglong),
        ("temp", ctypes.c_int),
        ("bandwith_util_rate", ctypes.c_uint),
    )


class EccInfo(ctypes.Structure):
    """struct dcmi_ecc_info."""

    _fields_ = tuple(
        (name, ctypes.c_uint)
        for name in (
            "enable_flag",
            "single_bit",
            "double_bit",
            "all_single",
            "all_double",
            "pages_single",
            "pages_double",
        )
    )


class ChipInfo(ctypes.Structure):
    """struct dcmi_chip_info."""

    _fields_ = (
        ("chip_type", ctypes.c_char * NAME_BYTES),
        ("chip_name", ctypes.c_char * NAME_BYTES),
        ("chip_ver", ctypes.c_char * NAME_BYTES),
        ("aicore_cnt", ctypes.c_uint),
    )


class PcieInfo(ctypes.Structure):
    """struct dcmi_pcie_info_all."""

    _fields_ = (
        ("venderid", ctypes.c_uint),
        ("subvenderid", ctypes.c_uint),
        ("deviceid", ctypes.c_uint),
        ("subdeviceid", ctypes.c_uint),
        ("domain", ctypes.c_int),
        ("bdf_busid", ctypes.c_uint),
        ("bdf_deviceid", ctypes.c_uint),
        ("bdf_funcid", ctypes.c_uint),
        ("reserve", ctypes.c_ubyte * 32),
    )


class Chip:
    """One chip: card and device as DCMI numbers them, and `index`, its logic number, as the program does."""

    __slots__ = ("_card", "_device", "_fast", "_library", "_slow", "index")

    def __init__(self, library: Any, card: int, device: int, index: str) -> None:
        self._library, self._card, self._device, self.index = library, card, device, index
        self._fast = Probe({
            "util": lambda: self._rate(AICORE),
            "hbm_bw": lambda: self._rate(HBM_BANDWIDTH),
            "memory": self._memory,
            "power": lambda: self._number("dcmi_get_device_power_info") / 10,
            "clock": lambda: self._number("dcmi_get_device_frequency", FREQUENCY_NOW),
        })  # fmt: skip
        self._slow = Probe({
            "temp": lambda: self._number("dcmi_get_device_temperature"),
            "clock_max": lambda: self._number("dcmi_get_device_frequency", FREQUENCY_MAX),
            "ecc_errors": self._ecc_errors,
        })  # fmt: skip

    def read(self, *, slow: bool) -> dict[str, float]:
        return self._fast.read() | (self._slow.read() if slow else {})

    def name(self) -> str:
        """`910B3` and the like, "NPU" where the driver does not say."""
        info = ChipInfo()
        try:
            self._call("dcmi_get_device_chip_info", ctypes.byref(info))
        except Unsupported:
            return "NPU"
        return info.chip_name.decode("utf-8", "replace") or "NPU"

    def near(self) -> list[int]:
        """The CPUs of its NUMA node; [] where the driver does not tell its PCI address."""
        info = PcieInfo()
        try:
            self._call("dcmi_get_device_pcie_info_v2", ctypes.byref(info))
        except Unsupported:
            return []
        return near_cpus(f"{info.domain:04x}:{info.bdf_busid:02x}:{info.bdf_deviceid:02x}.{info.bdf_funcid:x}")

    def _call(self, function: str, *arguments: Any) -> None:
        _ask(self._library, function, self._card, self._device, *arguments)

    def _number(self, function: str, *arguments: int) -> int:
        value = ctypes.c_int()
        self._call(function, *arguments, ctypes.byref(value))
        return value.value

    def _rate(self, kind: int) -> int:
        return self._number("dcmi_get_device_utilization_rate", kind)

    def _memory(self) -> dict[str, float]:
        info = HbmInfo()
        self._call("dcmi_get_device_hbm_info", ctypes.byref(info))
        if not info.memory_size:
            raise Unsupported  # a chip without high bandwidth memory
        found = {"mem_used": info.memory_usage * MIB, "mem_total": info.memory_size * MIB}
        return found | ({"mem_temp": info.temp} if info.temp > 0 else {})

    def _ecc_errors(self) -> int:
        info = EccInfo()
        self._call("dcmi_get_device_ecc_info", HBM, ctypes.byref(info))
        return int(info.double_bit)


class Ascend:
    """The run's NPUs."""

    def __init__(self, chips: list[Chip]) -> None:
        self._chips = chips

    def read(self, *, slow: bool) -> Readings:
        found = {chip.index: chip.read(slow=slow) for chip in self._chips}
        return {index: metrics for index, metrics in found.items() if metrics}


def open_ascend(
    listed: str | None, note: Callable[[Note], None], libraries: tuple[str, ...] = LIBRARIES
) -> Ascend | NpuSmi | None:
    """The NPUs that ASCEND_RT_VISIBLE_DEVICES lists (None: all there are), with a note of each; None without any."""
    library = _load(libraries)
    if library is None:
        return NpuSmi.opened(wanted(listed), note)
    ids = wanted(listed)
    chips = [chip for chip in _chips(library) if ids is None or chip.index in ids]
    for chip in chips:
        name = chip.name()
        data = {"index": chip.index, "kind": "ascend", "name": name, "uuid": "", "cpus": chip.near()}
        note(("device", f"accelerator {chip.index}: Ascend {name}", data))
    return Ascend(chips) if chips else None


def _load(libraries: tuple[str, ...]) -> Any:
    """The first library that can be loaded and begun, None without one."""
    for path in libraries:
        try:
            library = ctypes.CDLL(path)
            _ask(library, "dcmi_init")
        except (OSError, Unsupported):
            continue
        return library
    return None


def _chips(library: Any) -> list[Chip]:
    count, cards = ctypes.c_int(), (ctypes.c_int * MOST_CARDS)()
    try:
        _ask(library, "dcmi_get_card_list", ctypes.byref(count), cards, MOST_CARDS)
    except Unsupported:
        return []
    found = []
    for card in cards[: count.value]:
        for device in range(_devices_of(library, card)):
            logic = ctypes.c_int(-1)
            try:
                _ask(library, "dcmi_get_device_logic_id", ctypes.byref(logic), card, device)
            except Unsupported:
                continue  # its management or host CPU, which are devices of a card, too
            found.append(Chip(library, card, device, str(logic.value)))
    return found


def _devices_of(library: Any, card: int) -> int:
    """How many chips a card has: `device_id_max` of dcmi_get_device_id_in_card."""
    most, mcu, cpu = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    try:
        _ask(library, "dcmi_get_device_id_in_card", card, ctypes.byref(most), ctypes.byref(mcu), ctypes.byref(cpu))
    except Unsupported:
        return 0
    return most.value


def _ask(library: Any, function: str, *arguments: Any) -> None:
    """Call it; raises `Unsupported` where the library does not have it or it says no."""
    try:
        call = getattr(library, function)
    except AttributeError as error:
        raise Unsupported from error
    if call(*arguments) != 0:
        raise Unsupported
