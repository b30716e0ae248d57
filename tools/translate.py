"""Writes the catalogues of jupyter_aicci/locale and labextension/src/words/grammar.json anew, and says what is not translated yet.

In: the source, and the translations that are there already (`.po`). Edit those, and run this again.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from words import catalogue


def main() -> int:
    """Write all; 1 where a message lacks its translation."""
    catalogue.write()
    missing = 0
    for language in catalogue.LANGUAGES:
        for text in catalogue.untranslated(language):
            print(f"{catalogue.po_path(language).relative_to(catalogue.ROOT)}: not translated: {text!r}")
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
