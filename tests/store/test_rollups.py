"""Roll-ups say what the frames said, survive what befalls them, and show a gap where they cannot."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import store_children as children
from run_builders import T0, S

from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.rollups import Rollups
from jupyter_aicci.store.sealing import drop_raw, seal

AGENTS = tuple(source_of(1, node, "agent") for node in range(2))
RANK = source_of(1, 0, "rank-0")


def a_sample(node: int, second: int) -> dict[str, Any]:
    """Two ranks a node; cores follow the second, a counter grows by 100 a second, memory_total is absent on node 1."""
    ranks = {str(2 * node + i): {"cpu": second % 60 + i / 2, "read": 100 * second} for i in range(2)}
    return {
        "k": "sample",
        "t": second * S,
        "node": {"load": 0.25} | ({"shm_used": 7} if node == 0 else {}),
        "ranks": ranks,
    }


def filled(path: Path, seconds: int = 1500, without: range = range(0)) -> FrameStore:
    """Samples of two nodes, a second each, sealed every minute; none during `without`."""
    store = FrameStore(path / "frames.db")
    for second in range(seconds):
        if second not in without:
            now_ns = T0 + second * S
            store.append([(source, second + 1, a_sample(node, second), now_ns) for node, source in enumerate(AGENTS)])
        if second % 60 == 59:
            seal(store, T0 + (second + 1) * S)
    return store


def rolled(path: Path, store: FrameStore) -> Rollups:
    rollups = Rollups(path / "rollups", origin_ns=T0, writable=True)
    rollups.take(store)
    return rollups


def looked_at(path: Path) -> Rollups:
    return Rollups(path / "rollups", origin_ns=T0)


def test_a_window_has_the_extremes_of_its_columns(tmp_path: Path) -> None:
    """One column a minute: the lowest and the highest second of each."""
    store = filled(tmp_path)
    rolled(tmp_path, store).close()
    found = looked_at(tmp_path).window("cpu", ["rank-0", "rank-3"], 0, 600, 10)
    t_s, first, low, high, last = found.of("rank-3")
    assert (t_s.tolist(), found.column_s) == ([60.0 * n for n in range(10)], 60.0)
    assert (first.tolist(), low.tolist()) == ([0.5] * 10, [0.5] * 10)
    assert (high.tolist(), last.tolist()) == ([59.5] * 10, [59.5] * 10)
    assert found.mean[0].tolist() == [29.5] * 10
    store.close()


def test_a_short_window_has_ten_seconds_a_column_and_a_long_one_ten_minutes(tmp_path: Path) -> None:
    """What is read is about what is drawn."""
    store = filled(tmp_path)
    rollups = rolled(tmp_path, store)
    assert rollups.window("cpu", ["rank-0"], 100, 200, 800).mean[0].tolist() == [
        44.5,
        54.5,
        *(4.5 + 10 * n for n in range(6)),
        4.5,
        14.5,
    ]
    whole = rollups.window("cpu", ["rank-0"], 0, 1200, 2)
    assert (whole.column_s, whole.t_s.tolist(), whole.mean.tolist()) == (600.0, [0.0, 600.0], [[29.5, 29.5]])
    rollups.close()
    store.close()


def test_a_counter_is_a_rate_and_a_heat_map_has_a_row_for_each_rank(tmp_path: Path) -> None:
    """100 a second in every column but that of the first reading, which nothing comes before."""
    store = filled(tmp_path)
    rollups = rolled(tmp_path, store)
    owners, edges, rates = rollups.heat("read", 0, 1200, 20)
    assert owners == ("rank-0", "rank-1", "rank-2", "rank-3")
    assert edges.tolist() == [60.0 * n for n in range(21)]
    np.testing.assert_allclose(rates, np.full((4, 20), 100.0))
    assert rollups.owners("shm_used", "node") == ("node-0", "node-1")
    assert math.isnan(rollups.window("shm_used", ["node-1"], 0, 60, 1).mean[0, 0])
    rollups.close()
    store.close()


@pytest.mark.parametrize("metric", ["cpu", "read"])
@pytest.mark.parametrize("columns", [7, 25, 150])
def test_means_alone_are_those_of_the_window(tmp_path: Path, metric: str, columns: int) -> None:
    """A strip of heat and a sum over all owners read less than a window does and have the same numbers, gaps included."""
    store = filled(tmp_path, 1500, without=range(300, 600))
    rollups = rolled(tmp_path, store)
    owners = rollups.owners(metric)
    for from_s in (0, 130):
        window = rollups.window(metric, owners, from_s, 1500, columns)
        _, edges, heat = rollups.heat(metric, from_s, 1500, columns)
        total = rollups.total(metric, owners, from_s, 1500, columns)
        np.testing.assert_allclose(heat, window.mean, rtol=1e-12)
        assert edges[:-1].tolist() == total.t_s.tolist() == window.t_s.tolist()
        np.testing.assert_array_equal(total.seen, ~np.isnan(window.mean))
        np.testing.assert_allclose(total.total, np.nansum(window.mean, axis=0), rtol=1e-12)
    rollups.close()
    store.close()


def test_silence_is_a_gap(tmp_path: Path) -> None:
    """Nothing is drawn across it, and the rate after it does not begin before it."""
    store = filled(tmp_path, 1500, without=range(300, 600))
    rollups = rolled(tmp_path, store)
    for metric in ("cpu", "read"):
        means = rollups.window(metric, ["rank-0"], 0, 900, 15).mean[0]
        assert np.isnan(means).tolist() == [False] * 5 + [True] * 5 + [False] * 5
    assert rollups.window("read", ["rank-0"], 0, 900, 15).mean[0, 10] == 100.0
    rollups.close()
    store.close()


def test_a_late_sample_is_put_to_its_bucket(tmp_path: Path) -> None:
    """A node whose spool was read an hour late is there as if it had been read in time."""
    store = filled(tmp_path)
    rollups = rolled(tmp_path, store)
    late = source_of(1, 2, "agent")
    store.append([(late, second + 1, a_sample(2, second), T0 + second * S) for second in range(120)])
    seal(store)
    rollups.take(store)
    assert rollups.window("cpu", ["rank-4", "rank-0"], 0, 180, 3).mean[:, :2].tolist() == [[29.5, 29.5]] * 2
    assert math.isnan(rollups.window("cpu", ["rank-4"], 0, 180, 3).mean[0, 2])
    rollups.close()
    store.close()


def test_steps_and_values_are_rolled_up(tmp_path: Path) -> None:
    """Own step time, shares of waiting, time in each phase, and what a rank logged."""
    store = FrameStore(tmp_path / "frames.db")
    store.append([(AGENTS[0], 1, a_sample(0, 0), T0)])
    for second in range(1, 61):
        steps = {
            "k": "steps",
            "t": 0,
            "rank": 0,
            "step": 2 * second,
            "phases": ["compute", "data_wait", "comm"],
            "records": [
                [1, 2 * second - 1, 300_000_000, 100_000_000, 100_000_000],
                [1, 2 * second, 200_000_000, 300_000_000, 0],
            ],
        }
        log = {"k": "log", "t": 0, "rank": 0, "step": second, "values": {"loss": 1.0 / second}}
        now_ns = T0 + second * S - 1
        store.append([(RANK, 2 * second, steps, now_ns), (RANK, 2 * second + 1, log, now_ns)])
    seal(store)
    rollups = rolled(tmp_path, store)
    told = rollups.window("own_step", ["rank-0"], 0, 60, 1).of("rank-0")[1:]
    np.testing.assert_allclose(np.concatenate(told), [0.4, 0.4, 0.5, 0.5], rtol=1e-6)
    assert rollups.window("data_wait_share", ["rank-0"], 0, 60, 1).mean[0, 0] == pytest.approx(0.4)
    assert rollups.window("phase:compute", ["rank-0"], 0, 60, 6).mean[0].tolist() == [5e9] * 6
    assert rollups.window("value:loss", ["rank-0"], 0, 60, 1).low[0, 0] == pytest.approx(1 / 60)
    rollups.close()
    store.close()


def test_missing_roll_ups_are_made_from_the_frames(tmp_path: Path) -> None:
    """The whole folder, its state or one file: afterwards it is as before."""
    store = filled(tmp_path)
    rolled(tmp_path, store).close()
    before = looked_at(tmp_path).heat("cpu", 0, 1500, 150)[2]
    folder = tmp_path / "rollups"
    for names in (["rank.cpu.10.col"], ["state.json"], [path.name for path in folder.iterdir()]):
        for name in names:
            (folder / name).unlink()
        rolled(tmp_path, store).close()
        np.testing.assert_array_equal(looked_at(tmp_path).heat("cpu", 0, 1500, 150)[2], before)
    store.close()


def hurt(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\x55" * 64)


@pytest.mark.parametrize("at", [0, 4096 + 700])
def test_a_damaged_roll_up_is_a_gap_and_is_mended_from_the_frames(tmp_path: Path, at: int) -> None:
    """Who only looks sees NaN and is told; the next writer makes it anew. Other metrics are as they were."""
    store = filled(tmp_path)
    rolled(tmp_path, store).close()
    before = looked_at(tmp_path).heat("cpu", 0, 600, 60)[2]
    hurt(tmp_path / "rollups" / "rank.cpu.10.col", at)
    copy = looked_at(tmp_path)
    assert np.isnan(copy.heat("cpu", 0, 40, 4)[2]).all()
    assert not np.isnan(copy.heat("read", 10, 40, 3)[2]).any()
    (sentence,) = copy.damaged()
    assert "rank.cpu.10.col is damaged" in sentence
    writer = Rollups(tmp_path / "rollups", origin_ns=T0, writable=True)
    writer.heat("cpu", 0, 600, 60)
    writer.take(store)
    np.testing.assert_array_equal(writer.heat("cpu", 0, 600, 60)[2], before)
    assert writer.damaged() == ()
    writer.close()
    store.close()


def test_what_frames_are_gone_for_stays_a_gap(tmp_path: Path) -> None:
    """Old samples were dropped, then their roll-up was damaged: the rest is kept, and nothing is made up."""
    store = filled(tmp_path)
    rolled(tmp_path, store).close()
    drop_raw(store, T0 + 900 * S, [], "more than 64 ranks")
    before = looked_at(tmp_path).heat("cpu", 0, 1500, 150)[2]
    hurt(tmp_path / "rollups" / "rank.cpu.10.col", 4096 + 700)
    writer = Rollups(tmp_path / "rollups", origin_ns=T0, writable=True)
    writer.heat("cpu", 0, 1500, 150)
    for _ in range(2):
        writer.take(store)
    after = writer.heat("cpu", 0, 1500, 150)[2]
    assert np.isnan(after[:, :4]).all()
    kept = ~np.isnan(after)
    np.testing.assert_array_equal(after[kept], before[kept])
    assert kept[:, 80:].all()
    writer.close()
    store.close()


def test_narrow_roll_ups_can_be_forgotten(tmp_path: Path) -> None:
    """A window is then answered from wider ones."""
    store = filled(tmp_path)
    rollups = rolled(tmp_path, store)
    assert rollups.forget(10)
    assert not rollups.forget(10)
    assert rollups.window("cpu", ["rank-0"], 0, 120, 800).column_s == 60.0
    rollups.take(store)
    rollups.close()
    assert not list((tmp_path / "rollups").glob("*.10.col"))
    store.close()


@pytest.mark.timeout(300)
def test_killed_at_any_moment_the_roll_ups_count_every_sample_once(tmp_path: Path) -> None:
    """Means and counts are those of a run that nobody killed."""
    whole, died = tmp_path / "whole", 0
    whole.mkdir()
    assert run_child(whole, "") == 0
    expected = children.rolled_up(whole)
    for n in range(1, 200):
        directory = tmp_path / f"at-{n}"
        directory.mkdir()
        code = run_child(directory, f"any:{n}")
        if code == 0:
            break
        assert code == -signal.SIGKILL
        died += 1
        assert run_child(directory, "") == 0
        assert json.dumps(children.rolled_up(directory)) == json.dumps(expected)
    assert died >= 10


def run_child(directory: Path, fail_at: str) -> int:
    env = {**os.environ, "AICCI_FAIL_AT": fail_at, "PYTHONPATH": str(Path(children.__file__).parent)}
    command = [sys.executable, children.__file__, "rollups", str(directory)]
    return subprocess.run(command, env=env, timeout=60, check=False, capture_output=True).returncode


def test_what_is_left_when_the_finest_buckets_are_gone_is_found(tmp_path: Path) -> None:
    """A large run that has ended has no 10 s buckets: its metrics and owners are known all the same."""
    store = filled(tmp_path)
    rollups = rolled(tmp_path, store)
    before = rollups.metrics()
    rollups.forget(10)
    rollups.close()
    copy = looked_at(tmp_path)
    assert copy.metrics() == before
    assert copy.owners("cpu") == ("rank-0", "rank-1", "rank-2", "rank-3")
    assert copy.window("cpu", ["rank-0"], 0, 600, 800).column_s == 60.0
    store.close()


def logged(path: Path, *frames: dict[str, float]) -> FrameStore:
    """Values that rank 0 logged, a second each, sealed."""
    store = FrameStore(path / "frames.db")
    said = [{"k": "log", "t": n * S, "rank": 0, "step": n, "values": values} for n, values in enumerate(frames)]
    store.append([(RANK, n + 1, frame, T0 + n * S) for n, frame in enumerate(said)])
    seal(store)
    return store


def test_of_very_many_logged_names_only_some_are_rolled_up(tmp_path: Path) -> None:
    """At every width: each is a file that stays open."""
    store = logged(tmp_path, {f"loss-{n}": float(n) for n in range(200)})
    rolled(tmp_path, store).close()
    for width_s in (10, 60, 600):
        assert len(list((tmp_path / "rollups").glob(f"value.*.{width_s}.col"))) == 64
    store.close()


def test_names_that_begin_alike_are_not_mixed(tmp_path: Path) -> None:
    """Letters of other scripts take nine letters each in a file's name; what is too long for one is in the frames only."""
    a, b, long = "训练损失第一阶段的平均值一", "训练损失第一阶段的平均值二", "损" * 40
    store = logged(tmp_path, {a: 1.0, b: 2.0, f"{long}一": 3.0, f"{long}二": 4.0})
    rollups = rolled(tmp_path, store)
    assert [name for _, name in rollups.metrics()] == sorted((f"value:{a}", f"value:{b}"))
    means = [rollups.window(f"value:{name}", ["rank-0"], 0, 10, 1).mean[0].tolist() for name in (a, b)]
    assert means == [[1.0], [2.0]]
    assert np.isnan(rollups.window(f"value:{long}一", ["rank-0"], 0, 10, 1).mean).all()
    rollups.close()
    store.close()
