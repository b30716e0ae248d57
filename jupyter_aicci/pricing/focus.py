"""Bills as FOCUS 1.2, the FinOps open cost and usage specification, for the tools that a company's bills go into.

In: each run's ledger and breakdown. Out: rows by column; one for each node of each attempt and UTC month, one for each correction.
Billed cost is the provider's rule (rounded once an allocation), effective cost what has accrued; of list prices and one's own
both are estimates until an invoice says otherwise, and ChargeDescription says whose price it was.
Rule: times are UTC, start inclusive, end exclusive; nodes without a price are left out, since no cost is not zero cost. Pure.
Source: focus.finops.org, specification 1.2 (2025-05-29), columns and allowed values.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from jupyter_aicci.model.events import Corrected
from jupyter_aicci.model.phases import KINDS
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.pricing.meter import NS_PER_H, NS_PER_S, Entry, Piece, pieces
from jupyter_aicci.pricing.report import Bill
from jupyter_aicci.pricing.waste import split

COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingQuantity",
    "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags", "x_AicciRun", "x_AicciAttempt", "x_AicciNode", "x_AicciState", "x_UsefulCost", "x_OverheadCost",
    "x_WastedCost", "x_UsefulSteps", "x_UnverifiedSeconds",
)  # fmt: skip
OURS = "jupyter-aicci"
ACCOUNT = "this machine"
Row = dict[str, Any]


def focus_rows(bills: Iterable[Bill]) -> tuple[Row, ...]:
    """The rows, by time; every row has every column, None where there is nothing to say."""
    rows = [row for bill in bills for row in _of_bill(bill)]
    return tuple(sorted(rows, key=lambda row: (row["ChargePeriodStart"], row["x_AicciRun"], row["ResourceId"] or "")))


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; nothing stands for null."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if row[name] is None else row[name] for name in COLUMNS} for row in rows)
    return out.getvalue()


def _of_bill(bill: Bill) -> Iterator[Row]:
    for entry in bill.ledger.entries:
        if not entry.price.known:
            continue
        parts = pieces(entry, _months(entry.from_ns, entry.to_ns))
        billed = split(entry.billed_micro, [max(1, part.to_ns - part.from_ns) for part in parts])
        for part, billed_micro in zip(parts, billed, strict=True):
            if part.to_ns > part.from_ns:
                yield _usage(bill, part, billed_micro)
    for row in bill.ledger.corrections:
        yield _correction(bill, row)


def _usage(bill: Bill, part: Piece, billed_micro: int) -> Row:
    entry, run = part.entry, bill.run
    hours = Decimal(part.to_ns - part.from_ns) / NS_PER_H
    region = _region(entry)
    amounts = {"billed": billed_micro, "accrued": part.amount_micro}
    return {
        **_common(bill, entry.price, part.from_ns, part.to_ns, amounts),
        "AvailabilityZone": None,
        "ChargeClass": None,
        "ChargeDescription": f"{entry.shape}, node {entry.node} of run {run.id}: {entry.price.source}",
        "ConsumedQuantity": _number(hours),
        "ConsumedUnit": "Hours",
        "ListUnitPrice": _money(entry.price.micro_per_h),
        "ContractedUnitPrice": _money(entry.price.micro_per_h),
        "PricingCategory": "Standard",
        "PricingQuantity": _number(hours),
        "PricingUnit": "Hours",
        "RegionId": region,
        "RegionName": region,
        "ResourceId": f"{run.id}/attempt-{entry.attempt}/node-{entry.node}",
        "ResourceName": run.name or run.id,
        "ResourceType": "Node of a training run",
        "SkuId": entry.shape,
        "SkuPriceId": f"{entry.shape}@{entry.price.dated or 'set'}:{entry.price.micro_per_h}",
        "x_AicciAttempt": entry.attempt,
        "x_AicciNode": entry.node,
        "x_UnverifiedSeconds": _number(Decimal(entry.unverified_ns) / NS_PER_S) if entry.unverified_ns else None,
        **_waste(bill, part),
    }


def _correction(bill: Bill, row: Corrected) -> Row:
    end_ns = row.time_ns + NS_PER_S
    return {
        **dict.fromkeys(COLUMNS),
        **_common(
            bill, bill.ledger.price, row.time_ns, end_ns, {"billed": row.amount_micro, "accrued": row.amount_micro}
        ),
        "ChargeClass": "Correction",
        "ChargeDescription": f"correction by {row.by or 'unknown'}: {row.reason}",
        "SkuId": bill.run.shape,
    }


def _common(bill: Bill, price: Price, from_ns: int, to_ns: int, amounts: dict[str, int]) -> Row:
    run, begin = bill.run, _utc(from_ns)
    month = begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    provider = price.source.rpartition(": ")[2].split("/")[0] if price.confidence == "catalogue" else ACCOUNT
    accrued = _money(amounts["accrued"])
    return {
        **dict.fromkeys(COLUMNS),
        "BilledCost": _money(amounts["billed"]),
        "EffectiveCost": accrued,
        "ListCost": accrued,
        "ContractedCost": accrued,
        "BillingAccountId": provider,
        "BillingAccountName": provider,
        "BillingAccountType": "Machine" if provider == ACCOUNT else "Provider",
        "BillingCurrency": bill.ledger.currency,
        "PricingCurrency": bill.ledger.currency,
        "BillingPeriodStart": _text(month),
        "BillingPeriodEnd": _text((month + timedelta(days=32)).replace(day=1)),
        "ChargePeriodStart": _text(begin),
        "ChargePeriodEnd": _text(_utc(to_ns)),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "InvoiceIssuerName": provider,
        "ProviderName": provider,
        "PublisherName": OURS,
        "ServiceCategory": "Compute",
        "ServiceName": "Training runs",
        "ServiceSubcategory": "Other (Compute)",
        "SubAccountId": run.spec.queue,
        "SubAccountName": run.spec.queue,
        "SubAccountType": "Queue",
        "Tags": _tags(bill),
        "x_AicciRun": run.id,
        "x_AicciState": str(run.state),
    }


def _waste(bill: Bill, part: Piece) -> Row:
    known = bill.breakdown
    if known is None or not known.phases:
        return {}
    useful, overhead, waste = split(part.amount_micro, [known.ns(kind) for kind in KINDS])
    costs = {"x_UsefulCost": _money(useful), "x_OverheadCost": _money(overhead), "x_WastedCost": _money(waste)}
    return {**costs, "x_UsefulSteps": known.steps or None}


def _tags(bill: Bill) -> str:
    pairs = {"owner": bill.run.spec.owner, "queue": bill.run.spec.queue, "name": bill.run.name}
    return json.dumps({key: value for key, value in pairs.items() if value}, ensure_ascii=False)


def _months(from_ns: int, to_ns: int) -> tuple[int, ...]:
    """The beginnings of UTC months between two moments."""
    found: list[int] = []
    month = _utc(from_ns).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while True:
        month = (month + timedelta(days=32)).replace(day=1)
        month_ns = int(month.timestamp()) * NS_PER_S
        if month_ns >= to_ns:
            return tuple(found)
        found.append(month_ns)


def _region(entry: Entry) -> str | None:
    """Of an offer of the catalogue, the third part of its id."""
    parts = entry.price.source.rpartition(": ")[2].split("/")
    return parts[2] if entry.price.confidence == "catalogue" and len(parts) > 2 else None


def _utc(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).replace(microsecond=time_ns % NS_PER_S // 1000)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _money(micro: int) -> str:
    return _number(Decimal(micro) / 1_000_000)


def _number(value: Decimal) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".") or "0"
