"""What runs' frames have said is read once, in slices, and whatever else the service has to do is done between two of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from findings_builders import a_story
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci.agent.frames import boot_ns
from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import State
from jupyter_aicci.service import findings, gathering
from jupyter_aicci.service.bills import Bills
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.gathering import Gathering
from jupyter_aicci.service.http import serve
from jupyter_aicci.service.main import listen
from jupyter_aicci.service.routes import ROUTES
from jupyter_aicci.store.paths import source_of

SECOND = 10**9
LONG, OTHER = "r0000001", "r0000002"
MANY = 200_000  # frames
FEW_SLICES = 20  # of four hundred: an answer takes some turns of the loop


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each slice had that was taken in."""
    taken: list[int] = []
    take = Gathering._take

    def counted(self: Gathering, run: Run, kept: Any, frames: Any) -> None:
        taken.append(len(frames))
        take(self, run, kept, frames)

    monkeypatch.setattr(Gathering, "_take", counted)
    return taken


def inside(work: Callable[[Desk], Awaitable[None]], engine: Scripted) -> None:
    """Do `work` in the loop of a service on the test's home, which ends after it."""

    async def main() -> None:
        desk = a_desk(engine)
        try:
            await work(desk)
        finally:
            close(desk)

    asyncio.run(main())


def running(desk: Desk, engine: Scripted, run_id: str = LONG, frames: int = 0, **spec: Any) -> Run:
    """A run whose frames are on the disk, and that nobody has looked at."""
    run = submit(desk, run_id, **spec)
    turn(desk)
    engine.say(desk.runs[run.id], 0, k="head", boot_id=desk.runs.clock.boot_id, boot_ns=1, wall_ns=1, source="agent")
    engine.say(desk.runs[run.id], 0, k="started", rank=0, pid=1)
    turn(desk)
    store, text = desk.loop.store(run.id), {"k": "progress", "t": boot_ns(), "text": "x"}
    assert store is not None
    for first in range(0, frames, 50_000):
        some = range(first, min(frames, first + 50_000))
        store.append([(source_of(1, 0, "rank-0"), 1 + at, text, desk.runs.clock.now_ns()) for at in some])
    return desk.runs[run.id]


def ended(desk: Desk, engine: Scripted, run: Run) -> Run:
    engine.say_exit(run, 0, 0)
    engine.say(run, 0, k="done", leftover=0)
    turn(desk, 2)
    assert desk.runs[run.id].ended
    return desk.runs[run.id]


def topics(desk: Desk, run: Run) -> list[str]:
    """Of the rows that the end of a run brings."""
    rows = [event for _, event in desk.runs.journal.rows(run.id)]
    return [event.topic for event in rows if isinstance(event, Noted) and event.topic in ("finding", "bill")]


async def settled(desk: Desk, run: Run) -> None:
    while not desk.runs[run.id].settled:
        await asyncio.sleep(0)


async def answer(socket: Path, verb: str, target: str, body: str = "") -> Any:
    """The answer of a request that is made in the same loop."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    head = f"{verb} {target} HTTP/1.1\r\nHost: aicci\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write((head + body).encode())
    data = await reader.read(-1)
    writer.close()
    return json.loads(data.partition(b"\r\n\r\n")[2])


def test_a_long_run_that_ends_unwatched_holds_up_nobody(engine: Scripted, slices: list[int]) -> None:
    """While its 200,000 frames are read, others are asked about, stopped, end and are put away; each within a few slices."""

    async def work(desk: Desk) -> None:
        away: list[RunId] = []
        desk.loop.put_away = lambda run, store: (away.append(run.id), store.close())  # type: ignore[union-attr, func-returns-value]
        server = serve(desk, ROUTES, listen(desk.home))
        long, other = running(desk, engine, LONG, MANY), running(desk, engine, OTHER)
        ended(desk, engine, long)
        for verb, target in (
            ("GET", "/v1/status"),
            ("GET", f"/v1/runs/{OTHER}/view"),
            ("GET", f"/v1/runs/{OTHER}/cost"),
            ("POST", f"/v1/runs/{OTHER}/stop"),
        ):
            before = len(slices)
            assert "message" not in await answer(desk.home.service_socket, verb, target, "{}" if verb == "POST" else "")
            assert len(slices) - before < FEW_SLICES
        assert engine.asked("stop"), "the other run was told to stop"
        ended(desk, engine, other)
        assert (away, topics(desk, other), topics(desk, long)) == ([OTHER], ["bill"], [])
        while long.id not in away:
            await asyncio.sleep(0)
        assert (away, topics(desk, long)) == ([OTHER, LONG], ["bill"])
        assert sum(slices) == desk.gathering.of(desk.runs[long.id]).cursor + desk.gathering.of(other).cursor
        await desk.views.complete(desk.runs[long.id])
        assert max(slices) <= gathering.SLICE
        server.stop()
        await server.close_all_connections()

    inside(work, engine)


def test_one_slice_is_taken_in_a_turn_however_many_runs_are_behind(
    engine: Scripted, slices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs are read in turns, and the loop turns for each slice of either."""
    monkeypatch.setattr(gathering, "SLICE", 10)

    async def work(desk: Desk) -> None:
        runs = [running(desk, engine, run_id, 1000) for run_id in (LONG, OTHER)]
        reading = [asyncio.ensure_future(desk.gathering.complete(run)) for run in runs]
        while not all(task.done() for task in reading):
            before = len(slices)
            await asyncio.sleep(0)
            assert len(slices) - before <= 1
        assert len(slices) == 2 * 101
        assert [desk.gathering.of(run).cursor for run in runs] == [1002, 1002]

    inside(work, engine)


@pytest.mark.parametrize("after", [0, 1, 50])
def test_a_run_that_was_not_settled_is_settled_by_the_next_service_once(
    engine: Scripted, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The first one is killed after so many turns of its loop; the third one finds nothing to do."""
    monkeypatch.setattr(gathering, "SLICE", 10)
    a_finding(monkeypatch)

    async def killed(desk: Desk) -> None:
        run = ended(desk, engine, running(desk, engine, LONG, 1000))
        for _ in range(after):
            await asyncio.sleep(0)
        assert topics(desk, run) == []

    async def next_one(desk: Desk) -> None:
        desk.settling.resume()
        await settled(desk, desk.runs[RunId(LONG)])
        assert topics(desk, desk.runs[RunId(LONG)]) == ["finding", "bill"]

    for work in (killed, next_one, next_one):
        inside(work, engine)


def test_a_service_killed_between_findings_and_bill_tells_none_twice(
    engine: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the bill is the last, so that it alone says that a run is settled."""
    a_finding(monkeypatch)
    settle = Bills.settle

    async def killed(desk: Desk) -> None:
        monkeypatch.setattr(Bills, "settle", lambda self, run: None)
        run = ended(desk, engine, running(desk, engine))
        assert topics(desk, run) == ["finding"]

    async def next_one(desk: Desk) -> None:
        monkeypatch.setattr(Bills, "settle", settle)
        desk.settling.resume()
        await settled(desk, desk.runs[RunId(LONG)])
        assert topics(desk, desk.runs[RunId(LONG)]) == ["finding", "bill"]

    inside(killed, engine)
    inside(next_one, engine)


def a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run has this one."""
    story, find = a_story(), findings._find
    story.wait_s[100:300] = 0.15
    monkeypatch.setattr(findings, "_find", lambda evidence: find(replace(story.evidence(), run=evidence.run)))


def test_a_condition_is_decided_when_the_frames_are_read(engine: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on a part of them, which would begin its time anew; what the clock and the ledger say needs none."""
    monkeypatch.setattr(gathering, "SLICE", 10)

    async def work(desk: Desk) -> None:
        run = running(desk, engine, LONG, 100)
        assert desk.bills.values(run, ("log.loss",)) is None
        assert "elapsed" in (desk.bills.values(run, ("elapsed",)) or {})
        await desk.gathering.complete(run)
        assert desk.bills.values(run, ("log.loss",)) == {}

    inside(work, engine)


def test_a_frame_that_cannot_be_taken_costs_itself(engine: Scripted) -> None:
    """Those in front of it are not counted again, those behind it are counted; the log has it once."""
    record = {"k": "steps", "rank": 0, "phases": ["compute"]}

    async def work(desk: Desk) -> None:
        run = running(desk, engine)
        store, now_ns = desk.loop.store(run.id), desk.runs.clock.now_ns()
        assert store is not None
        frames: list[dict[str, Any]] = [
            record | {"t": 2, "step": 0, "records": [[1, 0, SECOND]]},
            {"k": "log", "t": 3, "rank": 0},  # of what?
            record | {"t": 4, "step": 1, "records": [[1, 1, SECOND]]},
        ]
        store.append([(source_of(1, 0, "rank-0"), at + 1, frame, now_ns + at) for at, frame in enumerate(frames)])
        assert desk.gathering.of(run).cursor == store.last_seq
        assert int(desk.gathering.of(run).gathered.steps().count.sum()) == 2

    inside(work, engine)


def test_a_run_that_waits_again_after_a_start_is_read_to_its_end(engine: Scripted) -> None:
    """The loop has its frames not open, and nobody else writes any."""

    async def before(desk: Desk) -> None:
        run = running(desk, engine, LONG, 10)
        engine.say_exit(run, 0, 0, -9, signal=9)
        engine.say(run, 0, k="done", leftover=0)
        desk.runs.closed_until_ns = lambda run: desk.runs.clock.now_ns() + 3600 * SECOND
        turn(desk)
        assert desk.runs[run.id].state is State.QUEUED

    async def again(desk: Desk) -> None:
        whole = await asyncio.wait_for(desk.gathering.complete(desk.runs[RunId(LONG)]), 20)
        assert whole.cursor == 14

    inside(before, engine)
    inside(again, engine)
