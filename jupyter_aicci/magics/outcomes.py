"""How a magic ends other than well: one line for a wrong request, a short report for a failed run, silence for Stop.

Rule: IPython shows what `_render_traceback_` returns and nothing of our own frames; "Run All" stops at each of these.
"""

from __future__ import annotations

from IPython.core.error import UsageError

from jupyter_aicci.model.errors import AicciError


class AicciUsageError(UsageError):
    """A request that was refused: shown as one `UsageError:` line, without a traceback."""

    def __init__(self, error: AicciError) -> None:
        super().__init__(str(error))
        self.code, self.hint = error.code, error.hint

    def _render_traceback_(self) -> list[str]:
        return f"UsageError: {self}".splitlines()


class RunFailed(Exception):
    """The run ended without success; the report names the first rank that failed, and why."""

    def __init__(self, headline: str, report: str) -> None:
        super().__init__(headline)
        self.report = report

    def _render_traceback_(self) -> list[str]:
        return self.report.splitlines()


class RunStopped(RunFailed):
    """The run was stopped by somebody else, a limit or its budget."""


class _Quiet(KeyboardInterrupt):
    """Stop was pressed: the cells after this one must not run, and there is nothing to explain twice."""

    def _render_traceback_(self) -> list[str]:
        return []


class Detached(_Quiet):
    """Stop was pressed once: the run goes on without the cell."""


class Cancelled(_Quiet):
    """Stop was pressed twice: the run was ended."""
