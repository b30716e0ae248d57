"""Numbers as people read them: a unit never shows a thousand of itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.text import clock, duration, money, number, parse_duration_s, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("30s", 30), ("2h", 7200), ("1h30m", 5400), ("250ms", 0.25), ("1.5h", 5400), ("2min", 120)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """The forms that ux.md shows, and their sums."""
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "3 weeks", "-5s", "1h 30", "h", "5ss"])
def test_durations_that_are_none_are_refused(text: str) -> None:
    """The message says what is expected."""
    with pytest.raises(ValueError, match="such as 30s"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.08, "80 ms"),
        (0.9999, "1.0 s"),
        (4.2, "4.2 s"),
        (9.97, "10 s"),
        (119.8, "2 min"),
        (3590, "60 min"),
        (7199, "2 h 0 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    """Rounding does not lift a number over its unit."""
    assert duration(seconds) == text


@pytest.mark.parametrize(("micro", "text"), [(4_120_000, "$4.12"), (0, "$0.00"), (12_300, "$0.0123"), (3, "$0.000003")])
def test_money_never_reads_as_free_when_it_is_not(micro: int, text: str) -> None:
    """Small bills keep their digits."""
    assert money(micro) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.92, "1.92"), (0.00031, "0.00031"), (12_400, "12.4k"), (9999.7, "10.0k"), (float("nan"), "nan"), (2e9, "2e+09")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    """Logged values of any magnitude fit beside their lane."""
    assert number(value) == text


@given(st.integers(0, 10**15))
def test_sizes_stay_below_a_thousand_of_their_unit(n_bytes: int) -> None:
    """999.96 kB is 1.0 MB."""
    digits = re.match(r"[\d.]+", size(n_bytes))
    assert digits is not None
    assert float(digits[0]) < 1000 or size(n_bytes).endswith("TB")


@given(st.floats(0, 1e7))
def test_clocks_read_back(seconds: float) -> None:
    """`h:mm:ss` loses only the fraction."""
    total = 0
    for part in clock(seconds).split(":"):
        total = total * 60 + int(part)
    assert total == int(seconds)
