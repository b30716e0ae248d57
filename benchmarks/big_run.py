"""Makes the folder of a large run that has ended, for benchmarks: by default 1,000 ranks, 3 days, 50 series a rank.

What it makes is what such a run leaves behind: the rows of its journal, what each rank told of its phases, rank 0's loss, and
roll-ups of a minute and of ten minutes for every series of every rank. Raw samples of a run of so many ranks are dropped after two
hours and 10 s roll-ups at its end (service/upkeep.py), so there are none; the roll-ups are written by the code that writes them in
the service. The numbers are made up (daily waves and noise, seeded by the metric's name); one rank is slow, and for an hour nothing
was seen of one node. Run alone it prints what it made and how long that took.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_aicci.model.events import Event, NodeHeld, NodeReleased, Placed, RankExited, Stepped, Submitted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.metrics import METRICS, owner
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Price, Shape
from jupyter_aicci.model.states import Step
from jupyter_aicci.store.buckets import STATISTICS, Layout
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.readings import layout_of
from jupyter_aicci.store.rollups import WIDTHS_S, Rollups
from jupyter_aicci.store.sealing import finish

RUN_ID = RunId("rb1grun0")
NS = 1_000_000_000
T0_NS = 1_780_000_000 * NS
EACH = 8  # ranks, accelerators and NICs a node
DAY_S = 86_400
SLOW_RANK, HIDDEN_NODE = 137, 3
STEPS = ("step", "own_step", "data_wait_share", "comm_share")
SPENT = ("phase:compute", "phase:data_wait", "phase:comm", "phase:checkpoint")
NICS = ("rdma_rate", "rdma_up", "rdma_tx", "rdma_rx")


def names(series: int) -> list[tuple[str, str]]:
    """(scope, metric) of the first so many of 50 series a rank: its own, its accelerator's, its NIC's."""
    rank = [*STEPS, "cpu", "rss", *SPENT]
    rank += [m.name for m in METRICS if m.scope == "rank" and m.name not in rank]
    device = [m.name for m in METRICS if m.scope == "device"]
    found = [
        *(("rank", name) for name in rank),
        *(("device", name) for name in device),
        *(("nic", name) for name in NICS),
    ]
    return found[:series]


def make(folder: Path, *, ranks: int = 1000, days: float = 3.0, series: int = 50) -> dict[str, Any]:
    """Make the folder; what is in it."""
    began_s = time.monotonic()
    folder.mkdir(parents=True)
    write_events(folder, list(enumerate(_events(ranks, days), 1)))
    rollups = Rollups(folder / "rollups", origin_ns=T0_NS, writable=True)
    rollups.base_ns = T0_NS - WIDTHS_S[-1] * NS
    _write_frames(folder, rollups, ranks, days)
    for scope, metric in names(series):
        for width_s in WIDTHS_S[1:]:
            _write_metric(rollups, scope, metric, width_s, ranks, days)
    rollups.forget(WIDTHS_S[0])
    rollups._write_state()
    rollups.close()
    stored = sum(path.stat().st_size for path in (folder / "rollups").iterdir())
    return {
        "ranks": ranks,
        "days": days,
        "series_a_rank": series,
        "rollup_bytes": stored,
        "frames_db_bytes": (folder / "frames.db").stat().st_size,
        "made_in_s": round(time.monotonic() - began_s, 1),
    }


def _write_metric(rollups: Rollups, scope: str, metric: str, width_s: int, ranks: int, days: float) -> None:
    layout = layout_of(scope, metric)
    owners = [_owner(scope, rank) for rank in range(ranks)]
    shift = WIDTHS_S[-1] // width_s
    for first in range(0, round(days * DAY_S) // width_s, 512):
        buckets = np.arange(first, min(first + 512, round(days * DAY_S) // width_s))
        fold = _fold(layout, metric, width_s, ranks, buckets)
        rollups._put([(scope, metric, whose) for whose in owners], width_s, buckets + shift, fold)


def _fold(layout: Layout, metric: str, width_s: int, ranks: int, buckets: np.ndarray) -> np.ndarray:
    """(statistics, ranks, buckets): one second a reading."""
    rng = np.random.default_rng((zlib.crc32(metric.encode()), width_s, int(buckets[0])))
    day = np.sin(2 * np.pi * buckets * width_s / DAY_S)
    value = 60 + 20 * day[None, :] + rng.standard_normal((ranks, len(buckets)))
    if metric in ("step", "own_step"):
        value /= 200
        value[SLOW_RANK % ranks] *= 1.4
    count = np.full(value.shape, float(width_s))
    hour = (buckets * width_s >= 40_000) & (buckets * width_s < 43_600)
    count[HIDDEN_NODE * EACH : (HIDDEN_NODE + 1) * EACH, hour] = 0.0
    made = {"first": value, "low": value * 0.9, "high": value * 1.1, "last": value, "mean": value, "count": count}
    if layout == "counter":
        passed_s = np.broadcast_to(buckets * float(width_s), value.shape)
        grown = 60e6 * passed_s
        made |= {"first": grown, "last": grown + 60e6 * (width_s - 1), "gain": 60e6 * (width_s - 1) + 0 * value}
        made |= {
            "slowest": value * 1e6,
            "fastest": value * 1.1e6,
            "first_s": passed_s,
            "last_s": passed_s + width_s - 1,
        }
    made["sum"] = value * 1e7 * width_s
    return np.stack([np.where(count > 0, made[name], 0.0) for name in STATISTICS[layout]])


def _owner(scope: Any, rank: int) -> str:
    unit = {"rank": str(rank), "device": str(rank % EACH), "nic": f"mlx5_{rank % EACH}"}[scope]
    return owner(scope, rank // EACH, unit)


def _write_frames(folder: Path, rollups: Rollups, ranks: int, days: float) -> None:
    """What was told, and rank 0's loss every minute."""
    store, length_s = FrameStore(folder / "frames.db"), round(days * DAY_S)
    offset = 0
    for rank in range(ranks):
        source = source_of(1, rank // EACH, f"rank-{rank}")
        told = list(_told(rank, length_s))
        items = [(source, offset + n, frame, T0_NS + frame["t"]) for n, frame in enumerate(told, 1)]
        store.append(items)
        offset += len(items)
    finish(store)
    seconds = range(60, length_s, 60)
    logs = [
        {"k": "log", "t": s * NS, "rank": 0, "step": s, "values": {"loss": round(2.3 / (1 + s / 9000), 4)}}
        for s in seconds
    ]
    rank_0 = source_of(1, 0, "rank-0")
    store.append([(rank_0, offset + n, frame, T0_NS + frame["t"]) for n, frame in enumerate(logs, 1)])
    finish(store)
    rollups.take(store)
    last = store.last_seq + ranks * length_s
    why = "more than 64 ranks: samples are kept for 2 h, roll-ups stay"
    dropped = (last, T0_NS, T0_NS + length_s * NS, ranks * length_s, ranks * length_s * 60, why)
    with store.writing() as db:
        db.execute("INSERT INTO dropped VALUES (NULL, ?, ?, ?, ?, ?, ?)", dropped)
    store.close()


def _told(rank: int, length_s: int) -> Iterator[dict[str, Any]]:
    """Starting, then computing with a checkpoint every two hours."""
    yield {"k": "phase", "t": 5 * NS + rank, "rank": rank, "phase": "starting"}
    yield {"k": "phase", "t": 40 * NS + rank, "rank": rank, "phase": "compute"}
    for second in range(7200, length_s, 7200):
        yield {"k": "phase", "t": second * NS + rank, "rank": rank, "phase": "checkpoint"}
        yield {"k": "phase", "t": (second + 25) * NS + rank, "rank": rank, "phase": "compute"}
    yield {"k": "phase", "t": length_s * NS, "rank": rank, "phase": "done"}


def _events(ranks: int, days: float) -> Iterator[Event]:
    nodes = -(-ranks // EACH)
    shape = Shape(name="h100x8", cpus=192, memory_bytes=2_000_000_000_000, accelerator="h100", accelerators=EACH)
    price = Price(micro_per_h=98_320_000).to_json()
    spec = {"name": "big", "nodes": nodes, "ranks_per_node": EACH, "shape": ["h100x8"]}
    place = Placement(
        shape=shape, ranks_per_node=EACH,
        nodes=tuple(NodePlacement(index=n, host=f"host-{n}", address="127.0.0.1") for n in range(nodes)),
    ).to_json()  # fmt: skip
    end_ns = T0_NS + round(days * DAY_S) * NS
    head = {"run_id": RUN_ID, "time_ns": T0_NS}
    yield Submitted(**head, spec=spec, prices={"h100x8": price, "auto": price})
    yield Stepped(**head, step=Step.ENQUEUE, attempt=0)
    yield Placed(**head, attempt=1, placement=place, port=1)
    yield Stepped(**head, step=Step.PLACE, attempt=1)
    for node in range(nodes):
        yield NodeHeld(**head, attempt=1, node=node, shape="h100x8")
    yield Stepped(run_id=RUN_ID, time_ns=T0_NS + 40 * NS, step=Step.RUN, attempt=1)
    for rank in range(nodes * EACH):
        yield RankExited(run_id=RUN_ID, time_ns=end_ns, attempt=1, rank=rank, code=0, signal=0, by_us=False)
    for node in range(nodes):
        yield NodeReleased(run_id=RUN_ID, time_ns=end_ns, attempt=1, node=node)
    yield Stepped(
        run_id=RUN_ID, time_ns=end_ns, step=Step.SUCCEED, attempt=1, reason="every rank ended with exit code 0"
    )


def sizes() -> dict[str, Any]:
    """How large, from AICCI_BIG_RANKS, AICCI_BIG_DAYS and AICCI_BIG_SERIES."""
    env = os.environ
    return {
        "ranks": int(env.get("AICCI_BIG_RANKS", "1000")),
        "days": float(env.get("AICCI_BIG_DAYS", "3")),
        "series": int(env.get("AICCI_BIG_SERIES", "50")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("FOLDER", type=Path, help="to be made; it must not be there")
    given = parser.parse_args()
    for key, value in make(given.FOLDER, **sizes()).items():
        print(f"  {key:<16}  {value}")


if __name__ == "__main__":
    sys.exit(main())
