"""The data sets that runs have mounted: where they are, how big, which run used them last.

In: the runs of the journal. Out: one JSON object a data set, the latest used first.
Rule: sizes are measured in a thread, one at a time, and again when they are old; a list never waits for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jupyter_aicci.datasets.sizes import Size, measure
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.spec import Mount, parse_mount

MOST_RUNS = 200  # the newest, whose mounts are listed
AGAIN_S = 600.0  # until a size is measured anew

Known = tuple[float, Size | None]  # (when to measure again, the size; None = nothing is there)


class DataRows:
    """What is known of data sets; `changed` is called when a size has been measured."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._sizes: dict[str, Known] = {}
        self._measuring: asyncio.Task[None] | None = None

    def rows(self, newest_first: list[Run]) -> list[dict[str, Any]]:
        """The answer of GET /v1/data."""
        found: dict[tuple[str, str], tuple[Mount, Run]] = {}
        for run in newest_first[:MOST_RUNS]:
            for item in run.spec.data:
                mount = parse_mount(item)
                found.setdefault((mount.name, mount.path), (mount, run))
        self._measure(mount.path for mount, _ in found.values())
        return [self._row(mount, run) for mount, run in found.values()]

    def close(self) -> None:
        if self._measuring is not None:
            self._measuring.cancel()

    def _row(self, mount: Mount, run: Run) -> dict[str, Any]:
        known = self._sizes.get(mount.path)
        size = known[1] if known else None
        exists = known is None or size is not None  # until it is measured, nobody asks a file system that may hang
        return {
            "name": mount.name,
            "uri": mount.path,
            "mode": mount.mode,
            "size_bytes": size.size_bytes if size else None,
            "size_is_least": bool(size and size.is_least),
            "exists": exists,
            "cached_nodes": int(exists),  # this host has it at hand: it is a path here
            "used_by": run.id,
        }

    def _measure(self, paths: Iterable[str]) -> None:
        now_s = time.monotonic()
        due = [path for path in paths if path not in self._sizes or self._sizes[path][0] <= now_s]
        if due and (self._measuring is None or self._measuring.done()):
            self._measuring = asyncio.ensure_future(self._measure_each(due))

    async def _measure_each(self, paths: list[str]) -> None:
        for path in dict.fromkeys(paths):
            size = await asyncio.to_thread(measure, Path(path))
            self._sizes[path] = time.monotonic() + AGAIN_S, size
        self._changed()
