"""What programs log under names: which names are kept, and where rank 0's values went, for bills and conditions.

In: `log` frames in the order of seq. Out: the latest value of each name, the first one, and when they came.
Rule: memory is bounded: of a program that logs a name for each step the rest is in the frames only.
Must not import: anything but the frames' form.
"""

from __future__ import annotations

from collections.abc import Container, Sized
from dataclasses import dataclass
from typing import Protocol

from jupyter_aicci.timeline.lanes import Frame

MOST_NAMES = 1000
ALWAYS = ("loss", "epoch")  # the first lane, and what a bill counts by: kept however late they come


class Known(Container[str], Sized, Protocol):
    """The names that are kept already."""


def keeps(known: Known, name: str) -> bool:
    """Whether values under `name` are kept, where those under `known` are."""
    return name in known or len(known) < MOST_NAMES or name in ALWAYS


@dataclass(slots=True, kw_only=True)
class Logged:
    """The latest value under one name, and from where to where a count such as `epoch` went."""

    value: float
    first: float
    first_ns: int
    changed_ns: int  # when it got its latest value


class Latest:
    """Rank 0's values by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Logged] = {}

    def take(self, frame: Frame) -> None:
        """Keep the values of one `log` frame."""
        if frame.frame["rank"] != 0:
            return
        for name, value in frame.frame["values"].items():
            if isinstance(value, (int, float)) and keeps(self.by_name, name):
                self._keep(name, value, frame.time_ns)

    def _keep(self, name: str, value: float, time_ns: int) -> None:
        known = self.by_name.get(name)
        if known is None:
            self.by_name[name] = Logged(value=value, first=value, first_ns=time_ns, changed_ns=time_ns)
        elif value != known.value:
            known.value, known.changed_ns = value, time_ns
