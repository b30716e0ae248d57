"""The translations are complete and current, and the page has words for what the service says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from words_builders import unknown

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "jupyter_aicci" / "locale"
LANGUAGES = sorted(path.name for path in LOCALE.iterdir() if path.is_dir())
SOURCES = [path for path in sorted(ROOT.glob("labextension/src/**/*.ts")) if not path.name.endswith(".spec.ts")]
EXTRACTED = re.compile(r"(?:^|[^.\w])(?:trans|this\.trans|this\._trans)$")  # what jupyterlab-translate looks for


def test_extracting_anew_gives_the_files_that_are_here() -> None:
    """`./tools/dev translate` would change nothing, and finds nothing without a translation."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "translate.py"), "--check"], capture_output=True, text=True
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_has_a_translation_with_the_same_holes(language: str) -> None:
    """No fuzzy one, and each %1 stands on both sides."""
    every = polib.pofile(str(LOCALE / language / "LC_MESSAGES" / "jupyter_aicci.po"))
    catalogue = [each for each in every if not each.obsolete]
    template = polib.pofile(str(LOCALE / "jupyter_aicci.pot"))

    assert {(each.msgctxt, each.msgid) for each in catalogue} == {(each.msgctxt, each.msgid) for each in template}
    assert [each.msgid for each in catalogue if each.fuzzy or not each.translated()] == []
    assert [each.msgid for each in catalogue for said in _said(each) if _holes(said) != _holes(each.msgid)] == []


def _said(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def _holes(text: str) -> set[str]:
    return set(re.findall(r"%\d+", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_jupyter_finds_the_catalogues_of_the_installed_package(language: str) -> None:
    """By its entry point."""
    from jupyterlab_server.translation_utils import get_language_pack

    pack, message = get_language_pack(language)

    assert message == ""
    assert pack["jupyter_aicci"] == json.loads(
        (LOCALE / language / "LC_MESSAGES" / "jupyter_aicci.json").read_text("utf-8")
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_of_the_page_is_one_that_the_extractor_sees(path: Path) -> None:
    """`trans.__('…')` with a literal; a bundle of another name, or a variable as text, would go missing without a word."""
    text = path.read_text("utf-8")
    calls = [(text[: found.start()].rsplit("\n", 1)[-1], text[found.end() :].lstrip()) for found in CALL.finditer(text)]

    unseen = [before + after[:40] for before, after in calls if not EXTRACTED.search(before) or after[:1] not in "'\"`"]
    assert [
        each for each in unseen if path.name not in ("served.ts", "schemas.ts")
    ] == []  # those look up what others say


CALL = re.compile(r"\.(?:__|_n|_p|_np)\(")


@pytest.mark.parametrize(
    "said",
    [
        "elapsed · 12 s waited", "steps · 3:04 left", "so far · $12.40/h list price", "of $50.00 (82%) · $12.40/h", "free",
        "61 % of $38.20 was useful; the biggest leak, $9.10, is waiting for data",
        "first in line: 2 cpux1 nodes need 2 CPUs, 1 free; the rest is held by 1 running run, at most 0.7 unit-hours",
        "1 cpux2 node needs 2 CPUs each, on one host; enough is free in all, but not together; --shape cpux1 would start now",
        "what is free is reserved for r0000001, which stands before it", "queue small uses 1 of its limit of 1 CPUs",
        "this run can never start here: it asks for 3 cpux1 nodes (3 CPUs), and this host has 2. Nothing was submitted.",
        "shape 'cpu2' is not offered here; did you mean cpux2. Nothing was submitted.", "--nodes 2 would start now.",
        "rank 0 was killed by SIGKILL, and nobody here sent it; it has cost $9 of its budget of $9 (99%), so it is not tried again",
        "2 ranks lost the connection to another, first rank 0: RuntimeError: Connection closed by peer",
        "attempt 3 starts in 1.1 s from checkpoint step 12 (retry 2 of 9)", "run r1 has ended already: succeeded.",
        "today's budget of queue default is spent: $13.93 of $24.00. Nothing was submitted.",
        "--engine kubernetes is not available yet; --engine local is. Nothing was submitted.",
    ],
)  # fmt: skip
def test_the_page_has_words_for_what_the_service_says(said: str) -> None:
    """Tiles, the headline, reasons to wait, refusals, verdicts, budgets; findings are in findings_cases.py."""
    assert unknown(said) == []


def test_a_sentence_that_nobody_says_has_no_words() -> None:
    """Or the test above would say nothing."""
    assert unknown("a sentence that nobody says; free") == ["a sentence that nobody says"]
