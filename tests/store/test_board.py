"""The host's board: what one service tells is what the others read, and only what is true of the living counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.agent.identity import claim_of
from jupyter_aicci.store import board as board_module
from jupyter_aicci.store.board import MOST_FILES, PATIENCE_S, STALE_NS, Board, open_board
from jupyter_aicci.store.clock import boot_ns
from jupyter_aicci.store.notices import Held, Notice, Want, notice_json, parse_notice

HELD = Held(
    run="r0000001", shape="h100x2", cpus=(0, 1), devices=("0", "1"), accelerator_milli=1000,
    since_boot_ns=10**9, limit_s=600.0, expected_s=0.0,
)  # fmt: skip
WANT = Want(
    run="r0000002", shapes=("cpux2", "auto"), nodes=2, min_nodes=1, ranks_per_node=0, since_boot_ns=2 * 10**9,
    limit_s=0.0, expected_s=30.0,
)  # fmt: skip
NOTICE = Notice(lately=0.25, part_cpus=(0, 1, 2), held=(HELD,), wants=(WANT,))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "board"


@pytest.fixture
def mine(place: Path) -> Board:
    return opened(place, "mine")


@pytest.fixture
def other(place: Path) -> Board:
    return opened(place, "other")


def opened(place: Path, home: str) -> Board:
    board = open_board({"AICCI_BOARD": str(place)}, Path("/home") / home)
    assert board is not None
    return board


def only(board: Board) -> Notice:
    (notice,) = board.others()
    return notice


def rewrite(place: Path, **changes: Any) -> None:
    """What the one notice says, changed by hand."""
    (path,) = place.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def ended() -> dict[str, Any]:
    """The claim of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    claim = claim_of(process.pid)
    assert claim is not None
    process.communicate(b"\n")
    return claim.to_json()


def test_what_is_told_is_read_by_the_others_and_not_by_oneself(mine: Board, other: Board) -> None:
    mine.tell(NOTICE)
    read = only(other)
    assert (read.lately, read.part_cpus, read.held, read.wants) == (0.25, (0, 1, 2), (HELD,), (WANT,))
    assert read.user == board_module.user_name(os.getuid())
    assert mine.others() == ()


def test_the_directory_is_for_all_users_and_each_removes_only_his_own(mine: Board, place: Path) -> None:
    mine.tell(NOTICE)
    assert place.stat().st_mode & 0o7777 == 0o1777
    assert [path.stat().st_mode & 0o777 for path in place.iterdir()] == [0o644]


def test_what_was_told_stands_until_somebody_takes_it_away(mine: Board, other: Board, place: Path) -> None:
    assert not mine.stands()
    assert mine.tell(NOTICE)
    assert mine.stands()
    (path,) = place.glob("*.json")
    path.unlink()
    assert not mine.stands()
    place.rmdir()
    assert mine.tell(NOTICE), "the place is laid out again"
    assert mine.stands()
    mine.leave()
    assert other.others() == ()


def test_what_cannot_be_told_is_said_once(mine: Board, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    (place / "file").write_text("")
    broken = Board(place / "file", Path("/home/mine"))
    assert not broken.tell(NOTICE)
    assert not broken.tell(NOTICE)
    assert len(caplog.records) == 1


def test_nothing_waits_of_a_service_that_does_not_go_on_telling(mine: Board, other: Board, place: Path) -> None:
    """It hangs; what its runs hold they still hold."""
    mine.tell(NOTICE)
    rewrite(place, told_boot_ns=max(0, boot_ns() - STALE_NS - 1))
    assert (only(other).held, only(other).wants) == ((HELD,), ())


def test_a_dead_service_holds_what_its_processes_live_for(
    mine: Board, other: Board, place: Path, ended: dict[str, Any]
) -> None:
    """Its agents and ranks have the run's id on their command lines; without one of them nothing is held."""
    mine.tell(NOTICE)
    rewrite(place, claim=ended)
    agent = subprocess.Popen([sys.executable, "-c", "input()", f"/runs/{HELD.run}/1"], stdin=subprocess.PIPE)
    try:
        while not Path(f"/proc/{agent.pid}/cmdline").read_bytes():
            time.sleep(0.001)  # it is being executed
        board_module._runs_of_processes.cache_clear()
        assert (only(other).held, only(other).wants) == ((HELD,), ())
    finally:
        agent.communicate(b"\n")
    board_module._runs_of_processes.cache_clear()
    assert other.others() == ()
    assert list(place.glob("*.json")) == [], "what nobody needs is tidied up by its user"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"lately": "much"},
        {"lately": -1},
        {"claim": None},
        {"held": [{"run": "r0000001"}]},
        {"held": [1]},
        {"held": [{**notice_json(NOTICE)["held"][0], "run": "../../etc"}]},
        {"held": [{**notice_json(NOTICE)["held"][0], "cpus": [-1]}]},
        {"held": [{**notice_json(NOTICE)["held"][0], "shape": "<b>"}]},
        {"held": [{**notice_json(NOTICE)["held"][0], "limit_s": float("nan")}]},
        {"wants": {}},
        {"wants": [{**notice_json(NOTICE)["wants"][0], "nodes": True}]},
        {"wants": [{**notice_json(NOTICE)["wants"][0], "min_nodes": 5}]},
        {"wants": [notice_json(NOTICE)["wants"][0]] * 2},
        {"held": [notice_json(NOTICE)["held"][0]] * 2},
        {"wants": [{**notice_json(NOTICE)["wants"][0], "run": HELD.run}]},
        {"wants": [notice_json(NOTICE)["wants"][0]] * 1000},
        {"told_boot_ns": 1 << 70},
        {"claim": {"boot_id": "", "pid": float("inf"), "starttime": 0}},
        {"claim": {"boot_id": "", "pid": 1, "starttime": 0}},
    ],
)
def test_what_is_no_notice_is_passed_over(mine: Board, other: Board, place: Path, change: dict[str, Any]) -> None:
    mine.tell(NOTICE)
    rewrite(place, **change)
    assert other.others() == ()


def test_a_file_that_is_no_json_or_no_file_is_passed_over(mine: Board, other: Board, place: Path) -> None:
    name = f"{os.getuid()}-00000000.json"
    for content in (b"{", b"\xff\xfe", b"[" * 100_000, b"null"):
        (place / name).write_bytes(content)
        assert other.others() == ()
    (place / name).unlink()
    (place / name).symlink_to("/etc/hostname")
    assert other.others() == ()
    (place / name).unlink()
    os.mkfifo(place / name)
    assert other.others() == ()


def test_nobody_speaks_for_another_user(mine: Board, other: Board, place: Path) -> None:
    mine.tell(NOTICE)
    (path,) = place.glob("*.json")
    path.rename(path.with_name(f"{os.getuid() + 1}-{path.name.split('-')[1]}"))
    assert other.others() == ()


def test_a_link_to_a_notice_is_none(mine: Board, other: Board, place: Path) -> None:
    mine.tell(NOTICE)
    (path,) = place.glob("*.json")
    path.with_name(f"{os.getuid()}-00000000.json").hardlink_to(path)
    assert other.others() == ()


def test_a_user_says_no_more_than_a_few_services_worth(other: Board, place: Path) -> None:
    claim = claim_of(os.getpid())
    body = json.dumps(notice_json(replace(NOTICE, claim=claim)))
    for number in range(3 * MOST_FILES):
        (place / f"{os.getuid()}-{number:08x}.json").write_text(body)
    assert len(other.others()) == MOST_FILES


def test_a_bad_notice_is_complained_of_once_and_briefly(
    mine: Board, other: Board, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine.tell(NOTICE)
    for number in range(3):
        rewrite(place, version="x" * 100_000 + str(number))
        assert other.others() == ()
    assert [len(record.getMessage()) < 400 for record in caplog.records] == [True]


def test_where_proc_hides_others_what_a_dead_service_held_counts_until_its_limit(
    mine: Board, other: Board, place: Path, ended: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "_hidden", lambda: True)
    long, short = replace(HELD, limit_s=1e9), replace(HELD, run="r0000003", limit_s=1e-3)
    mine.tell(replace(NOTICE, held=(long, short), wants=()))
    rewrite(place, claim=ended)
    assert only(other).held == (long,)


def test_only_one_has_the_turn(mine: Board, other: Board) -> None:
    with mine.turn() as first:
        assert first
        with other.turn() as second:
            assert not second
    with other.turn() as second:
        assert second


def test_a_turn_within_a_turn_is_the_same_one(mine: Board, other: Board) -> None:
    with mine.turn(), mine.turn() as again:
        assert again
        with other.turn() as theirs:
            assert not theirs


def test_who_keeps_the_turn_for_ever_holds_up_nobody(
    mine: Board, other: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = [100.0]
    monkeypatch.setattr(board_module.time, "monotonic", lambda: clock_s[0])
    with mine.turn():
        with other.turn() as ours:
            assert not ours
        clock_s[0] += PATIENCE_S + 0.1
        with other.turn() as ours:
            assert ours


def test_without_a_place_there_is_no_board(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert open_board({"AICCI_BOARD": str(tmp_path / "file")}, tmp_path) is None
    assert open_board({"AICCI_BOARD": "/proc/none/board"}, tmp_path) is None
    (tmp_path / "private").mkdir(mode=0o700)
    assert open_board({"AICCI_BOARD": str(tmp_path / "private")}, tmp_path) is None


@given(
    notice=st.builds(
        Notice,
        user=st.just("alice"),
        uid=st.just(1000),
        claim=st.just(claim_of(os.getpid())),
        told_boot_ns=st.integers(0, 1 << 60),
        lately=st.floats(0, 1),
        part_cpus=st.lists(st.integers(0, 4096), max_size=5).map(tuple),
        held=st.lists(st.integers(0, 1 << 60), max_size=3).map(
            lambda moments: tuple(
                replace(HELD, run=f"r100000{n}", since_boot_ns=since) for n, since in enumerate(moments)
            )
        ),
        wants=st.lists(st.floats(0, 1e11), max_size=3).map(
            lambda limits: tuple(replace(WANT, run=f"r200000{n}", limit_s=limit) for n, limit in enumerate(limits))
        ),
    )
)
def test_a_notice_survives_its_json(notice: Notice) -> None:
    body = json.loads(json.dumps(notice_json(notice)))
    assert parse_notice(body, user="alice", uid=1000) == notice
