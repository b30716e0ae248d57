"""A price list is taken whole or refused whole, with the row and the field of every defect."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.pricing.imports import check, read_offers
from jupyter_aicci.store.config import read_config
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.prices import catalogue, import_prices

HEADER = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone"
GOOD = (
    "p5.48xlarge,H100,8.0,192,2048,,55.04,10.24,us-east-1,us-east-1a",
    "p5.48xlarge,H100,8,192,2048,,58.8928,,eu-north-1,eu-north-1a",
    "m6i.large,,,2,8,,0.096,0.031,us-east-1,us-east-1a",
    "x9,Ascend910B,8,192,1536,,not set,,cn-north-4,cn-north-4a",
)
MORE = f"{HEADER},Currency"
BAD_ROWS = {  # row 3 of four, and the field that is told
    "the type is empty": (",,,2,8,,0.1,,us-east-1,us-east-1b", "InstanceType"),
    "the accelerator's price without its host's": (",A100-40GB,1,,,,2.93391,,us-east-1,us-east-1b", "InstanceType"),
    "a type with a slash": ("p5/48,H100,8,1,1,,55,,us-east-1,us-east-1b", "InstanceType"),
    "a name with a blank": ("p5,H 100,8,1,1,,55,,us-east-1,us-east-1b", "AcceleratorName"),
    "a count without a name": ("p5,,8,1,1,,55,,us-east-1,us-east-1b", "AcceleratorName"),
    "a name without a count": ("p5,H100,,1,1,,55,,us-east-1,us-east-1b", "AcceleratorCount"),
    "none of an accelerator": ("p5,H100,0,1,1,,55,,us-east-1,us-east-1b", "AcceleratorCount"),
    "a count in words": ("p5,H100,eight,1,1,,55,,us-east-1,us-east-1b", "AcceleratorCount"),
    "half an accelerator": ("p5,H100,0.5,1,1,,55,,us-east-1,us-east-1b", "AcceleratorCount"),
    "fewer than none": ("p5,H100,-8,1,1,,55,,us-east-1,us-east-1b", "AcceleratorCount"),
    "CPUs in words": ("p5,H100,8,many,1,,55,,us-east-1,us-east-1b", "vCPUs"),
    "no CPU": ("p5,H100,8,0,1,,55,,us-east-1,us-east-1b", "vCPUs"),
    "memory with its unit": ("p5,H100,8,1,2TB,,55,,us-east-1,us-east-1b", "MemoryGiB"),
    "negative memory": ("p5,H100,8,1,-1,,55,,us-east-1,us-east-1b", "MemoryGiB"),
    "no price": ("p5,H100,8,1,1,,,10,us-east-1,us-east-1b", "Price"),
    "a price in words": ("p5,H100,8,1,1,,call us,,us-east-1,us-east-1b", "Price"),
    "a sign of currency": ("p5,H100,8,1,1,,$55,,us-east-1,us-east-1b", "Price"),
    "thousands": ('p5,H100,8,1,1,,"1,055.04",,us-east-1,us-east-1b', "Price"),
    "not a number": ("p5,H100,8,1,1,,nan,,us-east-1,us-east-1b", "Price"),
    "infinite": ("p5,H100,8,1,1,,inf,,us-east-1,us-east-1b", "Price"),
    "negative": ("p5,H100,8,1,1,,-55,,us-east-1,us-east-1b", "Price"),
    "nothing": ("p5,H100,8,1,1,,0,,us-east-1,us-east-1b", "Price"),
    "the sentinel": ("v6e,tpu-v6e,8,1,1,,700.0,,us-east-1,us-east-1b", "Price"),
    "five hundred an hour": ("p5,H100,8,1,1,,500,,us-east-1,us-east-1b", "Price"),
    "a price a month": ("p5,H100,8,1,1,,40179.20,,us-east-1,us-east-1b", "Price"),
    "cents": ("p5,H100,8,1,1,,5504,,us-east-1,us-east-1b", "Price"),
    "a price a second": ("p5,H100,8,1,1,,0.015289,,us-east-1,us-east-1b", "Price"),
    "a date in the price": ("p5,H100,8,1,1,,2026-11-24,,us-east-1,us-east-1b", "Price"),
    "a decimal comma": ('p5,H100,8,1,1,,"55,04",,us-east-1,us-east-1b', "Price"),
    "seven decimals": ("p5,H100,8,1,1,,0.0000001,,us-east-1,us-east-1b", "Price"),
    "spot above on-demand": ("p5,H100,8,1,1,,36.60,41.01,us-east-1,us-east-1b", "SpotPrice"),
    "spot is on-demand": ("p5,H100,8,1,1,,36.60,36.6,us-east-1,us-east-1b", "SpotPrice"),
    "spot in words": ("p5,H100,8,1,1,,36.60,cheap,us-east-1,us-east-1b", "SpotPrice"),
    "spot for nothing": ("p5,H100,8,1,1,,36.60,0,us-east-1,us-east-1b", "SpotPrice"),
    "negative spot": ("p5,H100,8,1,1,,36.60,-1,us-east-1,us-east-1b", "SpotPrice"),
    "no region": ("p5,H100,8,1,1,,55,,,us-east-1b", "Region"),
    "a region with a blank": ("p5,H100,8,1,1,,55,,us east,us-east-1b", "Region"),
    "a zone with a blank": ("p5,H100,8,1,1,,55,,us-east-1,zone b", "AvailabilityZone"),
    "the same type and zone": (GOOD[0], "InstanceType"),
    "more than 1.8 times a region's price": ("p5.48xlarge,H100,8,192,2048,,110.1,,us-east-4,us-east-4a", "Price"),
}
BAD_FILES = {
    "not UTF-8": (b"InstanceType\xff\xfe", 0, ""),
    "a NUL": (HEADER.encode() + b"\na\0b\n", 0, ""),
    "empty": (b"", 0, ""),
    "only names": (HEADER.encode() + b"\n", 0, ""),
    "an open quote": (f'{HEADER}\n{GOOD[0]}\n"p5'.encode(), 0, ""),
    "a column that nobody knows": (f"{HEADER},Prise\n{GOOD[0]},1\n".encode(), 1, "Prise"),
    "a column twice": (f"{HEADER},Price\n{GOOD[0]},1\n".encode(), 1, "Price"),
    "a column that is missing": (b"InstanceType,AcceleratorName,AcceleratorCount,Price,SpotPrice\na,,,1,\n", 1, "Region"),
    "a row that is short": (f"{HEADER}\n{GOOD[0]}\np5,H100\n".encode(), 3, ""),
    "a row that is long": (f"{HEADER}\n{GOOD[0]},1,2\n".encode(), 2, ""),
    "dates that nobody reads": (f"{HEADER},EffectiveDate\n{GOOD[0]},2026-11-24T08:00+08:00\n".encode(), 1, "EffectiveDate"),
    "a column with its unit": (f"{HEADER.replace(',Price', ',PricePerMonth')}\n{GOOD[0]}\n".encode(), 1, "Price"),
    "no currency in its column": (f"{MORE}\n{GOOD[0]},\n".encode(), 2, "Currency"),
    "a sign for a currency": (f"{MORE}\n{GOOD[0]},¥\n".encode(), 2, "Currency"),
    "more than any costs in yuan": (f"{MORE}\n{GOOD[2].replace('0.096,0.031', '3600,')},CNY\n".encode(), 2, "Price"),
    "a currency in words": (f"{MORE}\n{GOOD[0]},dollars\n".encode(), 2, "Currency"),
    "two currencies": (f"{MORE}\n{GOOD[0]},USD\n{GOOD[1]},EUR\n".encode(), 3, "Currency"),
}  # fmt: skip


def a_file(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def read(data: bytes) -> dict[str, object]:
    offers = read_offers(data, provider="aws", source="vms.csv", dated="2026-11-24")
    return {offer.id: offer for offer in offers}


def test_a_good_list_is_taken_whole() -> None:
    """Each row is an offer with its zone, exact price, source and date; `not set` is a price that is not known."""
    offers = {
        offer.id: offer for offer in read_offers(a_file(*GOOD), provider="aws", source="vms.csv", dated="2026-11-24")
    }
    assert set(offers) == {
        "aws/p5.48xlarge/us-east-1a", "aws/p5.48xlarge/eu-north-1a", "aws/m6i.large/us-east-1a", "aws/x9/cn-north-4a",
    }  # fmt: skip
    h100 = offers["aws/p5.48xlarge/eu-north-1a"]
    assert (h100.price.micro_per_h, h100.accelerator, h100.accelerators) == (58_892_800, "h100", 8)
    assert (h100.price.source, h100.price.dated) == ("imported from vms.csv, row 3", "2026-11-24")
    assert not offers["aws/x9/cn-north-4a"].price.known
    assert offers["aws/m6i.large/us-east-1a"].spot_micro_per_h == (31_000, 31_000)


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_refuses_the_whole_list(what: str) -> None:
    """No offer is taken, and row 4 with its field is told."""
    row, field = BAD_ROWS[what]
    offers, defects = check(a_file(GOOD[0], GOOD[2], row), provider="aws", source="vms.csv", dated="")
    assert offers == ()
    assert [(defect.row, defect.field) for defect in defects] == [(4, field)]
    with pytest.raises(UserError) as caught:
        read(a_file(GOOD[0], GOOD[2], row))
    assert caught.value.code == "bad_prices"
    assert f"row 4, {field}: " in caught.value.message
    assert "no price was taken" in caught.value.message


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_is_no_list_is_refused(what: str) -> None:
    """With the row, and the column where there is one."""
    data, row, field = BAD_FILES[what]
    offers, defects = check(data, provider="aws", source="vms.csv", dated="")
    assert offers == ()
    assert (defects[0].row, defects[0].field) == (row, field)


def test_there_are_more_than_thirty_kinds_of_error() -> None:
    """The list above is what the checks are for."""
    assert len(BAD_ROWS) + len(BAD_FILES) > 55


def test_what_no_instance_costs_depends_on_the_currency() -> None:
    """700 yuan or 9,000 yen for eight accelerators are prices; 700 dollars are not."""
    for currency, amount, taken in (
        ("CNY", "700", True),
        ("JPY", "9000", True),
        ("USD", "700", False),
        ("EUR", "501", False),
    ):
        row = f"p5.48xlarge,H100,8,192,2048,,{amount},,ap-northeast-1,ap-northeast-1a,{currency}"
        offers, defects = check(a_file(row, header=MORE), provider="x", source="vms.csv", dated="")
        assert bool(offers) is taken
        assert [defect.field for defect in defects] == ([] if taken else ["Price"])


def test_all_defects_are_told_at_once() -> None:
    """One round is enough to correct the file; a long list is cut and counted."""
    bad = [BAD_ROWS["no price"][0], BAD_ROWS["fewer than none"][0], BAD_ROWS["the sentinel"][0]]
    with pytest.raises(UserError) as caught:
        read(a_file(GOOD[0], *bad))
    assert [text in caught.value.message for text in ("row 3, Price", "row 4, Accel", "row 5, Price")] == [True] * 3
    with pytest.raises(UserError, match="and 30 more"):
        read(a_file(*[BAD_ROWS["no price"][0]] * 50))


@given(st.binary(max_size=200) | st.text(alphabet=HEADER + ',"\n\r\t $€-0123456789.', max_size=200).map(str.encode))
def test_no_bytes_are_a_bug_of_ours(data: bytes) -> None:
    """Whatever is in a file, it is offers or defects."""
    for content in (data, HEADER.encode() + b"\n" + data):
        offers, defects = check(content, provider="aws", source="x", dated="")
        assert not (offers and defects)
        assert offers or defects


def test_an_import_replaces_the_one_before_and_prices_may_name_it(tmp_path: Path) -> None:
    """A list that is refused changes nothing."""
    home, file = Home.from_environment(os.environ), tmp_path / "vms.csv"
    file.write_bytes(a_file(*GOOD))
    done = import_prices(home, file, provider="aws", dated="2026-11-24")
    assert (len(done.offers), done.without_price) == (4, 1)
    home.config.write_text('[prices]\nh100x8 = "aws/p5.48xlarge/eu-north-1a"\n')
    price = read_config(home).prices.price("h100x8")
    assert (price.micro_per_h, price.confidence, price.billing.minimum_s) == (58_892_800, "imported", 60)
    file.write_bytes(a_file(GOOD[0], BAD_ROWS["no price"][0]))
    with pytest.raises(UserError):
        import_prices(home, file, provider="aws", dated="2026-11-25")
    assert read_config(home).prices.price("h100x8") == price
    file.write_bytes(a_file(GOOD[0]))
    import_prices(home, file, provider="aws", dated="2026-11-25")
    ids = {offer.id for offer in catalogue(home)}
    assert "aws/p5.48xlarge/us-east-1a" in ids
    assert "aws/p5.48xlarge/eu-north-1a" not in ids
    assert "lambda/8xb200" in ids
