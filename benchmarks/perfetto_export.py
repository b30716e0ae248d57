"""A run of 64 ranks with 1,000 steps of five phases each, 384,000 slices, from its folder to a Perfetto trace.

Beside it the package `perfetto` writes the very same events with its own builder, from lists that are ready in memory; what we
write is read back with its protobuf, and its events are counted.
The run is made up: its frames are what agents and ranks write, the lengths of its phases are drawn with a fixed seed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, percentile, report
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb2
from perfetto.trace_builder.proto_builder import TraceProtoBuilder

from jupyter_aicci.client import CopiedRun
from jupyter_aicci.model.events import Event, NodeHeld, NodeReleased, Placed, Stepped, Submitted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Price, Shape
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import Step
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.sealing import finish
from jupyter_aicci.timeline.trace import run_trace

NODES, RANKS_EACH, STEPS, RECORDS_EACH = 8, 8, 1_000, 50
PHASES = ("compute", "data_wait", "comm", "checkpoint", "eval")
NS = 1_000_000_000
T0 = 1_780_000_000 * NS
RUN_ID = RunId("rbench01")


def main() -> None:
    times = min(arguments().launches, 5)
    with tempfile.TemporaryDirectory(prefix="aicci-bench-") as folder:
        run = CopiedRun(make_run(Path(folder) / RUN_ID))
        files = [timed(lambda: run.save(Path(folder) / "run.pftrace")) for _ in range(times)]
        data = (Path(folder) / "run.pftrace").read_bytes()
        with run.source() as source:
            gathered, entries, inner = source.gathered, source.ledger.entries, source.folder.run
            writes = [timed(lambda: run_trace(inner, gathered, entries)) for _ in range(times)]
    events = events_of(data)
    slices = sum(event[0] == 1 for event in events)
    assert slices >= NODES * RANKS_EACH * STEPS * (1 + len(PHASES))
    peers = [timed(lambda: peer(events)) for _ in range(times)]
    figures = {
        "slices": slices,
        "size_bytes": len(data),
        **spread("folder_to_file", files),
        **spread("partition_and_write", writes),
        **spread("perfetto_builder", peers),
        "cpu_of_the_builder_by_ours": round(cpu(peers) / cpu(writes), 1),
    }
    report("perfetto_export", figures)


def make_run(folder: Path) -> Path:
    """The folder of the run, sealed as the service leaves it."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    ranks = NODES * RANKS_EACH
    lengths = rng.integers(1_000_000, 40_000_000, (ranks, STEPS, len(PHASES)))
    lengths[:, :, PHASES.index("comm")] = (
        5_000_000  # of all ranks alike, so that nobody waits for others and the count is round
    )
    store = FrameStore(folder / "frames.db")
    end_ns = T0 + 2 * NS + int(lengths.sum(axis=(1, 2)).max())
    for rank in range(ranks):
        store.append(list(frames_of(rank, lengths[rank])))
    finish(store)
    store.close()
    write_events(folder, list(enumerate(events_of_run(end_ns), 1)))
    return folder


def frames_of(rank: int, lengths: Any) -> Any:
    """What a rank's spool would hold: a phase, and its steps by fifties."""
    source, at_ns = source_of(1, rank // RANKS_EACH, f"rank-{rank}"), T0 + 2 * NS
    yield source, 1, {"k": "phase", "t": 0, "rank": rank, "phase": "compute"}, at_ns
    for first in range(0, STEPS, RECORDS_EACH):
        part = lengths[first : first + RECORDS_EACH]
        at_ns += int(part.sum())
        records = [[1, first + place + 1, *row] for place, row in enumerate(part.tolist())]
        frame = {
            "k": "steps",
            "t": at_ns - T0,
            "rank": rank,
            "step": records[-1][1],
            "phases": list(PHASES),
            "records": records,
        }
        yield source, first + 2, frame, at_ns


def events_of_run(end_ns: int) -> list[Event]:
    """Its rows of the journal."""
    shape = Shape(name="h100x8", cpus=64)
    nodes = tuple(NodePlacement(index=index, host=f"host-{index}", address="127.0.0.1") for index in range(NODES))
    placement = Placement(shape=shape, ranks_per_node=RANKS_EACH, nodes=nodes).to_json()
    prices = {"h100x8": Price(micro_per_h=20_000_000).to_json()}
    row: dict[str, Any] = {"run_id": RUN_ID, "time_ns": T0 + NS}
    held = [NodeHeld(**row, attempt=1, node=node, shape="h100x8") for node in range(NODES)]
    last = {"run_id": RUN_ID, "time_ns": end_ns}
    return [
        Submitted(run_id=RUN_ID, time_ns=T0, spec=RunSpec(nodes=NODES).to_json(), prices=prices),
        Stepped(run_id=RUN_ID, time_ns=T0, step=Step.ENQUEUE, attempt=0),
        Stepped(**row, step=Step.PLACE, attempt=1),
        Placed(**row, attempt=1, placement=placement, port=1),
        *held,
        Stepped(**row, step=Step.RUN, attempt=1),
        *(NodeReleased(**last, attempt=1, node=node) for node in range(NODES)),
        Stepped(**last, step=Step.SUCCEED, attempt=1),
    ]  # fmt: skip


def events_of(data: bytes) -> list[tuple[int, int, int, int]]:
    """(type, time, track, name) of every event of our trace, by the peer's protobuf."""
    trace = pb2.Trace()
    trace.ParseFromString(data)
    found = ((packet.timestamp, packet.track_event) for packet in trace.packet if packet.HasField("track_event"))
    return [(event.type, time_ns, event.track_uuid, event.name_iid) for time_ns, event in found]


def peer(events: list[tuple[int, int, int, int]]) -> bytes:
    """The same events by the package's builder."""
    builder = TraceProtoBuilder()
    for type_, time_ns, track, name in events:
        packet = builder.add_packet()
        packet.timestamp = time_ns
        packet.trusted_packet_sequence_id = 1
        event = packet.track_event
        event.type, event.track_uuid = type_, track
        if name:
            event.name_iid = name
    return bytes(builder.serialize())


def timed(act: Any) -> tuple[float, float]:
    """(seconds that passed, seconds of CPU): the second stays true where other work is on the machine."""
    began = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - began[0], time.process_time() - began[1]


def cpu(found: list[tuple[float, float]]) -> float:
    return percentile([each[1] for each in found], 0.5)


def spread(name: str, found: list[tuple[float, float]]) -> dict[str, float]:
    passed = [each[0] for each in found]
    return {
        f"{name}_p50_s": round(percentile(passed, 0.5), 3),
        f"{name}_max_s": round(max(passed), 3),
        f"{name}_cpu_s": round(cpu(found), 3),
    }


if __name__ == "__main__":
    main()
