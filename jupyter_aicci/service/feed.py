"""The frames of one run on their way from the spools into `frames.db`, and the ranks' logs on theirs to a reader.

In: what `engine.observe` read behind the cursors. Out: stored frames with a sequence number and an epoch time.
Rule: a cursor moves only with the transaction that keeps its frame; what was read and not kept is read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service.engine import Observed
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.frames import FrameStore, StoredFrame
from jupyter_aicci.store.paths import Home


class Feed:
    """The open frames of one run."""

    def __init__(self, home: Home, run_id: RunId, clock: Clock) -> None:
        self.store = FrameStore(home.frames_db(run_id))
        self._clock = clock
        self.cursors = self.store.cursors()
        self._boots = self.store.boots()  # spool -> boot id that its latest head names

    def take(self, observed: Iterable[Observed]) -> list[StoredFrame]:
        """Keep frames in one transaction; returns the new ones."""
        items = []
        for source, next_offset, frame in observed:
            self._learn_boot(source, frame)
            items.append((source, next_offset, frame, self._time_ns(source, frame)))
        if not items:
            return []
        fresh = self.store.append(items)
        for source, next_offset, _, _ in items:
            self.cursors[source] = max(next_offset, self.cursors.get(source, 0))
        return fresh

    def of_attempt(self, attempt: int) -> list[StoredFrame]:
        """What happened in one attempt so far; of sealed samples and values only that they came."""
        return [stored for stored in self.store.told() if stored.attempt == attempt]

    def close(self) -> None:
        self.store.close()

    def _learn_boot(self, source: str, frame: dict[str, Any]) -> None:
        if frame.get("k") in ("head", "gap") and "boot_id" in frame:  # a gap in front of a head has its clocks
            self._boots[source] = str(frame["boot_id"])

    def _time_ns(self, source: str, frame: dict[str, Any]) -> int:
        """Epoch time; a boot that this journal never saw (its service was down) gets this boot's offset."""
        t_ns = int(frame["t"])
        try:
            return self._clock.from_boot(t_ns, self._boots.get(source, ""))
        except KeyError:
            return min(self._clock.from_boot(t_ns), self._clock.now_ns())
