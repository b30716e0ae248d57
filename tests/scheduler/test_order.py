"""The orders that runs stand in: each policy's definition, and what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.order import CHANGES, ORDERS, History, gittins_index, next_change_s, ranked
from jupyter_aicci.scheduler.runs import ROW

NOW_S = 1_700_000_000.0
HOUR_S = 3600.0
NOTHING = History()
LEARNT = History(sizes=np.array([60.0, 3600.0, 3600.0, 90_000.0, 4e6]))


def a_run(
    *,
    units: int = 8,
    age_s: float = 0.0,
    ran_s: float = 0.0,
    runs_for_s: float | None = None,
    limit_s: float = np.inf,
    expected_s: float = np.nan,
) -> np.ndarray:
    """One row; `runs_for_s` None = it waits."""
    row = np.zeros((), dtype=ROW)
    row["units"], row["nodes"] = units, 1
    row["submitted_s"] = row["wait_since_s"] = NOW_S - age_s
    row["ran_s"], row["attained_s"] = ran_s, ran_s * units
    row["started_s"] = np.nan if runs_for_s is None else NOW_S - runs_for_s
    row["limit_s"], row["expected_s"] = limit_s, expected_s
    return row


def rows_of(*runs: np.ndarray) -> np.ndarray:
    return np.array([run.item() for run in runs], dtype=ROW)


def later(rows: np.ndarray, for_s: float) -> np.ndarray:
    """The same after `for_s` seconds in which nothing happened, as a decision sees them."""
    rows, runs = rows.copy(), ~np.isnan(rows["started_s"])
    rows["ran_s"] += runs * for_s
    rows["attained_s"] += runs * rows["units"] * for_s
    rows["expected_s"] -= runs * for_s
    return rows


@st.composite
def some_rows(draw: st.DrawFn, *, known: bool = True) -> np.ndarray:
    """A few runs, no two of one moment."""
    ages_s = draw(st.lists(st.integers(0, 10**7), unique=True, min_size=1, max_size=25))
    seconds = st.none() | st.integers(1, 10**6)
    runs = []
    for age_s in ages_s:
        ran_s = draw(st.integers(0, age_s))
        limit_s, expected_s = (draw(seconds), draw(seconds)) if known else (None, None)
        runs.append(
            a_run(
                units=draw(st.sampled_from((1, 2, 4, 8, 16, 32))),
                age_s=age_s,
                ran_s=ran_s,
                runs_for_s=draw(st.none() | st.integers(0, ran_s)),
                limit_s=limit_s or np.inf,
                expected_s=expected_s or np.nan,
            )
        )
    return rows_of(*runs)


orders = st.sampled_from(sorted(ORDERS))


@given(order=orders, rows=some_rows())
def test_an_order_names_each_run_once_and_changes_none(order: str, rows: np.ndarray) -> None:
    """Equal arguments give equal orders, and the arguments stay as they were."""
    before = rows.copy()
    best_first = ranked(order, rows, NOW_S, LEARNT)
    assert sorted(best_first.tolist()) == list(range(len(rows)))
    assert ranked(order, before, NOW_S, LEARNT).tolist() == best_first.tolist()
    assert rows.tobytes() == before.tobytes()


@given(order=orders, rows=some_rows(), draw=st.data())
def test_an_order_does_not_depend_on_how_the_rows_were_given(order: str, rows: np.ndarray, draw: st.DataObject) -> None:
    """Runs of different moments stand in the same order, whichever rows they are in."""
    places = np.array(draw.draw(st.permutations(range(len(rows)))))
    turned = rows[places]
    given_first = rows["submitted_s"][ranked(order, rows, NOW_S, LEARNT)]
    given_last = turned["submitted_s"][ranked(order, turned, NOW_S, LEARNT)]
    assert given_first.tolist() == given_last.tolist()


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_there_may_be_nobody(order: str) -> None:
    """No rows, no order, and no moment at which it changes."""
    assert ranked(order, rows_of(), NOW_S, NOTHING).tolist() == []
    assert next_change_s(order, rows_of(), NOW_S, NOTHING) == np.inf


def test_equal_moments_go_by_row() -> None:
    """Rows stand in the order of run ids, which breaks the last tie."""
    assert ranked("fifo", rows_of(a_run(), a_run(), a_run()), NOW_S, NOTHING).tolist() == [0, 1, 2]


@given(rows=some_rows())
def test_fifo_is_the_order_of_submission(rows: np.ndarray) -> None:
    """Whoever came first stands first, whatever it asks for."""
    assert (np.diff(rows["submitted_s"][ranked("fifo", rows, NOW_S, LEARNT)]) > 0).all()


@given(rows=some_rows())
def test_the_shortest_is_by_time_and_the_smallest_by_service(rows: np.ndarray) -> None:
    """SJF and SRTF by what a run still takes, SRSF by that times its accelerators; who tells neither stands last."""
    left_s = np.where(rows["expected_s"] > 0, rows["expected_s"], rows["limit_s"])
    service = left_s * rows["units"]
    for order, key in (("sjf", left_s), ("srtf", left_s), ("srsf", service)):
        in_line = key[ranked(order, rows, NOW_S, LEARNT)].tolist()
        assert in_line == sorted(in_line)


# ---- las ----


@given(rows=some_rows())
def test_las_has_three_levels_of_service(rows: np.ndarray) -> None:
    """Nobody with less than 3,250 unit-seconds stands behind one with more, and so on at 7,200."""
    had = rows["attained_s"][ranked("las", rows, NOW_S, LEARNT)]
    level = (had >= 3250).astype(int) + (had >= 7200)
    assert (np.diff(level) >= 0).all()


def test_las_moves_a_run_at_the_whole_second_after_its_limit() -> None:
    """8 accelerators reach 3,250 unit-seconds after 406.25 s: the simulator that the figures are from moves the run at 407."""
    row = a_run(age_s=100, ran_s=100, runs_for_s=100)
    assert next_change_s("las", rows_of(row), NOW_S, NOTHING) == NOW_S + 307
    assert next_change_s("las", rows_of(a_run(ran_s=900, runs_for_s=0)), NOW_S, NOTHING) == np.inf


# ---- gittins ----


@given(
    sizes=st.lists(st.integers(1, 10**6), min_size=1, max_size=40).map(sorted),
    at=st.integers(0, 39),
)
def test_gittins_index_is_the_best_chance_of_ending_per_service_to_come(sizes: list[int], at: int) -> None:
    """By its definition: over all q > a, how many end by q, divided by what they all take from a until they end or q."""
    had = float(sizes[at % len(sizes)])
    left = [size for size in sizes if size > had]
    ratios = [sum(size <= q for size in left) / sum(min(size, q) - had for size in left) for q in left]
    index = gittins_index(np.array(sizes, dtype=float), np.array([had]))
    assert index.tolist() == pytest.approx([max(ratios, default=0.0)])


def test_gittins_looks_at_quantiles_of_a_long_history() -> None:
    """Ten thousand sizes, each of forty many times, teach what the forty teach."""
    few = np.geomspace(1, 1e6, 40)
    had = np.array([0.0, 500.0, 2e6])
    assert gittins_index(np.repeat(few, 250), had) == pytest.approx(gittins_index(few, had), rel=0.1)


def test_gittins_prefers_whoever_is_about_to_end() -> None:
    """Runs take a minute or a thousand hours; one that has had nearly a minute stands before one that has had a day."""
    history = History(sizes=np.array([60.0] * 5 + [3.6e6] * 5))
    day, fresh = a_run(units=1, age_s=90_000, ran_s=86_400), a_run(units=1, ran_s=50)
    assert ranked("gittins", rows_of(day, fresh), NOW_S, history).tolist() == [1, 0]


@given(rows=some_rows(known=False))
def test_gittins_without_a_history_lets_everybody_stay(rows: np.ndarray) -> None:
    """Who knows nothing sends nobody away: running ones first, both by submission."""
    in_line = rows[ranked("gittins", rows, NOW_S, NOTHING)]
    waits = np.isnan(in_line["started_s"])
    assert waits.tolist() == sorted(waits.tolist())


# ---- balanced ----


@given(rows=some_rows())
def test_balanced_starves_nobody(rows: np.ndarray) -> None:
    """Before a run stand at most twice the units that were submitted before it, and one gang more."""
    in_line = rows[ranked("balanced", rows, NOW_S, LEARNT)]
    ahead = np.cumsum(in_line["units"]) - in_line["units"]
    older = np.array([rows["units"][rows["submitted_s"] < row["submitted_s"]].sum() for row in in_line])
    assert (ahead <= 2 * older + rows["units"].max()).all()


@given(rows=some_rows(), more=some_rows())
def test_balanced_counts_no_newcomer_against_a_run(rows: np.ndarray, more: np.ndarray) -> None:
    """However many come later, that bound stays as it was."""
    newer = more.copy()
    newer["submitted_s"] += rows["submitted_s"].max() - newer["submitted_s"].min() + 1
    every = np.concatenate([rows, newer])
    best_first = ranked("balanced", every, NOW_S, LEARNT)
    units = every["units"][best_first]
    ahead = np.empty(len(every), dtype=np.int64)
    ahead[best_first] = np.cumsum(units) - units
    older = np.array([rows["units"][rows["submitted_s"] < row["submitted_s"]].sum() for row in rows])
    assert (ahead[: len(rows)] <= 2 * older + every["units"].max()).all()


@given(rows=some_rows(known=False))
def test_balanced_begins_with_the_oldest_and_one_that_has_had_least(rows: np.ndarray) -> None:
    """The two lines are the order of submission and, in levels that grow tenfold from an accelerator-hour, of service."""
    best_first = ranked("balanced", rows, NOW_S, LEARNT)
    level = np.searchsorted(HOUR_S * 10.0 ** np.arange(8), rows["attained_s"] + rows["units"] * 1e-3, side="right")
    assert best_first[0] == rows["submitted_s"].argmin()
    assert level.min() in level[best_first[:2]]


def test_balanced_takes_from_both_lines_in_equal_parts() -> None:
    """Old runs that have had much, and new ones that have had nothing, alternate unit by unit."""
    old = [a_run(units=8, age_s=9e6 - at, ran_s=2e5) for at in range(3)]
    new = [a_run(units=4, age_s=100.0 - at) for at in range(6)]
    assert ranked("balanced", rows_of(*old, *new), NOW_S, NOTHING).tolist() == [0, 3, 4, 1, 5, 6, 2, 7, 8]


def test_balanced_lets_equals_stay() -> None:
    """Of two that have had about the same, the one that holds nodes keeps them, although the other came first."""
    oldest, waits = a_run(units=64, age_s=9e6, ran_s=8e6), a_run(age_s=5000, ran_s=1000)
    runs = a_run(age_s=4000, ran_s=2000, runs_for_s=1000)
    assert ranked("balanced", rows_of(oldest, waits, runs), NOW_S, NOTHING).tolist() == [0, 2, 1]


def test_balanced_goes_by_what_is_known_to_be_left() -> None:
    """A run with a limit of ten minutes, or one that usually ends by then, stands before one that has had less than they."""
    oldest, fresh = a_run(units=64, age_s=9e6, ran_s=8e6), a_run(age_s=600, ran_s=1000)
    for known in (a_run(age_s=500, ran_s=90_000, limit_s=600), a_run(age_s=500, ran_s=90_000, expected_s=600)):
        assert ranked("balanced", rows_of(oldest, fresh, known), NOW_S, NOTHING).tolist() == [0, 2, 1]
    loose = a_run(age_s=500, limit_s=1e6)
    assert ranked("balanced", rows_of(oldest, fresh, loose), NOW_S, NOTHING).tolist() == [0, 1, 2]


def test_balanced_forgets_an_expectation_that_has_passed() -> None:
    """A run that goes on past its usual length counts by what it has had, and that is told before."""
    oldest, fresh = a_run(units=64, age_s=9e6, ran_s=8e6), a_run(age_s=600, ran_s=1000)
    passed = a_run(age_s=90_000, ran_s=80_000, runs_for_s=80_000, expected_s=0.0)
    assert ranked("balanced", rows_of(oldest, fresh, passed), NOW_S, NOTHING).tolist() == [0, 1, 2]
    about_to = a_run(age_s=90_000, ran_s=80_000, runs_for_s=80_000, expected_s=40.0)
    assert next_change_s("balanced", rows_of(about_to), NOW_S, NOTHING) == NOW_S + 40


# ---- when an order changes by itself ----


@given(order=st.sampled_from(sorted(CHANGES)), rows=some_rows(known=False))
def test_an_order_that_changed_by_itself_has_changed(order: str, rows: np.ndarray) -> None:
    """At the moment that was told the next one lies ahead: nobody asks for one moment for ever."""
    runs = rows[~np.isnan(rows["started_s"])]
    moment_s = next_change_s(order, runs, NOW_S, LEARNT)
    if np.isfinite(moment_s):
        assert moment_s > NOW_S
        then = later(runs, moment_s - NOW_S)
        assert next_change_s(order, then, moment_s, LEARNT) > moment_s


@given(order=st.sampled_from(("balanced", "gittins")), rows=some_rows(known=False), part=st.floats(0, 0.999))
def test_an_order_stays_as_it_is_until_the_moment_that_was_told(order: str, rows: np.ndarray, part: float) -> None:
    """Nothing happens and nothing is known: the line stands still until then."""
    moment_s = next_change_s(order, rows[~np.isnan(rows["started_s"])], NOW_S, LEARNT)
    for_s = part * min(moment_s - NOW_S - 0.01, 1e6)
    if for_s > 0:
        then = later(rows, for_s)
        assert ranked(order, then, NOW_S + for_s, LEARNT).tolist() == ranked(order, rows, NOW_S, LEARNT).tolist()
