"""Frames are had again where the database itself is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_builders import RUN_ID, T0, S, a_life

from jupyter_aicci.agent.frames import encode
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.folder import RunFolder
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.remake import remade
from jupyter_aicci.store.sealing import seal

AGENT = source_of(1, 0, "agent")


def a_folder(path: Path, *, spools: bool) -> Path:
    """Ten minutes of samples with long texts, sealed every minute: some hundred pages of database."""
    path.mkdir()
    write_events(path, list(enumerate((event for part in a_life(RUN_ID) for event in part), 1)))
    frames = [{"k": "head", "t": 0, "boot_id": "b", "boot_ns": 0, "wall_ns": T0, "source": "agent"}]
    frames += [{"k": "sample", "t": n * S, "node": {"load": (n * 7919 % 1000) / 7}} for n in range(1, 600)]
    store = FrameStore(path / "frames.db")
    for begin in range(0, 600, 60):
        store.append([(AGENT, n + 1, frames[n], T0 + n * S) for n in range(begin, begin + 60)])
        seal(store)
    store.close()
    if spools:
        (path / "attempt-1" / "node-0").mkdir(parents=True)
        (path / "attempt-1" / "node-0" / "agent.spool").write_bytes(b"".join(map(encode, frames)))
    return path


@pytest.fixture(scope="module")
def whole_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """With spools, and without."""
    return {spools: a_folder(tmp_path_factory.mktemp("whole") / "run", spools=spools) for spools in (True, False)}


def hurt(path: Path, at: int, length: int) -> None:
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + length] = bytes(byte ^ 0xFF for byte in data[at : at + length])
    path.write_bytes(data)


def test_a_frame_that_is_said_late_costs_none_of_its_spool(tmp_path: Path) -> None:
    """A phase of a rank is said once it has lasted, under the time when it began; it stands where it was said."""
    spool = tmp_path / "attempt-1" / "node-0" / "rank-0.spool"
    spool.parent.mkdir(parents=True)
    frames = [{"k": "head", "t": 0, "boot_id": "b", "boot_ns": 0, "wall_ns": T0, "source": "rank-0"}]
    frames += [{"k": "log", "t": t * S, "rank": 0, "step": t, "values": {}} for t in (1, 2, 3)]
    frames += [
        {"k": "phase", "t": S + 1, "rank": 0, "phase": "eval"},
        {"k": "phase", "t": 4 * S, "rank": 0, "phase": "x"},
    ]
    spool.write_bytes(b"".join(map(encode, frames)))
    store = remade(tmp_path, tmp_path / "frames.db", tmp_path / "new.db")
    assert [frame.frame for frame in store.all()] == frames
    store.close()


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(4096, 1 << 30), length=st.sampled_from([1, 40, 4096, 9000]))
def test_a_database_damaged_anywhere_still_shows_the_rest(
    tmp_path_factory: pytest.TempPathFactory, whole_folders: dict[bool, Path], at: int, length: int
) -> None:
    """With the spools every frame is there or its gap is; without them all frames on whole pages; never an error."""
    for spools, made in whole_folders.items():
        folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("remake") / "run"))
        with RunFolder(folder) as whole:
            before = [frame.frame for frame in whole.frames()]
        hurt(folder / "frames.db", at, length)
        with RunFolder(folder) as opened:
            found = opened.frames()
            kinds = [frame.frame["k"] for frame in found]
            told = len(opened.notes)
        rest = [frame.frame for frame in found if frame.frame["k"] != "gap"]
        assert [frame for frame in before if frame in rest] == rest
        assert len(rest) >= len(before) - 130 or told
        if len(rest) < len(before):
            assert told, "what is missing is told"
        if spools and "gap" not in kinds:
            assert rest == before
