"""Text of the picture: its one font, what that can show, and how wide it is. Imports matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import TextToPath

FALLBACK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "Source Han Sans SC")


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    """DejaVu Sans, which matplotlib ships, and behind it what this host has for Chinese and Japanese."""
    known = set(font_manager.fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in FALLBACK_FONTS if name in known))


@lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    fonts = [FT2Font(font_manager.findfont(FontProperties(family=[name]))) for name in _families()]
    return frozenset(code for font in fonts for code in font.get_charmap())


def font(points: float, *, bold: bool) -> FontProperties:
    return FontProperties(family=list(_families()), size=points, weight="bold" if bold else "normal")


def shown(text: str) -> str:
    """The text on one line, characters that no font here has as a box."""
    known = _known_characters()
    return "".join(letter if ord(letter) in known else "□" for letter in " ".join(text.split()))


@lru_cache(maxsize=4096)
def width_of(text: str, px: float, *, bold: bool = False) -> float:
    """The text's width in card pixels."""
    if not text:
        return 0.0
    width, _, _ = TextToPath().get_text_width_height_descent(text, font(px, bold=bold), ismath=False)
    return float(width)


def fitted(text: str, px: float, within: float, *, bold: bool = False) -> str:
    """The text, shortened with an ellipsis where it is wider than `within` card pixels."""
    measure: Callable[[str], float] = lambda part: width_of(part, px, bold=bold)  # noqa: E731
    if measure(text) <= within:
        return text
    low, high = 0, len(text)
    while low < high:
        half = (low + high + 1) // 2
        low, high = (half, high) if measure(text[:half] + "…") <= within else (low, half - 1)
    return text[:low].rstrip() + "…"
