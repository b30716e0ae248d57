"""Every held nanosecond of every node is billed exactly once, in integers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import RUN_ID, T0, S, a_life, a_placement, flat, placed, released, submitted

from jupyter_aicci.model.events import NodeHeld
from jupyter_aicci.model.run import Attempt, Run, apply, fold
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.pricing.meter import NS_PER_H, Ledger, cost_micro, cost_series, meter

NOW = T0 + 1000 * S


def a_run(*holds: dict[int, tuple[int, int | None]], micro_per_h: int = 310_000) -> Run:
    """A run whose attempts held nodes: {node: (from, to or None)} for each attempt."""
    attempts = tuple(
        Attempt(
            number=number,
            placement=a_placement(len(nodes)),
            port=1,
            placed_ns=T0,
            held={node: since for node, (since, _) in nodes.items()},
            released={node: until for node, (_, until) in nodes.items() if until is not None},
        )
        for number, nodes in enumerate(holds, start=1)
    )
    run = fold([submitted(micro_per_h=micro_per_h)])
    return replace(run, attempts=attempts)


TIMES = st.integers(T0, T0 + 10 * NS_PER_H)
NODES = st.dictionaries(st.integers(0, 7), st.tuples(TIMES, st.none() | TIMES), max_size=4)
RUNS = st.builds(
    lambda holds, price: a_run(*holds, micro_per_h=price), st.lists(NODES, max_size=4), st.integers(0, 500_000_000)
)


def exact(run: Run, now_ns: int) -> int:
    """The bill by its definition: price times the time held, floored once."""
    total = 0
    for attempt in run.attempts:
        for node, since in attempt.held.items():
            until = min(attempt.released.get(node, now_ns), now_ns)
            total += max(0, until - since) * run.prices["cpux2"].micro_per_h
    return total // NS_PER_H


@given(RUNS, TIMES)
def test_entries_sum_to_the_exact_total(run: Run, now_ns: int) -> None:
    """No rounding is lost or gained, however many nodes and attempts there are."""
    ledger = meter(run, now_ns)
    assert ledger.total_micro == sum(entry.amount_micro for entry in ledger.entries) == exact(run, now_ns)
    assert cost_micro(run, now_ns) == ledger.total_micro


@given(RUNS, TIMES)
def test_no_amount_is_negative_when_clocks_are_odd(run: Run, now_ns: int) -> None:
    """A node released before it was held, or held after now, costs nothing and never pays back."""
    ledger = meter(run, now_ns)
    assert all(entry.amount_micro >= 0 and entry.to_ns >= entry.from_ns for entry in ledger.entries)


@given(RUNS, st.lists(TIMES, min_size=1, max_size=6))
def test_asking_more_often_changes_nothing(run: Run, moments: list[int]) -> None:
    """The bill only grows, and what it is at the end does not depend on when it was looked at."""
    totals = [cost_micro(run, now_ns) for now_ns in sorted(moments)]
    assert totals == sorted(totals)


@given(TIMES, st.lists(TIMES, max_size=5), st.integers(0, 500_000_000))
def test_cutting_time_into_pieces_changes_nothing(start: int, cuts: list[int], price: int) -> None:
    """One node held from a to z costs exactly what nodes held from a to b, b to c, … to z cost."""
    points = sorted([start, start, *cuts])
    whole = a_run({0: (points[0], points[-1])}, micro_per_h=price)
    pieces = a_run(*({0: pair} for pair in pairwise(points)), micro_per_h=price)
    assert meter(pieces, NOW + 20 * NS_PER_H).total_micro == meter(whole, NOW + 20 * NS_PER_H).total_micro


def test_a_life_is_billed_by_its_holds() -> None:
    """Two nodes, attempts of 9 s and 29 s, at 36 micro-units a second; waiting between them is free."""
    run = fold(flat(a_life(nodes=2)))
    run = replace(run, prices={"cpux2": Price(micro_per_h=36 * 3600)})
    ledger = meter(run, NOW)
    assert [(e.attempt, e.node, e.amount_micro, e.open) for e in ledger.entries] == [
        (1, 0, 9 * 36, False),
        (1, 1, 9 * 36, False),
        (2, 0, 29 * 36, False),
        (2, 1, 29 * 36, False),
    ]
    assert ledger.per_h_micro == 0


def test_a_held_node_is_open_and_counts_per_hour() -> None:
    """While nodes are held, their entries grow and the price per hour is theirs; a free one stops alone."""
    run = fold([submitted(), *flat(a_life()[1:2]), *placed(1, T0, nodes=2), *released(1, T0 + 1800 * S)])
    ledger = meter(run, T0 + 3600 * S)
    assert [(e.node, e.open, e.amount_micro) for e in ledger.entries] == [(0, False, 155_000), (1, True, 310_000)]
    assert ledger.per_h_micro == 310_000


def test_a_repeated_row_bills_nothing_twice() -> None:
    """The same node held again in the same attempt is the same hold."""
    run = fold([submitted(), *flat(a_life()[1:2]), *placed(1, T0)])
    again = apply(run, NodeHeld(run_id=RUN_ID, time_ns=T0 + 60 * S, attempt=1, node=0, shape="cpux2"))
    assert meter(again, NOW) == meter(run, NOW)


def test_the_ledger_json_is_the_contract() -> None:
    """The keys of GET /v1/runs/REF/cost, which scripts read."""
    body = meter(fold(flat(a_life())), NOW).to_json()
    assert set(body) == {
        "run_id", "total_micro", "billed_micro", "unpriced", "currency", "price", "entries", "corrections", "per_h_micro",
    }  # fmt: skip
    assert set(body["entries"][0]) == {
        "attempt", "node", "shape", "from_ns", "to_ns", "amount_micro", "billed_micro", "open", "unverified_ns",
    }  # fmt: skip
    assert body["total_micro"] == sum(entry["amount_micro"] for entry in body["entries"])


def test_a_run_without_nodes_costs_nothing() -> None:
    """A queued run has an empty ledger, not an error."""
    assert meter(fold([submitted()]), NOW) == Ledger(
        run_id=RUN_ID, price=Price(micro_per_h=0), entries=(), per_h_micro=0
    )


@given(RUNS, TIMES)
def test_the_curve_ends_at_the_bill(run: Run, now_ns: int) -> None:
    """The cost lane and the ledger agree at its last point, and the curve never falls."""
    series = cost_series(run, now_ns)
    assert [time_ns for time_ns, _ in series] == sorted({time_ns for time_ns, _ in series})
    assert [micro for _, micro in series] == sorted(micro for _, micro in series)
    if series:
        assert series[-1][1] == cost_micro(run, max(now_ns, series[-1][0]))


@pytest.mark.parametrize("moment", [T0 + 5 * S, T0 + 11 * S, T0 + 20 * S, T0 + 41 * S])
def test_the_curve_is_straight_between_its_points(moment: int) -> None:
    """Interpolating between two points gives the bill of that moment to a micro-unit."""
    run = fold(flat(a_life()))
    points = cost_series(run, NOW)
    (t0, m0), (t1, m1) = next(pair for pair in pairwise(points) if pair[0][0] <= moment <= pair[1][0])
    assert abs(m0 + (m1 - m0) * (moment - t0) / (t1 - t0) - cost_micro(run, moment)) <= 1.001
