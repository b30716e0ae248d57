"""What a bill's energy, steps and epochs come to, from what ranks and agents told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci.agent.frames import boot_ns, encode
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.run import Run
from jupyter_aicci.service.bills import Bills
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.service.gathering import frames_of
from jupyter_aicci.store.frames import FrameStore

MJ_PER_KWH = 3_600_000_000  # a kilowatt-hour is 3.6 MJ, and the counter counts millijoules
SECOND = 10**9


@pytest.fixture
def desk(engine: Scripted) -> Iterator[Desk]:
    desk = a_desk(engine)
    yield desk
    close(desk)


def running(desk: Desk, engine: Scripted) -> Run:
    run = submit(desk)
    turn(desk)
    run = desk.runs[run.id]
    engine.say(run, 0, k="head", boot_id=desk.runs.clock.boot_id, boot_ns=1, wall_ns=1, source="agent")
    engine.say(run, 0, k="started", rank=0, pid=1)
    turn(desk)
    return desk.runs[run.id]


def bill(desk: Desk, run: Run) -> dict[str, object]:
    return asyncio.run(Bills(desk.runs, desk.gathering).answer(desk.runs[run.id]))


def counted(desk: Desk, engine: Scripted, run: Run, *counters_mj: int) -> float | None:
    """The energy in the bill after an accelerator's counter stood at these, a second apart."""
    now_ns = boot_ns()
    for place, counter in enumerate(counters_mj):
        t = now_ns + place * SECOND
        engine.say(run, 0, k="sample", t=t, node={}, ranks={}, devices={"0": {"energy": counter}}, nics={})
    turn(desk)
    energy = bill(desk, run)["energy_kwh"]
    assert energy is None or isinstance(energy, float)
    return energy


def test_energy_is_what_the_counter_grew_by(desk: Desk, engine: Scripted) -> None:
    """Not power times time; where it began is of those before us."""
    run = running(desk, engine)
    grown = counted(desk, engine, run, 7 * MJ_PER_KWH, 8 * MJ_PER_KWH, 9 * MJ_PER_KWH + MJ_PER_KWH // 2)
    assert grown == pytest.approx(2.5)


def test_a_counter_that_begins_anew_takes_nothing_back(desk: Desk, engine: Scripted) -> None:
    """A driver that was loaded again counts from 0; what passed meanwhile nobody knows."""
    run = running(desk, engine)
    assert counted(desk, engine, run, MJ_PER_KWH, 2 * MJ_PER_KWH, 0, MJ_PER_KWH // 2) == pytest.approx(1.5)


def test_without_a_counter_there_is_no_energy(desk: Desk, engine: Scripted) -> None:
    """Not zero: not known."""
    assert counted(desk, engine, running(desk, engine)) is None


def test_a_report_on_a_damaged_database_loses_no_frame(desk: Desk) -> None:
    """What is set aside is made anew from the spools, whoever is the first to open it."""
    run = submit(desk)
    frames = [
        {"k": "head", "t": 0, "boot_id": "b", "boot_ns": 0, "wall_ns": 1, "source": "agent"},
        {"k": "note", "t": 1},
    ]
    spool = desk.home.node_dir(run.id, 1, 0) / "agent.spool"
    spool.parent.mkdir(parents=True)
    spool.write_bytes(b"".join(map(encode, frames)))
    damaged: Path = desk.home.frames_db(run.id)
    FrameStore(damaged).close()
    damaged.write_bytes(b"\x55" * damaged.stat().st_size)
    with frames_of(desk.home, lambda run_id: None, run) as store:
        assert store is not None
        assert [frame.frame for frame in store.all()] == frames


@pytest.mark.parametrize(
    "body", [{}, {"amount_micro": 0, "reason": "x"}, {"amount_micro": True, "reason": "x"}, {"amount_micro": 1.5, "reason": "x"},
             {"amount_micro": 5}, {"amount_micro": 5, "reason": "  "}],
)  # fmt: skip
def test_a_correction_without_an_amount_or_a_reason_is_refused(desk: Desk, body: dict[str, object]) -> None:
    """Whole: the bill is what it was."""
    run = submit(desk)
    with pytest.raises(UserError) as caught:
        desk.correct(run, body)
    assert caught.value.code == "bad_correction"
    assert "Nothing was corrected" in caught.value.message
    assert desk.runs[run.id].corrections == ()
