"""Reports, breakdowns and FOCUS rows add up to the bills, to the micro-unit, however they are cut."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import RUN_ID, T0, S, a_placement, submitted

from jupyter_aicci.model.events import Corrected
from jupyter_aicci.model.phases import KIND_OF, KINDS
from jupyter_aicci.model.run import Attempt, Run, fold
from jupyter_aicci.model.shapes import Billing, Price
from jupyter_aicci.pricing.focus import COLUMNS, focus_rows, to_csv
from jupyter_aicci.pricing.meter import NS_PER_H, meter
from jupyter_aicci.pricing.report import BY, Bill, report
from jupyter_aicci.pricing.waste import Breakdown, breakdown, breakdown_from_json, headline, split
from jupyter_aicci.timeline.goodput import WASTED, goodput
from jupyter_aicci.timeline.goodput import headline as timeline_headline
from jupyter_aicci.timeline.partition import ORDER, Part

DAYS = 40
TIMES = st.integers(T0, T0 + DAYS * 24 * NS_PER_H)


@dataclass(frozen=True, slots=True, kw_only=True)
class APart:
    phase: str
    ns: int
    micro: int


PARTS = st.lists(
    st.builds(
        APart, phase=st.sampled_from([*KIND_OF, "mine"]), ns=st.integers(0, 10**15), micro=st.integers(0, 10**12)
    ),
    max_size=20,
)


def a_run(
    spans: list[tuple[int, int]], *, owner: str = "ann", queue: str = "vision", price: Price | None = None
) -> Run:
    attempt = Attempt(
        number=1, placement=a_placement(max(1, len(spans))), port=1, placed_ns=T0,
        held={node: begin for node, (begin, _) in enumerate(spans)},
        released={node: max(pair) for node, pair in enumerate(spans)},
    )  # fmt: skip
    run = fold([submitted()])
    prices = {"cpux2": price or Price(micro_per_h=36_000_123)}
    return replace(run, spec=replace(run.spec, owner=owner, queue=queue), attempts=(attempt,), prices=prices)


def a_bill(run: Run, known: Breakdown | None = None) -> Bill:
    return Bill(run=run, ledger=meter(run, T0 + 1000 * 24 * NS_PER_H), breakdown=known)


BILLS = st.lists(
    st.builds(
        lambda spans, owner, parts: a_bill(a_run(spans, owner=owner), breakdown(parts) if parts else None),
        st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=3), st.sampled_from(["ann", "bob"]), PARTS,
    ), max_size=4,
)  # fmt: skip


@given(PARTS)
def test_a_breakdown_sums_to_its_parts(parts: list[APart]) -> None:
    """Each phase is useful, overhead or waste; nothing is in two, nothing in none."""
    found = breakdown(parts)
    assert sum(found.micro(kind) for kind in KINDS) == sum(part.micro for part in parts) == found.total_micro
    assert sum(found.ns(kind) for kind in KINDS) == sum(part.ns for part in parts)
    assert breakdown_from_json(json.loads(json.dumps(found.to_json()))) == found


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**15), min_size=1, max_size=8))
def test_a_split_sums_to_the_whole(amount: int, weights: list[int]) -> None:
    """And no part is further than a micro-unit from its share."""
    parts = split(amount, weights)
    assert sum(parts) == amount
    if total := sum(weights):
        assert all(abs(part * total - amount * weight) <= total for part, weight in zip(parts, weights, strict=True))


@given(PARTS)
def test_the_card_and_the_bill_say_the_same_of_the_same_parts(parts: list[APart]) -> None:
    """One definition of useful and waste, one sentence: what `aicci cost` prints is what the timeline's headline says."""
    parts = [part for part in parts if part.phase in ORDER and part.ns]
    run = a_run([(T0, T0 + S)])
    told = [Part(attempt=1, node=0, rank=0, phase=part.phase, ns=part.ns, micro=part.micro) for part in parts]
    found, drawn = breakdown(parts), goodput(told)
    assert headline(found, "USD", priced=True) == timeline_headline(run, drawn)
    wasted = [phase for phase in drawn.ns if phase in WASTED]
    assert found.ns("waste") == sum(drawn.ns[phase] for phase in wasted)
    assert found.micro("waste") == sum(drawn.micro[phase] for phase in wasted)


@pytest.fixture(scope="module", autouse=True)
def zone() -> Iterator[None]:
    """A place with summer time, so that a day is not always 24 hours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@given(BILLS, st.sampled_from(BY))
def test_a_report_adds_up_to_the_bills(bills: list[Bill], by: str) -> None:
    """Cost, time and kinds; each line's kinds are its cost."""
    lines = report(bills, by)
    assert sum(line.amount_micro for line in lines) == sum(bill.ledger.total_micro for bill in bills)
    held_ns = sum(entry.to_ns - entry.from_ns for bill in bills for entry in bill.ledger.entries)
    assert sum(line.held_ns for line in lines) == held_ns
    for line in lines:
        assert line.useful_micro + line.overhead_micro + line.waste_micro + line.unsplit_micro == line.amount_micro


def test_a_run_over_midnight_is_in_both_days() -> None:
    """By this place's midnight, in the night in which the clock is set back, too."""
    begin = int(datetime(2026, 10, 24, 22).astimezone().timestamp()) * S
    run = a_run([(begin, begin + 29 * 3600 * S)], price=Price(micro_per_h=1_000_000))
    lines = report([a_bill(run)], "day")
    assert [(line.key, line.amount_micro) for line in lines] == [
        ("2026-10-24", 2_000_000), ("2026-10-25", 25_000_000), ("2026-10-26", 2_000_000),
    ]  # fmt: skip


def test_currencies_stand_apart_and_unknown_prices_are_told() -> None:
    """Nothing of two currencies is added up."""
    euro = a_run([(T0, T0 + NS_PER_H)], price=Price(micro_per_h=5, currency="EUR"))
    unknown = a_run([(T0, T0 + NS_PER_H)], owner="bob", price=Price(micro_per_h=0, known=False))
    lines = report([a_bill(a_run([(T0, T0 + NS_PER_H)])), a_bill(euro), a_bill(unknown)], "queue")
    assert [(line.currency, line.amount_micro, line.unpriced) for line in lines] == [
        ("EUR", 5, False),
        ("USD", 36_000_123, True),
    ]


@given(BILLS)
def test_focus_rows_add_up_to_the_bills(bills: list[Bill]) -> None:
    """Effective cost is what has accrued, billed cost what the rule makes of it; cut by UTC months."""
    rows = list(csv.DictReader(io.StringIO(to_csv(focus_rows(bills)))))
    assert round(sum(float(row["EffectiveCost"]) for row in rows) * 1e6) == sum(
        bill.ledger.total_micro for bill in bills
    )
    for row in rows:
        assert (
            row["BillingPeriodStart"] <= row["ChargePeriodStart"] <= row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        )


MANDATORY = {  # of FOCUS 1.2, focus.finops.org: columns that a dataset has whatever it is about
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
}  # fmt: skip


def test_every_mandatory_column_of_focus_is_there_and_ours_are_marked_as_ours() -> None:
    """Custom columns begin with x_, and no column is there twice."""
    assert set(COLUMNS) >= MANDATORY
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert [name for name in COLUMNS if "Aicci" in name and not name.startswith("x_")] == []


def test_a_focus_row_has_what_the_specification_asks_for() -> None:
    """Mandatory columns of 1.2 are there and not null, allowed values are kept, times are UTC."""
    rule = Billing(increment_s=60, minimum_s=60)
    price = Price(
        micro_per_h=55_040_000,
        source="list: aws/p5.48xlarge/us-east-1",
        dated="2026-11-24",
        confidence="catalogue",
        billing=rule,
    )
    run = a_run([(T0, T0 + 30 * S)], price=price)
    run = replace(run, corrections=(Corrected(run_id=RUN_ID, time_ns=T0, amount_micro=-5, reason="invoice", by="ann"),))
    usage, correction = sorted(focus_rows([a_bill(run)]), key=lambda row: row["ChargeClass"] or "")
    assert tuple(usage) == tuple(correction) or set(usage) == set(correction) == set(COLUMNS)
    needed = (
        "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
        "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName",
        "ListCost", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
    )  # fmt: skip
    for row in (usage, correction):
        assert [name for name in needed if row[name] is None] == []
        assert row["ChargePeriodStart"].endswith("Z")
        assert json.loads(row["Tags"])["owner"] == "ann"
    assert (usage["ChargeCategory"], usage["ChargeClass"], usage["PricingCategory"]) == ("Usage", None, "Standard")
    assert (correction["ChargeClass"], correction["BilledCost"]) == ("Correction", "-0.000005")
    assert (usage["BilledCost"], usage["EffectiveCost"]) == ("0.917333", "0.458666")
    assert (usage["ProviderName"], usage["RegionId"], usage["ConsumedUnit"]) == ("aws", "us-east-1", "Hours")


def test_nodes_without_a_price_are_no_rows_of_zero() -> None:
    """No cost is not zero cost."""
    assert focus_rows([a_bill(a_run([(T0, T0 + S)], price=Price(micro_per_h=0, known=False)))]) == ()


def test_a_row_names_the_provider_of_its_own_price() -> None:
    """A run that went on with another shape is not billed by that one's provider from the beginning."""
    listed = Price(micro_per_h=55_040_000, source="list: aws/p5.48xlarge/us-east-1", confidence="catalogue")
    bill = a_bill(a_run([(T0, T0 + S)], price=listed))
    (row,) = focus_rows([replace(bill, ledger=replace(bill.ledger, price=Price(micro_per_h=1, source="set here")))])
    assert (row["ProviderName"], row["BillingAccountType"], row["RegionId"]) == ("aws", "Provider", "us-east-1")
