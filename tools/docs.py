"""Writes the pages of docs/reference from the tables of the code; `--check` only says which of them are stale.

In: the tables themselves (options, states, events, routes, the CLI's parser) and the source text of every raised error.
Rule 1: a page holds nothing that its table does not; words that belong to a thing are written where the thing is.
Rule 2: no clock, no version, no path of this machine in a page, so that equal code gives equal pages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reference import life, measured, typed  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "options.md": typed.options_page,
    "commands.md": typed.commands_page,
    "states.md": life.states_page,
    "exit-classes.md": life.exit_classes_page,
    "events.md": life.events_page,
    "errors.md": life.errors_page,
    "policies.md": measured.policies_page,
    "metrics.md": measured.metrics_page,
    "data.md": measured.data_page,
    "findings.md": measured.findings_page,
    "python.md": typed.python_page,
}


def stale() -> dict[str, str]:
    """The pages whose file differs from what the code says now, with their new text."""
    fresh = {name: make() for name, make in PAGES.items()}
    return {
        name: new
        for name, new in fresh.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text("utf-8") != new
    }


def main() -> int:
    """Write what is stale, or with `--check` name it and exit 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is stale")
    check = parser.parse_args().check
    changed = stale()
    for name, new in changed.items():
        print(("stale: " if check else "written: ") + f"docs/reference/{name}")
        if not check:
            REFERENCE.mkdir(parents=True, exist_ok=True)
            (REFERENCE / name).write_text(new, "utf-8")
    if check and changed:
        print("`./tools/dev docs` writes them anew.")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
