"""many: the bars of a large run stand under one, so that there is room for the curves."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from timeline_builders import Journal, at

from jupyter_aicci.timeline.lanes import PhaseLane, Span
from jupyter_aicci.timeline.many import MOST_NODE_BARS, MOST_SPANS_UNDER, most, of_nodes, under_one
from jupyter_aicci.timeline.places import layout
from jupyter_aicci.timeline.summary import summary_text
from jupyter_aicci.timeline.view import view


def a_bar(node: int, *phases: tuple[float, float, str], parent: str = "") -> PhaseLane:
    spans = tuple(Span(t0_s=t0, t1_s=t1, phase=phase) for t0, t1, phase in phases)
    return PhaseLane(id=f"node-{node}", name=f"node {node}", note="h", spans=spans, parent=parent)


def test_few_nodes_have_their_bars() -> None:
    """Nothing is folded away that has room."""
    bars = [a_bar(node, (0, 1, "compute")) for node in range(MOST_NODE_BARS)]
    assert under_one(bars) == tuple(bars)


def test_many_nodes_are_one_bar_that_unfolds() -> None:
    """64 nodes take one line; unfolded each has its own, its ranks under it."""
    bars = [a_bar(node, (0, 4, "compute")) for node in range(64)]
    rank = PhaseLane(id="node-0/rank-0", name="rank 0", note="", spans=bars[0].spans, parent="node-0")
    made = under_one([bars[0], rank, *bars[1:]])
    assert [lane.id for lane in made[:3]] == ["nodes", "node-0", "node-0/rank-0"]
    assert made[0].name == "64 nodes"
    assert [bar.id for bar in of_nodes(made)] == [bar.id for bar in bars]
    folded, _ = layout(made)
    assert [place.lane.id for place in folded] == ["nodes"]
    unfolded, _ = layout(made, ["nodes"])
    assert len(unfolded) == 65


def test_the_bar_of_all_shows_what_most_nodes_do() -> None:
    """Two of three wait from 2 to 4, one waits on alone; of equals what was there before stays."""
    bars = [
        a_bar(0, (0, 2, "compute"), (2, 5, "data_wait"), (5, 6, "compute")),
        a_bar(1, (0, 2, "compute"), (2, 4, "data_wait"), (4, 6, "compute")),
        a_bar(2, (0, 6, "compute")),
    ]
    assert [(span.t0_s, span.t1_s, span.phase) for span in most(bars)] == [
        (0, 2, "compute"), (2, 4, "data_wait"), (4, 6, "compute"),
    ]  # fmt: skip
    assert [span.phase for span in most(bars[1:])] == ["compute"]


def test_the_summary_says_whose_time_it_tells() -> None:
    """Of very many nodes the first bar is of all of them, and not node 0's."""
    for nodes, whose in ((2, "(node 0)"), (MOST_NODE_BARS + 1, "(most of 17 nodes)")):
        journal = Journal(nodes=nodes, ranks_per_node=1)
        shown = view(journal.placed(1).runs(3).run(), (), cost=(), now_ns=at(9))
        assert whose in summary_text(shown).splitlines()[1]


def test_what_nobody_told_stays_empty() -> None:
    """Where no bar has a span, the bar of all has none."""
    assert [(span.t0_s, span.t1_s) for span in most([a_bar(0, (0, 1, "compute"), (3, 4, "compute"))])] == [
        (0, 1),
        (3, 4),
    ]
    assert most([]) == []


@given(lengths=st.lists(st.floats(0.01, 5), min_size=1, max_size=1500))
def test_a_bar_that_is_folded_away_is_short_and_covers_the_same_time(lengths: list[float]) -> None:
    """Its spans touch from its first moment to its last."""
    spans, t_s = [], 0.0
    for place, length in enumerate(lengths):
        spans.append((t_s, t_s + length, "compute" if place % 3 else "data_wait"))
        t_s += length
    made = under_one([a_bar(node, *spans) for node in range(MOST_NODE_BARS + 1)])
    under = made[1].spans
    assert len(under) <= MOST_SPANS_UNDER
    assert (under[0].t0_s, under[-1].t1_s) == (0.0, t_s)
    assert all(before.t1_s == after.t0_s for before, after in itertools.pairwise(under))
