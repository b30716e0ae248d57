"""The words about runs say who, why and what next, in one place for all faces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jupyter_aicci.render import waits
from jupyter_aicci.render.failures import headline, report, root_rank
from jupyter_aicci.render.forecasts import forecasts_table, outlook_lines
from jupyter_aicci.render.lists import (
    cost_text,
    costs_table,
    data_table,
    ledger_table,
    price_text,
    queues_table,
    rate_text,
    runs_table,
    shapes_table,
    totals,
)
from jupyter_aicci.render.runs import first_line, last_lines, meaning_of_exit, spec_lines, state_line, stop_line

NOW = datetime(2026, 11, 24, 12, 0, 10, tzinfo=UTC)


def a_run(**changes: Any) -> dict[str, Any]:
    """A summary as the service answers it."""
    return {
        "id": "r0f3c2ab", "name": "", "state": "running", "shape": "cpux2", "nodes": 2, "queue": "default",
        "submitted_at": "2026-11-24T12:00:00.000+00:00", "started_at": "2026-11-24T12:00:02.000+00:00",
        "ended_at": None, "exit_class": None, "cost_micro": 4_120_000, "currency": "USD", "per_h_micro": 19_440_000,
        "unpriced": False,
        "reason": "", "icon": "▶", "world_size": 2, "attempt": 1, "budget_micro": 50_000_000, "seq": 7,
    } | changes  # fmt: skip


def test_first_line_says_when_and_what_it_costs() -> None:
    """What the cell shows at once."""
    run = a_run(state="queued", reason="behind 1 run")
    assert first_line(run) == "queued · cpux2 ×2 · behind 1 run · est. $19.44/h, budget $50.00 · r0f3c2ab"
    free = a_run(state="starting", per_h_micro=0, budget_micro=0, nodes=1, name="digits")
    assert first_line(free) == "starting · cpux2 · starts now · free on this machine · digits (r0f3c2ab)"


def test_price_is_not_told_before_the_shape_is_known() -> None:
    """Of several shapes, one may be free and another not."""
    run = a_run(state="queued", shape="auto", nodes=1, attempt=0, per_h_micro=0, reason="first in line")
    assert first_line(run) == "queued · auto · first in line · budget $50.00 · r0f3c2ab"
    assert "free" not in costs_table([run], now=NOW).to_text()


def test_stop_says_what_it_has_come_to() -> None:
    """The wish is journaled at once; the end follows within the grace."""
    assert stop_line(a_run()) == "r0f3c2ab is being stopped: it is running now"
    ended = a_run(
        state="stopped", icon="■", ended_at="2026-11-24T12:00:09.000+00:00", exit_class="stopped", reason="by you"
    )
    assert stop_line(ended) == "■ r0f3c2ab stopped · cpux2 ×2 · $19.44/h, budget $50.00 · by you"
    assert runs_table([ended], now=NOW).rows[0][-1] == "by you"
    assert headline(ended) == "r0f3c2ab stopped: by you"


def test_state_line_tells_attempt_and_reason() -> None:
    """A restart is visible."""
    line = state_line(a_run(state="lost", icon="↻", attempt=2, reason="rank 1 was killed", budget_micro=0))
    assert line == "↻ r0f3c2ab lost (attempt 2) · cpux2 ×2 · $19.44/h · rank 1 was killed"


def test_runs_table_shows_time_cost_and_why() -> None:
    """Running time from the start of its nodes, waiting time before; the first line of the reason."""
    waiting = a_run(state="queued", started_at=None, reason="waits\nlong story", cost_micro=0, attempt=0)
    rows = runs_table([a_run(), waiting], now=NOW).rows
    assert rows[0][6:] == ("8.0 s", "$4.12", "")
    assert rows[1][6:] == ("waits 10 s", "–", "waits")


WAITS = {
    "state": "queued", "attempt": 0, "started_at": None, "reason": "behind 1 waiting run: 2 cpux2 nodes need 4 CPUs, 2 free",
    "waiting": "behind 1 waiting run: 2 cpux2 nodes need 4 CPUs, 2 free", "why": "behind", "place": 2,
    "start_ns": int((NOW.timestamp() + 720) * 1e9), "latest_ns": int((NOW.timestamp() + 1800) * 1e9), "domain": "laptop",
    "bandwidth": "",
}  # fmt: skip


def test_a_waiting_run_is_told_with_its_start_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why, about when, by when at the latest, which in line; in the first line, in the list, and by `describe`."""
    monkeypatch.setattr(waits.time, "time", NOW.timestamp)
    by = waits.clock_time(WAITS["latest_ns"], NOW.timestamp())
    start = f"starts in about 12 min (by {by} at the latest)"
    run = a_run(**WAITS, per_h_micro=0, budget_micro=0)
    assert first_line(run) == (
        f"queued · cpux2 ×2 · {WAITS['waiting']} · {start} · place 2 in line · free on this machine · r0f3c2ab"
    )
    assert runs_table([run], now=NOW).rows[0][-1] == f"{start}, place 2 in line · behind: {WAITS['waiting']}"
    assert waits.waiting_text(run, NOW.timestamp()).splitlines() == [
        "waiting", f"  behind: {WAITS['waiting']}", f"  {start}", "  place 2 in line", "  on laptop",
    ]  # fmt: skip
    assert waits.waiting_text(a_run()) == ""


def test_what_nobody_knows_of_a_start_is_not_said() -> None:
    """No guess without a run time, no promise without a limit; a bound is rounded up to the minute."""
    now_s = NOW.timestamp()
    assert waits.when({"start_ns": None, "latest_ns": None}, now_s) == ""
    assert waits.when({"start_ns": int((now_s + 38) * 1e9), "latest_ns": None}, now_s) == "starts in about 38 s"
    assert waits.when({"start_ns": int((now_s - 5) * 1e9), "latest_ns": None}, now_s) == "starts soon"
    assert waits.when({"start_ns": None, "latest_ns": int((now_s + 1) * 1e9)}, now_s) == (
        f"starts by {waits.clock_time(int((now_s + 49) * 1e9), now_s)} at the latest"
    )
    assert len(waits.clock_time(int((now_s + 3 * 86_400) * 1e9), now_s)) == len("2026-11-27 12:00")


def test_queues_table_tells_claims_and_use() -> None:
    """Whole accelerators and CPUs, memory in its own units."""
    queue = {
        "name": "team", "parent": "", "running": 1, "queued": 2, "used": {"cpu": 3.5, "h100": 8.0, "memory": 64 * 10**9},
        "guarantee": {"cpu": 4.0}, "deserved": {"cpu": 1.0}, "limit": {"accelerator": 16.0},
    }  # fmt: skip
    assert queues_table([queue]).rows == (
        ("team", "–", "1", "2", "3.5 CPUs, 8 h100, 64.0 GB", "4 CPUs", "1 CPU", "16 accelerators"),
    )


def test_totals_are_kept_by_currency() -> None:
    """Money of two currencies is not one sum."""
    runs = [a_run(), a_run(), a_run(currency="EUR", cost_micro=5)]
    assert totals(runs) == {"USD": 8_240_000, "EUR": 5}
    assert totals([a_run(cost_micro=None)]) == {}, "of what nobody knows there is no sum"
    assert [row[0] for row in costs_table(runs, now=NOW).rows][-2:] == ["total", "total"]


def test_ledger_table_lists_held_nodes_and_their_sum() -> None:
    """One line per node and attempt, then the total."""
    entry = {"attempt": 1, "node": 0, "shape": "cpux2", "from_ns": 0, "to_ns": 90_000_000_000, "amount_micro": 250_000,
             "open": True}  # fmt: skip
    ledger = {"currency": "USD", "total_micro": 250_000, "entries": [entry], "price": {"micro_per_h": 10_000_000}}
    table = ledger_table(ledger)
    assert table.rows == (("1", "0", "cpux2", "90 s so far", "$0.25"), ("", "", "total", "", "$0.25"))
    free = ledger | {"total_micro": 0, "entries": [entry | {"amount_micro": 0}], "price": {"micro_per_h": 0}}
    assert [row[-1] for row in ledger_table(free).rows] == ["free", "free"]
    early = ledger | {"total_micro": 0, "entries": [entry | {"amount_micro": 0}, entry | {"amount_micro": None}]}
    assert [row[-1] for row in ledger_table(early).rows] == ["$0.00", "price not set", "$0.00"], "a price is no gift"
    assert "cost nothing" in ledger_table(ledger | {"entries": []}).to_text()


def test_forecast_says_per_shape_when_or_why_not() -> None:
    """A refusal is told without the sentence about submitting, which nobody tried."""
    now = {
        "starts": "now",
        "world_size": 2,
        "price_text": "free",
        "reason": "as asked",
        "domain": "laptop",
        "bandwidth": None,
    }
    levels = [{"level": "leaf", "ratio": 1.0}]
    later = now | {"starts": "later", "start_ns": None, "latest_ns": None, "place": 3, "reason": "quota"}
    later |= {"bandwidth": {"text": "leaf-a: 100 %", "levels": levels}, "domain": "leaf-a"}
    table = forecasts_table([("a", now, ""), ("b", later, ""), ("c", None, "too large. Nothing was submitted.")])
    assert table.rows == (
        ("a", "now", "2", "laptop", "–", "free", "as asked"),
        ("b", "nobody knows when it starts, place 3 in line", "2", "leaf-a", "leaf-a: 100 %", "free", "quota"),
        ("c", "never", "–", "–", "–", "–", "too large."),
    )


def test_a_forecast_tells_how_the_program_would_do() -> None:
    """Estimates with what they are made of; where nobody knows, why."""
    known = {
        "ranks": 16,
        "ratio": 0.91,
        "finish_s": 720.0,
        "finish_micro": 3_100_000,
        "basis": "2 runs of this program",
    }
    now = {
        "starts": "now", "shape": "a", "nodes": 2, "world_size": 16, "price_text": "$19.44/h", "currency": "USD",
        "reason": "as asked", "domain": "leaf-a", "bandwidth": None, "outlook": known,
    }  # fmt: skip
    unknown = now | {"outlook": known | {"ratio": None, "finish_s": None, "basis": "no run of this program has ended"}}
    table = forecasts_table([("a", now, ""), ("b", unknown, ""), ("c", None, "too large.")])

    assert outlook_lines(now) == [
        "starts now in leaf-a · a ×2 · $19.44/h",
        "as asked",
        "speed-up on 16 ranks ≈ 0.91 · finishes in about 12 min for $3.10 (estimated: 2 runs of this program)",
    ]
    assert outlook_lines(unknown)[-1] == "speed-up and cost to finish are not known: no run of this program has ended"
    assert [row[6:8] for row in table.rows] == [("0.91", "12 min for $3.10"), ("–", "–"), ("–", "–")]


def test_data_table_tells_sizes() -> None:
    sets = {
        "name": "a",
        "uri": "/a",
        "size_bytes": 138_000_000_000,
        "size_is_least": True,
        "exists": True,
        "used_by": "r1",
    }
    gone = sets | {"size_bytes": None, "size_is_least": False, "exists": False}
    assert data_table([sets, gone]).rows == (
        ("a", "/a", "more than 138 GB", "yes", "r1"),
        ("a", "/a", "–", "gone", "r1"),
    )


def test_shapes_table_tells_free_places() -> None:
    """free/total and the price."""
    shape = {"name": "cpux2", "accelerator": "", "accelerators": 0, "cpus": 2, "memory_bytes": 0, "free": 0, "total": 1,
             "price": {"micro_per_h": 310_000, "currency": "USD"}}  # fmt: skip
    assert shapes_table([shape]).rows == (("cpux2", "–", "2", "–", "0/1", "$0.31"),)


def test_exit_codes_and_signals_are_explained() -> None:
    """137 is a kill; what is unknown keeps its number."""
    assert "SIGKILL" in meaning_of_exit(137, 0)
    assert "SIGSEGV" in meaning_of_exit(0, 11)
    assert meaning_of_exit(3, 0) == "exit code 3"
    assert "signal 63" in meaning_of_exit(0, 63)


def test_last_lines_are_what_was_left_to_see() -> None:
    """A progress bar that was written over a thousand times is one line."""
    text = "a\n" * 50 + "".join(f"\r{i:3}%" for i in range(101)) + "\nend\n"
    assert last_lines(text, 3) == "a\n100%\nend"


def test_failure_report_names_the_first_rank_and_its_last_lines() -> None:
    """Never the ranks that failed because of it."""
    error = {"type": "NameError", "message": "name 'cfg' is not defined"}
    attempts = [{"exits": [{"rank": 1, "error": error}]}]
    verdict = {
        "rank": 1,
        "text": "rank 1: NameError: name 'cfg' is not defined",
        "where": "Cell In[7], line 3",
        "hint": "",
    }
    run = a_run(state="failed", exit_class="user error", verdict=verdict, attempts=attempts)
    assert root_rank(run) == 1
    assert headline(run) == "r0f3c2ab failed: user error: rank 1: NameError: name 'cfg' is not defined"
    text = report(run, "line\n" * 100 + "the end\n", command="aicci", missing=("cfg", "other"))
    assert "Cell In[7], line 3" in text
    assert "add --push cfg" in text
    assert "other" not in text
    assert text.count("line\n") <= 31
    assert "last lines of rank 1" in text


def test_a_spec_is_told_in_the_units_of_people() -> None:
    """What is stored in micro-units and seconds is not shown in them; what is not set is not shown."""
    text = spec_lines({"nodes": 2, "budget": 5_000_000, "grace": 30.0, "time_limit": 7200.0, "name": ""}, "EUR")
    assert text.splitlines() == [
        "spec",
        "  nodes       2",
        "  budget      €5.00",
        "  grace       30 s",
        "  time_limit  2 h 0 min",
    ]


def test_a_price_that_nobody_set_stands_as_such_everywhere() -> None:
    """In the list, the rate, the shapes; a sum says that it is not all."""
    run = a_run(cost_micro=None, per_h_micro=None, unpriced=True, budget_micro=0)
    assert (cost_text(run), rate_text(run)) == ("price not set", "price not set")
    assert "price not set" in state_line(run)
    assert cost_text(a_run(per_h_micro=None, unpriced=True)) == "$4.12 and more"
    assert price_text(None, "CNY") == "price not set"
    assert (price_text(0, "USD"), price_text(55_040_000, "USD")) == ("free", "$55.04")
