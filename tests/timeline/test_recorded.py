"""A run as one JSON file: what is in it, how large it is, and that a reader's page knows every program that it runs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bokeh
import pytest
from drawing_builders import a_full_view

from jupyter_aicci.timeline.recorded import ranks_to_keep, recorded

BOKEH_JS = Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js"
HARMLESS = re.compile(r"[^<>(){}=;`\[\]&]*")  # as in labextension/src/recorded/trust.ts


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    logs, bundle = {0: "the last line\n"}, {"text/plain": "the run"}
    return dict(json.loads(recorded(a_full_view(), logs=logs, bundle=bundle, bokeh_js=BOKEH_JS.read_bytes())))


@pytest.fixture(scope="module")
def known(repository: Path) -> dict[str, Any]:
    return dict(json.loads((repository / "labextension/src/recorded/known.json").read_text()))


def strings(value: Any) -> Iterator[str]:
    """Every text in a value, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def models(value: Any) -> set[str]:
    """The names of all models in a document."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = {value["name"]} if isinstance(value, dict) and value.get("type") == "object" else set()
    return own.union(*map(models, inner))


def test_data_stands_in_it_once(told: dict[str, Any]) -> None:
    """In the view; figures of three themes, folded and unfolded, are empty."""
    view = a_full_view()
    assert told["view"] == json.loads(json.dumps(view.to_json()))
    assert (told["logs"], told["bundle"]) == ({"0": "the last line\n"}, {"text/plain": "the run"})
    assert set(told["figures"]) == {"light", "dark", "contrast"}
    for figures in told["figures"].values():
        assert len(figures["own"]["places"]) < len(figures["all"]["places"]) == len(view.lanes)
        assert set(figures["own"]) == {"item", "legend", "places", "frame", "heat", "severities"}


def test_bokehjs_is_in_it_as_installed(told: dict[str, Any]) -> None:
    """The bytes of the package, so that a reader can know them; the same file makes the same text."""
    assert told["bokeh"]["version"] == bokeh.__version__
    assert gzip.decompress(base64.b64decode(told["bokeh"]["gzip"])) == BOKEH_JS.read_bytes()


def test_a_page_knows_every_program_in_it(told: dict[str, Any], known: dict[str, Any]) -> None:
    """Models, snippets and, of the versions that are listed, BokehJS; else the page would ask before it draws."""
    drawn = [each for figures in told["figures"].values() for each in figures.values()]
    assert set().union(*(models(each["item"]) for each in drawn)) <= set(known["models"])
    seen = {text for each in drawn for text in strings([each["item"], each["heat"], each["severities"]])}
    programs = {text for text in seen if not HARMLESS.fullmatch(text)}
    assert programs == set(known["texts"])
    digest = hashlib.sha256(gzip.decompress(base64.b64decode(told["bokeh"]["gzip"]))).hexdigest()
    assert known["bokeh"].get(digest, bokeh.__version__) == bokeh.__version__


def test_the_logs_of_first_ranks_and_of_the_failed_one_are_kept() -> None:
    """64 at most, and one more."""
    view = a_full_view()
    large = replace(view, run=view.run | {"world_size": 4096}, verdict={"rank": 900})
    assert ranks_to_keep(large) == [*range(64), 900]
    assert ranks_to_keep(replace(view, run=view.run | {"world_size": 2}, verdict={"rank": -1})) == [0, 1]


def test_an_ordinary_run_is_below_two_megabytes(told: dict[str, Any]) -> None:
    """Most of it BokehJS."""
    assert len(json.dumps(told)) < 2_000_000
