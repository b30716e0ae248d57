"""A price list in CSV becomes offers of the catalogue, or is refused whole with every row and field that is wrong.

In: the bytes of a file with the columns of public catalogues (InstanceType, AcceleratorName, AcceleratorCount, vCPUs, MemoryGiB,
Price, SpotPrice, Region, AvailabilityZone, Arch, GpuInfo; Currency beside them). Out: `Offer`s.
Rule 1: nothing is guessed and nothing is left out silently: the defects below were all seen in catalogues that people paid by.
Rule 2: `not set` in Price is an instance that exists and has no known price; an empty Price is a defect. Pure.
Sources: skypilot-catalog #31 (host and accelerator rows apart), skypilot #1367 (duplicates), the catalogue's sentinel 700.0, spot
prices above on-demand, one type at 2.3 times the price in another region.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.shapes import Billing, Price
from jupyter_aicci.model.text import CURRENCY_EXPECTED, is_currency
from jupyter_aicci.pricing.book import MICRO, UNSET, parse_amount
from jupyter_aicci.pricing.catalogue import Offer

NEEDED = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region")
KNOWN = (*NEEDED, "vCPUs", "MemoryGiB", "AvailabilityZone", "GpuInfo", "Arch", "Currency")
# Units per hour that no instance costs (the dearest that is offered costs $142); of a currency that is not here, none is known.
LIMITS = {"USD": 500, "EUR": 500, "GBP": 500, "CHF": 500, "CNY": 3_600}
LEAST_MICRO = 20_000  # per accelerator and hour, on demand: less is a price per second, or one of another unit
SENTINELS = tuple(
    amount * MICRO for amount in (700, 999, 9999, 99999)
)  # dollars: what lists put where they know no price
REGION_RATIO = 1.8  # of one type between regions: beyond, another kind of price is mixed in
MOST_BYTES = 64_000_000
MOST_ROWS = 1_000_000
TOLD = 20  # defects named in the message
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
PROVIDER = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")

EXACT = Billing()

Line = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """What is wrong, and where; row 1 is the header, 0 the file as a whole."""

    row: int
    field: str
    text: str

    def __str__(self) -> str:
        where = (
            f"row {self.row}, {self.field}: " if self.row and self.field else f"row {self.row}: " if self.row else ""
        )
        return where + self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the file, its texts as they stand."""

    number: int
    line: Line

    def __getitem__(self, field: str) -> str:
        return self.line.get(field, "").strip()

    def defect(self, field: str, text: str) -> Defect:
        return Defect(row=self.number, field=field, text=text)


def read_offers(data: bytes, *, provider: str, source: str, dated: str, billing: Billing = EXACT) -> tuple[Offer, ...]:
    """The offers in a file, sorted by id, with the provider's rounding of time.

    Raises `UserError` ("bad_prices") that names rows and fields; then nothing was taken.
    """
    offers, defects = check(data, provider=provider, source=source, dated=dated)
    if defects:
        told = [str(defect) for defect in defects[:TOLD]]
        more = [f"and {len(defects) - TOLD} more"] if len(defects) > TOLD else []
        raise UserError(
            "bad_prices", f"{source}: {len(defects)} {'defect' if len(defects) == 1 else 'defects'}; no price was taken.\n"
            + "\n".join([*told, *more]),
            hint="Correct the file, or leave these rows out, and import it again.", field=defects[0].field,
        )  # fmt: skip
    return tuple(replace(offer, price=replace(offer.price, billing=billing)) for offer in offers)


def check(data: bytes, *, provider: str, source: str, dated: str) -> tuple[tuple[Offer, ...], tuple[Defect, ...]]:
    """(offers, every defect): where there is a defect, the offers are not to be used."""
    if not PROVIDER.fullmatch(provider):
        text = f"provider {provider!r}: expected small letters, digits and dashes, such as aws"
        return (), (Defect(row=0, field="provider", text=text),)
    rows, defects = _rows(data)
    for row in rows:
        for look in (_type, _accelerator, _sizes, _region, _price, _spot, _currency):
            defects += look(row)
    if not defects:
        for compare in (_duplicates, _currencies, _regions):
            defects += compare(rows)
    if defects:
        return (), tuple(sorted(defects, key=lambda defect: (defect.row, defect.field)))
    return tuple(sorted((_offer(row, provider, source, dated) for row in rows), key=lambda offer: offer.id)), ()


def _rows(data: bytes) -> tuple[list[_Row], list[Defect]]:
    """The file as lines by column, and what is wrong with its form."""

    def whole(text: str) -> tuple[list[_Row], list[Defect]]:
        return [], [Defect(row=0, field="", text=text)]

    if len(data) > MOST_BYTES:
        return whole(f"the file has {len(data):,} bytes; expected at most {MOST_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return whole(f"byte {error.start} is not UTF-8")
    if "\0" in text:
        return whole("there is a NUL character in it: it is no CSV text")
    lines: list[list[str]] = []
    try:
        lines.extend(csv.reader(io.StringIO(text), strict=True))  # on an error, the lines before it are there
    except csv.Error as error:
        return whole(f"row {len(lines) + 1} is no CSV: {error}")
    if not lines or not any(lines[0]):
        return whole("it is empty; expected a row of column names first")
    header = [name.strip() for name in lines[0]]
    wrong = list(_header(header))
    body = [(number, line) for number, line in enumerate(lines[1:], start=2) if line]
    if not body:
        wrong.append(Defect(row=0, field="", text="it has column names and no row"))
    if len(body) > MOST_ROWS:
        wrong.append(Defect(row=0, field="", text=f"it has {len(body):,} rows; expected at most {MOST_ROWS:,}"))
    wrong += [
        Defect(row=number, field="", text=f"it has {len(line)} fields, the header has {len(header)}")
        for number, line in body
        if len(line) != len(header)
    ]
    if wrong:
        return [], wrong
    return [_Row(number=number, line=dict(zip(header, line, strict=True))) for number, line in body], []


def _header(names: Sequence[str]) -> Iterator[Defect]:
    for name in names:
        if name not in KNOWN:
            guess = did_you_mean(name, KNOWN)
            yield Defect(row=1, field=name, text=f"unknown column; {guess or 'known are ' + ', '.join(KNOWN)}")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Defect(row=1, field=name, text="the column is there twice")
    for name in NEEDED:
        if name not in names:
            yield Defect(row=1, field=name, text="the column is missing")


def _type(row: _Row) -> Iterator[Defect]:
    name = row["InstanceType"]
    if not name and row["AcceleratorName"]:
        text = "the accelerator's price alone, its host's is in another row: add both up into one row"
        yield row.defect("InstanceType", text)
    elif not name:
        yield row.defect("InstanceType", "it is empty")
    elif not NAME.fullmatch(name):
        yield row.defect("InstanceType", f"{name!r}: expected letters, digits and . _ + - such as p5.48xlarge")


def _accelerator(row: _Row) -> Iterator[Defect]:
    name, count = row["AcceleratorName"], row["AcceleratorCount"]
    if name and not NAME.fullmatch(name):
        yield row.defect("AcceleratorName", f"{name!r}: expected a name such as H100")
    if name and not count:
        yield row.defect("AcceleratorCount", f"it is empty, and the row has {name}")
    if not count:
        return
    number = _decimal(count)
    if number is None:
        yield row.defect("AcceleratorCount", f"{count!r}: expected a number")
    elif number < 0 or number != number.to_integral_value() or number > 1024:
        yield row.defect("AcceleratorCount", f"{count}: expected a whole number up to 1024")
    elif number and not name:
        yield row.defect("AcceleratorName", f"it is empty, and the row counts {count}")
    elif name and not number:
        yield row.defect("AcceleratorCount", f"0 of {name}")


def _sizes(row: _Row) -> Iterator[Defect]:
    for field, most in (("vCPUs", 10_000), ("MemoryGiB", 1_000_000)):
        if not row[field]:
            continue
        number = _decimal(row[field])
        if number is None:
            yield row.defect(field, f"{row[field]!r}: expected a number")
        elif not 0 < number <= most:
            yield row.defect(field, f"{row[field]}: expected more than 0 and at most {most:,}")


def _region(row: _Row) -> Iterator[Defect]:
    if not row["Region"]:
        yield row.defect("Region", "it is empty")
    for field in ("Region", "AvailabilityZone"):
        if row[field] and not NAME.fullmatch(row[field]):
            yield row.defect(field, f"{row[field]!r}: expected a name such as us-east-1")


def _price(row: _Row) -> Iterator[Defect]:
    text = row["Price"]
    if not text:
        yield row.defect("Price", f"it is empty; write `{UNSET}` where the price is not known")
    elif text != UNSET:
        wrong = list(_amount(row, "Price"))
        yield from wrong or _unit(row)


def _unit(row: _Row) -> Iterator[Defect]:
    """A price that is one, per hour?"""
    price, count = _decimal(row["Price"]), _decimal(row["AcceleratorCount"])
    if price is not None and count is not None and count > 0 and price * MICRO < LEAST_MICRO * count:
        text = (
            f"{row['Price']} an hour for {row['AcceleratorCount']} accelerators: is it per second, or of another unit?"
        )
        yield row.defect("Price", text)


def _amount(row: _Row, field: str) -> Iterator[Defect]:
    text = row[field]
    if _decimal(text) is None:
        yield row.defect(field, f"{text!r}: expected a number such as 55.04, without sign of currency or thousands")
        return
    try:
        micro = parse_amount(text)
    except ValueError:
        yield row.defect(field, f"{text}: expected a positive amount with at most six decimals")
        return
    currency = row["Currency"] or "USD"
    limit = LIMITS.get(currency)
    if currency == "USD" and micro in SENTINELS:
        yield row.defect(field, f"{text} is what lists write where they know no price")
    elif not micro or (limit is not None and micro >= limit * MICRO):
        less = "" if limit is None else f" and less than {limit} {currency}"
        yield row.defect(field, f"{text} an hour: expected more than 0{less}")


def _spot(row: _Row) -> Iterator[Defect]:
    if not row["SpotPrice"]:
        return
    wrong = list(_amount(row, "SpotPrice"))
    yield from wrong
    price, spot = _decimal(row["Price"]), _decimal(row["SpotPrice"])
    if wrong or price is None or spot is None:
        return
    if spot > price:
        yield row.defect("SpotPrice", f"{spot} is above the on-demand price of {price}")
    elif spot == price:
        yield row.defect("SpotPrice", f"{spot} is the on-demand price put in its place; leave it empty")


def _currency(row: _Row) -> Iterator[Defect]:
    currency = row["Currency"]
    if "Currency" in row.line and not is_currency(currency):
        yield row.defect("Currency", f"{currency!r}: {CURRENCY_EXPECTED}")


def _place(row: _Row) -> str:
    return row["AvailabilityZone"] or row["Region"]


def _duplicates(rows: Sequence[_Row]) -> Iterator[Defect]:
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        key = row["InstanceType"].lower(), _place(row).lower()
        if key in seen:
            yield row.defect("InstanceType", f"{row['InstanceType']} in {_place(row)} is in row {seen[key]} already")
        seen.setdefault(key, row.number)


def _currencies(rows: Sequence[_Row]) -> Iterator[Defect]:
    first = rows[0]["Currency"]
    for row in rows:
        if row["Currency"] != first:
            yield row.defect(
                "Currency", f"{row['Currency']}, and row {rows[0].number} has {first}; one file, one currency"
            )
            return


def _regions(rows: Sequence[_Row]) -> Iterator[Defect]:
    """The dearest row of a type that costs more than 1.8 times what it does elsewhere."""
    by_type: dict[str, list[tuple[Decimal, _Row]]] = {}
    for row in rows:
        price = _decimal(row["Price"])
        if price is not None:
            by_type.setdefault(row["InstanceType"], []).append((price, row))
    for name, priced in by_type.items():
        (low, cheap), (high, dear) = (pick(priced, key=_amount_of) for pick in (min, max))
        if high > low * Decimal(str(REGION_RATIO)):
            text = f"{name} costs {high} in {_place(dear)} and {low} in {_place(cheap)} (row {cheap.number}): "
            yield dear.defect(
                "Price", text + f"more than {REGION_RATIO} times as much, so one of them is another kind of price"
            )


def _amount_of(priced: tuple[Decimal, _Row]) -> Decimal:
    return priced[0]


def _decimal(text: str) -> Decimal | None:
    """The number in plain digits, None for anything else."""
    return Decimal(text) if re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", text) else None


def _offer(row: _Row, provider: str, source: str, dated: str) -> Offer:
    known = row["Price"] != UNSET
    spot = parse_amount(row["SpotPrice"]) if row["SpotPrice"] else 0
    price = Price(
        micro_per_h=parse_amount(row["Price"]) if known else 0,
        currency=row["Currency"] or "USD",
        source=f"imported from {source}, row {row.number}",
        dated=dated,
        known=known,
        confidence="imported",
    )
    return Offer(
        id=f"{provider}/{row['InstanceType']}/{_place(row)}",
        accelerator=row["AcceleratorName"].lower(),
        accelerators=int(_decimal(row["AcceleratorCount"]) or 0),
        price=price,
        spot_micro_per_h=(spot, spot) if spot else None,
    )
