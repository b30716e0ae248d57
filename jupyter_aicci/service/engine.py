"""What the service asks of an engine: five verbs on a placed attempt, and what there is to place on.

Rule: every verb may be called again after a crash at any point and then does only what is still missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Run

if TYPE_CHECKING:
    from jupyter_aicci.scheduler import Host

Observed = tuple[str, int, dict[str, Any]]  # spool (store.paths.source_of), offset behind the frame, frame


class Engine(Protocol):
    """Carries out placed attempts."""

    def inventory(self) -> Host:
        """What runs may use of this host, nothing of it held."""

    def start(self, run: Run) -> None:
        """Start the agents of the run's latest attempt. Raises `AicciError` when one of them cannot be."""

    def adopt(self, run: Run) -> None:
        """Find the agents of the run's latest attempt, and start those that are missing."""

    def stop(self, run: Run, grace_s: float, reason: str) -> None:
        """Have the nodes of the latest attempt end; a later call with less grace shortens it."""

    def observe(self, run: Run, cursors: Mapping[str, int]) -> Sequence[Observed]:
        """The frames behind the cursors, in order within each spool."""

    def look_closer(self, run: Run) -> None:
        """Have the nodes of the latest attempt sampled more often for a moment; nothing is lost where that cannot be."""

    def free_port(self, placement: Placement) -> int:
        """The first of as many free ports as the attempt needs."""

    def warm(self, python: str, framework: str) -> None:
        """Prepare a zygote, if there is memory for it."""
