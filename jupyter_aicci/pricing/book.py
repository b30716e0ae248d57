"""The price book: what one node of a shape costs an hour, from when, by whose word.

In: the TOML texts of a packaged book and of the user's config.toml, and the catalogue of offers. Out: `PriceBook`.
A price is an amount ("0.31"), `not set`, or an offer of the catalogue by its id ("aws/p5.48xlarge/us-east-1"); a name may
be a pattern (`ascend*`), of which the longest that fits counts, after the exact name.
Rule 1: amounts are decimals in the text and integer micro-units inside; a float never touches money.
Rule 2: what nobody has priced is not known (`Price.known`), never free.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.shapes import BOUNDARIES, Billing, Price
from jupyter_aicci.model.text import CURRENCY_EXPECTED, is_currency

MICRO = 1_000_000
UNSET = "not set"
SETTINGS = ("currency", "billing")  # keys of [prices] that are no shape
BILLING = ("increment_s", "minimum_s", "boundary")
NOBODY = "nobody has set a price"

Offers = Mapping[str, Price]  # by id


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Prices by shape name or pattern; all in one currency."""

    currency: str
    prices: tuple[tuple[str, Price], ...]  # by name, sorted

    def price(self, shape: str) -> Price:
        """The price of a node of the shape; not known where no name and no pattern fits."""
        known = dict(self.prices)
        fitting = [name for name in known if name == shape] or [name for name in known if fnmatchcase(shape, name)]
        if not fitting:
            return Price(micro_per_h=0, currency=self.currency, source=NOBODY, known=False)
        return known[max(fitting, key=lambda name: (len(name), name))]


def parse_book(
    text: str,
    config: str = "",
    config_source: str = "config.toml",
    offers: Callable[[], Offers] = dict,  # asked only where a price is an offer's
) -> PriceBook:
    """The book in `text`, with the `[prices]` of the user's `config` over it. Raises `UserError` naming every defect.

    A user who sets a currency says it for all prices: amounts of the book in another one are then refused unless zero.
    """
    defects: list[str] = []
    book, own = _load(text, "the price book", defects), _load(config, config_source, defects).get("prices", {})
    if not isinstance(own, dict):
        defects.append(f"{config_source}: prices: expected a table [prices]")
        own = {}
    listed = _currency(book, "USD", "the price book: currency", defects)
    currency = _currency(own, listed, f"{config_source}: [prices] currency", defects)
    common = Price(
        micro_per_h=0,
        currency=currency,
        source=str(book.get("source", "")),
        dated=str(book.get("dated", "")),
        billing=parse_billing(book.get("billing", {}), "the price book", defects),
    )
    set_here = replace(
        common,
        source=f"set in {config_source}",
        dated="",
        confidence="set",
        billing=parse_billing(own.get("billing", {}), config_source, defects),
    )
    prices = _prices(book.get("prices", {}), "the price book", common, offers, defects)
    foreign = [name for name, price in prices.items() if price.micro_per_h and currency != listed and name not in own]
    defects += [f"{name} is priced in {listed}, not in {currency}" for name in sorted(foreign)]
    prices |= _prices(own, config_source, set_here, offers, defects)
    if defects:
        raise UserError("bad_config", "; ".join(defects) + ".", hint='A price is written cpux2 = "0.31".')
    return PriceBook(currency=currency, prices=tuple(sorted(prices.items())))


def _load(text: str, source: str, defects: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        defects.append(f"{source}: {error}")
        return {}


def _currency(table: Mapping[str, Any], default: str, where: str, defects: list[str]) -> str:
    raw = table.get("currency", default)
    if is_currency(raw):
        return str(raw)
    defects.append(f"{where} = {raw!r}: {CURRENCY_EXPECTED}")
    return default


def _prices(
    table: Mapping[str, Any], source: str, common: Price, offers: Callable[[], Offers], defects: list[str]
) -> dict[str, Price]:
    """The prices of one table; `common` is what all of them share."""
    prices = {}
    for name, raw in table.items():
        if name in SETTINGS:
            continue
        try:
            prices[name] = _price(raw, common, offers)
        except ValueError as error:
            defects.append(f"{source}: price of {name}: {error}")
    return prices


def _price(raw: Any, common: Price, offers: Callable[[], Offers]) -> Price:
    if raw == UNSET:
        return replace(common, known=False)
    if not isinstance(raw, str) or "/" not in raw:
        return replace(common, micro_per_h=parse_amount(raw))
    known = offers()
    if raw not in known:
        guess = did_you_mean(raw, known)
        raise ValueError(f"{raw} is no offer of the catalogue; {guess or '`aicci prices` lists them'}")
    if known[raw].known and known[raw].currency != common.currency:
        raise ValueError(f"{raw} is priced in {known[raw].currency}, not in {common.currency}")
    return known[raw]


def parse_billing(raw: Any, source: str, defects: list[str]) -> Billing:
    """A table {increment_s, minimum_s, boundary}; what is wrong with it goes to `defects`."""
    table = raw if isinstance(raw, dict) else {}
    wrong = [] if isinstance(raw, dict) else [f"expected a table, found {raw!r}"]
    wrong += [f"{key}: unknown; {', '.join(BILLING)} are known" for key in table if key not in BILLING]
    numbers = {key: table.get(key, 0) for key in BILLING[:2]}
    wrong += [
        f"{key} = {value!r}: expected whole seconds, up to a day"
        for key, value in numbers.items()
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 86_400
    ]
    boundary = table.get("boundary", BOUNDARIES[0])
    if boundary not in BOUNDARIES:
        wrong.append(f"boundary = {boundary!r}: expected {' or '.join(BOUNDARIES)}")
    defects += [f"{source}: billing: {text}" for text in wrong]
    return Billing() if wrong else Billing(**numbers, boundary=boundary)


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
