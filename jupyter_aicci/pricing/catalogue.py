"""The catalogue: what clouds ask for an instance, each offer with its source, its date and how far to trust it.

In: the packaged book's TOML, or the JSON that an import left (`imports.py` checks a file before it becomes one). Out: `Offer`s.
An offer's id is `provider/instance` or `provider/instance/region`; the user's [prices] names offers by it.
Rule: list prices are `confidence = "catalogue"` or "imported": nobody here was charged them. Pure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from jupyter_aicci.model.shapes import Billing, Price, price_from_json
from jupyter_aicci.pricing.book import parse_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One instance type in one place."""

    id: str
    accelerator: str = ""  # "h100"; "" = none
    accelerators: int = 0
    price: Price  # of the whole instance
    spot_micro_per_h: tuple[int, int] | None = None  # lowest and highest spot price seen; never billed by

    @property
    def provider(self) -> str:
        return self.id.split("/")[0]

    @property
    def instance(self) -> str:
        return self.id.split("/")[1]

    @property
    def region(self) -> str:
        """The region or zone, "" where the price is the same everywhere or nobody says."""
        return "/".join(self.id.split("/")[2:])

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "accelerator": self.accelerator,
            "accelerators": self.accelerators,
            "price": self.price.to_json(),
            "spot_micro_per_h": list(self.spot_micro_per_h) if self.spot_micro_per_h else None,
        }


def offer_from_json(data: dict[str, Any]) -> Offer:
    """The offer that `Offer.to_json` wrote."""
    spot = data["spot_micro_per_h"]
    return Offer(
        id=data["id"],
        accelerator=data["accelerator"],
        accelerators=int(data["accelerators"]),
        price=price_from_json(data["price"]),
        spot_micro_per_h=(int(spot[0]), int(spot[1])) if spot else None,
    )


def packaged_offers(text: str) -> tuple[Offer, ...]:
    """The offers of the packaged catalogue, in its order."""
    book = tomllib.loads(text)
    return tuple(_offer(book, offer_id, row) for offer_id, row in book["offers"].items())


def _offer(book: dict[str, Any], offer_id: str, row: dict[str, Any]) -> Offer:
    provider = book["providers"][offer_id.split("/")[0]]
    price = Price(
        micro_per_h=parse_amount(row.get("price", "0")),
        currency=provider["currency"],
        source=row.get("source", provider["source"]),
        dated=book["dated"],
        known="price" in row,
        confidence="catalogue",
        billing=Billing(**provider.get("billing", {})),
    )
    spot = tuple(parse_amount(amount) for amount in row.get("spot", ()))
    return Offer(
        id=offer_id,
        accelerator=row["accelerator"],
        accelerators=row["count"],
        price=replace(price, source=f"{price.source}: {offer_id}"),
        spot_micro_per_h=(spot[0], spot[1]) if spot else None,
    )


def prices_by_id(offers: Iterable[Offer]) -> dict[str, Price]:
    """What `book.parse_book` looks offers up in."""
    return {offer.id: offer.price for offer in offers}
