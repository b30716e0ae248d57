"""What the reader expects of a maker's driver: the words that both use. For the type checker only; it imports no driver."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    Note = tuple[str, str, dict[str, Any]]  # (topic, text, data)
    Readings = dict[str, dict[str, float]]

    class Driver(Protocol):
        """The devices of one maker that belong to the run."""

        def read(self, *, slow: bool) -> Readings:
            """What each device says now, by its index; `slow` with what changes seldom or costs much."""
