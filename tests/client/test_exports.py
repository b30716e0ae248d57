"""A run as files: each format opens with its own reader and says what the tables say."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from folder_builders import a_folder
from run_builders import RUN_ID, a_life, flat

from jupyter_aicci.client import CopiedRun
from jupyter_aicci.client.exports import FORMATS, export, format_named, format_of
from jupyter_aicci.client.tables import TABLES
from jupyter_aicci.model.errors import HostError, UserError
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.logged import MOST_NAMES


@pytest.fixture
def run(tmp_path: Path) -> CopiedRun:
    return CopiedRun(a_folder(tmp_path / "run", flat(a_life(RUN_ID)), sealed_s=5))


@pytest.mark.parametrize("table", TABLES)
def test_csv_and_parquet_hold_the_table(run: CopiedRun, tmp_path: Path, table: str) -> None:
    """Value for value; times in UTC to the nanosecond."""
    frame = getattr(run, table)()
    files = {path.name: path for path in (*run.save(tmp_path / "a.csv"), *run.save(tmp_path / "a.parquet"))}
    times = [column.name for column in TABLES[table] if column.dtype.startswith("datetime")]
    first = TABLES[table][0].name
    plain = pd.read_csv(files[f"a.{table}.csv"], parse_dates=times, keep_default_na=True)
    packed = pd.read_parquet(files[f"a.{table}.parquet"])
    assert list(plain) == list(packed) == list(frame)
    packed = packed.sort_values(first, kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(packed, frame, check_dtype=False, check_categorical=False)
    plain = plain.sort_values(first, kind="stable", ignore_index=True)
    for column in TABLES[table]:
        told, expected = plain[column.name], frame[column.name]
        if column.dtype == "category":
            told, expected = told.fillna("").astype(str), expected.astype(str)
        pd.testing.assert_series_equal(told, expected, check_dtype=False, check_names=False)
    assert str(packed[first].dtype) == "datetime64[ns, UTC]"


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("run.png", b"\x89PNG"),
        ("run.html", b"<!doctype html>"),
        ("run.pftrace", b"\x0a"),
        ("run.aicci.json", b'{"aicci_run":1,'),
    ],
)
def test_pictures_pages_and_traces_are_one_file(run: CopiedRun, tmp_path: Path, name: str, begins: bytes) -> None:
    """By the ending of its name."""
    (path,) = run.save(tmp_path / name)
    assert path == tmp_path / name
    assert path.read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["run.png", "run.html", "run.pftrace", "run.aicci.json"])
def test_each_frame_is_taken_in_once(
    run: CopiedRun, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though picture, findings, bill and trace are made of it."""
    seqs, take = [], Gathered.take
    monkeypatch.setattr(Gathered, "take", lambda self, frame: (seqs.append(frame.seq), take(self, frame))[1])
    run.save(tmp_path / name)
    with run.source() as source:
        assert seqs == [frame.seq for frame in source.folder.frames()]


def test_of_a_program_that_logs_a_name_for_each_step_the_first_names_are_taken_out(run: CopiedRun) -> None:
    """A thousand of them; the rest is in the table of metrics."""
    with run.source() as source:
        before = len(source.logged)
        for step in range(2 * MOST_NAMES):
            for rank in range(2):
                source._log(step, {"rank": rank, "values": {f"step {step}": 1.0}})
        assert len(source.logged) == before + 2 * (MOST_NAMES - before)


def test_the_page_shows_a_log_as_a_terminal_would(run: CopiedRun, tmp_path: Path) -> None:
    """Of a progress bar its last picture, of colours none."""
    log = run.path / "attempt-1" / "node-0" / "rank-0.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"10 %\r50 %\rdone \x1b[31mred\x1b[0m\n")
    (path,) = run.save(tmp_path / "run.html")
    text = path.read_text()
    assert "done red" in text
    assert "50 %" not in text


def test_the_trace_has_what_was_logged_and_found(run: CopiedRun, tmp_path: Path) -> None:
    """Beside steps and samples."""
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as trace_pb2

    (path,) = run.save(tmp_path / "run.pftrace")
    trace = trace_pb2.Trace()
    trace.ParseFromString(path.read_bytes())
    names = {packet.track_descriptor.name for packet in trace.packet if packet.HasField("track_descriptor")}
    assert {"node 0 (laptop)", "rank 0", "steps", "loss", "CPU", "written"} <= names


@pytest.mark.parametrize("name", ["epoch-1.5", "epoch-1.5.csv"])
def test_a_name_with_dots_stays_whole(run: CopiedRun, tmp_path: Path, name: str) -> None:
    """Two exports whose names differ behind a dot are not one."""
    with run.source() as source:
        files = export(source, format_named("csv"), tmp_path / name)
        assert [path.name for path in files] == [f"epoch-1.5.{table}.csv" for table in TABLES]
        with pytest.raises(HostError, match="cannot be written"):
            export(source, format_named("csv"), "/")


def test_every_format_has_one_name_and_one_ending() -> None:
    """Both lead to it."""
    assert [format_named(made.name) for made in FORMATS] == list(FORMATS)
    assert [format_of(f"run{made.suffix}") for made in FORMATS] == list(FORMATS)
    assert [made.name for made in FORMATS] == ["perfetto", "csv", "parquet", "png", "html", "recorded"]


@pytest.mark.parametrize("path", ["run.htm", "run", "run.xlsx"])
def test_an_ending_that_says_nothing_is_refused(run: CopiedRun, tmp_path: Path, path: str) -> None:
    """With those that do; nothing is written."""
    with pytest.raises(UserError, match=r"\.html") as caught:
        run.save(tmp_path / path)
    assert (caught.value.code, list(tmp_path.glob("run*"))) == ("unknown_export", [tmp_path / "run"])


def test_parquet_without_its_package_says_what_to_install(
    run: CopiedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"jupyter-aicci\[parquet\]") as caught:
        run.save(tmp_path / "a.parquet")
    assert (caught.value.code, list(tmp_path.glob("a*"))) == ("parquet_missing", [])


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(run: CopiedRun, tmp_path: Path) -> None:
    """Neither half of it nor a temporary one."""
    (tmp_path / "a.html").mkdir()
    with pytest.raises(HostError) as caught:
        run.save(tmp_path / "a.html")
    assert (caught.value.code, [path.name for path in tmp_path.glob("a*")]) == ("cannot_write", ["a.html"])
