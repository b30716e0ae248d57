"""A long run that has ended is drawn from its roll-ups, and says what the frames say; a damaged one shows the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_builders import T0, S, placed, stepped, submitted

from jupyter_aicci.agent.frames import encode
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import Step
from jupyter_aicci.service import long_runs
from jupyter_aicci.service.bills import Bills
from jupyter_aicci.service.gathering import Gathering
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.upkeep import Upkeep
from jupyter_aicci.service.views import Views
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare, source_of
from jupyter_aicci.store.sealing import finish
from jupyter_aicci.timeline.lanes import Lane, PhaseLane, SeriesLane, View

RUN = RunId("r7f3c0ab")
LENGTH_S = 1800
SEALED = 900  # frames that are sealed together
AGENT, RANK = source_of(1, 0, "agent"), source_of(1, 0, "rank-0")


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Views:
    """Of a service with one ended run of half an hour: samples, steps and values a second, phases; all of it in spools, too."""
    monkeypatch.setattr(long_runs, "LONG", 1 << 40)
    home = Home(root=tmp_path / "home", runtime=tmp_path / "run")
    prepare(home)
    journal = Journal(home.journal)
    runs = Runs(journal, Clock(journal, boot="b", monotonic_ns=lambda: LENGTH_S * S, wall_ns=lambda: T0 + LENGTH_S * S))
    runs.record((submitted(RUN), stepped(Step.ENQUEUE, T0, run_id=RUN)))
    runs.record(placed(1, T0, nodes=1, run_id=RUN))
    runs.record((stepped(Step.FAIL, T0 + LENGTH_S * S, run_id=RUN, attempt=1, reason="enough"),))
    folder = home.node_dir(RUN, 1, 0)
    folder.mkdir(parents=True)
    store = FrameStore(home.frames_db(RUN))
    for source, frames in ((AGENT, of_agent()), (RANK, of_rank())):
        offset, items, data = 0, [], []
        for frame in frames:
            data.append(encode(frame))
            offset += len(data[-1])
            items.append((source, offset, frame, T0 + frame["t"]))
        for first in range(0, len(items), SEALED):
            store.append(items[first : first + SEALED])
            finish(store)
        (folder / f"{source.rpartition('/')[2]}.spool").write_bytes(b"".join(data))
    upkeep = Upkeep(home, runs)
    upkeep.put_away(runs[RUN], store)
    upkeep.close()
    return Views(home, runs, Gathering(home, runs, lambda _: None), lambda _: None, lambda _: None)


def head(source: str) -> dict[str, object]:
    return {"k": "head", "t": 0, "boot_id": "b", "boot_ns": 0, "wall_ns": T0, "source": source}


def of_agent() -> list[dict[str, object]]:
    """Cores that follow the minute, memory that grows."""
    ranks = [{"cpu": 1 + second % 60 / 60, "rss": 10**8 + second} for second in range(LENGTH_S)]
    return [head("agent"), *({"k": "sample", "t": s * S, "node": {}, "ranks": {"0": r}} for s, r in enumerate(ranks))]


def of_rank() -> list[dict[str, object]]:
    """A step a second, one of 5 s, a value each."""
    frames = [head("rank-0"), {"k": "phase", "t": S, "rank": 0, "phase": "compute"}]
    for second in range(2, LENGTH_S):
        if not 900 < second < 905:
            took_ns = 5 * S if second == 905 else S
            records, phases = [[1, second, took_ns * 3 // 4, took_ns // 4]], ["compute", "data_wait"]
            frames.append(
                {"k": "steps", "t": second * S, "rank": 0, "step": second, "phases": phases, "records": records}
            )
            frames.append({"k": "log", "t": second * S, "rank": 0, "step": second, "values": {"loss": 1 / second}})
    return frames


def viewed(views: Views, **size: Any) -> View:
    """As somebody sees it who asks for it."""
    asyncio.run(views.complete(views._runs[RUN]))
    return views.view(views._runs[RUN], **size)


def forgotten(views: Views) -> None:
    """As after a start of the service."""
    views._gathering = Gathering(views._home, views._runs, lambda _: None)


def lanes(view: View) -> dict[str, Lane]:
    return {lane.id: lane for lane in view.lanes}


def curve(lane: Lane) -> SeriesLane:
    assert isinstance(lane, SeriesLane)
    return lane


def test_a_long_run_has_the_same_lanes_and_values_from_roll_ups(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lanes in the same order; extremes of steps and values to the digit, sums of samples by their means; a zoom, too."""
    for window in (None, (600.0, 1200.0)):
        monkeypatch.setattr(long_runs, "LONG", 1 << 40)
        whole = viewed(views, window=window)
        forgotten(views)
        monkeypatch.setattr(long_runs, "LONG", 10)
        rolled = viewed(views, window=window)
        assert RUN not in views._gathering, "no frame was read but those of what happened"
        assert [lane.id for lane in rolled.lanes] == [lane.id for lane in whole.lanes]
        for name in ("step_time", "value:loss"):
            a, b = curve(lanes(whole)[name]), curve(lanes(rolled)[name])
            near = 0.01 if window else 1e-5  # a zoom has the point in front of it, too
            assert np.nanmax(b.v) == pytest.approx(np.nanmax(a.v), rel=near)
        cpu = curve(lanes(rolled)["cpu"])
        assert np.nanmean(cpu.v) == pytest.approx(np.nanmean(curve(lanes(whole)["cpu"]).v), rel=0.05)
        views._long._open.clear()


def test_a_long_run_says_what_its_bill_says(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of each step waited for data; from roll-ups as from all frames, and in the words of the bill."""
    bills, whole = Bills(views._runs, views._gathering), viewed(views).headline
    bills.settle(views._runs[RUN])
    forgotten(views)
    monkeypatch.setattr(long_runs, "LONG", 10)
    assert viewed(views).headline == whole == asyncio.run(bills.answer(views._runs[RUN]))["headline"]
    assert "waiting for data" in whole


def test_a_watcher_of_a_long_run_gets_one_view(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ended: no delta follows, and no second view."""
    monkeypatch.setattr(long_runs, "LONG", 10)
    run = views._runs[RUN]
    delta = views.delta(run, views.mark(run, viewed(views), width_px=800))
    assert (delta.body, delta.lanes_changed) == (None, False)


@pytest.mark.parametrize("times", [1, 40])
def test_a_run_whose_frames_are_damaged_shows_the_rest(views: Views, times: int) -> None:
    """Bytes of frames.db are overwritten in one place, or all over: all lanes are there, and the notes say what is missing."""
    before = lanes(viewed(views))
    forgotten(views)
    path = views._home.frames_db(RUN)
    data = bytearray(path.read_bytes())
    for number in range(times):
        at = 4096 + (number * 7919 + 12_345) % (len(data) - 5000)
        data[at : at + 64] = b"?" * 64
    path.write_bytes(data)
    after = lanes(viewed(views))
    assert list(after) == list(before)
    assert isinstance(after["node-0"], PhaseLane)
    whole = len(curve(after["cpu"]).t_s) >= len(curve(before["cpu"]).t_s)
    assert whole or any("damaged" in lane.note for lane in after.values())


def test_a_spool_that_was_damaged_while_the_run_lived_is_a_gap_in_its_view(views: Views) -> None:
    """Without its database the run is read from its spools: the damage is drawn as nothing and stands in the notes."""
    folder = views._home.node_dir(RUN, 1, 0)
    data = bytearray((folder / "rank-0.spool").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 6000] = bytes(6000)
    (folder / "rank-0.spool").write_bytes(data)
    views._home.frames_db(RUN).write_bytes(b"no database" * 1000)
    found = lanes(viewed(views))
    bar, loss = found["node-0"], curve(found["value:loss"])
    assert isinstance(bar, PhaseLane)
    (hole,) = [(a.t1_s, b.t0_s) for a, b in zip(bar.spans, bar.spans[1:], strict=False) if b.t0_s > a.t1_s + 1]
    assert np.isnan(loss.v).sum() == 1
    at = int(np.flatnonzero(np.isnan(loss.v))[0])
    assert loss.t_s[at - 1] <= hole[0] + 1.5
    assert loss.t_s[at + 1] >= hole[1] - 1.5
    assert "damaged" in bar.note
    assert "damaged" in loss.note


def test_a_damaged_roll_up_is_a_gap_in_its_lane(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has ended shows the rest of the curve, and says from when to when it is damaged."""
    monkeypatch.setattr(long_runs, "LONG", 10)
    path = views._home.run_dir(RUN) / "rollups" / "rank.cpu.10.col"
    data = bytearray(path.read_bytes())
    data[4096 + 100] ^= 0xFF
    path.write_bytes(data)
    cpu = curve(lanes(viewed(views, window=(0.0, 1700.0), width_px=170))["cpu"])
    assert "rank.cpu.10.col is damaged: 0 s to 640 s is shown as a gap" in cpu.note
    assert cpu.t_s[0] >= 30
    assert np.isfinite(cpu.v).sum() > 100


def test_roll_ups_without_the_last_minute_are_not_drawn_from(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks right after the end sees it all, and so does who looks later: nothing half made is kept."""
    run, path = views._runs[RUN], views._home.frames_db(RUN)
    store = FrameStore(path)
    last = {"k": "log", "t": LENGTH_S * S, "rank": 0, "step": LENGTH_S, "values": {"loss": 7.0}}
    store.append([(RANK, 1 << 40, last, T0 + LENGTH_S * S)])
    monkeypatch.setattr(long_runs, "LONG", 10)
    assert views._long.of(run, store) is None
    assert curve(lanes(viewed(views))["value:loss"]).v[-1] == 7.0
    store.close()


def test_a_run_that_is_being_put_away_is_not_drawn_from_roll_ups(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks meanwhile would keep them open as they were: files that go, and damage where a block was being written."""
    monkeypatch.setattr(long_runs, "LONG", 10)
    run = views._runs[RUN]
    views.whole = lambda run: False
    assert views._long_run(run) is None
    assert RUN not in views._long
    views.whole = lambda run: True
    assert views._long_run(run) is not None
