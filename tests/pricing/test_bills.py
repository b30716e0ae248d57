"""What a provider makes of the time, corrections, what nobody knows, and cuts: sums of parts are the whole, always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import RUN_ID, T0, S, a_life, a_placement, flat, placed, submitted

from jupyter_aicci.model.events import Corrected, NodeReleased
from jupyter_aicci.model.run import Attempt, Run, apply, fold
from jupyter_aicci.model.shapes import Billing, Price
from jupyter_aicci.pricing.meter import NS_PER_H, NS_PER_S, cost_micro, cost_series, meter, pieces, rounded_ns

TIMES = st.integers(T0, T0 + 20 * NS_PER_H)
RULES = st.builds(
    Billing,
    increment_s=st.sampled_from([0, 1, 60, 600, 3600]),
    minimum_s=st.sampled_from([0, 1, 60, 3600]),
    boundary=st.sampled_from(["start", "clock"]),
)
EXACT = Billing()
PER_H = 36_000_000  # 10,000 micro-units a second
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)


def held(*spans: tuple[int, int | None], rule: Billing = EXACT, micro_per_h: int = PER_H) -> Run:
    """A run with one attempt whose node n was held for spans[n]."""
    attempt = Attempt(
        number=1,
        placement=a_placement(max(1, len(spans))),
        port=1,
        placed_ns=T0,
        held={node: begin for node, (begin, _) in enumerate(spans)},
        released={node: end for node, (_, end) in enumerate(spans) if end is not None},
    )
    price = Price(micro_per_h=micro_per_h, billing=rule)
    return replace(fold([submitted()]), attempts=(attempt,), prices={"cpux2": price})


@pytest.mark.parametrize(
    ("rule", "held_s", "billed_s"),
    [
        (Billing(), 12.5, 12.5),
        (Billing(increment_s=1), 12.5, 13),
        (Billing(increment_s=1, minimum_s=60), 12.5, 60),
        (Billing(increment_s=1, minimum_s=60), 61.2, 62),
        (Billing(increment_s=60), 61, 120),
        (Billing(increment_s=60), 60, 60),
        (Billing(increment_s=60, minimum_s=600), 30, 600),
        (Billing(minimum_s=60), 0.25, 60),
        (
            Billing(increment_s=60, boundary="clock"),
            61,
            120,
        ),  # T0 is at 20 s past a minute: 81 s past it is the second one
    ],
)
def test_a_closed_allocation_is_billed_by_its_rule(rule: Billing, held_s: float, billed_s: float) -> None:
    """Whole increments that have begun, at least the minimum; what has accrued stays exact beside it."""
    (entry,) = meter(held((T0, T0 + round(held_s * S)), rule=rule), T0 + NS_PER_H).entries
    assert entry.billed_micro == round(billed_s * PER_H / 3600)
    assert entry.amount_micro == int(held_s * PER_H / 3600)


def test_clock_increments_that_are_touched_are_billed() -> None:
    """Two seconds around a full hour are two hours of a provider that bills clock hours."""
    hour = T0 // NS_PER_H * NS_PER_H + NS_PER_H
    rule = Billing(increment_s=3600, boundary="clock")
    assert rounded_ns(hour - S, hour + S, rule) == 2 * NS_PER_H
    assert rounded_ns(hour, hour + S, rule) == NS_PER_H
    assert rounded_ns(hour - S, hour + S, replace(rule, boundary="start")) == NS_PER_H


def test_an_open_allocation_is_not_rounded_yet() -> None:
    """The minimum is charged once, when it closes; until then the bill is what has accrued."""
    rule = Billing(increment_s=60, minimum_s=600)
    ledger = meter(held((T0, None), (T0, T0 + S), rule=rule), T0 + 5 * S)
    assert [entry.billed_micro for entry in ledger.entries] == [50_000, 6_000_000]
    assert (ledger.total_micro, ledger.billed_micro) == (60_000, 6_050_000)


@given(TIMES, TIMES, RULES)
def test_what_is_billed_is_never_less_than_what_was_held(begin: int, end: int, rule: Billing) -> None:
    """Whole increments, the minimum once, and never more than both together ask for."""
    billed_ns, held_ns = rounded_ns(begin, end, rule), max(0, end - begin)
    assert billed_ns >= held_ns
    if held_ns:
        assert billed_ns >= rule.minimum_s * NS_PER_S
        assert billed_ns <= max(held_ns + 2 * rule.increment_s * NS_PER_S, rule.minimum_s * NS_PER_S)
        assert (
            not rule.increment_s
            or billed_ns % (rule.increment_s * NS_PER_S) == 0
            or billed_ns == rule.minimum_s * NS_PER_S
        )
    else:
        assert billed_ns == 0


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=6), RULES, st.integers(0, 500_000_000))
def test_the_sum_of_the_entries_is_the_whole_in_both_columns(
    spans: list[tuple[int, int]], rule: Billing, micro_per_h: int
) -> None:
    """However intervals overlap: accrued exactly the price of all the time, billed each allocation rounded once."""
    ledger = meter(held(*spans, rule=rule, micro_per_h=micro_per_h), T0 + 30 * NS_PER_H)
    exact = sum(Fraction(micro_per_h * max(0, end - begin), NS_PER_H) for begin, end in spans)
    assert ledger.total_micro == sum(entry.amount_micro for entry in ledger.entries) == int(exact)
    assert ledger.billed_micro == sum(entry.billed_micro for entry in ledger.entries)
    if rule.increment_s or rule.minimum_s:
        for entry in ledger.entries:
            exactly = Fraction(micro_per_h * rounded_ns(entry.from_ns, entry.to_ns, rule), NS_PER_H)
            assert abs(entry.billed_micro - exactly) <= Fraction(1, 2)
    else:
        assert ledger.billed_micro == ledger.total_micro


@given(TIMES, TIMES, st.lists(TIMES, max_size=8), st.integers(0, 500_000_000))
def test_the_pieces_of_an_entry_add_up_to_it(begin: int, end: int, cuts: list[int], micro_per_h: int) -> None:
    """Whatever it is cut by: no gap, no overlap, no micro-unit lost, none below zero."""
    (entry,) = meter(held((begin, end), micro_per_h=micro_per_h), T0 + 30 * NS_PER_H).entries
    found = pieces(entry, cuts)
    assert sum(piece.amount_micro for piece in found) == entry.amount_micro
    assert (found[0].from_ns, found[-1].to_ns) == (entry.from_ns, entry.to_ns)
    assert all(before.to_ns == after.from_ns for before, after in pairwise(found))
    assert all(piece.amount_micro >= 0 for piece in found)


@given(st.sampled_from(ZONES), st.integers(0, 364), st.integers(1, 4 * 24 * 60))
def test_days_of_any_zone_add_up_to_the_bill(zone: str, day: int, minutes: int) -> None:
    """Days of 23, 24 and 25 hours: each second in one of them, none twice, and the bill is the same everywhere."""
    begin = datetime(2026, 1, 1, 12, 34, 56, tzinfo=UTC) + timedelta(days=day)
    begin_ns = int(begin.timestamp()) * S
    run = held((begin_ns, begin_ns + minutes * 60 * S))
    (entry,) = meter(run, begin_ns + 10**18).entries
    first = begin.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, fold=0)
    midnights = [int((first + timedelta(days=n)).timestamp()) * S for n in range(8)]
    found = pieces(entry, midnights)
    assert sum(piece.amount_micro for piece in found) == entry.amount_micro == minutes * 60 * PER_H // 3600
    days = {datetime.fromtimestamp(piece.from_ns / S, ZoneInfo(zone)).date() for piece in found}
    assert len(days) == len(found)


@given(st.lists(st.integers(-5_000_000, 5_000_000), max_size=4), TIMES)
def test_a_correction_is_a_row_beside_what_is_there(amounts: list[int], now_ns: int) -> None:
    """The entries stay as they are; bill, curve and total have the sum of both."""
    run = before = held((T0, T0 + NS_PER_H))
    for number, amount in enumerate(amounts):
        row = Corrected(
            run_id=RUN_ID, time_ns=T0 + number * S, amount_micro=amount, reason="as the invoice has it", by="ann"
        )
        run = apply(run, row)
    ledger = meter(run, now_ns)
    counted = sum(amount for number, amount in enumerate(amounts) if T0 + number * S <= now_ns)
    assert ledger.entries == meter(before, now_ns).entries
    assert ledger.total_micro == meter(before, now_ns).total_micro + counted == cost_micro(run, now_ns)
    assert [row["amount_micro"] for row in ledger.to_json()["corrections"]] == amounts[: len(ledger.corrections)]
    series = cost_series(run, now_ns)
    assert series[-1][1] == cost_micro(run, max(now_ns, series[-1][0]))


def test_time_that_nobody_can_vouch_for_is_told_and_not_billed() -> None:
    """A machine that went down: billed to its last sign of life, the rest beside it."""
    run = fold([submitted(micro_per_h=PER_H), *flat(a_life()[1:2]), *placed(1, T0)])
    gone = NodeReleased(run_id=RUN_ID, time_ns=T0 + 10 * S, attempt=1, node=0, unverified_ns=3600 * S)
    (entry,) = meter(apply(run, gone), T0 + 9000 * S).entries
    assert (entry.amount_micro, entry.unverified_ns, entry.open) == (100_000, 3600 * S, False)


def test_a_bill_with_an_unknown_part_says_so() -> None:
    """Nothing known: no total at all. A part known: its sum, and that it is not all."""
    unknown = replace(held((T0, T0 + S)), prices={"cpux2": Price(micro_per_h=0, known=False)})
    ledger = meter(unknown, T0 + NS_PER_H)
    body = ledger.to_json()
    assert (body["total_micro"], body["billed_micro"], body["per_h_micro"], body["unpriced"]) == (
        None,
        None,
        None,
        True,
    )
    assert body["entries"][0]["amount_micro"] is None
    assert (unknown.unpriced, unknown.cost_known) == (True, False)
    other = replace(held((T0, T0 + S)).attempts[0], number=2, placement=a_placement(shape=a_placement().shape))
    other = replace(other, placement=replace(other.placement, shape=replace(other.placement.shape, name="cpux4")))
    mixed = replace(
        unknown, attempts=(*unknown.attempts, other), prices={**unknown.prices, "cpux4": Price(micro_per_h=PER_H)}
    )
    body = meter(mixed, T0 + NS_PER_H).to_json()
    assert (body["total_micro"], body["unpriced"]) == (10_000, True)
    assert [entry["amount_micro"] for entry in body["entries"]] == [None, 10_000]
    assert (mixed.unpriced, mixed.cost_known) == (True, True)
