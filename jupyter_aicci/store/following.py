"""The frames of one run from some place on, piece by piece: for whoever has many to read and must not be long at a time.

In: an open store, the seq behind which to begin. Out: frames in the order of their seq, each once.
Rule 1: a round of chunks is opened once, however small the pieces are; `FrameStore.since` opens it for every piece.
Rule 2: between two pieces frames may be added, sealed and dropped; nothing of the store is held meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from jupyter_aicci.store.frames import FrameStore, StoredFrame


class Following:
    """Where one reader is."""

    def __init__(self, store: FrameStore, seq: int = 0) -> None:
        self._store, self._seq = store, seq
        self._round: tuple[int, Iterator[StoredFrame]] | None = None  # that is being read

    def take(self, limit: int) -> list[StoredFrame]:
        """The next frames, at most `limit`; none where there are no more now."""
        found: list[StoredFrame] = []
        while len(found) < limit:
            more = self._more(limit - len(found))
            if more is None:
                break
            found += more
        return found

    def _more(self, limit: int) -> list[StoredFrame] | None:
        """At most so many of the round that is open, of the next one, or of the fresh frames; None at the end."""
        if self._round is None:
            with self._store.reading():
                self._round = self._store.round_after(self._seq)
                if self._round is None:
                    return self._moved(list(islice(self._store.fresh(self._seq), limit))) or None
        last_seq, frames = self._round
        more = list(islice(frames, limit))
        if len(more) < limit:
            self._round, self._seq = None, last_seq
            return more
        return self._moved(more)

    def _moved(self, more: list[StoredFrame]) -> list[StoredFrame]:
        if more:
            self._seq = more[-1].seq
        return more
