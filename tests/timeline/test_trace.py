"""A run as a trace, read with Perfetto's own protobuf: who is whose, what lies in what, and nothing crosses."""

from __future__ import annotations

from typing import Any

import numpy as np
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as trace_pb2
from timeline_builders import Frames, Journal, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.meter import meter
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.trace import run_trace

FINDING = {"id": "F01", "name": "input-bound", "text": "30 % of each step waits for data", "from_s": 3.0, "to_s": 5.0}


class Read:
    """A trace as a reader has it: tracks by id, slices as (path of tracks, path of names, from_s, to_s, step)."""

    def __init__(self, data: bytes) -> None:
        trace = trace_pb2.Trace()
        trace.ParseFromString(data)
        self.tracks = {
            p.track_descriptor.uuid: p.track_descriptor for p in trace.packet if p.HasField("track_descriptor")
        }
        names = {e.iid: e.name for p in trace.packet for e in p.interned_data.event_names}
        self.slices: list[tuple[str, str, float, float, int]] = []
        self.points: dict[str, list[tuple[float, float]]] = {}
        stacks: dict[int, list[tuple[str, float, int]]] = {}
        for packet in sorted((p for p in trace.packet if p.HasField("track_event")), key=lambda p: p.timestamp):
            event, seconds = packet.track_event, round((packet.timestamp - at(0)) / 1e9, 6)
            stack = stacks.setdefault(event.track_uuid, [])
            if event.type == 4:
                self.points.setdefault(self.path(event.track_uuid), []).append((seconds, event.double_counter_value))
            elif event.type == 1:
                number = event.debug_annotations[0].uint_value if event.debug_annotations else -1
                stack.append((names[event.name_iid], seconds, number))
            else:
                path = " > ".join(each[0] for each in stack)
                _, begin, number = stack.pop()
                self.slices.append((self.path(event.track_uuid), path, begin, seconds, number))
        assert not any(stacks.values()), "a slice was never ended"

    def path(self, uuid: int) -> str:
        track = self.tracks[uuid]
        return (self.path(track.parent_uuid) + " / " if track.parent_uuid else "") + track.name

    def on(self, path: str) -> list[tuple[Any, ...]]:
        return sorted((each[1:] for each in self.slices if each[0] == path), key=lambda each: (each[1], -each[2]))


def a_trace(run: Run, frames: Frames, **more: Any) -> Read:
    gathered = Gathered(run.submitted_ns)
    for frame in frames:
        gathered.take(frame)
    return Read(run_trace(run, gathered, meter(run, at(10.0)).entries, **more))


def a_run() -> Run:
    return Journal(nodes=2, ranks_per_node=2, micro_per_h=7_200_000).placed(1.0).runs(2.0).run()


def test_a_node_is_a_process_and_its_ranks_are_its_threads() -> None:
    """Names are what people call them."""
    found = a_trace(a_run(), Frames())
    processes = {t.process.pid: t.name for t in found.tracks.values() if t.HasField("process")}
    threads = {t.thread.tid: (t.thread.pid, t.name) for t in found.tracks.values() if t.HasField("thread")}
    assert processes == {1: "node 0 (this host)", 2: "node 1 (this host)"}
    assert threads == {3: (1, "rank 0"), 4: (1, "rank 1"), 5: (2, "rank 2"), 6: (2, "rank 3")}


def test_a_rank_shows_its_attempt_and_what_it_told_and_its_steps_show_their_phases() -> None:
    """The phases of a step lie within it, one behind the other, and take what was told."""
    frames = Frames().phase(2.0, "compute").steps(5.0, "compute data_wait", (1, 7, 0.5, 0.25), (2, 9, 0.5, 0.5), rank=0)
    found = a_trace(a_run(), frames.phase(9.0, "checkpoint"))
    assert found.on("rank 0") == [
        ("attempt 1", 1.0, 10.0, -1),
        ("attempt 1 > starting", 1.0, 2.0, -1),
        ("attempt 1 > training", 2.0, 9.0, -1),
        ("attempt 1 > checkpoint", 9.0, 10.0, -1),
    ]
    assert found.on("rank 0 / steps") == [
        ("step", 3.25, 4.0, 7),
        ("step > training", 3.25, 3.75, -1),
        ("step > waiting for data", 3.75, 4.0, -1),
        ("steps", 4.0, 5.0, 9),
        ("steps > training", 4.0, 4.5, -1),
        ("steps > waiting for data", 4.5, 5.0, -1),
    ]


def test_metrics_are_counters_of_their_owner() -> None:
    """Of the node, of the rank, of a device under its node; a counter as its rate; logged values of their rank."""
    frames = Frames()
    for second in (2.0, 3.0, 4.0):
        frames.add(
            second, "sample", source="agent", node=0, devices={"3": {"util": 50.0}}, nics={},
            ranks={"1": {"rss": 1e9, "written": 1000 * second}},
        )  # fmt: skip
    found = a_trace(a_run(), frames, logged={(1, "loss"): (np.array([at(2.5)]), np.array([0.5]))})
    assert found.points == {
        "rank 1 / memory": [(2.0, 1e9), (3.0, 1e9), (4.0, 1e9)],
        "rank 1 / written": [(3.0, 1000.0), (4.0, 1000.0)],
        "rank 1 / loss": [(2.5, 0.5)],
        "node 0 (this host) / gpu-3 / busy": [(2.0, 50.0), (3.0, 50.0), (4.0, 50.0)],
    }
    units = {t.name: t.counter.unit_name for t in found.tracks.values() if t.HasField("counter")}
    assert units == {"memory": "B", "written": "B/s", "busy": "%", "loss": ""}


def test_findings_lie_where_their_evidence_is_and_may_overlap() -> None:
    """Each on a track of its own under one."""
    other = FINDING | {"id": "F02", "name": "straggler", "text": "rank 1 is slow", "from_s": 4.0, "to_s": 4.0}
    found = a_trace(a_run(), Frames(), findings=(FINDING, other))
    assert found.on("findings / F01 input-bound") == [("30 % of each step waits for data", 3.0, 5.0, -1)]
    assert found.on("findings / F02 straggler") == [("rank 1 is slow", 4.0, 4.001, -1)]


def test_a_run_that_waits_is_an_empty_trace() -> None:
    """And no error."""
    assert a_trace(Journal().run(), Frames()).slices == []
