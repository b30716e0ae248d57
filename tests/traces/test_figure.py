"""The page of a replay: one file, the same size for any trace, no peak lost."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.traces.figure import BINS, binned, page
from jupyter_aicci.traces.use import Use


def a_use(events: int) -> Use:
    """A cluster of eight that fills and empties, an hour at a time."""
    held = np.arange(events) % 9
    return Use(
        time_ns=np.arange(events) * 3600 * 10**9, held=held, waiting=held, waiting_units=held, stranded=held * 1.0
    )


def test_the_page_opens_offline_and_says_in_words_what_it_shows() -> None:
    """Nothing is fetched; names from outside are escaped."""
    html = page(a_use(50), accelerators=8, title="t.csv · <b>", facts=("mean JCT 3 h",))

    assert not re.search(r"""<(script|link)[^>]*\b(src|href)=""", html)
    assert "&amp;lt;b&amp;gt;" in html or "&lt;b&gt;" in html
    assert "mean JCT 3 h" in html


def test_the_page_does_not_grow_with_the_replay() -> None:
    """A hundred thousand events are drawn as a thousand spans."""
    small, large = (len(page(a_use(events), accelerators=8, title="t", facts=())) for events in (2_000, 100_000))

    assert large < small * 1.1


def test_spans_hold_mean_least_and_most() -> None:
    """A step that begins within a span counts from there on."""
    bins = binned(np.array([0, 10, 20, 30]), np.array([1, 5, 2, 0]), 2)

    assert bins.mean.tolist() == [(10 * 1 + 5 * 5) / 15, (5 * 5 + 10 * 2) / 15]
    assert (bins.least.tolist(), bins.most.tolist()) == ([1, 2], [5, 5])


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 99)), min_size=1, max_size=60), st.integers(1, 40))
def test_no_peak_and_no_area_is_lost(steps: list[tuple[int, int]], bins: int) -> None:
    """The least and most of all spans are those of the steps, and the means add up to the same area."""
    steps.sort()
    times, values = np.array([time for time, _ in steps]), np.array([value for _, value in steps])
    lasting = np.append(np.diff(times) > 0, False)
    found = binned(times, values, bins)

    assert len(found.mean) == bins <= BINS
    assert np.all((found.least <= found.mean + 1e-6) & (found.mean <= found.most + 1e-6))
    if lasting.any():
        area = float((values[:-1] * np.diff(times)).sum()) / 1e9
        assert abs((found.mean * np.diff(found.edges_s)).sum() - area) <= 1e-6 * max(area, 1)
        assert found.most.max() >= values[lasting].max()
        assert found.least.min() <= values[lasting].min()
