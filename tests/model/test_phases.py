"""What of a bill was useful, what was waste, and the sentence about it."""

from __future__ import annotations

from jupyter_aicci.model.phases import KIND_OF, KINDS, LEAKS, USEFUL, headline, kind_of
from jupyter_aicci.model.text import MICRO, NS
from jupyter_aicci.timeline.partition import ORDER

WORK = {"compute": 61 * NS, "starting": 10 * NS, "data_wait": 29 * NS}
MONEY = {"compute": 610 * MICRO, "starting": 100 * MICRO, "data_wait": 290 * MICRO}


def test_every_phase_of_a_bill_is_of_one_kind_and_every_leak_has_words() -> None:
    """The partition's phases and these are the same; a span that a program names itself is its work."""
    assert set(KIND_OF) == set(ORDER)
    assert set(KIND_OF.values()) == set(KINDS)
    assert set(LEAKS) == {phase for phase, kind in KIND_OF.items() if kind != USEFUL}
    assert kind_of("tokenising") == USEFUL


def test_the_headline_says_what_was_useful_and_names_the_biggest_leak() -> None:
    """In money; where a part has no price, or all is free, in rank time."""
    in_time = "61 % of 100 s of rank time was useful; the biggest leak, 29 s, is waiting for data"
    assert headline(WORK, MONEY, "USD", priced=True) == (
        "61 % of $1000.00 was useful; the biggest leak, $290.00, is waiting for data"
    )
    assert headline(WORK, MONEY, "USD", priced=False) == in_time
    assert headline(WORK, dict.fromkeys(WORK, 0), "USD", priced=True) == in_time


def test_the_headline_names_no_leak_where_there_is_none_and_says_nothing_before_there_is_work() -> None:
    """A start is no leak yet, and 100 % is all of it."""
    assert headline({"compute": NS}, {"compute": MICRO}, "EUR", priced=True) == "100 % of €1.00 was useful"
    assert headline({"starting": NS}, {"starting": MICRO}, "USD", priced=True) == ""
    assert headline({}, {}, "USD", priced=True) == ""
    almost = headline({"compute": 999, "idle": 1}, {"compute": 0, "idle": 0}, "USD", priced=True)
    assert almost.startswith("99 % of ")
