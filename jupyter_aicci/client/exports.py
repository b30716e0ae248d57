"""A run as a file: one table of formats, which `aicci timeline --export`, `run.save` and the page's menu share.

In: a run's `Source` and where to write. Out: the files that were written, each whole or not at all.
Rule 1: a format is a row of `FORMATS`. What it needs is imported when it is used.
Rule 2: CSV and Parquet are three tables, hence three files: run.csv becomes run.metrics.csv, run.phases.csv and run.costs.csv.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jupyter_aicci.agent.files import replacing
from jupyter_aicci.model.errors import HostError, UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_aicci.client.source import Source

NAMES = ("metrics", "phases", "costs")
PAGE_PX = 4_000  # of a page: enough points to zoom into
PICTURE_PX = 1_600
MODE = 0o666  # and the user's umask: a file that is made to be given away
Write = Callable[["Source", IO[bytes]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One kind of file. `files`: what is written into each, by the word in its name; "" = it has none."""

    name: str  # of --export
    suffix: str
    mime: str
    files: dict[str, Write]
    width_px: int = 0  # of the view that is drawn; 0 = none is


def export(source: Source, made: Format, path: str | Path) -> tuple[Path, ...]:
    """Write the files. Raises `HostError` (cannot_write), `UserError` (parquet_missing)."""
    if made.name == "parquet":
        _need_pyarrow()
    paths = tuple(_named(Path(path).expanduser(), word, made.suffix) for word in made.files)
    for each, write in zip(paths, made.files.values(), strict=True):
        try:
            with replacing(each, mode=MODE) as file:
                write(source, file)
        except OSError as error:
            raise HostError("cannot_write", f"{each} cannot be written: {error.strerror or error}.") from None
    return paths


def _named(target: Path, word: str, suffix: str) -> Path:
    """run.csv is run.metrics.csv; a name that does not end as its format does stays whole."""
    return target.parent / f"{target.name.removesuffix(suffix)}.{word}{suffix}" if word and target.name else target


def format_named(name: str) -> Format:
    """The format of that name. Raises `UserError` (unknown_export) with the nearest one."""
    known = {each.name: each for each in FORMATS}
    if name in known:
        return known[name]
    guess = did_you_mean(name, known)
    raise UserError(
        "unknown_export", f"unknown format {name}" + (f": {guess}" if guess else ".") + " Nothing was written.",
        hint=f"Known are {', '.join(known)}.", field="format",
    )  # fmt: skip


def format_of(path: str | Path) -> Format:
    """The format of a file by its ending. Raises `UserError` (unknown_export)."""
    known = {each.suffix: each for each in FORMATS}
    for suffix, made in known.items():
        if Path(path).name.endswith(suffix):
            return made
    ending = Path(path).suffix
    guess = did_you_mean(ending, known) if ending else ""
    what = f"{path}: its ending says no known kind of file" + (f"; {guess}" if guess else ".")
    raise UserError(
        "unknown_export", f"{what} Nothing was written.",
        hint=f"Known are {', '.join(known)}.", field="path",
    )  # fmt: skip


def _trace(source: Source, file: IO[bytes]) -> None:
    from jupyter_aicci.timeline.trace import run_trace

    run, entries = source.folder.run, source.ledger.entries
    file.write(run_trace(run, source.gathered, entries, findings=source.findings, logged=source.logged))


def _png(source: Source, file: IO[bytes]) -> None:
    from jupyter_aicci.timeline.picture import picture

    file.write(picture(source.view(PICTURE_PX)))


def _html(source: Source, file: IO[bytes]) -> None:
    from jupyter_aicci.store.logs import display_lines
    from jupyter_aicci.timeline.page import page

    view = source.view(PAGE_PX)
    plain = "\n".join(display_lines(str(view.log["text"])))  # a browser does not overwrite lines as a terminal does
    file.write(page(replace(view, log=dict(view.log) | {"text": plain})).encode())


def _recorded(source: Source, file: IO[bytes]) -> None:
    import bokeh

    from jupyter_aicci.timeline.bundle import bundle
    from jupyter_aicci.timeline.picture import picture
    from jupyter_aicci.timeline.recorded import ranks_to_keep, recorded
    from jupyter_aicci.timeline.summary import summary_text

    view = source.view(PAGE_PX)
    logs = {rank: source.folder.log_tail(rank) for rank in ranks_to_keep(view)}
    kept = bundle(view.run, summary_text(view), picture(view))
    bokeh_js = (Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js").read_bytes()
    file.write(recorded(view, logs=logs, bundle=kept, bokeh_js=bokeh_js).encode())


def _csv(table: str) -> Write:
    def write(source: Source, file: IO[bytes]) -> None:
        from jupyter_aicci.client.tables import empty

        file.write(empty(table).to_csv(index=False).encode())
        for piece in source.pieces(table):
            _as_text(piece).to_csv(file, index=False, header=False, mode="wb")

    return write


def _as_text(piece: pd.DataFrame) -> pd.DataFrame:
    """Times in ISO 8601: pandas needs ten times as long for that."""
    import numpy as np

    times = piece.select_dtypes("datetimetz")
    texts: dict[str, Any] = {}
    for name in times:
        moments = piece[name].dt.tz_localize(None).to_numpy()
        texts[str(name)] = np.char.add(np.datetime_as_string(moments, unit="ns"), "Z")
    return piece.assign(**texts)


def _parquet(table: str) -> Write:
    def write(source: Source, file: IO[bytes]) -> None:
        import pyarrow
        from pyarrow import parquet

        schema = _schema(table)
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for piece in source.pieces(table):
                writer.write_table(pyarrow.Table.from_pandas(piece, schema=schema, preserve_index=False))

    return write


def _schema(table: str) -> Any:
    """Of the table's columns, those of text as dictionaries."""
    import pyarrow as arrow

    from jupyter_aicci.client.tables import TABLES

    kinds = {
        "datetime64[ns, UTC]": arrow.timestamp("ns", tz="UTC"),
        "category": arrow.dictionary(arrow.int32(), arrow.string()),
        "int64": arrow.int64(),
        "Int64": arrow.int64(),
        "float64": arrow.float64(),
    }
    return arrow.schema([(column.name, kinds[column.dtype]) for column in TABLES[table]])


def _need_pyarrow() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise UserError(
            "parquet_missing", "Parquet needs the package pyarrow, which is not installed. Nothing was written.",
            hint='Install it with pip install "jupyter-aicci[parquet]", or take csv.', field="format",
        )  # fmt: skip


FORMATS: tuple[Format, ...] = (
    Format(name="perfetto", suffix=".pftrace", mime="application/octet-stream", files={"": _trace}),
    Format(name="csv", suffix=".csv", mime="text/csv", files={name: _csv(name) for name in NAMES}),
    Format(
        name="parquet",
        suffix=".parquet",
        mime="application/vnd.apache.parquet",
        files={name: _parquet(name) for name in NAMES},
    ),
    Format(name="png", suffix=".png", mime="image/png", files={"": _png}, width_px=PICTURE_PX),
    Format(name="html", suffix=".html", mime="text/html; charset=utf-8", files={"": _html}, width_px=PAGE_PX),
    Format(name="recorded", suffix=".aicci.json", mime="application/json", files={"": _recorded}, width_px=PAGE_PX),
)
