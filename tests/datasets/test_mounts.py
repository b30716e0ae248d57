"""--data is checked on this machine before anything is queued."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_aicci.datasets.mounts import check_mounts
from jupyter_aicci.model.errors import UserError


def test_mounts_are_absolute_paths_that_exist(tmp_path: Path) -> None:
    """Relative to the notebook, as file:// URI, with a mode."""
    (tmp_path / "digits").mkdir()
    got = check_mounts(("a=digits", f"b=file://{tmp_path}/digits:copy"), base=tmp_path)
    assert [(m.name, m.path, m.mode) for m in got] == [
        ("a", f"{tmp_path}/digits", "mount"),
        ("b", f"{tmp_path}/digits", "copy"),
    ]


def test_every_defect_is_named_at_once_with_the_nearest_path(tmp_path: Path) -> None:
    """A typing error, a path that ends early, a scheme that is not there yet, a name given twice."""
    (tmp_path / "digits").mkdir()
    with pytest.raises(UserError) as caught:
        check_mounts(("a=digit/train", "b=zzz/q", "c=s3://x/y", "d=digits", "d=digits"), base=tmp_path)
    text = caught.value.message
    assert caught.value.code == "bad_data"
    assert f"did you mean {tmp_path}/digits?" in text
    assert f"{tmp_path} exists and has no zzz" in text
    assert "s3:// is not available yet" in text
    assert "--data d is given twice" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_path_is_refused(tmp_path: Path) -> None:
    """It exists, but not for this user."""
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(UserError, match="may not be read"):
        check_mounts(("a=locked",), base=tmp_path)
