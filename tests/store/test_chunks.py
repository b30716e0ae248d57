"""Frames packed into a chunk come out as they went in, whatever they hold."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jupyter_aicci.store.chunks import leaves, pack, unpack
from jupyter_aicci.store.columns import Reader, pack_floats, pack_ints, unpack_floats, unpack_ints

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(), st.text(max_size=8),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=4), inner, max_size=4),
        st.lists(st.lists(st.integers(-5, 1 << 62), min_size=2, max_size=2), max_size=4),
    ),
    max_leaves=12,
)
FRAMES = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=5), max_size=6)


def same(a: Any, b: Any) -> bool:
    """Equal in type, order and every bit; NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


@given(FRAMES, st.integers(1, 6))
def test_any_frames_come_back_the_same(few: list[dict[str, Any]], repeats: int) -> None:
    """Ints stay ints, floats keep every bit, keys their order; repeated forms take the way through columns."""
    frames = [json.loads(json.dumps(frame)) for frame in few * repeats]
    seqs = [7 * n + 3 for n in range(len(frames))]
    times_ns = [1_780_000_000_000_000_000 + (n * n % 17) * 10**9 for n in range(len(frames))]
    chunk = unpack(pack(seqs, times_ns, frames))
    assert same(list(chunk.frames()), frames)
    assert (chunk.seq.tolist(), chunk.time_ns.tolist()) == (seqs, times_ns)


@given(arrays.arrays(np.int64, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)))
def test_whole_numbers_come_back(values: Any) -> None:
    """Also where their differences do not fit into 64 bits."""
    assert np.array_equal(unpack_ints(Reader(pack_ints(values)), *values.shape), values)


@given(
    arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)), st.integers(0, 9)
)
def test_floats_come_back_bit_for_bit(values: Any, places: int) -> None:
    """Decimals, which take the short way, and everything else, the sign of nought included."""
    with np.errstate(all="ignore"):
        for given_ in (values, np.round(values, places)):
            found = unpack_floats(Reader(pack_floats(given_)), *given_.shape)
            assert np.array_equal(found.view(np.int64), given_.view(np.int64))


def test_steps_with_a_changing_number_of_records_are_columns() -> None:
    """The records of all frames lie under each other, and each frame gets its own back."""
    frames = [
        {"k": "steps", "t": n, "rank": 0, "step": n, "phases": ["compute"], "records": [[1, n + i, 9] for i in range(n % 5)]}
        for n in range(40)
    ]  # fmt: skip
    chunk = unpack(pack(range(40), range(40), frames))
    assert list(chunk.frames()) == frames
    assert sorted(len(group.tables) for group in chunk.groups) == [0, 1]


def test_the_numbers_of_a_sample_have_their_names() -> None:
    """Roll-ups read columns by path, without a frame being built."""
    frames = [{"k": "sample", "t": n, "ranks": {"0": {"cpu": n / 8, "rss": n}}, "odd": [n]} for n in range(5)]
    (group,) = unpack(pack(range(5), range(5), frames)).groups
    assert leaves(group.form) == [
        (("t",), "i"),
        (("ranks", "0", "cpu"), "f"),
        (("ranks", "0", "rss"), "i"),
        (("",), "i"),
    ]
    assert group.floats[:, 0].tolist() == [0, 0.125, 0.25, 0.375, 0.5]


def test_samples_take_little_more_than_a_byte_a_number() -> None:
    """Counters that grow, gauges that wander, a memory that is flat: 50 series over a minute."""
    rng = np.random.default_rng(1)
    counters = np.cumsum(rng.integers(0, 3000, (60, 20)), axis=0) + 10**9
    gauges = np.round(1 + 0.05 * rng.standard_normal((60, 30)), 2)
    frames = [
        {"k": "sample", "t": n * 10**9, "ranks": {"0": {f"c{i}": int(v) for i, v in enumerate(counters[n])}
         | {f"g{i}": float(v) for i, v in enumerate(gauges[n])}}}
        for n in range(60)
    ]  # fmt: skip
    assert len(pack(range(60), range(60), frames)) / (60 * 50) < 1.5


@pytest.mark.parametrize("damage", [b"", b"x", b"\x00" * 40])
def test_a_damaged_blob_is_one_kind_of_error(damage: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ValueError, match="damaged"):
        unpack(damage)
