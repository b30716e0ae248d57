"""The axis that all times of the house are on: epoch nanoseconds that never go backwards.

In: boot times (CLOCK_BOOTTIME: runs through suspend, no one can set it). Out: epoch times, which are boot time plus one
offset for each boot of the machine, fixed when that boot is first seen and kept in the journal.
Rule: the wall clock is read once a boot; whoever sets it afterwards changes neither bills nor the order of events.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from jupyter_aicci.store.journal import Journal


def boot_id() -> str:
    """The kernel's name for this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boot_ns() -> int:
    """Nanoseconds since the machine was booted, suspended time included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """Epoch time of this machine for one journal; made once by the service. Raises `HostError` as the journal does."""

    def __init__(
        self,
        journal: Journal,
        *,
        boot: str = "",  # the boot's id; the kernel's own outside tests
        monotonic_ns: Callable[[], int] = boot_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.boot_id = boot or boot_id()
        self._monotonic_ns = monotonic_ns
        self._offsets = journal.anchors()
        if self.boot_id not in self._offsets:
            passed_ns = monotonic_ns()
            # A wall clock behind what the journal already says is wrong: time goes on from there.
            now_ns = max(wall_ns(), journal.last_time_ns())
            journal.add_anchor(self.boot_id, now_ns - passed_ns, now_ns)
            self._offsets = journal.anchors()

    def now_ns(self) -> int:
        """Now, on the axis."""
        return self._monotonic_ns() + self._offsets[self.boot_id]

    def to_boot(self, time_ns: int) -> int:
        """The boot time, of this boot, of a moment on the axis."""
        return time_ns - self._offsets[self.boot_id]

    def from_boot(self, t_ns: int, boot: str = "") -> int:
        """The epoch time of a boot time of this boot, or of an earlier one; `KeyError` for a boot never seen here."""
        return t_ns + self._offsets[boot or self.boot_id]
