"""The trace as Perfetto's own protobuf reads it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as trace_pb2

from jupyter_aicci.timeline.perfetto import Counter, Events, Track, perfetto

BASE_NS = 1_790_000_000_000_000_000
NAMES = ("step", "data wait", "Prüfung")


Row = tuple[int, int, bool, int, int]


def an_events(rows: list[Row]) -> Events:
    """From (track, ns after the base, begins, name, step)."""
    columns = [np.array([row[place] for row in rows], dtype=np.int64) for place in range(5)]
    return Events(
        track=columns[0],
        time_ns=BASE_NS + columns[1],
        is_begin=columns[2].astype(bool),
        name=columns[3],
        step=columns[4],
    )


def packets(data: bytes) -> list[object]:
    trace = trace_pb2.Trace()
    trace.ParseFromString(data)
    return list(trace.packet)


def test_a_tracks_name_parent_and_unit_are_told_before_its_events() -> None:
    """A counter's unit is its own."""
    tracks = (Track(id=1, name="node-0"), Track(id=300, name="CPU", parent=1, unit="cores", is_counter=True))
    _, node, cpu = packets(perfetto(tracks, NAMES, an_events([])))

    assert (node.track_descriptor.uuid, node.track_descriptor.name) == (1, "node-0")
    assert (cpu.track_descriptor.uuid, cpu.track_descriptor.parent_uuid) == (300, 1)
    assert cpu.track_descriptor.counter.unit_name == "cores"


def test_nodes_are_processes_and_ranks_their_threads() -> None:
    """By number and by name, as the trace processor joins them."""
    tracks = (Track(id=1, name="node 0", pid=7), Track(id=2, name="rank 5", pid=7, tid=9))
    _, node, rank = packets(perfetto(tracks, NAMES, an_events([])))
    process, thread = node.track_descriptor.process, rank.track_descriptor.thread

    assert (process.pid, process.process_name) == (7, "node 0")
    assert (thread.pid, thread.tid, thread.thread_name) == (7, 9, "rank 5")


ROW = st.tuples(
    st.integers(1, (1 << 21) - 1), st.integers(0, 1 << 62), st.booleans(), st.integers(0, 2), st.integers(-1, 1 << 34)
)


@given(st.lists(ROW))
def test_every_event_comes_back_in_its_place(rows: list[Row]) -> None:
    """Whatever the size of the numbers, padded varints read as they were written; an end has no name and no step."""
    events = an_events([(track, ns - BASE_NS, begins, name, step) for track, ns, begins, name, step in rows])
    first, *found = packets(perfetto((), NAMES, events))
    names = {entry.iid: entry.name for entry in first.interned_data.event_names}

    def step(packet: object) -> list[tuple[str, int]]:
        return [(each.name, each.uint_value) for each in packet.track_event.debug_annotations]

    assert [
        (p.track_event.track_uuid, p.timestamp, p.track_event.type == 1, names.get(p.track_event.name_iid), step(p))
        for p in found
    ] == [
        (track, ns, begins, NAMES[name] if begins else None, [("step", number)] if begins and number >= 0 else [])
        for track, ns, begins, name, number in rows
    ]


@given(st.lists(st.floats(allow_nan=False)))
def test_every_value_of_a_counter_comes_back(values: list[float]) -> None:
    """To the bit."""
    times = BASE_NS + np.arange(len(values), dtype=np.int64)
    counter = Counter(track=7, time_ns=times, value=np.array(values, dtype=np.float64))
    _, *found = packets(perfetto((), (), an_events([]), [counter]))

    assert [(p.timestamp, p.track_event.double_counter_value) for p in found] == list(zip(times, values, strict=True))
    assert all(p.track_event.track_uuid == 7 for p in found)


def test_a_track_number_that_no_packet_holds_is_refused() -> None:
    """Rather than written wrong."""
    with pytest.raises(ValueError, match="2097152"):
        perfetto((Track(id=1 << 21, name="far"),), (), an_events([]))
