"""A run's folder appears whole or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from pathlib import Path

import pytest

from jupyter_aicci.client.program import Program, discard, lay_out
from jupyter_aicci.model.errors import AicciError, ConflictError, HostError, UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.paths import Home

RUN = RunId("r0000001")


@pytest.fixture
def home() -> Home:
    return Home.from_environment(os.environ)


def everything_under(path: Path) -> list[str]:
    return sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())


def test_a_cell_and_its_values_are_laid_out(home: Home) -> None:
    """src/cell.py as typed, push/NAME.pkl."""
    laid = lay_out(home, RUN, Program(text="x = 1\n", push={"cfg": [1, 2]}))
    assert laid.fresh
    assert everything_under(home.run_dir(RUN)) == ["push/cfg.pkl", "src/cell.py"]
    assert (home.src_dir(RUN) / "cell.py").read_text() == "x = 1\n"
    assert pickle.loads((home.run_dir(RUN) / "push" / "cfg.pkl").read_bytes()) == [1, 2]
    assert home.run_dir(RUN).stat().st_mode & 0o777 == 0o700, "nobody else reads programs and values"


def test_a_second_time_changes_nothing(home: Home) -> None:
    """The same submit sent twice is one run; what is there stays as it is."""
    lay_out(home, RUN, Program(text="first"))
    assert not lay_out(home, RUN, Program(text="first")).fresh
    assert (home.src_dir(RUN) / "cell.py").read_text() == "first"


def test_another_program_under_the_same_id_is_refused(home: Home) -> None:
    """A program that was edited between two tries must not run as it was."""
    lay_out(home, RUN, Program(text="first"))
    with pytest.raises(ConflictError, match="another program"):
        lay_out(home, RUN, Program(text="second"))
    assert (home.src_dir(RUN) / "cell.py").read_text() == "first"


def test_the_workdir_is_a_snapshot(home: Home, tmp_path: Path) -> None:
    """The script stands where it stood, and editing the original afterwards changes nothing."""
    work = tmp_path / "work"
    (work / "pkg").mkdir(parents=True)
    (work / "pkg" / "util.py").write_text("A = 1\n")
    (work / "train.py").write_text("old")
    lay_out(home, RUN, Program(text="new", source="train.py", workdir=work))
    (work / "pkg" / "util.py").write_text("A = 2\n")
    assert (home.src_dir(RUN) / "train.py").read_text() == "new"
    assert (home.src_dir(RUN) / "pkg" / "util.py").read_text() == "A = 1\n"
    assert (work / "train.py").read_text() == "old"


def test_the_program_never_goes_through_the_snapshots_links(home: Home, tmp_path: Path) -> None:
    """Two runs of one workdir with different cells share unchanged files only."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "cell.py").write_text("of the directory")
    for number, text in enumerate(("one", "two")):
        lay_out(home, RunId(f"r000000{number}"), Program(text=text, workdir=work))
    assert (home.src_dir(RunId("r0000000")) / "cell.py").read_text() == "one"
    assert (home.src_dir(RunId("r0000001")) / "cell.py").read_text() == "two"


@pytest.mark.parametrize("source", ["/etc/x.py", "../x.py", "a/../../x.py", ""])
def test_a_program_outside_of_src_is_refused(home: Home, source: str) -> None:
    """The path is the run's own, whatever the caller says."""
    with pytest.raises(UserError) as caught:
        lay_out(home, RUN, Program(text="", source=source))
    assert caught.value.code == "bad_source"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_leaves_nothing(home: Home, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Disk full or read-only in the middle of it: an error that says so, and no half-made folder."""

    def fails(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("jupyter_aicci.client.program.os.fsync", fails)
    with pytest.raises(HostError) as caught:
        lay_out(home, RUN, Program(text="x = 1\n"))
    assert caught.value.code in ("disk_full", "home_read_only")
    assert everything_under(home.runs_dir) == []


def test_values_that_cannot_be_sent_leave_nothing(home: Home) -> None:
    """The refusal comes before anything is written."""
    with pytest.raises(AicciError):
        lay_out(home, RUN, Program(text="", push={"guard": threading.Lock()}))
    assert not home.runs_dir.exists() or everything_under(home.runs_dir) == []


def test_discard_takes_the_folder_away(home: Home) -> None:
    """What the service refused leaves no folder."""
    lay_out(home, RUN, Program(text=""))
    discard(home, RUN)
    assert not home.run_dir(RUN).exists()
