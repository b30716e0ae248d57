"""What a stored number takes on the disk, and how long a window of a large run takes to read and to draw.

Bytes: ten minutes of one node's samples, 8 ranks with an accelerator and a NIC each, every metric of `model/metrics.py` once a
second. They are made up the way such numbers behave (seeded): memory is flat with steps, utilisation and power wander and are
whole per cents and watts, counters grow by what a wandering rate gives, most error counters stand still. They go through the real
`FrameStore` and `sealing`. Peers, given the same numbers as typed columns, which is the most they could ask for: Parquet with zstd
(pyarrow), with a row group a minute as we seal, and in one piece; and pcodec, if it is installed, a column and minute each.
Windows: the folder that `big_run.py` makes, or the one that AICCI_BIG_FOLDER names.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import big_run
import numpy as np
from common import arguments, percentile, report

from jupyter_aicci.model.metrics import METRICS
from jupyter_aicci.pricing.meter import cost_series
from jupyter_aicci.store.folder import RunFolder
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.rollups import Rollups
from jupyter_aicci.store.sealing import seal
from jupyter_aicci.timeline.incremental import Accumulator
from jupyter_aicci.timeline.overview import overview

SECONDS, EACH, T0_NS, NS = 600, 8, big_run.T0_NS, big_run.NS
STILL = (
    "errors",
    "oom",
    "downs",
    "timeouts",
    "retrans",
    "brake",
    "thermal",
    "congestion",
    "throttled",
    "wait",
    "sequence",
)
CONSTANT = ("total", "max", "width", "gen", "limit", "link_up", "rdma_up", "rdma_rate", "threads", "workers")
UNITS = {"ranks": "rank", "devices": "device", "nics": "nic"}


def curve(rng: np.random.Generator, name: str, unit: str, *, counter: bool) -> np.ndarray:
    """600 readings of one metric, a second each."""
    wander = np.cumsum(rng.standard_normal(SECONDS)) / 10
    if counter:
        rate = (
            np.zeros(SECONDS)
            if any(word in name for word in STILL)
            else np.abs(rng.normal(1, 0.1, SECONDS) + wander / 20)
        )
        scale = {"B": 60e6, "us": 2e4, "mJ": 4e5, "ns": 1e6}.get(unit, 50.0)
        return np.cumsum((scale * rate).astype(np.int64)) + int(rng.integers(1 << 34))
    if any(word in name for word in CONSTANT):
        return np.full(SECONDS, int(rng.integers(1, 1 << 20)))
    if unit == "B":  # allocated in pieces, now and then
        return np.cumsum((rng.random(SECONDS) < 0.05) * rng.integers(-(1 << 20), 1 << 21, SECONDS) // 4096 * 4096) + (
            1 << 33
        )
    if unit in ("cores", ""):
        return np.round(np.abs(1 + 0.05 * rng.standard_normal(SECONDS) + wander / 20), 2)
    return np.rint(np.abs(80 + 3 * wander + rng.standard_normal(SECONDS))).astype(np.int64)


def samples() -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """(frames as an agent writes them, the same numbers as columns)."""
    rng, columns = np.random.default_rng(7), dict[str, np.ndarray]()
    places: list[tuple[str, str, str]] = []
    for part, scope, units in (
        ("node", "node", [""]), ("ranks", "rank", [*"01234567"]), ("devices", "device", [*"01234567"]),
        ("nics", "nic", [f"mlx5_{n}" for n in range(EACH)]),
    ):  # fmt: skip
        for unit in units:
            for metric in (m for m in METRICS if m.scope == scope):
                places.append((part, unit, metric.name))
                columns["/".join(places[-1])] = curve(rng, metric.name, metric.unit, counter=metric.counter)
    lists = {key: column.tolist() for key, column in columns.items()}
    frames = []
    for second in range(SECONDS):
        frame: dict[str, Any] = {"k": "sample", "t": second * NS + int(rng.integers(-500_000, 500_000)), "node": {}}
        for part, unit, name in places:
            there = frame["node"] if part == "node" else frame.setdefault(part, {}).setdefault(unit, {})
            there[name] = lists[f"{part}/{unit}/{name}"][second]
        frames.append(frame)
    return frames, columns


def ours(folder: Path, frames: list[dict[str, Any]]) -> tuple[int, float]:
    """(bytes of the sealed chunks, seconds that sealing took)."""
    store, source = FrameStore(folder / "frames.db"), source_of(1, 0, "agent")
    took_s = 0.0
    for begin in range(0, SECONDS, 60):
        store.append([(source, n + 1, frames[n], T0_NS + frames[n]["t"]) for n in range(begin, begin + 60)])
        began_s = time.process_time()
        seal(store)
        took_s += time.process_time() - began_s
    size = int(store.select("SELECT sum(length(body)) FROM chunks")[0][0])
    assert [frame.frame for frame in store.all()] == frames, "what comes back is what went in"
    store.close()
    return size, took_s


def parquet(columns: dict[str, np.ndarray], rows: int) -> tuple[int, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, out = pa.table(columns), io.BytesIO()
    began_s = time.process_time()
    pq.write_table(table, out, compression="zstd", row_group_size=rows)
    return out.tell(), time.process_time() - began_s


def pcodec(columns: dict[str, np.ndarray]) -> tuple[int, float] | None:
    with suppress(ImportError):
        from pcodec import ChunkConfig, standalone

        began_s = time.process_time()
        minutes = [
            np.ascontiguousarray(column[at : at + 60]) for column in columns.values() for at in range(0, SECONDS, 60)
        ]
        return sum(
            len(standalone.simple_compress(part, ChunkConfig())) for part in minutes
        ), time.process_time() - began_s
    return None


@contextmanager
def big_folder() -> Iterator[tuple[Path, dict[str, Any]]]:
    there = os.environ.get("AICCI_BIG_FOLDER")
    if there:
        yield Path(there), {}
        return
    with tempfile.TemporaryDirectory(prefix="aicci-bench-") as folder:
        yield Path(folder) / "run", big_run.make(Path(folder) / "run", **big_run.sizes())


def timed(times: int, work: Callable[[int], Any]) -> dict[str, float]:
    took_ms = []
    for turn in range(times):
        began_s = time.perf_counter()
        work(turn)
        took_ms.append(1000 * (time.perf_counter() - began_s))
    return {
        "first_ms": round(took_ms[0], 1),
        "p50_ms": round(percentile(took_ms, 0.5), 1),
        "p95_ms": round(percentile(took_ms, 0.95), 1),
    }


def windows(folder: Path, times: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Windows of an hour to all of it, none like the one before."""
    with RunFolder(folder) as opened:
        run = opened.run
        length_s = ((run.ended_ns or 0) - run.submitted_ns) / NS
        rng = np.random.default_rng(3)
        spans = [(0.0, length_s)]
        for _ in range(times):
            wide_s = length_s / float(rng.uniform(1, 72))
            begin_s = float(rng.uniform(0, length_s - wide_s))
            spans.append((begin_s, begin_s + wide_s))

        def reopened() -> Rollups:
            return Rollups(folder / "rollups", origin_ns=run.submitted_ns)

        rolled = reopened()
        owners = rolled.owners("own_step")
        yield "open", timed(5, lambda turn: reopened().window("own_step", owners[:1], 0, length_s, 800))
        yield "heat_of_all_ranks", timed(times, lambda turn: rolled.heat("own_step", *spans[turn], 120))
        per_rank = [(scope, name) for scope, name in rolled.metrics() if scope != "value"]

        def every_series(turn: int) -> None:
            for scope, name in per_rank:
                rolled.window(name, rolled.owners(name, scope)[7:8], *spans[turn], 800)

        yield f"all_{len(per_rank)}_series_of_a_rank", timed(times, every_series)
        state = Accumulator(origin_ns=run.submitted_ns)
        began_s = time.perf_counter()
        state.feed(opened.store.sketch())
        yield "what_happened", {"first_ms": round(1000 * (time.perf_counter() - began_s), 1)}
        cost = cost_series(run, run.ended_ns or 0)

        def drawn(turn: int) -> str:
            view = state.view(run, cost=cost, now_ns=run.ended_ns or 0, width_px=800, window=spans[turn])
            return json.dumps(overview(view, rolled, run, 800).to_json())

        yield "whole_view_as_json", timed(min(times, 20), drawn)


def main() -> None:
    times = arguments().launches
    frames, columns = samples()
    points = sum(map(len, columns.values()))
    figures: dict[str, Any] = {
        "points": points,
        "json_bytes_a_point": round(sum(len(json.dumps(f)) for f in frames) / points, 2),
    }
    with tempfile.TemporaryDirectory(prefix="aicci-bench-") as folder:
        size, took_s = ours(Path(folder), frames)
    figures |= {"bytes_a_point": round(size / points, 3), "seal_ns_a_point": round(took_s / points * 1e9)}
    for name, found in (
        ("parquet_minutes", parquet(columns, 60)), ("parquet_whole", parquet(columns, SECONDS)), ("pcodec", pcodec(columns)),
    ):  # fmt: skip
        if found is None:
            figures[f"{name}_bytes_a_point"] = "not installed"
            continue
        figures |= {
            f"{name}_bytes_a_point": round(found[0] / points, 3),
            f"{name}_ns_a_point": round(found[1] / points * 1e9),
        }
    with big_folder() as (path, made):
        figures |= {f"big_run_{key}": value for key, value in made.items()}
        for name, found in windows(path, times):
            figures |= {f"{name}_{key}": value for key, value in found.items()}
    report("store", figures)


if __name__ == "__main__":
    sys.exit(main())
