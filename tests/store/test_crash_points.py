"""Killed at any commit, the store goes on where it was: nothing acknowledged is lost, nothing is there twice.

A child is killed with SIGKILL at its n-th commit or rename (before and after each), n = 1, 2, … until it ends untouched.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import store_children as children
from run_builders import T0, S

from jupyter_aicci.model.run import fold
from jupyter_aicci.model.states import State
from jupyter_aicci.pricing.meter import meter
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.journal import Journal


def run_child(name: str, directory: Path, fail_at: str = "") -> tuple[int, list[int]]:
    """(return code, the numbers that the child acknowledged)."""
    env = {**os.environ, "AICCI_FAIL_AT": fail_at, "PYTHONPATH": str(Path(children.__file__).parent)}
    child = subprocess.run(
        [sys.executable, children.__file__, name, str(directory)],
        env=env,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return child.returncode, [int(line) for line in child.stdout.split()]


def sweep(name: str, tmp_path: Path, look: Callable[[Path, list[int]], object]) -> int:
    """Kill a fresh child at its first, second, … commit; look, go on to the end, look again. Returns how many died."""
    whole = tmp_path / "whole"
    whole.mkdir()
    assert run_child(name, whole)[0] == 0
    end = look(whole, [])
    for n in range(1, 400):
        directory = tmp_path / f"at-{n}"
        directory.mkdir()
        code, acknowledged = run_child(name, directory, f"any:{n}")
        if code == 0:
            return n - 1
        assert code == -signal.SIGKILL
        look(directory, acknowledged)
        assert run_child(name, directory)[0] == 0
        assert look(directory, []) == end
    raise AssertionError("the child never ended by itself")


def look_at_journal(directory: Path, acknowledged: list[int]) -> object:
    """Whole transactions, all that were acknowledged among them; every run folds and is billed."""
    journal = Journal(directory / "journal.db")
    try:
        assert journal.losses == ()
        rows = {run_id: journal.rows(run_id) for run_id in children.RUNS}
        expected = children.transactions()
        for run_id in children.RUNS:
            mine = [t for t in expected if t[0].run_id == run_id]
            prefixes = [[event for t in mine[:count] for event in t] for count in range(len(mine) + 1)]
            found = [event for _, event in rows[run_id]]
            assert found in prefixes
            known = [number for number in acknowledged if expected[number][0].run_id == run_id]
            assert len(found) >= len([event for number in known for event in expected[number]])
        runs = journal.load()
        assert all(runs[run_id] == fold([event for _, event in rows[run_id]]) for run_id in runs)
        assert [seq for _, seq in sorted((s, s) for found in rows.values() for s, _ in found)] == sorted(
            {s for found in rows.values() for s, _ in found}
        )
        return {run_id: meter(run, T0 + 100 * S) for run_id, run in runs.items()}, journal.anchors()
    finally:
        journal.close()


def look_at_frames(directory: Path, acknowledged: list[int]) -> object:
    """Whole batches, all that were acknowledged among them, every frame once, numbered without a gap."""
    store = FrameStore(directory / "frames.db")
    try:
        frames = store.all()
        assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
        wanted = [item for batch in children.batches() for item in batch]
        assert [(f.source, f.frame, f.time_ns) for f in frames] == [(s, f, t) for s, _, f, t in wanted[: len(frames)]]
        assert len(frames) % 3 == 0
        assert len(frames) >= 3 * len(acknowledged)
        return store.cursors(), len(frames)
    finally:
        store.close()


@pytest.mark.timeout(300)
def test_journal_killed_at_any_commit_goes_on_to_the_same_end(tmp_path: Path) -> None:
    """Same runs, same bills, same time axis, whenever the writer was killed."""
    died = sweep("journal", tmp_path, look_at_journal)
    assert died >= 2 * (len(children.transactions()) + 1)  # before and after each commit, the anchor's included


@pytest.mark.timeout(300)
def test_frames_killed_at_any_commit_are_there_exactly_once(tmp_path: Path) -> None:
    """The spools are read again, and every frame keeps its number; sealing is among the commits."""
    died = sweep("frames", tmp_path, look_at_frames)
    assert died >= 2 * len(children.batches()) + 2 * 4


def test_the_whole_life_ends_as_expected(tmp_path: Path) -> None:
    """The child used above writes runs that succeed; otherwise the sweep would compare nothing with nothing."""
    assert run_child("journal", tmp_path)[0] == 0
    journal = Journal(tmp_path / "journal.db")
    assert [run.state for run in journal.load().values()] == [State.SUCCEEDED] * 2
    assert [run.id for run in journal.load().values()] == list(reversed(children.RUNS))
    journal.close()
