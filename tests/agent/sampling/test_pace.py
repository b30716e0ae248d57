"""When samples are due: normal, in a burst, and where the agent costs too much."""

from __future__ import annotations

from jupyter_aicci.agent.sampling.pace import BURST_EVERY_NS, NS, Jump, Pace


def play(pace: Pace, from_ns: int, to_ns: int) -> list[tuple[float, bool]]:
    """(seconds, whether of the normal pace) of every sample that falls due."""
    taken = []
    while pace.due_ns <= to_ns:
        at_ns = max(pace.due_ns, from_ns)
        taken.append((at_ns / NS, pace.taken(at_ns)))
    return taken


def test_samples_are_a_second_apart() -> None:
    """And each is of the normal pace."""
    assert play(Pace(0, 0.0), 0, 5 * NS) == [(float(second), True) for second in range(1, 6)]


def test_trouble_is_looked_at_ten_times_a_second_for_five_seconds() -> None:
    """Every tenth is still the one of the normal pace; afterwards all is as before."""
    pace = Pace(0, 0.0)
    play(pace, 0, 10 * NS)
    assert pace.trouble(10 * NS)
    taken = play(pace, 10 * NS, 18 * NS)
    assert len([at for at, _ in taken if at <= 15.0]) == 50
    assert [at for at, full in taken if full] == [float(second) for second in range(11, 19)]
    assert [at for at, _ in taken if at > 15.01] == [16.0, 17.0, 18.0]


def test_trouble_that_stays_costs_one_burst_a_minute() -> None:
    """A host that is always short of something is not looked at closer for ever."""
    pace = Pace(0, 0.0)
    assert pace.trouble(NS)
    assert not any(pace.trouble(NS + n * NS) for n in range(1, 60))
    assert pace.trouble(NS + BURST_EVERY_NS)


def test_samples_that_were_missed_are_left_out() -> None:
    """An agent that was stopped does not catch up."""
    pace = Pace(0, 0.0)
    pace.taken(NS)
    assert pace.taken(100 * NS)
    assert pace.due_ns >= 100 * NS
    pace.taken(pace.due_ns)
    assert pace.due_ns >= 101 * NS


def test_an_agent_that_costs_too_much_halves_its_rate_and_says_so() -> None:
    """Above 1 % of a core over a minute; no burst meanwhile; back again once it is cheap."""
    pace = Pace(0, 0.0)
    assert pace.spent(59 * NS, 50.0) == ""
    assert "every 2 s" in pace.spent(60 * NS, 1.2)
    assert not pace.trouble(61 * NS)
    play(pace, 60 * NS, 70 * NS)
    assert [at % 2 for at, _ in play(pace, 70 * NS, 90 * NS)].count(play(pace, 90 * NS, 92 * NS)[0][0] % 2) == 10
    assert "every 4 s" in pace.spent(120 * NS, 2.4)
    assert pace.spent(180 * NS, 2.4 + 0.3) == ""
    assert "every 2 s again" in pace.spent(240 * NS, 2.7 + 0.1)


def test_the_rate_is_halved_no_further_than_one_in_eight_seconds() -> None:
    """A hang is still found."""
    pace = Pace(0, 0.0)
    said = [pace.spent(minute * 60 * NS, minute * 6.0) for minute in range(1, 7)]
    assert [bool(text) for text in said] == [True, True, True, False, False, False]


def test_a_jump_is_time_that_begins_to_be_lost() -> None:
    """More than a fifth, and three times the usual: pressure that is always there is none, nor a counter that began anew."""
    jump = Jump(1e6)
    seen = [jump.seen(second * NS, value) for second, value in enumerate([0, 0, 10_000, 500_000, 500_000])]
    assert seen == [False, False, False, True, False]
    steady = Jump(1e6)
    told = [steady.seen(second * NS, second * 400_000) for second in range(40)]
    assert told[1]
    assert not any(told[10:])
    assert not steady.seen(41 * NS, 0)
    assert not steady.seen(42 * NS, None)
