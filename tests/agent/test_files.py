"""Whole files and fail points."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_aicci.agent.files import fail_point, read_json, set_role, write_atomic, write_json


def in_child(act: Callable[[], None], **env: str) -> int:
    """The exit code of a forked process that does it; negative for a signal."""
    pid = os.fork()
    if pid == 0:
        os.environ.update(env)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("n", range(1, 6))
def test_a_file_is_old_or_new_whenever_its_writer_is_killed(tmp_path: Path, n: int) -> None:
    """Killed at the n-th fsync or rename: a reader finds one of the two contents, whole."""
    path = tmp_path / "file.json"
    write_json(path, {"version": "old"})
    code = in_child(lambda: write_json(path, {"version": "new", "filler": "x" * 100_000}), AICCI_FAIL_AT=f"any:{n}")
    found = read_json(path)
    assert found is not None
    assert found["version"] == ("old" if code and n < 3 else "new")
    assert code in (0, -signal.SIGKILL)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """No room under that name: the error comes, the directory is as it was."""
    target = tmp_path / "dir"
    target.mkdir()
    with pytest.raises(OSError, match="dir"):
        write_atomic(target, b"x")
    assert os.listdir(tmp_path) == ["dir"]


def passing(*names: str, role: str = "service") -> Callable[[], None]:
    """A process of that role that passes these points in turn."""

    def act() -> None:
        set_role(role)
        for name in names:
            fail_point(name)

    return act


def test_a_fail_point_kills_at_its_number_and_no_other() -> None:
    """`commit:2` is the second commit; other names do not count; `any` counts all."""
    assert in_child(passing("commit", "rename"), AICCI_FAIL_AT="commit:2") == 0
    assert in_child(passing("commit", "commit"), AICCI_FAIL_AT="commit:2") == -signal.SIGKILL
    assert in_child(passing("commit", "rename"), AICCI_FAIL_AT="any:2") == -signal.SIGKILL


def test_a_fail_point_with_a_role_means_that_role_only() -> None:
    """`keeper/any:1` does nothing to an agent."""
    assert in_child(passing("fsync", role="agent"), AICCI_FAIL_AT="keeper/any:1") == 0
    assert in_child(passing("fsync", role="keeper"), AICCI_FAIL_AT="keeper/any:1") == -signal.SIGKILL


def test_half_a_json_file_is_none(tmp_path: Path) -> None:
    """A copy that was cut, a file of another kind: not an object, not an exception."""
    (tmp_path / "half").write_text('{"a": 1')
    (tmp_path / "list").write_text("[1]")
    assert read_json(tmp_path / "half") is None
    assert read_json(tmp_path / "list") is None
    assert read_json(tmp_path / "none") is None
