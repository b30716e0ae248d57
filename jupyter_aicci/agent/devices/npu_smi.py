"""Huawei's NPUs from the table that `npu-smi info` prints, for containers that have the tool and not the library.

Rule 1: the tool is a process that may take a second, so it is asked with the slow metrics only.
Rule 2: a row is two lines: `NPU Name | Health | Power Temp Hugepages`, then `Chip [Phy-ID] | Bus-Id | AICore Memory HBM`; what is
not a number (`-`, `NA`) is absent. Chips are numbered as they stand, or by their Phy-ID where the table has one.
Tested on tables that users of versions 23 to 26 have posted; never run on hardware.
"""

from __future__ import annotations

import re
import shutil

from .near import near_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .driver import Note, Readings

    Row = tuple[str, str, str, dict[str, float]]

TOOL = "npu-smi"
LIMIT_S = 20.0
MIB = 1 << 20
NUMBER = re.compile(r"-?\d+(?:\.\d+)?$")
OF = re.compile(r"(\d+)\s*/\s*(\d+)")  # "3162 / 65536"


class NpuSmi:
    """The run's NPUs as the tool shows them."""

    def __init__(self, ids: tuple[str, ...] | None) -> None:
        self._ids = ids

    @classmethod
    def opened(cls, ids: tuple[str, ...] | None, note: Callable[[Note], None]) -> NpuSmi | None:
        """With a note of each device; None where there is no tool, or it shows none."""
        if shutil.which(TOOL) is None:
            note(("agent", "NPU metrics are absent: neither libdcmi.so nor npu-smi can be used here", {}))
            return None
        self = cls(ids)
        for index, name, address, _ in self._chosen():
            data = {"index": index, "kind": "ascend", "name": name, "uuid": "", "cpus": near_cpus(address)}
            note(("device", f"accelerator {index}: Ascend {name}", data))
        return self

    def read(self, *, slow: bool) -> Readings:
        return {index: metrics for index, _, _, metrics in self._chosen()} if slow else {}

    def _chosen(self) -> list[Row]:
        import subprocess

        try:
            out = subprocess.run((TOOL, "info"), capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return []
        return [row for row in parse_table(out) if self._ids is None or row[0] in self._ids]


def parse_table(text: str) -> list[Row]:
    """(index, name, PCI address, metrics) of each chip in what `npu-smi info` prints."""
    found: list[Row] = []
    upper: list[str] | None = None
    has_number = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 3:
            upper = None
            continue
        if cells[0].startswith(("NPU", "Chip")):
            has_number |= "Phy-ID" in cells[0]
            continue
        if upper is None:
            upper = cells
            continue
        index = cells[0].split()[1] if has_number and len(cells[0].split()) > 1 else str(len(found))
        found.append((index, upper[0].partition(" ")[2].strip(), cells[1], _metrics(upper[2], cells[2])))
        upper = None
    return found


def _metrics(upper: str, lower: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, word in zip(("power", "temp"), upper.split(), strict=False):
        if NUMBER.match(word):
            found[name] = float(word)
    util = lower.split()[:1]
    if util and NUMBER.match(util[0]):
        found["util"] = float(util[0])
    memories = OF.findall(lower)
    if memories:  # of DDR and HBM the last; 310P has DDR only
        used, total = memories[-1]
        if int(total):
            found |= {"mem_used": int(used) * MIB, "mem_total": int(total) * MIB}
    return found
