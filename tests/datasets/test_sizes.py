"""How big a data set is, within a bound of time."""

from __future__ import annotations

from pathlib import Path

from jupyter_aicci.datasets.sizes import Size, measure


def test_all_files_under_a_folder_count(tmp_path: Path) -> None:
    """Links count as links: a loop ends, and what lies elsewhere is not counted twice."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"x" * 1000)
    (tmp_path / "two").write_bytes(b"x" * 24)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert measure(tmp_path) == Size(size_bytes=1024, files=2)


def test_a_file_is_its_own_size(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 10)
    assert measure(tmp_path / "one") == Size(size_bytes=10, files=1)


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    assert measure(tmp_path / "none") is None


def test_counting_ends_early_and_says_so(tmp_path: Path) -> None:
    """With no time at all the first look at the clock ends it."""
    for at in range(600):
        (tmp_path / str(at)).write_bytes(b"xy")
    size = measure(tmp_path, most_s=0.0)
    assert size is not None
    assert size.is_least
    assert size.files < 600
