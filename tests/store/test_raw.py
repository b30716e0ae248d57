"""Every reading comes out once, as it was taken: sealed, fresh, of a rare form, logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from run_builders import T0, S

from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.raw import Batch, batches
from jupyter_aicci.store.sealing import seal

AGENT, RANK = source_of(2, 1, "agent"), source_of(2, 1, "rank-3")
NUMBERS = st.one_of(st.integers(0, 1 << 50), st.floats(0, 1e12))
SAMPLES = st.fixed_dictionaries(
    {
        "node": st.dictionaries(st.sampled_from(("cpu", "memory", "net_rx")), NUMBERS),
        "ranks": st.dictionaries(st.sampled_from("23"), st.dictionaries(st.sampled_from(("cpu", "rss")), NUMBERS)),
        "devices": st.dictionaries(st.just("0"), st.dictionaries(st.sampled_from(("util", "power")), NUMBERS)),
    }
)
Rows = set[tuple[int, int, int, str, str, str, float]]


def a_store(path: Path, told: list[tuple[str, dict[str, Any]]], sealed: int) -> FrameStore:
    """Frames a second apart, the first `sealed` of them in chunks."""
    path.unlink(missing_ok=True)
    store = FrameStore(path)
    store.append([(source, n + 1, frame, T0 + n * S) for n, (source, frame) in enumerate(told)])
    seal(store, T0 + sealed * S)
    return store


def rows(found: list[Batch]) -> Rows:
    return {
        (batch.attempt, batch.node, time_ns, *series, value)
        for batch in found
        for time_ns, line in zip(batch.time_ns.tolist(), batch.values.tolist(), strict=True)
        for series, value in zip(batch.series, line, strict=True)
        if not np.isnan(value)
    }


def expected(samples: list[dict[str, Any]]) -> Rows:
    out: Rows = set()
    for n, sample in enumerate(samples):
        place = (2, 1, T0 + n * S)
        out |= {(*place, "node", name, "node-1", float(v)) for name, v in sample["node"].items()}
        for rank, values in sample["ranks"].items():
            out |= {(*place, "rank", name, f"rank-{rank}", float(v)) for name, v in values.items()}
        for gpu, values in sample["devices"].items():
            out |= {(*place, "device", name, f"node-1/gpu-{gpu}", float(v)) for name, v in values.items()}
    return out


@settings(max_examples=60, deadline=None)
@given(samples=st.lists(SAMPLES, max_size=12), sealed=st.integers(0, 12))
def test_every_sample_comes_out_once(tmp_path_factory: Any, samples: list[dict[str, Any]], sealed: int) -> None:
    """Wherever the border between what is sealed and what is fresh lies."""
    path = tmp_path_factory.getbasetemp() / "raw.db"
    store = a_store(path, [(AGENT, {"k": "sample", "t": n, **sample}) for n, sample in enumerate(samples)], sealed)
    assert rows(list(batches(store))) == expected(samples)
    store.close()


def test_a_metric_that_no_table_has_and_the_steps_are_no_readings(tmp_path: Path) -> None:
    """Steps are phases' business, and a name that a newer agent writes has no unit here."""
    told = [
        (AGENT, {"k": "sample", "t": 0, "node": {"cpu": 1.0, "warp": 9.0}, "ranks": {}, "devices": {}, "nics": {}}),
        (RANK, {"k": "steps", "t": 1, "rank": 3, "step": 1, "phases": ["compute"], "records": [[1, 1, 5]]}),
    ]
    store = a_store(tmp_path / "frames.db", told, 2)
    assert rows(list(batches(store))) == {(2, 1, T0, "node", "cpu", "node-1", 1.0)}
    store.close()


def test_logged_values_come_with_their_step(tmp_path: Path) -> None:
    """Also where a frame names none, or another value."""
    logs = [{"step": 5, "values": {"loss": 2.5}}, {"step": None, "values": {"lr": 0.1, "note": "text"}}]
    told = [(RANK, {"k": "log", "t": n, "rank": 3, **log}) for n, log in enumerate(logs)]
    for sealed in (0, 2):
        store = a_store(tmp_path / f"{sealed}.db", told, sealed)
        (batch,) = batches(store)
        assert (batch.step.tolist(), batch.series[0]) == ([5, -1], ("value", "loss", "rank-3"))
        np.testing.assert_equal(batch.values[:, :2], [[2.5, np.nan], [np.nan, 0.1]])
        store.close()


def test_a_damaged_chunk_costs_its_own_readings(tmp_path: Path) -> None:
    """And is told."""
    store = a_store(tmp_path / "frames.db", [(AGENT, {"k": "sample", "t": n, "node": {"cpu": n}}) for n in range(4)], 2)
    store.select("UPDATE chunks SET body = x'00'")
    assert {row[-1] for row in rows(list(batches(store)))} == {2.0, 3.0}
    assert len(store.losses) == 1
    store.close()
