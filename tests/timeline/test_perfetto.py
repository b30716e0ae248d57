"""The trace as Perfetto's own protobuf reads it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.timeline.perfetto import Counter, Events, Track, perfetto

trace_pb2 = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
BASE_NS = 1_790_000_000_000_000_000
NAMES = ("step", "data wait", "Prüfung")


def an_events(rows: list[tuple[int, int, bool, int]]) -> Events:
    """From (track, ns after the base, begins, name)."""
    columns = [np.array([row[place] for row in rows], dtype=np.int64) for place in range(4)]
    return Events(track=columns[0], time_ns=BASE_NS + columns[1], is_begin=columns[2].astype(bool), name=columns[3])


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


@given(st.lists(st.tuples(st.integers(1, (1 << 21) - 1), st.integers(0, 1 << 62), st.booleans(), st.integers(0, 2))))
def test_every_event_comes_back_in_its_place(rows: list[tuple[int, int, bool, int]]) -> None:
    """Whatever the size of the numbers, padded varints read as they were written; an end has no name."""
    events = an_events([(track, ns - BASE_NS, begins, name) for track, ns, begins, name in rows])
    first, *found = packets(perfetto((), NAMES, events))
    names = {entry.iid: entry.name for entry in first.interned_data.event_names}

    assert [
        (p.track_event.track_uuid, p.timestamp, p.track_event.type == 1, names.get(p.track_event.name_iid))
        for p in found
    ] == [(track, ns, begins, NAMES[name] if begins else None) for track, ns, begins, name in rows]


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
