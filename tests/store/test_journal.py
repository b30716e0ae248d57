"""What `append` returned for is there; what it refused changed nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import store_children as children
from run_builders import RUN_ID, T0, S, a_life, flat, placed, stepped, submitted

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.events import Noted, RankExited
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import fold
from jupyter_aicci.model.states import State, Step
from jupyter_aicci.store import database
from jupyter_aicci.store.journal import Journal


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    """By run, in order, from any seq on; also after the journal was closed and opened again."""
    other = RunId("r0000009")
    journal = Journal(tmp_path / "journal.db")
    for transaction in a_life():
        last = journal.append(transaction)
        journal.append([Noted(run_id=other, time_ns=T0, topic="x", text="é\n\0", data={"a": [1, None]})])
    rows = journal.rows(RUN_ID)
    assert [event for _, event in rows] == flat(a_life())
    assert (journal.last_seq(RUN_ID), journal.last_seq(RunId("r000000z"))) == (last, 0)
    assert journal.rows(RUN_ID, after=rows[3][0]) == rows[4:]
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert again.rows(RUN_ID) == rows
    again.close()


def test_runs_are_loaded_newest_first(tmp_path: Path) -> None:
    """As the list of runs shows them."""
    journal = Journal(tmp_path / "journal.db")
    for number, run_id in enumerate(["r000000b", "r000000a", "r000000c"]):
        journal.append([submitted(RunId(run_id), time_ns=T0 + number // 2)])
    assert list(journal.load()) == ["r000000c", "r000000b", "r000000a"]
    assert journal.load()[RunId("r000000a")] == fold([submitted(RunId("r000000a"), time_ns=T0)])
    journal.close()


def test_the_same_fact_twice_is_one_row(tmp_path: Path) -> None:
    """A node held, a node released, an exit, a submit: appended again after a crash, they change nothing."""
    journal = Journal(tmp_path / "journal.db")
    for transaction in a_life():
        last = journal.append(transaction)
    facts = [
        event for event in flat(a_life()) if event.kind in ("submitted", "node_held", "node_released", "rank_exited")
    ]
    assert journal.append(facts) == last
    late = RankExited(run_id=RUN_ID, time_ns=T0 + 99 * S, attempt=2, rank=1, code=1)
    note = Noted(run_id=RUN_ID, time_ns=T0, topic="hang", text="again")
    assert journal.append([late, note, note]) == last + 2
    assert [event for _, event in journal.rows(RUN_ID, after=last)] == [note, note]
    assert journal.load()[RUN_ID] == fold(flat(a_life()))
    journal.close()


def test_a_transaction_is_whole_or_not_there(tmp_path: Path) -> None:
    """A row that cannot be written takes the others with it, and the journal goes on."""
    journal = Journal(tmp_path / "journal.db")
    journal.append([submitted()])
    broken = Noted(run_id=RUN_ID, time_ns=T0, topic="x", text="y", data={"bad": object()})
    with pytest.raises(TypeError):
        journal.append([stepped(Step.ENQUEUE, T0), broken])
    assert journal.load()[RUN_ID].state is State.SUBMITTED
    assert journal.append([stepped(Step.ENQUEUE, T0)]) == 2
    journal.close()


def test_threads_may_append_at_once(tmp_path: Path) -> None:
    """Every row of every thread is there, numbered without a gap."""
    journal = Journal(tmp_path / "journal.db")

    def work(number: int) -> None:
        for index in range(20):
            journal.append([submitted(RunId(f"r{number}{index:06}"))])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.load()) == 80
    assert journal.append([]) == 80
    journal.close()


def test_a_second_writer_is_held_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two services on one home, however they were started: the second says who has it and changes nothing."""
    monkeypatch.setattr("jupyter_aicci.store.journal.LOCK_WAIT_S", 0.0)
    first = Journal(tmp_path / "journal.db")
    with pytest.raises(HostError, match=r"is held by the service with pid \d+") as caught:
        Journal(tmp_path / "journal.db")
    assert (caught.value.code, caught.value.hint) == ("journal_locked", "`aicci service status`")
    first.append([submitted()])
    first.close()
    second = Journal(tmp_path / "journal.db")
    assert list(second.load()) == [RUN_ID]
    second.close()


@pytest.mark.parametrize(("kind", "mode"), [("ext4", "wal"), ("nfs4", "delete"), ("fuse.sshfs", "delete")])
def test_a_network_file_system_gets_a_rollback_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str
) -> None:
    """WAL needs memory that two machines cannot share; what is written survives the change of mode."""
    journal = Journal(tmp_path / "journal.db")
    journal.append([submitted()])
    journal.close()
    monkeypatch.setattr(database, "file_system", lambda path: kind)
    journal = Journal(tmp_path / "journal.db")
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    journal.append([stepped(Step.ENQUEUE, T0)])
    assert journal.load()[RUN_ID].state is State.QUEUED
    journal.close()


def test_a_run_whose_rows_do_not_follow_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    """One odd run keeps neither the service nor the other runs from coming up, and is told."""
    headless, odd, good = RunId("r0000001"), RunId("r0000002"), RunId("r0000003")
    journal = Journal(tmp_path / "journal.db")
    journal.append([stepped(Step.ENQUEUE, T0, run_id=headless)])
    journal.append([submitted(odd), *placed(1, T0, run_id=odd)[:1], stepped(Step.ENQUEUE, T0, run_id=odd)])
    journal.append([submitted(good)])
    runs = journal.load()
    assert {run_id: run.state for run_id, run in runs.items()} == {odd: State.QUEUED, good: State.SUBMITTED}
    assert [loss.split(":")[0] for loss in journal.losses] == [f"run {headless}", f"run {odd}"]
    journal.close()


def in_a_mount(command: str, name: str, directory: Path) -> dict[str, object]:
    """What a child says that runs in a mount namespace of its own after `command`; skipped where that is forbidden."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this machine does not let tests mount anything")
    directory.mkdir()
    script = f'{command} && exec "$1" "$2" "$3" "$4"'
    child = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, children.__file__, name, str(directory)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    said: dict[str, object] = json.loads(child.stdout)
    return said


def test_a_full_disk_refuses_the_row_and_loses_none(tmp_path: Path) -> None:
    """Journal and frames say `disk_full` with the way out, keep all that was acknowledged, and go on when there is space."""
    disk = tmp_path / "disk"
    said = in_a_mount(f"mount -t tmpfs -o size=1m none {disk}", "full", disk)
    assert (said["code"], said["frame_code"]) == ("disk_full", "disk_full")
    assert said["count"] == said["runs"] == said["seq"]
    assert said["after"] == said["count"] + 1  # type: ignore[operator]
    assert said["frames"]
    assert "AICCI_HOME" in str(said["hint"])


@pytest.mark.parametrize(
    ("options", "before", "code", "message"),
    [
        ("ro", "true", "home_read_only", "read-only"),
        ("size=4k", "head -c 4096 /dev/zero > ballast", "disk_full", "is full"),
    ],
)
def test_a_home_that_cannot_be_written_to_is_refused_at_once(
    tmp_path: Path, options: str, before: str, code: str, message: str
) -> None:
    """Before anything is started, with the variable that leads out."""
    disk = tmp_path / "disk"
    said = in_a_mount(f"mount -t tmpfs -o {options} none {disk} && cd {disk} && {before}", "home", disk)
    assert said["code"] == code
    assert message in str(said["message"])
    assert "AICCI_HOME" in str(said["hint"])
