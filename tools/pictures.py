"""Pictures of every moment for docs/images/moments, out of what tests/browser/test_moments.py has seen.

In: the folder that the test filled. Out: each moment of JupyterLab in English and light as a picture of its own, and for every
other application, theme and language one sheet of all moments. Colours are cut to a palette, so that the repository stays small.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

SHOWN = "lab-light-en"
TILE = (960, 600)
COLUMNS, COLOURS = 3, 256


def small(image: Image.Image, path: Path) -> None:
    image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def sheet(paths: list[Path]) -> Image.Image:
    """All pictures, three in a row."""
    rows = -(-len(paths) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * TILE[0], rows * TILE[1]), "white")
    for at, path in enumerate(paths):
        tile = Image.open(path).convert("RGB").resize(TILE, Image.Resampling.LANCZOS)
        whole.paste(tile, (TILE[0] * (at % COLUMNS), TILE[1] * (at // COLUMNS)))
    return whole


def main(seen: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in seen.iterdir() if path.is_dir()):
        paths = sorted(folder.glob("*.png"))
        if folder.name == SHOWN:
            for path in paths:
                small(Image.open(path), kept / path.name)
        else:
            small(sheet(paths), kept / f"{folder.name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
