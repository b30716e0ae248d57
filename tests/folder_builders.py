"""A run's folder as it lies on the disk, for tests of what is taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from run_builders import T0, S

from jupyter_aicci.model.events import Event
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.sealing import seal


def a_folder(path: Path, events: Sequence[Event], *, sealed_s: int = 15) -> Path:
    """Two nodes, two attempts; the first attempt's node 0 is sampled, its rank 0 steps and logs; a counter starts anew once."""
    path.mkdir()
    write_events(path, list(enumerate(events, 1)))
    store = FrameStore(path / "frames.db")
    agent, rank = source_of(1, 0, "agent"), source_of(1, 0, "rank-0")
    told: list[tuple[str, int, dict[str, object]]] = [(rank, 2, {"k": "phase", "rank": 0, "phase": "compute"})]
    for second, written in zip(range(3, 8), (100, 300, 50, 60, 60), strict=True):
        told.append((agent, second, {"k": "sample", "node": {"cpu": 1.5}, "ranks": {"0": {"written": written}}}))
    records = [[1, 1, S // 2, S // 4], [1, 2, S // 2, S // 4]]
    phases = ["compute", "data_wait"]
    told.append((rank, 8, {"k": "steps", "rank": 0, "step": 2, "phases": phases, "records": records}))
    told.append((rank, 9, {"k": "log", "rank": 0, "step": 2, "values": {"loss": 0.25}}))
    store.append([(source, n + 1, {"t": n, **frame}, T0 + at * S) for n, (source, at, frame) in enumerate(told)])
    seal(store, T0 + sealed_s * S)
    store.close()
    return path
