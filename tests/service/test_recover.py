"""A journal that has lost any rows of a run: one that lives is gone on with, started no second time, and ends as it would have."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from service_builders import PRICES, Scripted, a_desk, close, submit, turn

from jupyter_aicci.agent.files import write_json
from jupyter_aicci.agent.identity import claim_of
from jupyter_aicci.model.events import Event
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import State
from jupyter_aicci.pricing.book import parse_book
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.recover import take_in
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home

NODES = 2
FULL = os.environ.get("AICCI_STORM") == "full"  # every stretch there is
Rows = list[Event]


def started(desk: Desk, engine: Scripted, run: Run) -> None:
    """Its agents and ranks run: their claims are this process's."""
    attempt = desk.runs[run.id].attempts[-1]
    claim = claim_of(os.getpid())
    assert claim is not None
    for node in range(NODES):
        folder = desk.home.node_dir(run.id, attempt.number, node)
        folder.mkdir(parents=True)
        for name in ("agent.claim", f"rank-{node}.claim"):
            write_json(folder / name, claim.to_json())
        engine.say(desk.runs[run.id], node, k="started", rank=node, pid=1)
    turn(desk)


def ended(desk: Desk, engine: Scripted, run: Run, code: int = 0) -> None:
    for node in range(NODES):
        engine.say_exit(desk.runs[run.id], node, node, code, signal=9 if code else 0)
        engine.say(desk.runs[run.id], node, k="done", leftover=0)


def losses(rows: Rows) -> Iterable[tuple[str, Rows]]:
    """Ways of losing a stretch of rows, as a page of a journal is lost: each row alone, all before and all after one, and of the
    others as many as there is time for."""
    names, step = [getattr(row, "step", row.kind) for row in rows], 1 if FULL else max(1, len(rows) // 2)
    for begin in range(len(rows)):
        for end in sorted({*range(begin + 1, len(rows) + 1, step), len(rows)}):
            yield f"without {begin}:{end}, {', '.join(names[begin:end])}", rows[:begin] + rows[end:]


def homes(first: Home, rows: Rows, tmp_path: Path) -> Iterator[tuple[str, Home]]:
    """A home for each loss: the run's folder, and a journal that has what is left."""
    for number, (what, kept) in enumerate(losses(rows)):
        home = Home(root=tmp_path / f"{number}", runtime=tmp_path / "runtime")
        shutil.copytree(first.runs_dir, home.runs_dir)
        journal = Journal(home.journal)
        journal.append(kept)
        journal.close()
        yield what, home


def a_life(home: Home, engine: Scripted, attempts: int) -> Rows:
    """The rows of a run whose last attempt runs, as the service writes them."""
    desk = a_desk(engine, home)
    try:
        run = submit(desk, nodes=NODES, retries=attempts - 1)
        for number in range(1, attempts + 1):
            turn(desk, 2)
            assert desk.runs[run.id].attempts[-1].number == number
            started(desk, engine, run)
            if number < attempts:
                ended(desk, engine, run, code=-9)
                turn(desk, 2)
        assert desk.runs[run.id].state is State.RUNNING
        return [row for _, row in desk.runs.journal.rows(run.id)]
    finally:
        close(desk)


def goes_on(home: Home, engine: Scripted, attempts: int) -> str:
    """What is wrong with the run after a service has come up there; "" = nothing."""
    desk = a_desk(engine, home)
    try:
        take_in(home, desk.runs, desk.loop, parse_book(PRICES))
        turn(desk, 8)
        (run,) = desk.runs.newest_first()
        numbers = [attempt.number for attempt in run.attempts]
        if (run.state, numbers[-1:]) != (State.RUNNING, [attempts]):
            return f"is {run.state} in attempts {numbers} ({run.reason})"
        ended(desk, engine, run)
        turn(desk, 3)
        started_again = [number for number in engine.asked("start") if number > attempts]
        return f"began attempts {started_again}" if started_again else is_over(desk)
    finally:
        close(desk)


def is_over(desk: Desk) -> str:
    """What is wrong with the end of the run."""
    (run,) = desk.runs.newest_first()
    if run.state is not State.SUCCEEDED:
        return f"is {run.state} ({run.reason})"
    billed_on = [(entry.attempt, entry.node) for entry in desk.runs.ledger(run).entries if entry.open]
    return f"is billed on for {billed_on}" if billed_on else ""


@pytest.mark.parametrize("attempts", [1, 2])
def test_whatever_rows_are_lost_the_run_that_lives_is_gone_on_with(tmp_path: Path, attempts: int) -> None:
    """Any stretch of them: no attempt begins beside the one that lives; it ends well, and nothing is billed on."""
    engine = Scripted()
    first = Home(root=tmp_path / "first", runtime=tmp_path / "runtime")
    rows, wrong = a_life(first, engine, attempts), []
    for what, home in homes(first, rows, tmp_path):
        found = goes_on(home, Scripted(spools=deepcopy(engine.spools)), attempts)
        wrong += [f"{what}: it {found}"] if found else []
    assert not wrong, f"{len(wrong)} of {len(list(losses(rows)))}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("attempts", [1, 2])
def test_whatever_rows_are_lost_of_a_run_that_has_ended_it_ends_the_same(tmp_path: Path, attempts: int) -> None:
    """What its files say is recorded again; a run whose first row is lost is not listed."""
    engine = Scripted()
    first = Home(root=tmp_path / "first", runtime=tmp_path / "runtime")
    a_life(first, engine, attempts)
    desk = a_desk(engine, first)
    (run,) = desk.runs.newest_first()
    turn(desk)
    ended(desk, engine, run)
    turn(desk, 3)
    assert is_over(desk) == ""
    rows, wrong = [row for _, row in desk.runs.journal.rows(run.id)], []
    close(desk)
    for what, home in homes(first, rows, tmp_path):
        found = asyncio.run(ends(home, Scripted(spools=deepcopy(engine.spools))))
        wrong += [f"{what}: it {found}"] if found else []
    assert not wrong, f"{len(wrong)} of {len(list(losses(rows)))}:\n" + "\n".join(wrong)


async def ends(home: Home, engine: Scripted) -> str:
    """What is wrong with the end of the run, "" = nothing."""
    desk = a_desk(engine, home)
    turn(desk, 8)
    found = is_over(desk) if desk.runs.newest_first() else ""
    close(desk)
    return found
