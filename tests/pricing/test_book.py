"""Prices are decimals in the files and integers inside; the user's own win."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.pricing.book import parse_amount, parse_book
from jupyter_aicci.store.config import parse_config, read_config
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.prices import packaged_text

BOOK = 'dated = "2026-01-31"\nsource = "list"\ncurrency = "EUR"\n[prices]\n"*" = "0"\nh100x8 = "98.32"\n'


def test_the_packaged_book_makes_own_shapes_free() -> None:
    """This machine's shapes cost nothing unless a price is set, and the book says since when."""
    price = parse_book(packaged_text("local")).price("cpux2")
    assert (price.micro_per_h, price.currency, price.dated) == (0, "USD", "2026-11-24")
    assert "free unless a price is set" in price.source


def test_a_price_carries_its_source_and_date() -> None:
    """What a run copies says where the number is from."""
    book = parse_book(BOOK)
    price = book.price("h100x8")
    assert (price.micro_per_h, price.currency, price.source, price.dated) == (98_320_000, "EUR", "list", "2026-01-31")
    assert book.price("cpux2").micro_per_h == 0


def test_the_users_own_price_wins() -> None:
    """`[prices]` of config.toml, as text or as a number, without a float in between."""
    book = parse_book(BOOK, '[prices]\nh100x8 = "50"\ncpux2 = 0.31\n', "/home/u/config.toml")
    assert (book.price("h100x8").micro_per_h, book.price("cpux2").micro_per_h) == (50_000_000, 310_000)
    assert book.price("cpux2").source == "set in /home/u/config.toml"


def test_amounts_of_two_currencies_are_not_mixed() -> None:
    """Another currency is the user's word for all prices; what the book gives in its own cannot be added to it."""
    with pytest.raises(UserError, match="h100x8 is priced in EUR, not in CNY"):
        parse_book(BOOK, '[prices]\ncurrency = "CNY"\n')
    own = parse_book(BOOK, '[prices]\ncurrency = "CNY"\nh100x8 = "700"\n').price("h100x8")
    assert (own.micro_per_h, own.currency) == (700_000_000, "CNY")
    assert (
        parse_book(packaged_text("local"), '[prices]\ncurrency = "CNY"\ncpux2 = "2"\n').price("cpux2").currency == "CNY"
    )


@pytest.mark.parametrize("raw", ['"euro"', '"€"', '"eur"', '"EURO"', '""', "978", "true"])
def test_a_currency_is_three_capitals(raw: str) -> None:
    """As in a price list; what is wrong names file and field, and is all that is told."""
    with pytest.raises(UserError) as caught:
        parse_config(f'[prices]\ncurrency = {raw}\nh100x8 = "50"\n', BOOK, "/home/u/config.toml")
    assert caught.value.message.startswith("/home/u/config.toml: [prices] currency = ")
    assert caught.value.message.endswith(": expected three capitals such as USD, EUR, CNY.")
    with pytest.raises(UserError, match="the price book: currency = "):
        parse_book(f'currency = {raw}\n[prices]\nh100x8 = "50"\n')


@pytest.mark.parametrize("raw", ["-1", "free", "0.0000001", "nan", "inf", "", True, None, [1]])
def test_what_is_no_amount_is_refused(raw: object) -> None:
    """Nothing is rounded, nothing guessed."""
    with pytest.raises(ValueError, match="such as 0"):
        parse_amount(raw)


@given(st.integers(0, 10**15))
def test_amounts_are_exact(micro: int) -> None:
    """Every amount of six decimals is read to the micro-unit."""
    assert parse_amount(f"{micro // 10**6}.{micro % 10**6:06}") == micro


def test_all_defects_of_a_config_are_named(tmp_path: Path) -> None:
    """One round is enough to correct the file, whose name is told."""
    home = Home(root=tmp_path, runtime=tmp_path)
    home.config.write_text('[local]\ncpu = 2\n[price]\ncpux2 = "1"\n')
    with pytest.raises(UserError) as caught:
        read_config(home)
    for part in (str(home.config), "[price] did you mean prices?", "[local] cpu: unknown"):
        assert part in caught.value.message
    with pytest.raises(UserError, match="price of cpux2: expected an amount"):
        parse_config('[prices]\ncpux2 = "cheap"\n', BOOK, "config.toml")


def test_an_absent_config_is_the_defaults(tmp_path: Path) -> None:
    """Nothing has to be written before the first run."""
    config = read_config(Home(root=tmp_path, runtime=tmp_path))
    assert (config.cpus, config.prices.price("cpux2").micro_per_h) == (0, 0)
