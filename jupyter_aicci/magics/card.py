"""The run's place in the notebook: one MIME bundle, shown at once and written over as the run goes on.

In: summaries and pictures. Out: `display` and `update_display` of section 9's bundle. JupyterLab's renderer
draws the live timeline from the run's id; other front ends show the text and the latest picture; a terminal prints the
text.
"""

from __future__ import annotations

from typing import Any

from jupyter_aicci.render.runs import state_line
from jupyter_aicci.timeline.bundle import bundle, bundle_metadata


class Card:
    """One display of one run."""

    def __init__(self, summary: dict[str, Any], text: str) -> None:
        from IPython.core.display_functions import display

        self._state, self._png = _shown(summary), b""
        data, beside = bundle(summary, text), bundle_metadata(summary)
        self._handle = display(data, metadata=beside, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def refresh(self, summary: dict[str, Any]) -> None:
        """Show the run's state where it changed since the last time."""
        if _shown(summary) != self._state:
            self._state = _shown(summary)
            self._write(summary, state_line(summary))

    def picture(self, summary: dict[str, Any], png: bytes) -> None:
        """Show the run as it is drawn now, where no page draws it."""
        self._png = png
        self._write(summary, state_line(summary))

    def finish(self, summary: dict[str, Any], text: str, png: bytes | None) -> None:
        """Write the final summary, and the picture where one could be drawn."""
        self._state, self._png = _shown(summary), png or b""
        self._write(summary, text)

    def _write(self, summary: dict[str, Any], text: str) -> None:
        self._handle.update(bundle(summary, text, self._png), metadata=bundle_metadata(summary), raw=True)


def _shown(summary: dict[str, Any]) -> tuple[Any, ...]:
    return summary["state"], summary["attempt"], summary["reason"], summary["place"]
