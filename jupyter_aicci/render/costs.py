"""Bills as tables and words: one run with where its money went, all runs by user, queue, shape or day, and the catalogue.

In: the JSON of GET /v1/runs/REF/cost and GET /v1/costs, offers. Out: `Table`s and lines of text.
Rule: an amount that nobody knows reads `price not set`, never 0; currencies stand apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_aicci.model.text import NOT_SET, duration, money
from jupyter_aicci.pricing.catalogue import Offer
from jupyter_aicci.render.lists import ledger_table, price_text
from jupyter_aicci.render.tables import Table

PHASES_EMPTY = "What its time was is not known: it has held no node yet."


def phases_table(bill: dict[str, Any]) -> Table:
    """Where a run's time and money went, the longest first."""
    total = sum(row["ns"] for row in bill["phases"]) or 1
    rows = tuple(
        (
            row["phase"].replace("_", " "),
            row["kind"],
            duration(row["ns"] / 1e9),
            f"{row['ns'] / total:.0%}",
            _amount(row["amount_micro"], bill),
        )
        for row in bill["phases"]
    )
    return Table(columns=("phase", "kind", "rank time", "share", "cost"), right=("rank time", "share", "cost"), rows=rows,
                 empty=PHASES_EMPTY)  # fmt: skip


def bill_lines(bill: dict[str, Any]) -> list[str]:
    """What is worth saying beside the tables: useful, per step and epoch, energy, the provider's rule, corrections."""
    told = [bill["headline"]] if bill["headline"] else []
    if bill["step_micro"]:
        told.append(f"{money(bill['step_micro'], bill['currency'])} a step, {bill['steps']:,} steps")
    if bill["epoch_micro"]:
        told.append(f"{money(bill['epoch_micro'], bill['currency'])} an epoch")
    if bill["energy_kwh"] is not None:
        told.append(f"{bill['energy_kwh']:.3f} kWh by the accelerators' counters")
    if bill["billed_micro"] != bill["total_micro"] and bill["billed_micro"] is not None:
        told.append(f"billed by the provider's rule: {money(bill['billed_micro'], bill['currency'])} (estimated)")
    told += [
        f"correction: {_signed(row['amount_micro'], bill['currency'])}, {row['reason']}" for row in bill["corrections"]
    ]
    unverified_s = sum(entry["unverified_ns"] for entry in bill["entries"]) / 1e9
    if unverified_s:
        told.append(
            f"{duration(unverified_s)} are not billed: the machine went down, and nobody knows when the nodes were free"
        )
    if bill["unpriced"]:
        told.append(
            "part of it has no price" if bill["total_micro"] is not None else f"{NOT_SET}: [prices] of config.toml"
        )
    if bill["price"]["confidence"] in ("catalogue", "imported"):
        told.append(f"by list price, which nobody here was charged: {bill['price']['source']}")
    return told


def bill_text(bill: dict[str, Any]) -> str:
    """`aicci cost RUN` in a terminal."""
    parts = [ledger_table(bill).to_text()]
    if bill["phases"]:
        parts.append(phases_table(bill).to_text())
    return "\n\n".join([*parts, *(["\n".join(bill_lines(bill))] if bill_lines(bill) else [])])


def report_table(report: dict[str, Any]) -> Table:
    """`aicci cost --by …`: a line for each key and currency, then the sums."""
    columns = (report["by"], "runs", "node time", "cost", "useful", "overhead", "waste", "not known")
    rows = [
        (
            line["key"],
            str(line["runs"]),
            duration(line["held_s"]),
            _sum(line["amount_micro"], line),
            *(_part(line[f"{kind}_micro"], line) for kind in ("useful", "overhead", "waste", "unsplit")),
        )
        for line in report["lines"]
    ]
    rows += [
        ("total", "", "", money(total["total_micro"], total["currency"]), "", "", "", "") for total in report["totals"]
    ]
    if report["unpriced"]:
        rows.append(("and nodes whose price is not set", "", "", "", "", "", "", ""))
    return Table(columns=columns, right=columns[1:], rows=tuple(rows) if report["lines"] else (),
                 empty="No run has held a node yet, so nothing was spent.")  # fmt: skip


def offers_table(offers: Iterable[Offer]) -> Table:
    """`aicci prices list`: what the catalogue knows; an id is what [prices] of config.toml names."""
    rows = tuple(
        (
            offer.id,
            f"{offer.accelerators} × {offer.accelerator}" if offer.accelerators else "–",
            price_text(offer.price.micro_per_h if offer.price.known else None, offer.price.currency),
            "–".join(money(each, offer.price.currency) for each in dict.fromkeys(offer.spot_micro_per_h or ())),
            offer.price.dated,
            offer.price.confidence,
        )
        for offer in offers
    )
    columns = ("offer", "accelerators", "price/h", "spot seen", "dated", "by")
    return Table(columns=columns, right=("price/h", "spot seen"), rows=rows, empty="The catalogue has no such offer.")


def _amount(micro: int | None, bill: dict[str, Any]) -> str:
    return NOT_SET if micro is None else money(micro, bill["currency"])


def _sum(micro: int, line: dict[str, Any]) -> str:
    if line["unpriced"] and not micro:
        return NOT_SET
    return money(micro, line["currency"]) + (" and more" if line["unpriced"] else "")


def _part(micro: int, line: dict[str, Any]) -> str:
    """Of a line whose amount is known."""
    return NOT_SET if line["unpriced"] and not line["amount_micro"] else money(micro, line["currency"])


def _signed(micro: int, currency: str) -> str:
    return ("-" if micro < 0 else "+") + money(abs(micro), currency)
