"""AMD's accelerators through the files of the amdgpu driver in /sys/class/drm.

In: /sys, ROCR_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES. Out: the metrics of scope "device" of the table in model/metrics.py.
Rule 1: devices are numbered in PCI order, as ROCm does without a partition; a number that is not there is left out.
Rule 2: sysfs has no counters of energy, of traffic or of throttling: these are absent, never worked out from something else.
Source: Documentation/gpu/amdgpu/thermal.rst and driver-misc.rst. Never run on hardware: tests read a tree made after them.
"""

from __future__ import annotations

import os

from ..sampling.kernel import KernelFile, names_in, read_once
from .near import cpus_of
from .probe import wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .driver import Note, Readings

ROOT = "/sys/class/drm"
VENDOR = b"0x1002"
MICROWATTS, MILLIDEGREES, HERTZ_IN_MHZ = 1_000_000, 1000, 1_000_000
GENERATIONS = {b"2.5": 1, b"5.0": 2, b"8.0": 3, b"16.0": 4, b"32.0": 5, b"64.0": 6}  # GT/s of a PCIe lane


class Card:
    """One device, its files open."""

    __slots__ = ("_fast", "_folder", "_hwmon", "_slow", "index")

    def __init__(self, folder: str, index: str) -> None:
        self._folder, self.index = folder, index
        hwmon = f"{folder}/hwmon"
        self._hwmon = next((f"{hwmon}/{name}" for name in names_in(hwmon)), hwmon)
        power = "power1_average" if os.path.exists(f"{self._hwmon}/power1_average") else "power1_input"
        labels = {read_once(f"{self._hwmon}/temp{n}_label", 32).strip(): f"temp{n}_input" for n in (1, 2, 3)}
        files = (
            ("util", f"{folder}/gpu_busy_percent", 1),
            ("hbm_bw", f"{folder}/mem_busy_percent", 1),
            ("mem_used", f"{folder}/mem_info_vram_used", 1),
            ("mem_total", f"{folder}/mem_info_vram_total", 1),
            ("power", f"{self._hwmon}/{power}", MICROWATTS),
            ("clock", f"{self._hwmon}/freq1_input", HERTZ_IN_MHZ),
        )
        slow = (
            ("temp", f"{self._hwmon}/{labels.get(b'junction') or labels.get(b'edge', 'temp1_input')}", MILLIDEGREES),
            ("mem_temp", f"{self._hwmon}/{labels[b'mem']}" if b"mem" in labels else "", MILLIDEGREES),
            ("pcie_width", f"{folder}/current_link_width", 1),
            ("pcie_width_max", f"{folder}/max_link_width", 1),
        )
        self._fast = [(name, KernelFile(path), unit) for name, path, unit in files]
        self._slow = [(name, KernelFile(path), unit) for name, path, unit in slow]

    def read(self, *, slow: bool) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, file, unit in [*self._fast, *(self._slow if slow else ())]:
            value = file.number()
            if value is not None:
                found[name] = value / unit if unit > 1 else value
        if slow:
            found |= self._seldom()
        return found

    def name(self) -> str:
        """What the driver calls it, "AMD accelerator" where it does not."""
        return read_once(f"{self._folder}/product_name", 128).decode("utf-8", "replace").strip() or "AMD accelerator"

    def uuid(self) -> str:
        return read_once(f"{self._folder}/unique_id", 64).decode("ascii", "replace").strip()

    def near(self) -> list[int]:
        """The CPUs of its NUMA node."""
        return cpus_of(self._folder)

    def _seldom(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric, name in (("pcie_gen", "current_link_speed"), ("pcie_gen_max", "max_link_speed")):
            words = read_once(f"{self._folder}/{name}", 64).split()  # "16.0 GT/s PCIe"
            if words and words[0] in GENERATIONS:
                found[metric] = GENERATIONS[words[0]]
        steps = [line.split() for line in read_once(f"{self._folder}/pp_dpm_sclk", 4096).splitlines()]
        speeds = [int(step[1][:-3]) for step in steps if len(step) > 1 and step[1][:-3].isdigit()]  # "1: 1700Mhz *"
        if speeds:
            found["clock_max"] = max(speeds)
        errors = read_once(f"{self._folder}/ras/umc_err_count", 256).split()  # "ue: 0\nce: 3"
        if errors[:1] == [b"ue:"] and len(errors) > 1 and errors[1].isdigit():
            found["ecc_errors"] = int(errors[1])
        return found


class Amd:
    """The run's AMD devices."""

    def __init__(self, cards: list[Card]) -> None:
        self._cards = cards

    def read(self, *, slow: bool) -> Readings:
        found = {card.index: card.read(slow=slow) for card in self._cards}
        return {index: metrics for index, metrics in found.items() if metrics}


def open_amd(listed: str | None, note: Callable[[Note], None], root: str = ROOT) -> Amd | None:
    """The devices that the variable lists (None: all there are), with a note of each; None without any."""
    folders = []
    for name in names_in(root):
        folder = f"{root}/{name}/device"
        if name.startswith("card") and name[4:].isdigit() and read_once(f"{folder}/vendor", 16).strip() == VENDOR:
            folders.append(os.path.realpath(folder))
    # The last part of the real path is the PCI address; equal folders are two nodes of one device.
    cards = [Card(folder, str(place)) for place, folder in enumerate(sorted(set(folders), key=os.path.basename))]
    ids = wanted(listed)
    if ids is not None:
        cards = [
            card for card in cards if card.index in ids or card.uuid() in {each.removeprefix("GPU-") for each in ids}
        ]
    for card in cards:
        data = {"index": card.index, "kind": "amd", "name": card.name(), "uuid": card.uuid(), "cpus": card.near()}
        note(("device", f"accelerator {card.index}: {data['name']}", data))
    return Amd(cards) if cards else None
