"""A real IPython shell in this process, with the magics loaded and what it printed at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@pytest.fixture
def shell() -> Iterator[Any]:
    """A fresh shell without history on disk; `%load_ext jupyter_aicci` was run."""
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "jupyter_aicci")
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()
