"""Running time, deadline and budget end a run, each with its own class."""

from __future__ import annotations

from datetime import datetime

import pytest
from run_builders import T0, S, a_life, flat

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.text import MICRO, NS
from jupyter_aicci.service.limits import Spending, over_limit, parse_deadline_ns, running_s

RUNS_UNTIL = 9  # transactions of a_life up to which its second attempt runs


def running(**spec: object) -> Run:
    """A run whose second attempt runs; its first ran for 8 s, the second since T0 + 13 s."""
    return fold(flat(a_life(**spec)[:RUNS_UNTIL]))  # type: ignore[arg-type]


def test_running_time_is_the_sum_over_attempts() -> None:
    """Waiting and starting do not count; what a lost attempt ran does."""
    assert running_s(running(), T0 + 20 * S) == pytest.approx(8.0 + 7.0)


def test_a_run_within_its_limits_goes_on() -> None:
    """No limit, or none reached yet: nothing is asked for."""
    assert over_limit(running(), deadline_ns=0, spending=Spending(spent_micro=10**9), now_ns=T0 + 10**6 * S) is None
    run = running(time_limit=16.0, budget=MICRO)
    assert (
        over_limit(run, deadline_ns=T0 + 21 * S, spending=Spending(spent_micro=MICRO - 1), now_ns=T0 + 20 * S) is None
    )


def test_the_time_limit_stops_with_its_class() -> None:
    """`--time-limit`: class "time limit", the run's own grace."""
    wish = over_limit(running(time_limit=15.0, grace=3.0), deadline_ns=0, spending=Spending(), now_ns=T0 + 20 * S)
    assert wish is not None
    assert (wish.exit_class, wish.grace_s) == ("time limit", 3.0)
    assert "0:15" in wish.reason


def test_the_budget_stops_with_its_class() -> None:
    """`--budget`: class "budget", and the text has both sums."""
    wish = over_limit(
        running(budget=2 * MICRO), deadline_ns=0, spending=Spending(spent_micro=2 * MICRO), now_ns=T0 + 20 * S
    )
    assert wish is not None
    assert wish.exit_class == "budget"
    assert wish.reason.count("$2.00") == 2


def test_the_deadline_stops_a_waiting_run_too() -> None:
    """`--deadline` is a moment, whatever the run does then."""
    waiting = fold(flat(a_life(deadline="18:00")[:2]))
    wish = over_limit(waiting, deadline_ns=T0 + 5 * S, spending=Spending(), now_ns=T0 + 5 * S)
    assert wish is not None
    assert wish.exit_class == "time limit"


def test_a_time_of_day_is_the_next_one() -> None:
    """18:00 after 18:00 is tomorrow's."""
    at_noon = datetime(2026, 11, 24, 12, 0).astimezone()
    noon_ns = int(at_noon.timestamp()) * NS
    same_day = parse_deadline_ns("18:00", submitted_ns=noon_ns)
    next_day = parse_deadline_ns("11:30", submitted_ns=noon_ns)
    assert same_day == noon_ns + 6 * 3600 * NS
    assert next_day == noon_ns + (23 * 3600 + 1800) * NS


def test_an_iso_date_is_that_moment() -> None:
    """With a zone it is exact; without, the host's zone is meant."""
    assert parse_deadline_ns("2026-11-30T08:00:00+00:00", submitted_ns=T0) == 1_796_025_600 * NS
    local = int(datetime(2026, 11, 30, 8).astimezone().timestamp()) * NS
    assert parse_deadline_ns("2026-11-30T08:00", submitted_ns=T0) == local


@pytest.mark.parametrize("text", ["tomorrow", "25:00", "12:61", "2026-13-01"])
def test_a_deadline_that_is_none_is_refused(text: str) -> None:
    """What is wrong, what is expected, the option at fault."""
    with pytest.raises(UserError) as caught:
        parse_deadline_ns(text, submitted_ns=T0)
    assert caught.value.code == "bad_deadline"
    assert text in caught.value.message
