"""`--stop-if` in the service: how long it has been true counts, across a service that was killed; what is unknown does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from run_builders import T0, S, a_life, flat

from jupyter_aicci.model.events import Noted, StopRequested
from jupyter_aicci.model.run import Run, apply, fold
from jupyter_aicci.service.conditions import Conditions

NOW = T0 + 100 * S


class Clocked:
    """Conditions with values and a clock that the test sets."""

    def __init__(self) -> None:
        self.values: dict[str, float] | None = {"waste": 0.9}
        self.asked: list[tuple[str, ...]] = []
        self.s = 0.0
        self.conditions = Conditions(self._values, lambda: self.s)

    def _values(self, run: Run, names: tuple[str, ...]) -> Mapping[str, float] | None:
        self.asked.append(names)
        return self.values

    def look(self, run: Run, at_s: float) -> tuple[Run, list[Noted | StopRequested]]:
        """The run after what was recorded `at_s` after NOW."""
        self.s = at_s
        rows = self.conditions.rows(run, NOW + round(at_s * S))
        for row in rows:
            run = apply(run, row)
        return run, list(rows)  # type: ignore[arg-type]


def a_run(text: str = "waste > 50% for 60s") -> Run:
    run = fold(flat(a_life()[:9]))
    return replace(run, spec=replace(run.spec, stop_if=text))


def test_it_stops_when_it_has_been_true_for_so_long() -> None:
    """Told once after ten seconds, and at the end with the numbers; only the names in it were asked for."""
    clocked, run, told = Clocked(), a_run(), []
    for at_s in range(62):
        run, rows = clocked.look(run, float(at_s))
        told += rows
    note, stop = told
    assert isinstance(note, Noted)
    assert note.data["since_ns"] == NOW
    assert isinstance(stop, StopRequested)
    assert (stop.time_ns, stop.exit_class) == (NOW + 60 * S, "condition")
    assert stop.reason == "its --stop-if has come true: waste > 50% for 60s (waste 0.9)"
    assert set(clocked.asked) == {("waste",)}


def test_a_break_begins_the_time_anew() -> None:
    """False, or not known, for one look is enough; what was told is taken back."""
    for values in ({"waste": 0.1}, {}):
        clocked, run, told = Clocked(), a_run(), []
        for at_s in range(120):
            clocked.values = dict(values) if at_s == 50 else {"waste": 0.9}
            run, rows = clocked.look(run, float(at_s))
            told += rows
        assert run.stop is not None
        assert run.stop.time_ns == NOW + 111 * S
        assert [row.data["since_ns"] for row in told if isinstance(row, Noted)] == [NOW, 0, NOW + 51 * S]


def test_a_service_that_begins_anew_goes_on_counting() -> None:
    """The journal has since when it is true."""
    clocked, run = Clocked(), a_run()
    for at_s in range(30):
        run, _ = clocked.look(run, float(at_s))
    again = Clocked()
    run, _ = again.look(run, 40.0)
    assert run.stop is None
    run, _ = again.look(run, 61.0)
    assert run.stop is not None


def test_while_the_frames_are_read_after_a_start_nothing_begins_anew() -> None:
    """Ten seconds without numbers: it was true before and is true after, and no row says otherwise."""
    clocked, run = Clocked(), a_run()
    for at_s in range(30):
        run, _ = clocked.look(run, float(at_s))
    again, told = Clocked(), []
    again.values = None
    for at_s in range(30, 40):
        run, rows = again.look(run, float(at_s))
        told += rows
    assert told == []
    again.values = {"waste": 0.9}
    run, _ = again.look(run, 61.0)
    assert run.stop is not None


def test_it_is_looked_at_once_a_second_and_not_at_all_without_a_condition() -> None:
    """A run that asks for nothing costs nothing; a mistake of ours ends no run."""
    clocked = Clocked()
    for tick in range(100):
        clocked.look(a_run("waste > 95%"), tick * 0.025)
    assert len(clocked.asked) == 3
    clocked.look(a_run(""), 10.0)
    assert len(clocked.asked) == 3
    broken = Conditions(lambda run, names: {}["no"], lambda: 0.0)
    assert broken.rows(a_run(), NOW) == ()
