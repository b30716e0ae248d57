"""A damaged journal opens, keeps every row that is whole, and says what is gone."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import store_children as children
from hypothesis import given
from hypothesis import strategies as st
from run_builders import T0, submitted

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.database import PAGE_BYTES
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.salvage import scan


def a_journal(directory: Path, runs: int = 60) -> Path:
    """A closed journal with rows of every length: within a page, over one page, over several."""
    directory.mkdir(parents=True, exist_ok=True)
    journal = Journal(directory / "journal.db")
    for number in range(runs):
        journal.append([submitted(RunId(f"r{number:07}"), time_ns=T0 + number, env=("A=" + "é" * (number % 7) * 900,))])
    journal.add_anchor("boot-1", 77, T0)
    journal.close()
    return directory / "journal.db"


def reopened(path: Path) -> tuple[tuple[str, ...], set[str], int]:
    """(losses, runs, the seq that the next row gets) of a journal that is opened and can be written to."""
    journal = Journal(path)
    try:
        return (
            journal.losses,
            {str(run_id) for run_id in journal.load()},
            journal.append([submitted(RunId("rzzzzzzz"))]),
        )
    finally:
        journal.close()


def test_a_truncated_journal_keeps_the_rows_before_the_cut(tmp_path: Path) -> None:
    """Cut in the middle of a row: the rows on whole pages are kept, the file is set aside, the loss is told."""
    path = a_journal(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2 + 1000])
    losses, runs, _ = reopened(path)
    assert 0 < len(runs) < 60
    (loss,) = losses
    assert "was damaged" in loss
    assert f"{len(runs)} rows were saved" in loss
    (kept,) = tmp_path.glob("journal.db.damaged-*Z")
    assert kept.read_bytes() == raw[: len(raw) // 2 + 1000]
    assert str(kept) in loss
    assert reopened(path)[0] == ()


def test_a_journal_whose_first_page_is_gone_keeps_everything(tmp_path: Path) -> None:
    """Header and schema are not needed to read rows; the time axis is kept with them."""
    path = a_journal(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(b"\xff" * PAGE_BYTES + raw[PAGE_BYTES:])
    losses, runs, seq = reopened(path)
    assert len(runs) == 60
    assert "none between them is missing" in losses[0]
    assert seq == 62
    journal = Journal(path)
    assert journal.anchors() == {"boot-1": 77}
    journal.close()


@pytest.mark.parametrize("content", [b"", b"this was never a database" * 500])
def test_a_journal_that_is_empty_or_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    """An empty file is not a young journal: those appear whole. The runs whose folders are there are named."""
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    spec = tmp_path / "runs" / "r0000001" / "spec.json"
    spec.parent.mkdir(parents=True)
    spec.write_text("{}")
    losses, runs, _ = reopened(path)
    assert runs == set()
    assert "0 rows were saved" in losses[0]
    assert "Nothing is recorded any more of r0000001" in losses[0]


def test_a_changed_byte_within_a_row_is_noticed(tmp_path: Path) -> None:
    """SQLite does not see it, the row's checksum does: no bill is made from a number that nobody wrote."""
    path = a_journal(tmp_path)
    raw = path.read_bytes()
    assert raw.count(str(T0).encode()) == 0
    at = raw.rindex(b'"retries":3')
    path.write_bytes(raw[:at] + b'"retries":9' + raw[at + 11 :])
    losses, runs, _ = reopened(path)
    assert len(runs) == 59
    assert "wrong checksum" in losses[0]
    assert "1 between them are lost" in losses[0]


def test_a_wal_that_is_damaged_in_its_middle_loses_only_that(tmp_path: Path) -> None:
    """SQLite would drop every transaction behind the wrong byte without a word."""
    path = tmp_path / "a" / "journal.db"
    path.parent.mkdir()
    journal = Journal(path)
    for number in range(30):
        journal.append([submitted(RunId(f"r{number:07}"))])
    shutil.copytree(path.parent, tmp_path / "b")  # as a killed writer leaves it
    journal.close()
    copy = tmp_path / "b" / "journal.db"
    wal = copy.with_name("journal.db-wal")
    raw = bytearray(wal.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    wal.write_bytes(raw)
    losses, runs, _ = reopened(copy)
    assert len(runs) >= 29
    assert "the WAL breaks off" in losses[0]


def test_a_wal_that_a_killed_writer_left_is_no_damage(tmp_path: Path) -> None:
    """Nothing is reported and nothing set aside when a crash left things as they should be."""
    path = tmp_path / "a" / "journal.db"
    path.parent.mkdir()
    journal = Journal(path)
    for number in range(30):
        journal.append([submitted(RunId(f"r{number:07}"))])
    shutil.copytree(path.parent, tmp_path / "b")
    journal.close()
    wal = tmp_path / "b" / "journal.db-wal"
    wal.write_bytes(wal.read_bytes() + b"\0" * 1000)  # torn in the middle of a frame
    losses, runs, _ = reopened(tmp_path / "b" / "journal.db")
    assert (losses, len(runs)) == ((), 30)
    assert list((tmp_path / "b").glob("*damaged*")) == []


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """What this version does not understand is no damage."""
    path = a_journal(tmp_path, runs=1)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    raw = path.read_bytes()
    with pytest.raises(HostError, match="newer jupyter-aicci") as caught:
        Journal(path)
    assert caught.value.code == "journal_newer"
    assert path.read_bytes() == raw


def test_mending_killed_at_any_step_ends_the_same(tmp_path: Path) -> None:
    """The process that mends is killed at each fsync and rename; the next one finishes, and the loss is still told."""
    raw = a_journal(tmp_path / "whole").read_bytes()
    damaged = raw[: len(raw) // 2]
    saved = {row.run_id for row in scan(damaged, b"")} - {""}
    code = "import sys; from jupyter_aicci.store.journal import Journal; from pathlib import Path; Journal(Path(sys.argv[1]))"
    for n in range(1, 100):
        path = tmp_path / f"at-{n}" / "journal.db"
        path.parent.mkdir()
        path.write_bytes(damaged)
        env = {**os.environ, "AICCI_FAIL_AT": f"any:{n}"}
        child = subprocess.run([sys.executable, "-c", code, str(path)], env=env, timeout=60, check=False)
        losses, runs, _ = reopened(path)
        assert runs == saved
        if child.returncode == 0:
            assert n > 5
            return
        assert child.returncode == -signal.SIGKILL
        assert len(losses) == 1 or list(path.parent.glob("*.damaged-*.txt"))
    raise AssertionError("the child never ended by itself")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """(database, WAL) of a journal of which a part is still in the WAL."""
    path = tmp_path_factory.mktemp("image") / "journal.db"
    journal = Journal(path)
    for transaction in children.transactions():
        journal.append(transaction)
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(8):
        journal.append([submitted(RunId(f"r{number:07}"), env=("A=" + "x" * number * 2000,))])
    images = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    journal.close()
    return images


@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=12),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_whatever_is_damaged_no_row_is_invented(
    image: tuple[bytes, bytes], marks: list[tuple[float, bytes]], keep_database: float, keep_wal: float
) -> None:
    """Any bytes overwritten, any part cut off: each row that is found was written so, and undamaged files give all."""
    truth = scan(*image)
    assert [row.seq for row in truth] == list(range(1, len(truth) + 1))
    database, wal = (bytearray(part) for part in image)
    for place, junk in marks:
        for part in (database, wal):
            at = int(place * (len(part) - len(junk)))
            part[at : at + len(junk)] = junk
    found = scan(bytes(database[: int(keep_database * len(database))]), bytes(wal[: int(keep_wal * len(wal))]))
    assert set(found) <= set(truth)
