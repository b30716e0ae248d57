"""`aicci replay`: one JSON document, words for people, a page, a bar on terminals only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_aicci.cli import main, replay

CSV = "id,submit_s,duration_s,nodes,gpus_per_node\na,0,100,1,4\nb,10,50,2,4\n"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command for two jobs on two hosts of four."""
    path = tmp_path / "jobs.csv"
    path.write_text(CSV)
    return ["replay", str(path), "--nodes", "2", "--gpus", "4", "--policy", "fifo"]


def test_json_is_one_document_with_the_promised_keys(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing on standard error, which is no terminal here."""
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)

    assert list(found) == [
        "jobs", "avg_jct_s", "median_jct_s", "p99_jct_s", "makespan_s", "avg_wait_s", "utilisation",
        "allocation_ratio", "fragmentation_ratio", "forecast", "policy", "placement", "format",
    ]  # fmt: skip
    assert list(found["forecast"]) == ["median_abs_error_ratio", "p90_abs_error_ratio", "bound_kept_ratio"]
    assert (found["jobs"], found["avg_jct_s"], found["policy"], found["format"]) == (2, 120.0, "fifo", "csv")
    assert err == ""


def test_people_get_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The same numbers, a line each."""
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("2 jobs · policy fifo · placement best\nJCT: mean 2 min")


def test_a_page_is_written_where_it_is_asked_for(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer stays alone on standard output."""
    page = tmp_path / "page.html"

    assert main([*words, "--json", "--html", str(page)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["jobs"] == 2
    assert err == f"wrote {page}\n"
    assert "<html" in page.read_text()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--format", "slurm"], "bad_option"),
        (["--policy", "srft"], "unknown_policy"),
        (["--nodes", "1"], "bad_trace"),
        (["--polcy", "fifo"], "unknown_option"),
    ],
)
def test_unusable_arguments_end_with_status_2(
    words: list[str], more: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a JSON document that says why."""
    assert main([*words, *more, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == code


def test_the_bar_comes_with_patience_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing in the first second; then one line that is written over, and cleared."""
    now_s = 100.0
    monkeypatch.setattr(replay.time, "monotonic", lambda: now_s)
    bar = replay.Bar()
    bar(5, 10)
    bar.clear()
    assert capsys.readouterr().err == ""

    now_s = 104.0
    bar(5, 10)
    bar(6, 10)  # too soon after the last
    shown = capsys.readouterr().err
    assert shown == "\r\x1b[K" + "█" * 15 + "░" * 15 + " 5 of 10 jobs, about 4.0 s left"

    bar.clear()
    assert capsys.readouterr().err == "\r\x1b[K"
