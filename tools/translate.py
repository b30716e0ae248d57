"""Writes the catalogues of jupyter_aicci/locale and labextension/src/words/grammar.json anew; `--check` only says which are stale.

In: the source, and the translations that are there already (`.po`). Edit those, and run this again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from words import catalogue


def main() -> int:
    """Write what is stale, or with `--check` name it; 1 where it does, or where a message lacks its translation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    check = parser.parse_args().check
    changed = catalogue.stale()
    for path, content in changed.items():
        print(("stale: " if check else "written: ") + str(path.relative_to(catalogue.ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if check and changed:
        print("`./tools/dev translate` writes them anew.")
    missing = [(language, text) for language in catalogue.LANGUAGES for text in catalogue.untranslated(language)]
    for language, text in missing:
        print(f"{language}: not translated: {text!r}")
    return 1 if missing or (check and changed) else 0


if __name__ == "__main__":
    sys.exit(main())
