"""Runs' frames are sealed, rolled up and, of large runs, let go, beside the loop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_builders import T0, S, placed, stepped, submitted

from jupyter_aicci.agent.frames import encode
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import Step
from jupyter_aicci.service import upkeep
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.upkeep import Upkeep
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.events_file import read_events
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare, source_of
from jupyter_aicci.store.rollups import Rollups
from jupyter_aicci.store.sealing import drops, rounds, seal

RUN = RunId("r7f3c0ab")
AGENT = source_of(1, 0, "agent")
DAY_S = 86_400


class House:
    """A journal with one run, its folder, and a clock that is moved by hand."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = Home(root=tmp_path / "home", runtime=tmp_path / "run")
        prepare(self.home)
        self.now_s = 0.0
        self.journal = Journal(self.home.journal)
        clock = Clock(self.journal, boot="b", monotonic_ns=lambda: int(self.now_s * S), wall_ns=lambda: T0)
        self.runs = Runs(self.journal, clock)
        self.upkeep = Upkeep(self.home, self.runs)
        self.home.run_dir(RUN).mkdir(parents=True)

    def begin(self, ranks: int = 1) -> None:
        self.runs.record((submitted(RUN), stepped(Step.ENQUEUE, T0, run_id=RUN)))
        self.runs.record(placed(1, T0, nodes=ranks, run_id=RUN))

    def end(self) -> None:
        self.runs.record((stepped(Step.FAIL, self.runs.clock.now_ns(), run_id=RUN, attempt=1, reason="enough"),))

    def store(self) -> FrameStore:
        return FrameStore(self.home.frames_db(RUN))

    def samples(self, store: FrameStore, seconds: range) -> None:
        frames = [{"k": "sample", "t": n * S, "ranks": {"0": {"cpu": 1.0, "rss": n}}} for n in seconds]
        store.append([(AGENT, n + 1, frame, T0 + n * S) for n, frame in zip(seconds, frames, strict=True)])

    def look(self, store: FrameStore, now_s: float) -> None:
        """One look of the loop, and the thread's work to its end."""
        self.now_s = now_s
        self.upkeep.look(self.runs[RUN], store)
        self.upkeep.wait()

    @property
    def folder(self) -> Path:
        return self.home.run_dir(RUN)

    def rolled(self) -> Rollups:
        return Rollups(self.folder / "rollups", origin_ns=T0)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.upkeep.close()
    house.journal.close()


def test_a_live_run_is_sealed_and_rolled_up_a_minute_behind(house: House) -> None:
    """The last minute stays as it came; the run's rows of the journal are in its folder."""
    house.begin()
    store = house.store()
    house.samples(store, range(200))
    house.look(store, 200)
    assert rounds(store, 0)[-1] == 140
    assert house.rolled().window("cpu", ["rank-0"], 0, 130, 2).mean.tolist() == [[1.0, 1.0]]
    assert read_events(house.folder)[0] == [event for _, event in house.journal.rows(RUN)]
    store.close()


def test_an_ended_run_is_sealed_whole(house: House) -> None:
    """All its frames are in chunks and roll-ups, and its database is one closed file."""
    house.begin()
    store = house.store()
    house.samples(store, range(20))
    house.end()
    house.upkeep.put_away(house.runs[RUN], store)
    house.upkeep.wait()
    assert sorted(path.name for path in house.folder.iterdir()) == ["events.jsonl", "frames.db", "rollups"]
    copy = FrameStore(house.home.frames_db(RUN), read_only=True)
    assert (rounds(copy, 0)[-1], len(copy.all())) == (20, 20)
    copy.close()
    assert house.rolled().window("cpu", ["rank-0"], 0, 20, 2).mean.tolist() == [[1.0, 1.0]]


def test_what_a_killed_service_left_open_is_finished_by_the_next(house: House) -> None:
    """The run had ended, its frames were not sealed."""
    house.begin()
    store = house.store()
    house.samples(store, range(20))
    house.end()
    store.close()
    house.upkeep.tend_ended()
    house.upkeep.wait()
    assert house.rolled().round == 20


def test_the_end_of_a_service_puts_ended_runs_away_and_leaves_the_rest(house: House) -> None:
    """What had not begun when it was told to end: a run that has ended becomes whole, and live ones are looked at by the next."""
    house.begin()
    store, gate, live = house.store(), threading.Event(), []
    house.samples(store, range(20))
    house.end()
    house.upkeep._later(lambda: gate.wait(20) and None)
    house.upkeep._if_there_is_time(lambda: live.append(RUN))
    house.upkeep.put_away(house.runs[RUN], store)
    assert not house.upkeep.is_whole(house.runs[RUN])
    ends = threading.Thread(target=house.upkeep.close)
    ends.start()
    while not house.upkeep._ending:
        time.sleep(0.001)
    gate.set()
    ends.join()
    assert live == []
    assert house.rolled().round == 20
    assert house.upkeep.is_whole(house.runs[RUN])


def test_what_found_the_disk_full_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames were sealed, and there was no room for the rest; the next round of the upkeep does it."""
    house.begin()
    store = house.store()
    house.samples(store, range(200))
    house.look(store, 200)
    house.end()

    def full(store: FrameStore) -> None:
        seal(store)
        raise HostError("disk_full", "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(upkeep, "finish", full)
        with pytest.raises(HostError):
            house.upkeep._put_away(house.runs[RUN], store, upkeep._Kept())
    assert house.rolled().round == 140
    house.upkeep._tend_ended(house.runs[RUN])
    assert house.rolled().round == 200
    assert house.upkeep._left == set()


def test_a_large_run_keeps_two_hours_and_what_is_around_events(house: House) -> None:
    """More than 64 ranks: older samples go, those within five minutes of an exit stay, the roll-ups have them all."""
    house.begin(ranks=65)
    store = house.store()
    for minute in range(240):
        house.samples(store, range(60 * minute, 60 * minute + 60))
        if minute == 30:
            store.append([(source_of(1, 0, "rank-9"), 1, {"k": "exit", "t": 0, "rank": 9, "code": 1}, T0 + 1800 * S)])
        if minute % 2:
            house.look(store, 60 * minute + 60)
    (gone,) = {drop.why for drop in drops(store)}
    assert "more than 64 ranks" in gone
    seconds = {frame.frame["t"] // S for frame in store.all() if frame.frame["k"] == "sample"}
    assert set(range(1500, 2100)) <= seconds
    assert set(range(240 * 60 - 7200, 240 * 60)) <= seconds
    assert not seconds & set(range(600, 1300))
    assert not seconds & set(range(2400, 6000))
    assert set(house.rolled().window("cpu", ["rank-0"], 0, 14_000, 140).mean[0].tolist()) == {1.0}
    store.close()


def test_after_ninety_days_ten_minutes_each_are_kept(house: House) -> None:
    """The curves of an old run are coarse, and there."""
    house.begin()
    store = house.store()
    house.samples(store, range(1200))
    house.end()
    house.upkeep.put_away(house.runs[RUN], store)
    house.upkeep.wait()
    house.now_s = 91 * DAY_S
    house.upkeep.tend_ended()
    house.upkeep.wait()
    assert {path.name.split(".")[-2] for path in (house.folder / "rollups").glob("*.col")} == {"600"}
    assert house.rolled().window("cpu", ["rank-0"], 0, 1200, 100).mean.tolist() == [[1.0, 1.0]]


def test_a_mistake_costs_a_line_in_the_log_and_nothing_else(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The frames are as they were, and the next look tries again."""
    house.begin()
    store = house.store()
    house.samples(store, range(200))
    (house.folder / "rollups").write_text("in the way")
    house.look(store, 200)
    assert "upkeep" in caplog.text
    (house.folder / "rollups").unlink()
    house.samples(store, range(200, 400))
    house.look(store, 400)
    assert len(store.all()) == 400
    assert house.rolled().window("cpu", ["rank-0"], 0, 330, 3).mean.tolist() == [[1.0] * 3]
    store.close()


def test_a_damaged_line_of_the_events_costs_that_line(house: House) -> None:
    """The rest is read, and what is missing is told."""
    house.begin()
    store = house.store()
    house.look(store, 20)
    store.close()
    path = house.folder / "events.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:-1], b'{"torn', json.dumps({"kind": "unheard"}).encode()]))
    events, lost = read_events(house.folder)
    assert events == [event for _, event in house.journal.rows(RUN)][:-1]
    assert lost == ("2 lines of events.jsonl cannot be read.",)


def test_a_run_that_ended_while_it_was_queued_has_its_rows_in_its_folder(house: House) -> None:
    """It never had a frame; its folder can be shown all the same."""
    house.runs.record((submitted(RUN), stepped(Step.ENQUEUE, T0, run_id=RUN)))
    house.runs.record((stepped(Step.STOP, T0 + S, run_id=RUN, reason="enough"),))
    house.upkeep.put_away(house.runs[RUN], None)
    house.upkeep.wait()
    assert read_events(house.folder)[0] == [event for _, event in house.journal.rows(RUN)]


def test_what_is_torn_at_the_end_of_a_spool_is_told_when_the_run_has_ended(house: House) -> None:
    """Nobody writes the rest any more."""
    house.begin()
    spool = house.folder / f"{AGENT}.spool"
    spool.parent.mkdir(parents=True)
    whole = encode({"k": "sample", "t": S, "ranks": {}})
    spool.write_bytes(whole + encode({"k": "torn"})[:-4])
    store = house.store()
    store.append([(AGENT, len(whole), {"k": "sample", "t": S, "ranks": {}}, T0 + S)])
    house.end()
    house.upkeep.put_away(house.runs[RUN], store)
    house.upkeep.wait()
    copy = FrameStore(house.home.frames_db(RUN), read_only=True)
    assert [(frame.frame["k"], frame.frame.get("lost_bytes")) for frame in copy.all()] == [
        ("sample", None), ("gap", spool.stat().st_size - len(whole))
    ]  # fmt: skip
    assert copy.cursors() == {AGENT: spool.stat().st_size}
    copy.close()


def test_spools_go_after_90_days_if_every_byte_was_taken_over(house: House) -> None:
    """The one that was read to its end, not the one with a frame more in it."""
    house.begin()
    store = house.store()
    other = AGENT.replace("agent", "rank-0")
    for source, more in ((AGENT, b""), (other, encode({"k": "more"}))):
        spool = house.folder / f"{source}.spool"
        spool.parent.mkdir(parents=True, exist_ok=True)
        spool.write_bytes(b"x" * 40 + more)
        store.append([(source, 40, {"k": "sample", "t": S, "ranks": {"0": {"cpu": 1.0}}}, T0 + S)])
    store.close()
    house.end()
    house.now_s = 0.0
    house.upkeep.tend_ended()
    house.upkeep.wait()
    assert (house.folder / f"{AGENT}.spool").exists()
    house.now_s = 91.0 * DAY_S
    house.upkeep.tend_ended()
    house.upkeep.wait()
    assert [path.name for path in house.folder.glob("attempt-1/node-0/*.spool")] == ["rank-0.spool"]
    copy = house.store()
    assert len(copy.all()) == 2, "the frames stay"
    copy.close()
