"""What this host has that runs may use: CPUs, memory, accelerators, and the shapes that follow from them.

In: the kernel's own files, `nvidia-smi` where it is installed, the user's setting. Out: a `scheduler.cluster.Host`.
Rule: shapes are powers of two of what there is, and all of it. Memory is shared by all runs of this host, so shapes promise none.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_aicci.model.shapes import Shape

if TYPE_CHECKING:
    from jupyter_aicci.scheduler import Host

ADDRESS = "127.0.0.1"
QUERY = ("nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader")
QUERY_S = 20.0
MAKERS = ("nvidia", "tesla", "geforce", "quadro", "graphics", "device")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerators:
    """The devices of one kind; none is kind ""."""

    kind: str = ""
    devices: tuple[str, ...] = ()


def inventory(cpus: int = 0, *, others: Collection[int] = ()) -> Host:
    """This host. `cpus` (the user's setting) or AICCI_LOCAL_CPUS say how many CPUs runs may use, 0 = all there are.

    `others`: the CPUs of services that keep to a part of the host themselves; ours is another part while there is one.
    """
    from jupyter_aicci.scheduler import Host  # with numpy, which a service's first answer does without

    wanted = int(os.environ.get("AICCI_LOCAL_CPUS") or cpus)
    numbers = part(real_cpus(), wanted, others) if wanted else real_cpus()
    found = _nvidia() or _ascend() or Accelerators()
    return Host(
        name=socket.gethostname(),
        address=ADDRESS,
        cpus=numbers,
        memory_bytes=memory_bytes(),
        accelerator=found.kind,
        devices=found.devices,
        shapes=shapes(len(numbers), found),
    )


def part(real: tuple[int, ...], wanted: int, others: Collection[int]) -> tuple[int, ...]:
    """`wanted` CPUs, those first that are in nobody else's part; numbers that are none where there are not as many."""
    if wanted >= len(real):
        return tuple(range(wanted))
    free_first = sorted(real, key=lambda cpu: (cpu in others, cpu))
    return tuple(sorted(free_first[:wanted]))


def shapes(cpus: int, accelerators: Accelerators) -> tuple[Shape, ...]:
    """What a node can be here: accelerators with their part of the CPUs, then CPUs alone; smallest first."""
    total = len(accelerators.devices)
    with_devices = (
        Shape(
            name=f"{accelerators.kind}x{count}",
            accelerator=accelerators.kind,
            accelerators=count,
            cpus=max(1, cpus * count // total),
        )
        for count in sizes(total)
    )
    return (*with_devices, *(Shape(name=f"cpux{count}", cpus=count) for count in sizes(cpus)))


def sizes(total: int) -> tuple[int, ...]:
    """1, 2, 4 … up to `total`, and `total` itself."""
    powers = [1 << power for power in range(total.bit_length()) if 1 << power <= total]
    return tuple(powers if not total or total in powers else [*powers, total])


def real_cpus() -> tuple[int, ...]:
    """The CPUs that this process may run on; no more than a container's quota of CPU time pays for."""
    numbers = tuple(sorted(os.sched_getaffinity(0)))
    quota = _quota_cpus()
    return numbers[: max(1, quota)] if quota else numbers


def pinnable(numbers: Iterable[int]) -> tuple[int, ...]:
    """The CPUs to pin a node to: () where they are not this host's own, or all that it has, or a quota counts time, not CPUs."""
    here, asked = os.sched_getaffinity(0), set(numbers)
    return tuple(sorted(asked)) if asked < here and not _quota_cpus() else ()


def _quota_cpus() -> int:
    """Whole CPUs of the container's quota, rounded up; 0 = no quota."""
    for paths in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join((Path("/sys/fs/cgroup") / path).read_text() for path in paths).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0:
            return -(-quota // period)
    return 0


def memory_bytes() -> int:
    """The memory of this host, or of the container it is."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int((Path("/sys/fs/cgroup") / path).read_text()))
        except (OSError, ValueError):
            continue
    return total


def _nvidia() -> Accelerators | None:
    if shutil.which(QUERY[0]) is None:
        return None
    try:
        out = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_nvidia(out)


def parse_nvidia(text: str) -> Accelerators | None:
    """The devices in nvidia-smi's `index, name` lines; of several kinds, the one there is most of. None without devices."""
    rows = [(row[0].strip(), kind_of(row[1])) for row in csv.reader(text.splitlines()) if len(row) >= 2]
    rows = [(index, kind) for index, kind in rows if index.isdigit() and kind]
    if not rows:
        return None
    kind = Counter(kind for _, kind in rows).most_common(1)[0][0]
    return Accelerators(kind=kind, devices=tuple(index for index, each in rows if each == kind))


def kind_of(name: str) -> str:
    """`h100` of "NVIDIA H100 80GB HBM3", `a100` of "NVIDIA A100-SXM4-40GB", `rtx4090` of "NVIDIA GeForce RTX 4090"."""
    words = [word for word in re.split(r"[\s_-]+", name.lower()) if word and word not in MAKERS]
    if words[:1] in (["rtx"], ["gtx"]) and len(words) > 1:
        return words[0] + words[1]
    return re.sub(r"[^a-z0-9]", "", words[0]) if words else ""


def _ascend() -> Accelerators | None:
    """Huawei's NPUs by their device files; the driver's own tool is slow and not always installed."""
    numbers = sorted(int(path.name[7:]) for path in Path("/dev").glob("davinci[0-9]*") if path.name[7:].isdigit())
    return Accelerators(kind="ascend", devices=tuple(map(str, numbers))) if numbers else None
