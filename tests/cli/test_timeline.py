"""A run's folder, copied away and damaged, still shows what is in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from run_builders import RUN_ID, T0, S, a_life

from jupyter_aicci.agent.frames import encode
from jupyter_aicci.cli import main
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.folder import RunFolder
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import source_of
from jupyter_aicci.store.sealing import finish

AGENT = source_of(1, 0, "agent")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The copy of a folder of a run that has ended."""
    made = tmp_path / "made"
    (made / "attempt-1" / "node-0").mkdir(parents=True)
    events = [event for transaction in a_life(RUN_ID) for event in transaction]
    write_events(made, list(enumerate(events, 1)))
    frames = [{"k": "head", "t": 0, "boot_id": "b", "boot_ns": 0, "wall_ns": T0, "source": "agent"}]
    frames += [
        {"k": "sample", "t": n * S, "node": {}, "ranks": {"0": {"cpu": 1.5, "rss": 10**8}}} for n in range(1, 20)
    ]
    (made / "attempt-1" / "node-0" / "agent.spool").write_bytes(b"".join(map(encode, frames)))
    (made / "attempt-1" / "node-0" / "rank-0.log").write_text("the last words\n")
    store = FrameStore(made / "frames.db")
    store.append([(AGENT, n + 1, frame, T0 + n * S) for n, frame in enumerate(frames)])
    finish(store)
    store.close()
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_a_copied_folder_is_shown_and_exported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Summary in words, picture as a file, nothing in the folder changed, no service started."""
    before = sorted(path.name for path in folder.iterdir())
    assert main(["timeline", str(folder)]) == 0
    assert str(RUN_ID) in capsys.readouterr().out
    assert main(["timeline", str(folder), "--export", "png", str(folder.parent / "run.png")]) == 0
    assert (folder.parent / "run.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_without_its_frames_a_folder_is_read_from_the_spools(folder: Path, damage: str) -> None:
    """The same samples at the same times, and a sentence about it."""
    with RunFolder(folder) as whole:
        expected = [(frame.time_ns, frame.frame) for frame in whole.frames()]
    (folder / "frames.db").unlink()
    if damage == "garbage":
        (folder / "frames.db").write_bytes(b"no database" * 1000)
    with RunFolder(folder) as hurt:
        assert [(frame.time_ns, frame.frame) for frame in hurt.frames()] == expected
        assert hurt.log_tail() == "the last words\n"
        (note,) = hurt.notes
    assert "the spools are read in its place" in note


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was expected and where such folders lie."""
    assert main(["timeline", str(tmp_path)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


def test_three_tables_are_three_files_and_json_names_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside each other, whatever the ending that was typed."""
    assert main(["timeline", str(folder), "--export", "csv", str(folder.parent / "run.csv"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["format"]) == (RUN_ID, "csv")
    assert [Path(file).name for file in answer["files"]] == ["run.metrics.csv", "run.phases.csv", "run.costs.csv"]
    assert all(Path(file).is_file() for file in answer["files"])


def test_an_unknown_format_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest one; no service is asked for the run."""
    assert main(["timeline", "no-such-run", "--export", "perfeto", "run.xyz"]) == 2
    assert "did you mean perfetto?" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing half-written stays."""
    assert main(["timeline", str(folder), "--export", "csv", str(folder.parent / "no" / "run.csv")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not (folder.parent / "no").exists()
