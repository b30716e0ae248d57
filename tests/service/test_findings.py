"""Findings of live and of ended runs: looked for seldom, written down once, and never in the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from findings_builders import Story, a_story
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.run import Run
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.findings import Findings
from jupyter_aicci.timeline.evidence import Evidence, Series


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = a_desk(Scripted())
    yield desk
    close(desk)


class Source:
    """Gives the same story's evidence for any run, and counts how often it was asked."""

    def __init__(self, story: Story) -> None:
        self.story, self.asked = story, 0

    def __call__(self, run: Run) -> Evidence:
        self.asked += 1
        return replace(self.story.evidence(), run=run)


def a_wait() -> Story:
    story = a_story()
    story.wait_s[100:300] = 0.15
    return story


def started(desk: Desk) -> Run:
    run = submit(desk)
    turn(desk, 2)
    return desk.runs[run.id]


def finished(desk: Desk) -> Run:
    return ended(desk, started(desk))


def ended(desk: Desk, run: Run) -> Run:
    desk.engine.say_exit(run, 0, 0)  # type: ignore[attr-defined]
    desk.engine.say(run, 0, k="done", leftover=0)  # type: ignore[attr-defined]
    turn(desk, 2)
    assert desk.runs[run.id].ended
    return desk.runs[run.id]


def told(desk: Desk, run: Run) -> list[Noted]:
    rows = [event for _, event in desk.runs.journal.rows(run.id, 0)]
    return [event for event in rows if isinstance(event, Noted) and event.topic == "finding"]


def looking(desk: Desk, evidence: Callable[[Run], Evidence], *clock_s: Callable[[], float]) -> Findings:
    return Findings(desk.runs, evidence, desk.engine.look_closer, *clock_s)


def test_a_live_run_is_not_looked_at_for_everyone_who_asks(desk: Desk) -> None:
    """A second question within five seconds has the first one's answer."""
    source = Source(a_wait())
    findings, run = looking(desk, source), started(desk)
    first = findings.of(run)
    assert [each["id"] for each in first] == ["F01"]
    assert findings.of(run) == first
    assert source.asked == 1
    assert told(desk, run) == []


def test_the_end_writes_each_finding_into_the_journal_once(desk: Desk) -> None:
    """`settle` twice is one row, with the finding in words and as data."""
    findings, run = looking(desk, Source(a_wait())), finished(desk)
    findings.settle(run)
    findings.settle(run)
    rows = told(desk, run)
    assert len(rows) == 1
    assert rows[0].text.startswith("Input-bound, 0:")
    assert rows[0].data["id"] == "F01"


def test_what_the_journal_says_of_an_ended_run_stands(desk: Desk) -> None:
    """A later service reads the rows and computes nothing."""
    run = finished(desk)
    looking(desk, Source(a_wait())).settle(run)
    source = Source(a_story())
    later = looking(desk, source)
    assert [each["id"] for each in later.of(run)] == ["F01"]
    assert source.asked == 0


def test_an_ended_run_without_rows_is_looked_at_once(desk: Desk) -> None:
    """The service was killed between the end and the rows; a healthy run has none either."""
    source = Source(a_wait())
    findings, run = looking(desk, source), finished(desk)
    assert [each["id"] for each in findings.of(run)] == ["F01"]
    findings.of(run)
    assert source.asked == 1


def test_a_mistake_in_the_rules_costs_the_findings_and_nothing_else(desk: Desk) -> None:
    """The error goes to the log; the run has no findings."""

    def broken(run: Run) -> Evidence:
        raise RuntimeError("a mistake of ours")

    findings, run = looking(desk, broken), finished(desk)
    assert findings.of(run) == ()
    findings.settle(run)
    assert told(desk, run) == []


def test_a_slow_look_makes_the_next_one_later(desk: Desk) -> None:
    """A look of one second is followed by fifty without."""
    clock = iter([0.0, 1.0, 40.0, 52.0, 52.0, 52.1])  # looked from 0 to 1; asked at 40 and at 52
    source = Source(a_wait())
    findings, run = looking(desk, source, lambda: next(clock)), started(desk)
    findings.of(run)
    findings.of(run)
    assert source.asked == 1
    findings.of(run)
    assert source.asked == 2


def test_around_what_is_newly_found_the_nodes_are_sampled_closer(desk: Desk) -> None:
    """Asked of the engine once for each finding, not at every look that finds it again; nothing is asked of an ended run."""
    now_s, source, engine = [0.0], Source(a_story()), desk.engine
    assert isinstance(engine, Scripted)
    findings, run = looking(desk, source, lambda: now_s[0]), started(desk)
    findings.of(run)
    assert engine.asked("look_closer") == []
    source.story = a_wait()
    for now_s[0] in (10.0, 20.0, 30.0):
        assert len(findings.of(run)) == 1
    assert engine.asked("look_closer") == [None]
    looking(desk, source).of(ended(desk, run))
    assert engine.asked("look_closer") == [None]


class Slow(Source):
    """Its run has more records than are looked at on the spot, and each look at a series takes a moment."""

    def __init__(self) -> None:
        story = a_story(steps=4000)
        story.wait_s[100:300] = 0.15
        story.measure("workers", "rank-0", 2.0)
        super().__init__(story)

    def __call__(self, run: Run) -> Evidence:
        evidence = super().__call__(run)

        def series(metric: str, owner: str) -> Series:
            time.sleep(0.1)
            return evidence.series(metric, owner)

        return replace(evidence, series=series)


def test_a_run_with_many_records_does_not_hold_the_service_up(desk: Desk) -> None:
    """While it is looked at in a thread the loop turns, and the run shows what was found before."""
    findings, run = looking(desk, Slow()), started(desk)

    async def look() -> int:
        assert findings.of(run) == ()
        looking = asyncio.create_task(findings.complete(run))
        turns = 0
        while not looking.done():
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert asyncio.run(look()) > 10
    assert [each["id"] for each in findings.of(run)] == ["F01"]


def test_the_end_of_a_run_with_many_records_is_written_down_when_it_is_known(desk: Desk) -> None:
    """Also where a look at the living run is still going on: the rows are those of the end, once."""
    source, live = Slow(), started(desk)
    findings, run = looking(desk, source), ended(desk, live)

    async def end() -> None:
        findings.of(live)
        findings.settle(run)
        assert told(desk, run) == []
        await findings.complete(run)

    asyncio.run(end())
    assert [row.data["id"] for row in told(desk, run)] == ["F01"]
    assert source.asked == 2


def test_what_is_known_of_a_runs_speed_is_told_to_the_rules(desk: Desk) -> None:
    """The desk's speeds are asked, and their answer is among the facts (F28)."""
    run = started(desk)
    assert desk.views.facts == desk.speeds.facts
    known = {"speedup": {"efficiency": 0.5}}
    assert desk.views.evidence(run, known).facts["speedup"] == known["speedup"]
