"""The ranks run in a copy of --workdir that later edits, ignored files and links cannot disturb."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_aicci.datasets import objects
from jupyter_aicci.datasets.snapshot import Snapshot, snapshot
from jupyter_aicci.model.errors import HostError, UserError


def a_tree(root: Path, **files: str | bytes) -> Path:
    """Files by path with `__` for `/` and `_dot_` for a leading dot."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


class Case:
    def __init__(self, tmp_path: Path) -> None:
        self.work, self.store, self.runs = tmp_path / "work", tmp_path / "home" / "objects", tmp_path / "home" / "runs"
        self.work.mkdir()
        self.taken = 0

    def take(self) -> Path:
        """The `src` of one more run."""
        self.taken += 1
        self.latest: Snapshot = snapshot(self.work, into=self.runs / str(self.taken), store=self.store)
        return self.runs / str(self.taken)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def names(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}


def test_copy_holds_every_file_and_says_how_much(case: Case) -> None:
    """Content, folders and the executable bit come over."""
    a_tree(case.work, main="1", pkg__mod="22", tool="#!")
    (case.work / "tool").chmod(0o755)
    src = case.take()
    assert names(src) == {"main", "pkg/mod", "tool"}
    assert (src / "pkg/mod").read_text() == "22"
    assert os.access(src / "tool", os.X_OK)
    assert not (src / "main").stat().st_mode & 0o111
    assert (case.latest.files, case.latest.total_bytes, case.latest.notes) == (3, 5, ())


def test_editing_a_file_later_changes_nothing_in_the_run(case: Case) -> None:
    """A restart runs what was submitted."""
    a_tree(case.work, main="old")
    src = case.take()
    a_tree(case.work, main="new")
    assert (src / "main").read_text() == "old"
    assert (case.take() / "main").read_text() == "new"


def test_equal_content_is_stored_once_and_linked(case: Case) -> None:
    """Two files, two runs, one inode."""
    a_tree(case.work, a="same", b="same")
    first, second = case.take(), case.take()
    inodes = {(src / name).stat().st_ino for src in (first, second) for name in "ab"}
    assert len(inodes) == 1


def test_old_unchanged_file_is_not_read_again(case: Case) -> None:
    """The index knows it by mtime, size and inode."""
    path = a_tree(case.work, a="one") / "a"
    os.utime(path, (1_000_000, 1_000_000))
    case.take()
    with path.open("r+") as file:
        file.write("two")
    os.utime(path, (1_000_000, 1_000_000))
    assert (case.take() / "a").read_text() == "one"  # only a forged mtime can hide a change: it was not read


def test_change_within_one_clock_tick_is_seen(case: Case) -> None:
    """A fresh mtime is not trusted: same size, same inode, same mtime, other content."""
    path = a_tree(case.work, a="one") / "a"
    stat = path.stat()
    case.take()
    with path.open("r+") as file:
        file.write("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (case.take() / "a").read_text() == "two"


def test_program_that_writes_through_its_link_spoils_no_other_run(case: Case) -> None:
    """The object it wrote to is stored anew."""
    path = a_tree(case.work, a="one") / "a"
    os.utime(path, (1_000_000, 1_000_000))
    src = case.take()
    (src / "a").chmod(0o644)
    (src / "a").write_text("bad")
    assert (case.take() / "a").read_text() == "one"


def test_gitignore_and_aicciignore_are_honoured(case: Case) -> None:
    """Nested files, negation, directories; .aicciignore has the last word; .git and caches never go in."""
    a_tree(case.work, _dot_gitignore="*.log\nout/\n", a="", b_log="", out__big="", sub__keep="", sub__x="",
           _dot_git__HEAD="", env__bin="", env__pyvenv="")  # fmt: skip
    (case.work / "b.log").write_text("x")
    (case.work / "sub/.gitignore").write_text("!c.log\nx\n")
    (case.work / "sub/.aicciignore").write_text("!x\nkeep\n")
    (case.work / "sub/c.log").write_text("x")
    (case.work / "env/pyvenv.cfg").write_text("")
    (case.work / "sub/__pycache__").mkdir()
    (case.work / "sub/__pycache__/m.pyc").write_text("")
    got = names(case.take())
    assert {"a", "sub/x", "sub/c.log", ".gitignore"} <= got
    assert not {name for name in got if name in ("b.log", "sub/keep") or name.startswith(("out", ".git/", "env"))}
    assert not any("__pycache__" in name for name in got)


def test_rules_of_the_repository_hold_in_its_folders(case: Case) -> None:
    """A notebook in repo/notebooks obeys repo/.gitignore, and nothing above the repository."""
    outer, repo = case.work, case.work / "repo"
    a_tree(
        outer, _dot_gitignore="a\n", repo___dot_gitignore="b\n", repo___dot_git__HEAD="", repo__nb__a="", repo__nb__b=""
    )
    assert (repo / ".git").is_dir()
    case.work = repo / "nb"
    assert names(case.take()) == {"a"}


def test_large_file_stays_out_with_a_note(case: Case) -> None:
    """Over 10 MB is data, not program."""
    a_tree(case.work, a="", sub__weights=b"\0" * 10_000_001)
    assert names(case.take()) == {"a"}
    assert "sub/weights (10.0 MB)" in case.latest.notes[0]
    assert "--data" in case.latest.notes[0]


def test_too_much_is_refused_naming_the_five_largest(case: Case) -> None:
    """Over 100 MB in all, and nothing is copied."""
    for number in range(12):
        a_tree(case.work, **{f"f{number:02}": b"\0" * (9_000_000 + number)})
    with pytest.raises(UserError) as caught:
        case.take()
    assert caught.value.code == "workdir_too_large"
    assert all(f"f{number:02}" in caught.value.message for number in range(7, 12))
    assert "f06" not in caught.value.message
    assert not case.store.exists()


def test_link_that_leads_out_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    """Nothing from outside the directory comes in unseen; an ignored link is nobody's business."""
    (tmp_path / "secret").write_text("x")
    a_tree(case.work, sub__a="")
    (case.work / "sub/out").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError) as caught:
        case.take()
    assert caught.value.code == "link_outside"
    assert "sub/out" in caught.value.message
    (case.work / ".aicciignore").write_text("out\n")
    assert names(case.take()) == {"sub/a", ".aicciignore"}


def test_links_inside_still_lead_to_the_same_place(case: Case) -> None:
    """Absolute and relative, to files and to directories; a dangling one stays dangling."""
    a_tree(case.work, data__x="x")
    (case.work / "file").symlink_to(case.work / "data/x")
    (case.work / "folder").symlink_to("data")
    (case.work / "nothing").symlink_to("gone")
    src = case.take()
    a_tree(case.work, data__x="changed")
    assert (src / "file").read_text() == "x"
    assert (src / "folder/x").read_text() == "x"
    assert os.readlink(src / "nothing") == "gone"


def test_store_on_another_disk_is_copied_from(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXDEV, and network file systems without links: a copy that can be written to."""

    def no_link(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(objects.os, "link", no_link)
    a_tree(case.work, a="one")
    src = case.take()
    assert (src / "a").read_text() == "one"
    assert (src / "a").stat().st_nlink == 1


def test_fifo_stays_out_with_a_note(case: Case) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(case.work / "pipe")
    assert names(case.take()) == set()
    assert "pipe" in case.latest.notes[0]


def test_store_inside_the_directory_is_not_part_of_it(case: Case) -> None:
    """AICCI_HOME may lie in the notebook's folder."""
    case.store, case.runs = case.work / "objects", case.work / "runs"
    a_tree(case.work, a="one")
    assert names(case.take()) == {"a"}


def test_missing_directory_is_a_user_error(case: Case) -> None:
    """It names the directory."""
    case.work = case.work / "nope"
    with pytest.raises(UserError, match="nope is not a directory"):
        case.take()


def test_store_that_cannot_be_written_is_a_host_error(case: Case) -> None:
    """Read-only home, full disk: what, where, and what to do."""
    a_tree(case.work, a="one")
    case.store.parent.mkdir()
    case.store.write_text("a file where the store should be")
    with pytest.raises(HostError) as caught:
        case.take()
    assert caught.value.code == "snapshot_failed"
    assert "Nothing was submitted" in caught.value.message
