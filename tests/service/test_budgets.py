"""Budgets: told at 80 %, nothing new beyond 95 %, and an end that comes early enough never to pass them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import RUN_ID, T0, S, a_life, flat, placed, submitted
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci import faults
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.model.states import ExitClass, State, Step
from jupyter_aicci.model.text import MICRO
from jupyter_aicci.pricing.budgets import Budget, budgets_of, left_out, parse_budgets, period_ns, spent_micro
from jupyter_aicci.pricing.meter import cost_micro
from jupyter_aicci.service.control import Now, react
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.limits import (
    CLEAR_S,
    MOST_CHECKPOINT_S,
    Spending,
    budget_warning,
    cap_t_ns,
    end_grace_s,
    over_limit,
    refuse_budget,
    too_little_left,
)
from jupyter_aicci.service.seen import Seen
from jupyter_aicci.store.config import parse_config
from jupyter_aicci.store.prices import packaged_text

PER_H = 3600 * MICRO  # a unit a second
RUNS_UNTIL = 9  # transactions of a_life up to which its second attempt runs


def running(budget: float, *, grace: float = 5.0, micro_per_h: int = PER_H) -> Run:
    """A run of one node that has run since T0."""
    run = fold(
        [
            submitted(micro_per_h=micro_per_h, budget=round(budget * MICRO), grace=grace),
            *flat(a_life()[1:2]),
            *placed(1, T0),
        ]
    )
    return replace(run, state=State.RUNNING)


def spending(run: Run, now_ns: int, *checkpoint_s: float) -> Spending:
    checkpoint_ns = tuple(round(took_s * S) for took_s in checkpoint_s)
    return Spending(spent_micro=cost_micro(run, now_ns), per_h_micro=PER_H, checkpoint_ns=checkpoint_ns)


def test_the_end_begins_when_it_can_still_be_paid_for() -> None:
    """100 s of money, 5 s of grace, 5 s to be gone: asked for at 90 s, not before."""
    run = running(100)
    before, at = T0 + 90 * S - 1, T0 + 90 * S + 1000
    assert over_limit(run, deadline_ns=0, spending=spending(run, before), now_ns=before) is None
    wish = over_limit(run, deadline_ns=0, spending=spending(run, at), now_ns=at)
    assert wish is not None
    assert (wish.exit_class, wish.grace_s) == ("budget", 5.0)
    assert "$90.00 of its budget of $100.00 (90%)" in wish.reason


def test_what_a_checkpoint_takes_is_kept_for_it() -> None:
    """1.5 times the p95, at most five minutes, added to the time to end and to what is kept back."""
    run = running(100)
    at = T0 + 75 * S
    wish = over_limit(run, deadline_ns=0, spending=spending(run, at, *[10.0] * 19, 900.0), now_ns=at)
    assert wish is not None
    assert wish.grace_s == 20.0
    assert end_grace_s(5.0, [900 * S]) == 5.0 + MOST_CHECKPOINT_S
    assert end_grace_s(5.0, ()) == 5.0


def test_a_wish_that_comes_late_has_the_time_at_which_it_was_due() -> None:
    """No service lived when the line was passed and the keeper ended the node: that is why it ended, not because it succeeded."""
    run = running(100)
    late = T0 + 500 * S
    wish = over_limit(run, deadline_ns=0, spending=spending(run, late), now_ns=late)
    assert wish is not None
    assert abs(wish.time_ns - (T0 + 90 * S)) <= 1000


@given(
    st.integers(1, 10**9),
    st.integers(1, 200_000 * MICRO),
    st.floats(0, 100),
    st.lists(st.floats(0.001, 600), max_size=5),
    st.floats(0, 1),
)
def test_a_run_that_may_go_on_can_still_be_ended_within_its_budget(
    budget: int, micro_per_h: int, grace: float, took: list[float], share: float
) -> None:
    """At whatever moment it is looked at: its bill, and the price of an end that takes all its time, are within the budget."""
    run = running(budget / MICRO, grace=grace, micro_per_h=micro_per_h)
    checkpoints = tuple(round(each * S) for each in took)
    at_ns = T0 + round(share * budget * 3600 / micro_per_h * S)
    money = Spending(spent_micro=cost_micro(run, at_ns), per_h_micro=micro_per_h, checkpoint_ns=checkpoints)
    gone_ns = at_ns + round((end_grace_s(grace, checkpoints) + CLEAR_S) * S)
    if over_limit(run, deadline_ns=0, spending=money, now_ns=at_ns) is None:
        assert cost_micro(run, gone_ns) <= run.spec.budget
    elif share < 1:
        assert cost_micro(run, gone_ns) >= run.spec.budget - 2


def test_eighty_percent_are_told_once() -> None:
    """A row of the journal with how long the rest lasts; the run's folded state keeps it, so it is not told again."""
    run = running(100)
    assert budget_warning(run, spending(run, T0 + 79 * S), now_ns=T0) is None
    note = budget_warning(run, spending(run, T0 + 80 * S), now_ns=T0 + 80 * S)
    assert note is not None
    assert note.text == "it has cost $80.00 of its budget of $100.00 (80%); at $3600.00/h the rest lasts 20 s"
    now = Now(time_ns=T0 + 80 * S, spent_micro=80 * MICRO, per_h_micro=PER_H)
    told = react(run, Seen(attempt=0), now).events
    assert [event.kind for event in told] == ["noted"]
    again = react(replace(run, budget_note=note.text), Seen(attempt=0), now).events
    assert again == ()


@pytest.mark.parametrize(("spent", "again"), [(60.0, True), (95.0, False), (89.0, False)])
def test_nothing_is_tried_again_that_is_not_paid_for(spent: float, again: bool) -> None:
    """Beyond 95 %, or where the rest does not pay for a start and an end: the failure stands, and why it is final."""
    run = running(100)
    assert bool(too_little_left(run, round(spent * MICRO))) is not again
    lost = fold([*flat(a_life()[:5])])
    lost = replace(
        lost, spec=replace(lost.spec, budget=100 * MICRO, grace=5.0), prices={"cpux2": Price(micro_per_h=PER_H)}
    )
    exits = tuple(exit_ for _, exit_ in sorted(lost.attempts[0].exits.items()))
    exits = tuple(replace(exit_, code=137, signal=9) for exit_ in exits)
    assert faults.judge(exits).exit_class is ExitClass.KILLED
    from jupyter_aicci.service.control import fail_attempt

    steps = fail_attempt(lost, exits, Now(time_ns=T0 + 60 * S, spent_micro=round(spent * MICRO)))
    assert [step.step for step in steps if hasattr(step, "step")] == (
        [Step.LOSE, Step.REQUEUE] if again else [Step.FAIL]
    )
    if not again:
        assert getattr(steps[0], "exit_class", "") == "budget"
        assert "so it is not tried again" in getattr(steps[0], "reason", "")


def test_a_run_that_waits_for_its_next_attempt_ends_where_it_is_not_paid_for() -> None:
    """Preempted with 96 % spent: no nodes again."""
    waiting = fold([*flat(a_life()[:7])])
    waiting = replace(waiting, spec=replace(waiting.spec, budget=100 * MICRO), state=State.QUEUED)
    wish = over_limit(waiting, deadline_ns=0, spending=Spending(spent_micro=96 * MICRO), now_ns=T0)
    assert wish is not None
    assert "so it gets no nodes again" in wish.reason
    assert over_limit(waiting, deadline_ns=0, spending=Spending(spent_micro=10 * MICRO), now_ns=T0) is None


def test_a_budget_without_a_price_or_too_small_is_refused() -> None:
    """What nobody can hold, and what is spent before a first step."""
    run = running(1)
    with pytest.raises(UserError) as caught:
        refuse_budget(run.spec, [Price(micro_per_h=0, known=False)])
    assert caught.value.code == "no_price"
    with pytest.raises(UserError) as caught:
        refuse_budget(run.spec, [Price(micro_per_h=PER_H)])
    assert caught.value.code == "budget_too_small"
    assert "12 s and cost $12.00" in caught.value.message
    refuse_budget(replace(run.spec, budget=12 * MICRO), [Price(micro_per_h=PER_H)])
    refuse_budget(replace(run.spec, budget=0), [Price(micro_per_h=0, known=False)])


def test_the_keeper_is_told_when_the_money_ends() -> None:
    """100 s of money less the end; nothing where nothing is to be paid."""
    spec = running(100).spec
    assert cap_t_ns(spec, spent_micro=0, per_h_micro=PER_H, boot_ns=7 * S) == 7 * S + 90 * S
    assert cap_t_ns(spec, spent_micro=40 * MICRO, per_h_micro=2 * PER_H, boot_ns=7 * S) == 7 * S + 20 * S
    assert cap_t_ns(spec, spent_micro=0, per_h_micro=0, boot_ns=7 * S) == 0
    assert cap_t_ns(replace(spec, budget=0), spent_micro=0, per_h_micro=PER_H, boot_ns=7 * S) == 0


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[ZoneInfo]:
    """This host's time zone for one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield ZoneInfo(request.param)
    time.tzset()


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"], indirect=True
)
@pytest.mark.parametrize(
    "day", ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-02-28", "2026-12-31"]
)
def test_days_and_months_are_those_of_this_place(zone: ZoneInfo, day: str) -> None:
    """From midnight to midnight, summer time or not; the month that holds it has the day in it."""
    noon_ns = int(datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=zone).timestamp()) * S
    begin, end = (datetime.fromtimestamp(ns / S, zone) for ns in period_ns("day", noon_ns))
    assert (begin.strftime("%F %T"), end.strftime("%T")) == (f"{day} 00:00:00", "00:00:00")
    assert (end.date() - begin.date()).days == 1
    begin, end = (datetime.fromtimestamp(ns / S, zone) for ns in period_ns("month", noon_ns))
    assert (begin.strftime("%F %T"), end.strftime("%d %T")) == (f"{day[:7]}-01 00:00:00", "01 00:00:00")
    assert begin < datetime.fromtimestamp(noon_ns / S, zone) < end


def test_budgets_of_users_and_queues_are_read_with_all_their_defects() -> None:
    """Table, name and key of each."""
    defects: list[str] = []
    found = parse_budgets({"user": {"ann": {"day": "20", "month": 300}}, "queue": {"*": {"day": "1.5"}}}, defects)
    assert defects == []
    assert found == (
        Budget(kind="user", name="ann", period="day", cap_micro=20 * MICRO),
        Budget(kind="user", name="ann", period="month", cap_micro=300 * MICRO),
        Budget(kind="queue", name="*", period="day", cap_micro=1_500_000),
    )
    bad = {"users": {}, "user": {"ann": {"week": "1", "day": "lots"}, "bob": 5}}
    parse_budgets(bad, defects)
    told = "; ".join(defects)
    for part in (
        "[budgets.users]: did you mean user?",
        "ann] week: unknown",
        "ann] day: expected an amount",
        "bob]: expected a table",
    ):
        assert part in told


def test_amounts_of_two_currencies_are_not_added() -> None:
    """Runs from before the currency of [prices] was changed are in no budget of the new one; what is left out is named."""
    budget = Budget(kind="queue", name="default", period="day", cap_micro=20 * MICRO, currency="EUR")
    dollars = running(0)
    euros = replace(dollars, prices={"cpux2": Price(micro_per_h=3600 * MICRO, currency="EUR")})
    now_ns = dollars.attempts[0].placed_ns + 10 * S
    assert spent_micro(budget, [dollars, euros], now_ns) == spent_micro(budget, [euros], now_ns) > 0
    assert left_out(budget, [dollars, euros], now_ns) == ("USD",)
    assert (budgets_of(dollars, [budget]), budgets_of(euros, [budget])) == ((), (budget,))
    everyone = replace(budget, name="*")
    assert budgets_of(euros, [everyone]) == (budget,)


def test_a_budget_is_in_the_currency_of_the_prices() -> None:
    """As docs/how-to/set-a-price.md has it."""
    text = '[prices]\ncurrency = "CNY"\ncpux2 = "2"\n[budgets.user.ann]\nday = "20"\n'
    (budget,) = parse_config(text, packaged_text("local"), "config.toml").budgets
    assert (budget.cap_micro, budget.currency) == (20 * MICRO, "CNY")


def a_budgeted_desk(engine: Scripted, **caps: str) -> Desk:
    desk = a_desk(engine)
    defects: list[str] = []
    from jupyter_aicci.service.budgets import Budgets

    desk.loop.budgets = Budgets(desk.runs, parse_budgets({"queue": {"default": caps}}, defects))
    desk.runs.closed_until_ns = desk.loop.budgets.closed_until_ns
    assert defects == []
    return desk


def test_the_day_of_a_queue_is_shared_by_its_runs() -> None:
    """Two runs at a dollar a second end before their queue's twenty are spent; then nothing starts, and nothing is accepted."""
    engine = Scripted()
    desk = a_budgeted_desk(engine, day="24")
    try:
        runs = [submit(desk, f"r000000{n}", grace=0.0) for n in (1, 2)]
        turn(desk)
        for run in runs:
            engine.say(desk.runs[run.id], 0, k="started", rank=0, pid=1)
        _until(desk, lambda: len(engine.asked("stop")) == 2)
        for run in runs:
            live = desk.runs[run.id]
            assert live.stop is not None
            assert (live.stop.exit_class, "today's budget of queue default is spent" in live.stop.reason) == (
                "budget",
                True,
            )
            engine.say_exit(live, 0, 0, -15, signal=15, by_us=True)
            engine.say(live, 0, k="done", leftover=0)
        _until(desk, lambda: all(desk.runs[run.id].ended for run in runs))
        spent = sum(desk.runs.ledger(desk.runs[run.id]).total_micro for run in runs)
        assert 10 * MICRO < spent < 24 * MICRO
        desk.loop.budgets._sums = {("queue", "default", "day"): (desk.runs.clock.now_ns(), 23 * MICRO)}
        with pytest.raises(UserError) as caught:
            submit(desk, "r0000003", grace=0.0)
        assert caught.value.code == "budget_spent"
        assert "$23.00 of $24.00" in caught.value.message
    finally:
        close(desk)


def test_the_end_for_an_owners_budget_takes_no_longer_than_was_kept_back() -> None:
    """The grace of each running gang is; the time of its checkpoints is not."""
    run = running(0)
    money = spending(run, T0 + S, 100.0)
    wish = over_limit(run, deadline_ns=0, spending=money, now_ns=T0 + S, closed="today's budget is spent")
    assert wish is not None
    assert (wish.exit_class, wish.grace_s) == ("budget", run.spec.grace)


def _until(desk: Desk, what: object, *, limit_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not what():  # type: ignore[operator]
        turn(desk)
        assert time.monotonic() < deadline_s


def test_a_run_that_waits_gets_no_nodes_until_the_period_is_over(aicci_home: Path) -> None:
    """It was accepted before the money was gone; it is not refused, and not started."""
    engine = Scripted()
    desk = a_budgeted_desk(engine, day="100")
    try:
        run = submit(desk, grace=0.0)
        desk.loop.budgets._sums = {("queue", "default", "day"): (desk.runs.clock.now_ns() + 10**12, 96 * MICRO)}
        turn(desk, 3)
        assert engine.asked("start") == []
        assert desk.loop.budgets.closed_until_ns(run) == period_ns("day", desk.runs.clock.now_ns())[1]
    finally:
        close(desk)


def test_a_machine_that_went_down_is_billed_to_its_last_sign_of_life() -> None:
    """The agent that finds the node after the boot says so by its head; the time between is told and not billed."""
    engine = Scripted()
    desk = a_desk(engine)
    try:
        run = submit(desk)
        turn(desk)
        here = desk.runs.clock.boot_id
        engine.say(desk.runs[run.id], 0, k="head", boot_id=here, boot_ns=1, wall_ns=1, source="agent")
        engine.say(desk.runs[run.id], 0, k="started", rank=0, pid=1)
        turn(desk)
        alive_ns = desk.runs.clock.now_ns()
        desk.runs.journal.add_anchor(
            "another boot", desk.runs.clock.now_ns() - 5 * S + 3600 * S, desk.runs.clock.now_ns()
        )
        desk.runs.clock._offsets = desk.runs.journal.anchors()
        boot = {"t": 5 * S, "boot_id": "another boot", "boot_ns": 5 * S, "wall_ns": 1, "source": "agent"}
        engine.say(desk.runs[run.id], 0, k="head", **boot)
        engine.say_exit(desk.runs[run.id], 0, 0, -1, t=5 * S, source="unknown")
        engine.say(desk.runs[run.id], 0, k="done", leftover=0, t=6 * S)
        turn(desk, 3)
        (entry,) = desk.runs.ledger(desk.runs[run.id]).entries[:1]
        assert entry.to_ns <= alive_ns
        assert abs(entry.unverified_ns - 3601 * S) < 5 * S
        assert not entry.open
    finally:
        close(desk)


def test_the_rows_that_a_budget_writes_name_the_run() -> None:
    """As every row does."""
    note = budget_warning(running(1), Spending(spent_micro=MICRO, per_h_micro=0), now_ns=T0)
    assert note is not None
    assert (note.run_id, note.topic, note.data["budget_micro"]) == (RUN_ID, "budget", MICRO)
