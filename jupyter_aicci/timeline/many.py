"""The bars of many nodes under one: what most nodes were in, and under it, folded, the bar of each.

In: the bars of all nodes, those of ranks among them. Out: the same where they are few; else a bar `nodes` before them.
Rule: pure; costs n log n in the number of spans, and a bar that is folded away keeps no more spans than a narrow one shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from jupyter_aicci.timeline.lanes import PhaseLane, Span

MOST_NODE_BARS = 16  # more of them would leave no room for a curve on the screen
MOST_SPANS_UNDER = 300
NODES = "nodes"


def under_one(bars: Sequence[PhaseLane]) -> tuple[PhaseLane, ...]:
    """At most `MOST_NODE_BARS` bars as they are; more of them under a bar of all."""
    nodes = of_nodes(bars)
    if len(nodes) <= MOST_NODE_BARS:
        return tuple(bars)
    name, note = f"{len(nodes)} nodes", "majority"
    whole = PhaseLane(id=NODES, name=name, note=note, spans=tuple(most(nodes)), folded=True)
    return (whole, *(_under(bar) for bar in bars))


def of_nodes(bars: Iterable[PhaseLane]) -> list[PhaseLane]:
    """The bars of nodes, without those of ranks and the one over all."""
    return [bar for bar in bars if bar.parent in ("", NODES) and bar.id != NODES]


def most(bars: Iterable[PhaseLane]) -> list[Span]:
    """The phase that most bars are in, while any is in one; of equals the one that was there before."""
    changes = sorted(
        (t_s, change, span.phase)
        for bar in bars
        for span in bar.spans
        for t_s, change in ((span.t0_s, 1), (span.t1_s, -1))
    )
    counts: Counter[str] = Counter()
    spans: list[Span] = []
    for (t_s, change, phase), (next_s, *_) in pairwise([*changes, (changes[-1][0], 0, "")] if changes else []):
        counts[phase] += change
        if next_s > t_s:
            _add(spans, t_s, next_s, counts)
    return spans


def _add(spans: list[Span], from_s: float, to_s: float, counts: Counter[str]) -> None:
    highest = max(counts.values(), default=0)
    if highest <= 0:
        return
    before = spans[-1] if spans and spans[-1].t1_s == from_s else None
    if before and counts[before.phase] == highest:
        spans[-1] = replace(before, t1_s=to_s)
    else:
        winner = next(phase for phase, count in counts.items() if count == highest)
        spans.append(Span(t0_s=from_s, t1_s=to_s, phase=winner))


def _under(bar: PhaseLane) -> PhaseLane:
    if bar.parent:
        return bar
    return replace(bar, parent=NODES, spans=_fewer(bar.spans))


def _fewer(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Of many spans the long ones, and those between them as one in the phase that had most of their time."""
    if len(spans) <= MOST_SPANS_UNDER:
        return spans
    least_s = 3 * (spans[-1].t1_s - spans[0].t0_s) / MOST_SPANS_UNDER
    made: list[Span] = []
    group: list[Span] = []
    for span in spans:
        if span.t1_s - span.t0_s >= least_s:
            made += [*_joined(group), span]
            group = []
            continue
        group.append(span)
        if span.t1_s - group[0].t0_s >= least_s:
            made += _joined(group)
            group = []
    return (*made, *_joined(group))


def _joined(group: Sequence[Span]) -> list[Span]:
    if not group:
        return []
    time_in: Counter[str] = Counter()
    for span in group:
        time_in[span.phase] += span.t1_s - span.t0_s  # type: ignore[assignment]
    return [Span(t0_s=group[0].t0_s, t1_s=group[-1].t1_s, phase=time_in.most_common(1)[0][0])]
