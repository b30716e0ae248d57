"""The price book: what one node of a shape costs an hour, from when, by whose word.

In: the TOML texts of a packaged book and of the user's config.toml. Out: `PriceBook`, a pure function of both.
Rule: amounts are decimals in the text and integer micro-units inside; a float never touches money.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.shapes import Price

MICRO = 1_000_000
EVERY = "*"  # the price of every shape that the book does not name


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Prices by shape name; all in one currency."""

    currency: str
    prices: tuple[tuple[str, Price], ...]  # by name, sorted; "*" for the others

    def price(self, shape: str) -> Price:
        """The price of a node of the shape; a shape that nothing is said about is free."""
        known = dict(self.prices)
        return known.get(shape) or known.get(EVERY) or Price(micro_per_h=0, currency=self.currency)


def parse_book(text: str, config: str = "", config_source: str = "config.toml") -> PriceBook:
    """The book in `text`, with the `[prices]` of the user's `config` over it. Raises `UserError` naming every defect.

    A user who sets a currency says it for all prices: amounts of the book in another one are then refused unless zero.
    """
    defects: list[str] = []
    book, own = _load(text, "the price book", defects), _load(config, config_source, defects).get("prices", {})
    if not isinstance(own, dict):
        defects.append(f"{config_source}: prices: expected a table [prices]")
        own = {}
    currency = str(own.get("currency", book.get("currency", "USD")))
    dated, source = str(book.get("dated", "")), str(book.get("source", ""))
    prices = {
        name: Price(micro_per_h=amount, currency=currency, source=source, dated=dated)
        for name, amount in _amounts(book.get("prices", {}), "the price book", defects).items()
    }
    listed = str(book.get("currency", "USD"))
    foreign = [name for name, price in prices.items() if price.micro_per_h and currency != listed and name not in own]
    defects += [f"{name} is priced in {listed}, not in {currency}" for name in sorted(foreign)]
    for name, amount in _amounts(own, config_source, defects).items():
        prices[name] = Price(micro_per_h=amount, currency=currency, source=f"set in {config_source}")
    if defects:
        raise UserError("bad_config", "; ".join(defects) + ".", hint='A price is written cpux2 = "0.31".')
    return PriceBook(currency=currency, prices=tuple(sorted(prices.items())))


def _load(text: str, source: str, defects: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        defects.append(f"{source}: {error}")
        return {}


def _amounts(table: dict[str, Any], source: str, defects: list[str]) -> dict[str, int]:
    amounts = {}
    for name, raw in table.items():
        if name == "currency":
            continue
        try:
            amounts[name] = parse_amount(raw)
        except ValueError as error:
            defects.append(f"{source}: price of {name}: {error}")
    return amounts


def parse_amount(raw: Any) -> int:
    """Micro-units of `"0.31"` or `0.31`; raises `ValueError` that says what is expected."""
    expected = f"expected an amount such as 0.31 with at most six decimals, found {raw!r}"
    if isinstance(raw, bool) or not isinstance(raw, (str, int, Decimal)):
        raise ValueError(expected)
    try:
        micro = Decimal(raw) * MICRO
    except InvalidOperation:
        raise ValueError(expected) from None
    if not micro.is_finite() or micro < 0 or micro != micro.to_integral_value():
        raise ValueError(expected)
    return int(micro)
