"""summary and tiles: the run in words and numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from timeline_builders import RUN_ID, Frames, Journal, a_curve, a_failed_run, a_long_run, at

from jupyter_aicci.model.events import Noted, Submitted
from jupyter_aicci.model.run import fold
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.model.states import Step
from jupyter_aicci.timeline.incremental import Accumulator
from jupyter_aicci.timeline.lanes import SeriesLane, View, view_from_json
from jupyter_aicci.timeline.summary import run_summary, summary_text
from jupyter_aicci.timeline.tiles import waited_s
from jupyter_aicci.timeline.view import view


def tiles_of(shown: View) -> list[tuple[str, str]]:
    """(value, label) of each tile."""
    return [(tile.value, tile.label) for tile in shown.tiles]


def test_a_running_run_says_time_steps_values_and_cost_with_its_budget() -> None:
    """The run card's numbers and the summary agree."""
    run, frames, cost = a_long_run()
    shown = view(run, frames, cost=cost, now_ns=at(763))
    assert tiles_of(shown) == [
        ("12:43", "elapsed · 38 s waited"),
        ("1,994", "steps"),
        ("12.5k", "images/s"),
        ("1.755", "loss"),
        ("$3.92", "of $50.00 · $19.44/h"),
    ]
    assert summary_text(shown).splitlines() == [
        "▶ resnet-a (r7f3c0ab) · running · cpux2 × 2, 4 ranks",
        "13 min in all (node 0): queued 38 s, starting 28 s, training 9 min, waiting for data 2 min, checkpoint 16 s",
        "1,994 steps, 12.5k images/s, loss 1.755, CPU cores 2.4 / 4, memory 791 MB",
        "cost: $3.92 of $50.00 at $19.44/h",
    ]


def test_a_measured_speed_up_is_a_tile_and_a_word() -> None:
    """Beside the throughput, in the summary and in what a watcher is sent; without a measurement there is neither."""
    run, frames, cost = a_long_run()
    kept = Accumulator(origin_ns=run.submitted_ns)
    kept.feed(frames)
    before = kept.view(run, cost=cost, now_ns=at(763))
    assert "speed-up" not in summary_text(before)
    kept.speedup = (0.861, 4)
    shown = kept.view(run, cost=cost, now_ns=at(763))
    assert tiles_of(shown)[3] == ("0.86", "speed-up on 4")
    assert [*tiles_of(shown)[:3], *tiles_of(shown)[4:]] == tiles_of(before)
    assert "12.5k images/s, speed-up 0.86 on 4 ranks, loss" in summary_text(shown)
    delta = kept.delta(kept.mark(before, 800), run, cost=cost, now_ns=at(763))
    assert {"value": "0.86", "label": "speed-up on 4", "note": ""} in delta.body["tiles"]  # type: ignore[index]


def test_a_failed_run_says_what_failed_and_where() -> None:
    """The verdict's words stand last, in the same form as on the picture."""
    run, frames, cost = a_failed_run()
    lines = summary_text(view(run, frames, cost=cost, now_ns=at(99))).splitlines()
    assert lines[0] == "✕ vit-huge (r7f3c0ab) · failed · cpux2 × 1, 2 ranks, attempt 2"
    assert "redone work 5.5 s" in lines[1]
    assert lines[-3:] == [
        "cost: free on this machine",
        "rank 1 failed: ValueError: bad batch",
        "Cell In[7], line 17: loss = step(batch)",
    ]


def test_a_waiting_run_says_why_it_waits() -> None:
    """The latest waiting reason is the second line."""
    journal = Journal()
    journal.rows.append(Noted(run_id=RUN_ID, time_ns=at(1), topic="waiting", text="behind 2 runs"))
    shown = view(journal.run(), (), cost=(), now_ns=at(12))
    assert tiles_of(shown)[0] == ("0:12", "waiting")
    assert summary_text(shown).splitlines()[:2] == [
        "◷ digits (r7f3c0ab) · queued · auto × 1, 2 ranks",
        "behind 2 runs",
    ]


def test_a_waiting_run_whose_shape_is_open_is_not_called_free() -> None:
    """What it will cost is not known yet; the currency is."""
    amounts = {"cpux1": 0, "cpux2": 310_000}
    prices = {name: Price(micro_per_h=micro, currency="EUR").to_json() for name, micro in amounts.items()}
    run = fold([Submitted(run_id=RUN_ID, time_ns=at(0), spec={"budget": 5_000_000}, prices=prices)])
    shown = view(run, (), cost=(), now_ns=at(12))
    assert tiles_of(shown)[-1] == ("–", "cost · depends on the shape")
    assert summary_text(shown).splitlines()[-1] == "cost: depends on the shape that it gets"
    assert shown.run["currency"] == "EUR"


def test_a_price_that_nobody_set_is_not_called_free() -> None:
    """Tile, words, row and lane say so; 0 stands nowhere."""
    price = Price(micro_per_h=0, known=False)
    run = replace(Journal().placed(0.0).runs(0.0).run(), prices={"cpux2": price})
    shown = view(run, (), cost=((at(0), 0), (at(9), 0)), now_ns=at(9))
    assert tiles_of(shown)[-1] == ("–", "cost · price not set")
    assert summary_text(shown).splitlines()[-1] == "cost: price not set"
    assert (shown.run["cost_micro"], shown.run["per_h_micro"], shown.run["unpriced"]) == (None, None, True)
    (lane,) = [lane for lane in shown.lanes if lane.id == "cost"]
    assert isinstance(lane, SeriesLane)
    assert lane.value == "price not set"


def test_a_run_whose_first_attempt_cost_money_is_not_called_free() -> None:
    """The latest shape is free; the amount of the one before stands in tile and words."""
    run = Journal().placed(0.0).runs(0.0).run()
    assert run.price.micro_per_h == 0
    shown = view(run, (), cost=((at(0), 0), (at(9), 250_000)), now_ns=at(9))
    assert tiles_of(shown)[-1] == ("$0.25", "so far · $0.00/h")
    assert summary_text(shown).splitlines()[-1] == "cost: $0.25 at $0.00/h"


@pytest.mark.parametrize("confidence", ["catalogue", "imported", "set"])
def test_a_list_price_is_marked_with_its_source_and_date(confidence: str) -> None:
    """On the tile, in the words and in what travels; a price that the user set is not."""
    journal = Journal(ranks_per_node=1).placed(0.0).runs(0.0)
    price = Price(micro_per_h=55_040_000, source="a catalogue: aws/p5", dated="2026-11-24", confidence=confidence)
    shown = view(replace(journal.run(), prices={"cpux2": price}), (), cost=((at(0), 0), (at(9), 137_600)), now_ns=at(9))
    (tile, line) = shown.tiles[-1], summary_text(shown).splitlines()[-1]
    if confidence == "set":
        assert (tile.label, tile.note, line) == ("so far · $55.04/h", "", "cost: $0.14 at $55.04/h")
        return
    assert tile.label == "so far · $55.04/h list price"
    assert tile.note == "list price, which nobody here was charged: a catalogue: aws/p5, 2026-11-24"
    assert line == f"cost: $0.14 at $55.04/h ({tile.note})"
    assert view_from_json(json.loads(json.dumps(shown.to_json()))).tiles == shown.tiles


def test_a_budget_that_is_nearly_spent_is_told_on_the_tile_and_in_the_row() -> None:
    """From the journal's note on, with its share; no more once the run has ended."""
    run, frames, cost = a_long_run()
    shown = view(replace(run, budget_note="it has cost much"), frames, cost=cost, now_ns=at(763))
    assert tiles_of(shown)[-1][1].startswith("of $50.00 (8%)"), tiles_of(shown)[-1]
    assert shown.run["budget_note"] == "it has cost much"
    assert tiles_of(view(run, frames, cost=cost, now_ns=at(763)))[-1][1].startswith("of $50.00 ·")


def test_steps_are_counted_however_the_program_numbers_them() -> None:
    """A program that calls its first step 1 has done as many steps as its number says."""
    run = Journal().placed(0.0).runs(0.0).run()
    for first, steps in ((0, "6"), (1, "5")):
        frames = Frames()
        for number in range(first, 6):
            frames.step(1.0 + number, number)
        assert tiles_of(view(run, frames, cost=(), now_ns=at(9)))[1] == (steps, "steps")


def test_a_starting_run_says_what_goes_on() -> None:
    """Progress stands where the steps will."""
    frames = Frames().add(3.0, "progress", source="agent", text="importing torch", ratio=None)
    shown = view(Journal().placed(1.0).run(), frames, cost=(), now_ns=at(4))
    assert tiles_of(shown)[1:4] == [("–", "importing torch"), ("–", "steps/s"), ("–", "loss")]


def test_steps_per_second_are_the_last_ten_seconds_while_live_and_the_whole_afterwards() -> None:
    """A run that became slow shows it at once; its final number is the average."""
    frames = Frames().phase(1.0, "compute")
    for step in range(31):
        frames.step(2.0 + step * 0.1, step)  # 10 a second for 3 s
    for step in range(31, 51):
        frames.step(5.0 + (step - 30) * 1.0, step)  # then one a second for 20 s
    journal = Journal(ranks_per_node=1).placed(0.0).runs(0.0)
    live = view(journal.run(), frames, cost=(), now_ns=at(25))
    assert tiles_of(live)[2] == ("1", "steps/s")
    assert tiles_of(view(journal.run(), frames, cost=(), now_ns=at(34)))[2] == ("1", "steps/s")
    hangs = view(journal.run(), frames, cost=(), now_ns=at(64))  # 11 steps since 14
    assert tiles_of(hangs)[2] == ("0.22", "steps/s")
    journal.exits(25.0, 0).released(25.0).step(25.0, Step.SUCCEED)
    ended = view(journal.run(), frames, cost=(), now_ns=at(30))
    assert tiles_of(ended)[2] == ("2.12", "steps/s")  # 51 in 24 s


def test_the_first_logged_value_stands_in_where_no_loss_is_logged() -> None:
    """A value with loss in its name goes first, else what came first."""
    run = Journal().placed(0.0).runs(0.0).run()
    assert tiles_of(view(run, Frames().log(1.0, acc=0.5, val_loss=2.0), cost=(), now_ns=at(2)))[3] == ("2", "val_loss")
    assert tiles_of(view(run, Frames().log(1.0, acc=0.5), cost=(), now_ns=at(2)))[3] == ("0.5", "acc")


def test_waiting_between_attempts_counts_as_waiting() -> None:
    """1 s before the first attempt and 2 s before the second."""
    journal = Journal(ranks_per_node=1).placed(1.0).exits(5.0, 0, signal=9).released(5.0)
    journal.step(5.0, Step.LOSE).step(5.0, Step.REQUEUE).placed(7.0)
    assert waited_s(journal.run(), at(9)) == 3.0


def test_the_summary_row_has_the_keys_of_the_contract() -> None:
    """Section 6: `aicci ps --json` and the keys beside them, as JSON."""
    run, _, _ = a_failed_run()
    row = run_summary(run, cost_micro=12, seq=7)
    assert list(row) == [
        "id", "name", "state", "shape", "nodes", "queue", "owner", "submitted_at", "started_at", "ended_at", "exit_class",
        "cost_micro", "currency", "per_h_micro", "unpriced", "reason", "icon", "world_size", "attempt", "budget_micro",
        "budget_note", "seq", "waiting", "why", "place", "start_ns", "latest_ns", "domain", "bandwidth",
    ]  # fmt: skip
    assert row["submitted_at"] == "2026-05-28T20:26:40.000+00:00"
    assert row["ended_at"] == "2026-05-28T20:27:25.400+00:00"
    assert (row["exit_class"], row["attempt"], row["world_size"], row["cost_micro"]) == ("user error", 2, 2, 12)
    assert json.loads(json.dumps(row)) == row


def test_the_words_are_the_same_from_a_view_that_came_over_the_wire() -> None:
    """CLI and notebook get the view as JSON."""
    run, frames, cost = a_long_run()
    shown = view(run, frames, cost=cost, now_ns=at(763))
    assert summary_text(view_from_json(json.loads(json.dumps(shown.to_json())))) == summary_text(shown)


def test_an_ended_run_says_its_cost_in_all() -> None:
    """Without a budget the label says that the bill is final."""
    journal = Journal(ranks_per_node=1, micro_per_h=3_600_000).placed(0.0).exits(9.0, 0).released(10.0)
    run = journal.step(10.0, Step.SUCCEED).run()
    shown = view(run, (), cost=a_curve([(0.0, 0), (10.0, 10_000)]), now_ns=at(50))
    assert tiles_of(shown)[-1] == ("$0.0100", "in all · $3.60/h")


def test_each_finding_is_one_line_at_the_end() -> None:
    """When, what, what it cost, what to try."""
    finding = {
        "name": "input-bound", "from_s": 430.0, "to_s": 560.0, "ongoing": False, "text": "43 % of each step waited for data",
        "fix": "Try num_workers=12.", "wasted_micro": 310_000, "wasted_ns": 10**12,
    }  # fmt: skip
    frames, journal = Frames(), Journal().placed(0.5).runs(1.0)
    seen = replace(view(journal.run(), frames, cost=(), now_ns=at(600.0)), findings=(finding,))
    assert summary_text(seen).splitlines()[-1] == (
        "Input-bound, 7:10 – 9:20: 43 % of each step waited for data. Try num_workers=12. (≈ $0.31 wasted)"
    )
