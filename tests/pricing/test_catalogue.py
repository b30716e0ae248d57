"""The packaged catalogue is what its sources say, and prices may name its offers."""

from __future__ import annotations

import pytest

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.shapes import Billing, price_from_json
from jupyter_aicci.pricing.book import parse_book
from jupyter_aicci.pricing.catalogue import offer_from_json, packaged_offers, prices_by_id
from jupyter_aicci.store.prices import packaged_text

OFFERS = {offer.id: offer for offer in packaged_offers(packaged_text("catalogue"))}
BOOK = packaged_text("local")


def test_the_catalogue_has_the_list_prices_of_its_sources() -> None:
    """Amounts to the micro-unit, the source in the price, and that nobody was charged it."""
    price = OFFERS["aws/p5.48xlarge/eu-north-1"].price
    assert (price.micro_per_h, price.currency, price.confidence) == (58_892_800, "USD", "catalogue")
    assert "00148f2" in price.source
    assert "aws/p5.48xlarge/eu-north-1" in price.source
    assert price.billing == Billing(increment_s=1, minimum_s=60)
    assert OFFERS["aws/p5.48xlarge/us-east-1"].spot_micro_per_h == (10_240_000, 25_750_000)
    assert sum(offer.price.known for offer in OFFERS.values()) == 27


def test_no_price_is_published_of_huawei_and_ascend_so_none_is_there() -> None:
    """Not zero: not known."""
    unknown = [offer for offer in OFFERS.values() if offer.provider == "huawei" or "ascend" in offer.accelerator]
    assert len(unknown) >= 3
    assert not any(offer.price.known for offer in unknown)
    assert all(offer.price.to_json()["micro_per_h"] is None for offer in unknown)


def test_spot_prices_are_below_the_list_price() -> None:
    """The packaged book passes the checks that imports have to pass."""
    for offer in OFFERS.values():
        if offer.spot_micro_per_h:
            low, high = offer.spot_micro_per_h
            assert 0 < low <= high < offer.price.micro_per_h


def test_an_offer_survives_json() -> None:
    """What an import keeps is what it read."""
    for offer in OFFERS.values():
        assert offer_from_json(offer.to_json()) == offer
        assert price_from_json(offer.price.to_json()) == offer.price


def test_a_price_may_name_an_offer() -> None:
    """The shape costs what the offer costs, by the offer's rule, source and date."""
    offers = prices_by_id(OFFERS.values())
    book = parse_book(BOOK, '[prices]\nh100x8 = "aws/p5.48xlarge/us-east-1"\n', offers=lambda: offers)
    assert book.price("h100x8") == OFFERS["aws/p5.48xlarge/us-east-1"].price
    with pytest.raises(UserError, match="is no offer of the catalogue; did you mean aws/p5"):
        parse_book(BOOK, '[prices]\nh100x8 = "aws/p5.48xlarge/us-eats-1"\n', offers=lambda: offers)
    with pytest.raises(UserError, match="is priced in USD, not in EUR"):
        parse_book(BOOK, '[prices]\ncurrency = "EUR"\nh100x8 = "lambda/8xb200"\n', offers=lambda: offers)


def test_own_ascend_shapes_have_no_price_until_one_is_set() -> None:
    """The longest pattern counts, the exact name before it, and the user's word before the book's."""
    book = parse_book(BOOK)
    assert not book.price("ascend910bx8").known
    assert book.price("cpux2").known
    own = parse_book(BOOK, '[prices]\nascend910bx8 = "45"\n"ascend910b*" = "6"\n')
    assert own.price("ascend910bx8").micro_per_h == 45_000_000
    assert own.price("ascend910bx4").micro_per_h == 6_000_000
    assert not own.price("ascend310x4").known
    assert not parse_book("").price("cpux2").known


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("billing = 60", "billing: expected a table"),
        ("billing = {every_s = 60}", "every_s: unknown"),
        ("billing = {increment_s = -1}", "increment_s = -1: expected whole seconds"),
        ('billing = {minimum_s = "60"}', "minimum_s = '60': expected whole seconds"),
        ('billing = {boundary = "hour"}', "boundary = 'hour': expected start or clock"),
    ],
)
def test_a_billing_rule_that_is_none_is_refused(text: str, told: str) -> None:
    """With the key and what was expected."""
    with pytest.raises(UserError) as caught:
        parse_book(BOOK, f"[prices]\n{text}\n")
    assert told in caught.value.message


def test_the_users_billing_rule_holds_for_his_prices() -> None:
    """Book by book: what an offer says stays the offer's."""
    offers = prices_by_id(OFFERS.values())
    text = (
        '[prices]\nbilling = {increment_s = 60, minimum_s = 60, boundary = "clock"}\ncpux2 = "1"\nv = "nebius/8xh100"\n'
    )
    book = parse_book(BOOK, text, offers=lambda: offers)
    assert book.price("cpux2").billing == Billing(increment_s=60, minimum_s=60, boundary="clock")
    assert book.price("v").billing == Billing()
