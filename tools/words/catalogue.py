"""The catalogues: what is to be translated (`.pot`), the translations (`.po`), and what JupyterLab reads (`.json`).

In: `trans.…('literal')` of the labextension and its settings, by jupyterlab-translate; the sentences of `words.grammar`.
Rule 1: sorted by message, without dates, versions and lines, so that equal sources give equal files.
Rule 2: the translation of a message that is gone stays as an obsolete entry (`#~`), for when it comes back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import polib
from jupyterlab_translate.constants import GETTEXT_CONFIG
from jupyterlab_translate.converters import convert_catalog_to_json
from jupyterlab_translate.utils import _extract_schema_strings

from words.grammar import Grammar, grammar

ROOT = Path(__file__).resolve().parents[2]
LABEXTENSION = ROOT / "labextension"
GRAMMAR = LABEXTENSION / "src" / "words" / "grammar.json"
LOCALE = ROOT / "jupyter_aicci" / "locale"
DOMAIN = "jupyter_aicci"  # as in labextension/src/tokens.ts
POT = LOCALE / f"{DOMAIN}.pot"
LANGUAGES = {"zh_CN": "nplurals=1; plural=0;"}
SERVICE = "service"  # the context of what the service says, as in labextension/src/words/served.ts
WIDE = 10_000  # no line is broken

Key = tuple[str, str]  # (context, message)


def po_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def grammar_text(found: Grammar) -> str:
    """The file that the page loads where it is not in English: one sentence a line."""
    return json.dumps({"sentences": found.sentences, "parts": found.parts}, ensure_ascii=False, indent=0) + "\n"


def template(found: Grammar) -> polib.POFile:
    """Every message that there is now."""
    entries: dict[Key, polib.POEntry] = {}
    for each in (*_typescript(), *_schemas(), *_served(found)):
        key = (each.msgctxt or "", each.msgid)
        known = entries.setdefault(key, each)
        if known.msgid_plural != each.msgid_plural:
            raise ValueError(f"{each.msgid!r} is said with a plural and without, and a catalogue holds one of them")
        known.occurrences = sorted({*known.occurrences, *each.occurrences})
    return _catalogue(entries, {})


def _typescript() -> list[polib.POEntry]:
    """What `trans.__('…')` and its like say, by the extractor of jupyterlab-translate."""
    glob = {"pattern": "src/**/*.ts*(x)", "options": {"ignore": "**/*.spec.ts"}}
    with tempfile.TemporaryDirectory() as scratch:
        out, config = Path(scratch, "out.pot"), Path(scratch, "config.json")
        config.write_text(
            json.dumps({**GETTEXT_CONFIG, "js": {**GETTEXT_CONFIG["js"], "glob": glob}, "output": str(out)})
        )
        extract = [sys.executable, "-m", "jupyterlab_translate.gettext_extract", "--config", str(config)]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # node may be there
        subprocess.run(
            extract, cwd=LABEXTENSION, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path}
        )
        found = polib.pofile("#, fuzzy\n" + out.read_text("utf-8"), wrapwidth=WIDE)
    return [
        _entry(each.msgid, each.msgctxt, (f"labextension/{path}" for path, _ in each.occurrences), each.msgid_plural)
        for each in found
    ]


def _schemas() -> list[polib.POEntry]:
    """Titles and descriptions of the settings, and names of menus."""
    return [
        _entry(each["msgid"], each["msgctxt"], [str(path.relative_to(ROOT))])
        for path in sorted(LABEXTENSION.glob("schema/*.json"))
        for each in _extract_schema_strings(json.loads(path.read_text("utf-8")), path.name)
        if each["msgid"].strip()
    ]


def _served(found: Grammar) -> list[polib.POEntry]:
    return [
        _entry(text, SERVICE, [f"jupyter_aicci/{where.replace('.', '/')}.py"]) for text, where in found.messages.items()
    ]


def _entry(text: str, context: str | None, where: Iterable[str], plural: str = "") -> polib.POEntry:
    forms = {"msgid_plural": plural, "msgstr_plural": {0: ""}} if plural else {}
    return polib.POEntry(msgid=text, msgctxt=context, occurrences=[(path, "") for path in where], **forms)


def merged(pot: polib.POFile, language: str) -> polib.POFile:
    """The language's catalogue with the messages of the template, translated as far as it is already."""
    path = po_path(language)
    known = {(each.msgctxt or "", each.msgid): each for each in (polib.pofile(str(path)) if path.exists() else ())}
    entries: dict[Key, polib.POEntry] = {}
    for each in pot:
        key = (each.msgctxt or "", each.msgid)
        entry = _entry(each.msgid, each.msgctxt, (path for path, _ in each.occurrences), each.msgid_plural)
        if key in known and bool(known[key].msgid_plural) == bool(entry.msgid_plural):
            entry.msgstr, entry.msgstr_plural = known[key].msgstr, known[key].msgstr_plural
        entries[key] = entry
    catalogue = _catalogue(entries, {"Language": language, "Plural-Forms": LANGUAGES[language]})
    for key in sorted(known.keys() - entries.keys()):
        known[key].obsolete, known[key].occurrences = True, []
        catalogue.append(known[key])
    return catalogue


def _catalogue(entries: dict[Key, polib.POEntry], metadata: dict[str, str]) -> polib.POFile:
    catalogue = polib.POFile(wrapwidth=WIDE)
    catalogue.metadata = {
        "Project-Id-Version": DOMAIN,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        **metadata,
    }
    for key in sorted(entries):
        catalogue.append(entries[key])
    return catalogue


def fresh() -> dict[Path, bytes]:
    """Every file as it should be."""
    found = grammar()
    pot = template(found)
    files = {GRAMMAR: grammar_text(found).encode(), POT: str(pot).encode()}
    for language in LANGUAGES:
        catalogue = merged(pot, language)
        files[po_path(language)] = str(catalogue).encode()
        files[po_path(language).with_suffix(".json")] = _compiled(catalogue, language)
    return files


def _compiled(catalogue: polib.POFile, language: str) -> bytes:
    """What JupyterLab's server hands to the page."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, po_path(language).name)
        path.write_text(str(catalogue), "utf-8")
        return convert_catalog_to_json(path, Path(scratch), DOMAIN).read_bytes()


def stale() -> dict[Path, bytes]:
    """The files that differ from what the source says now, with their new content."""
    return {path: new for path, new in fresh().items() if not path.exists() or path.read_bytes() != new}


def untranslated(language: str) -> list[str]:
    return [each.msgid for each in polib.pofile(str(po_path(language))) if not (each.obsolete or each.translated())]
