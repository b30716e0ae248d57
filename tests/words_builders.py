"""Whether the page can translate a sentence: the grammar that it loads, matched here as labextension/src/words/served.ts does."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOINTS = re.compile(r"(: |; | · |\n|(?<=[.!?]) )")
_GRAMMAR = json.loads((ROOT / "labextension" / "src" / "words" / "grammar.json").read_text("utf-8"))
SENTENCES: dict[str, list[str]] = _GRAMMAR["sentences"]
PARTS: dict[str, list[str]] = _GRAMMAR["parts"]


def unknown(text: str) -> list[str]:
    """The parts of what the service said that no sentence of the grammar is; [] = the page has words for all of it."""
    pieces, lost, at = JOINTS.split(text), [], 0
    while at < len(pieces):
        ends = (until for until in range(len(pieces), at, -1) if _is_said("".join(pieces[at:until])))
        until = next(ends, at)
        lost += [] if until > at else [pieces[at]]
        at = max(until, at + 1)
    return lost


def _is_said(text: str) -> bool:
    return not re.search("[A-Za-z]{2}", text) or _is_sentence(text)


def _is_sentence(text: str) -> bool:
    return any(_matches(sentence, text) for sentence in SENTENCES if re.search("[A-Za-z]{2}", sentence))


def _matches(sentence: str, text: str) -> bool:
    found = _pattern(sentence).fullmatch(text)
    holes = zip(found.groups(), SENTENCES[sentence], strict=True) if found else ()
    return found is not None and all(unknown(said) == [] for said, part in holes if part == "*")


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(_source(sentence, "("), re.DOTALL)


def _source(sentence: str, opening: str) -> str:
    pieces = re.split(r"%(\d+)", sentence)
    parts = SENTENCES.get(sentence, [])
    return "".join(
        f"{opening}{_inside(parts[int(piece) - 1])})" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)
    )


def _inside(part: str) -> str:
    return "|".join(_source(each, "(?:") for each in PARTS[part]) if part in PARTS else ".*?"
