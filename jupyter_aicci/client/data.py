"""What can be taken out of a run: tables for pandas, and files. `Run` and `CopiedRun` are the two that have it.

Rule: importing this costs nothing; numpy, pandas and the store come in with the first table. What the tables are made from,
`client/source.py` says, and what is in their columns `client/tables.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_aicci.client.source import Source
    from jupyter_aicci.timeline.lanes import View


class RunData(ABC):
    """What can be taken out of a run; docs/reference/data.md has the columns."""

    @abstractmethod
    def source(self) -> AbstractContextManager[Source]:
        """The run's data, open as long as the `with` lasts."""

    def metrics(self) -> pd.DataFrame:
        """Every sample and every logged value: time, scope, owner, metric, unit, value, per_s, step, attempt, node."""
        return self._table("metrics")

    def phases(self) -> pd.DataFrame:
        """What each rank did, when: start, end, attempt, node, rank, phase, duration_ns, step, steps."""
        return self._table("phases")

    def costs(self) -> pd.DataFrame:
        """The bill by node, rank and phase: start, end, …, phase, kind, duration_ns, amount_micro, currency."""
        return self._table("costs")

    def save(self, path: str | Path) -> tuple[Path, ...]:
        """Write the run as a file; its ending says which kind: .html, .png, .pftrace, .csv, .parquet. The files written.

        Raises `UserError` (unknown_export, parquet_missing) and `HostError` (cannot_write).
        """
        from jupyter_aicci.client.exports import export, format_of

        made = format_of(path)
        with self.source() as source:
            return export(source, made, path)

    def _table(self, name: str) -> pd.DataFrame:
        from jupyter_aicci.client.tables import together

        with self.source() as source:
            return together(name, source.pieces(name))


class CopiedRun(RunData):
    """A run in a folder that was copied from elsewhere: no service knows it. Raises `UserError` "not_a_run_folder"."""

    def __init__(self, path: str | Path) -> None:
        from jupyter_aicci.store.folder import RunFolder

        self.path = Path(path).expanduser()
        with RunFolder(self.path) as folder:
            self.id, self.name, self.state, self.notes = folder.run.id, folder.run.name, folder.run.state, folder.notes

    @contextmanager
    def source(self) -> Iterator[Source]:
        from jupyter_aicci.client.source import of_copy
        from jupyter_aicci.store.folder import RunFolder

        with RunFolder(self.path) as folder:
            yield of_copy(folder)

    def view(self, width_px: int = 800) -> View:
        """The timeline, as everything that draws it takes it."""
        with self.source() as source:
            return source.view(width_px)

    def __repr__(self) -> str:
        return f"<CopiedRun {self.id} {self.state}>"
