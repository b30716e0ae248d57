"""page: one HTML file that says everything and asks for nothing; tests/browser/test_page.py opens it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest
from drawing_builders import FINDINGS, a_full_view
from timeline_builders import a_failed_run, at

from jupyter_aicci.timeline.lanes import SeriesLane, View
from jupyter_aicci.timeline.page import page
from jupyter_aicci.timeline.summary import summary_text
from jupyter_aicci.timeline.view import view


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def body_of(text: str) -> str:
    """What is read, without scripts and tags."""
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style).*?</\1>", " ", text)))


def test_everything_that_the_card_says_is_in_the_file() -> None:
    """Name, state, tiles, where the money went, findings with their money, phases, and the words."""
    shown = a_full_view()
    told = " ".join(body_of(page(shown)).split())
    for tile in shown.tiles:
        assert f"{tile.value} {tile.label}" in told
    for finding in FINDINGS:
        assert finding.text in told
        assert finding.fix in told
    assert "≈ $0.31 wasted" in told
    assert "≈ $0.22 so far" in told
    assert shown.headline in told
    assert " ".join(summary_text(shown).split()) in told


def test_a_list_price_says_where_it_is_from_when_the_pointer_rests_on_it() -> None:
    """The tile's note, as text; a tile without one has no title."""
    shown = a_full_view()
    *others, cost = shown.tiles
    text = page(replace(shown, tiles=(*others, replace(cost, note='list price: "aws" <p5>'))))
    assert text.count("<li title=") == 1
    assert '<li title="list price: &quot;aws&quot; &lt;p5&gt;"><b>' in text


def test_the_data_is_in_the_file_once_and_in_no_figure() -> None:
    """Four figures, light and dark, folded and unfolded, are drawn from one set of columns."""
    shown = a_full_view()
    data = data_of(page(shown))
    loss = next(lane for lane in shown.lanes if lane.id == "value:loss")
    assert isinstance(loss, SeriesLane)
    assert data["columns"]["lane:value:loss"]["v"] == pytest.approx(loss.v.tolist(), rel=1e-5)
    assert data["columns"]["shade:cost"] == {"left": [430.0], "right": [560.0]}
    for figures in data["figures"].values():
        assert len(figures["own"]["places"]) < len(figures["all"]["places"]) == len(shown.lanes)
        assert "0.310" not in json.dumps(figures["own"]["item"])
        assert '"t": []' in json.dumps(figures["own"]["item"]) or '["t", []]' in json.dumps(figures["own"]["item"])


def test_a_break_is_null_in_the_file() -> None:
    """NaN is no JSON."""
    shown = a_full_view()
    broken = [
        replace(lane, v=np.where(np.arange(len(lane.v)) == 1, np.nan, lane.v)) if lane.id == "value:loss" else lane
        for lane in shown.lanes
    ]
    assert data_of(page(replace(shown, lanes=tuple(broken))))["columns"]["lane:value:loss"]["v"][1] is None


def test_what_a_run_says_is_text_and_never_a_tag() -> None:
    """A name, a log or a finding that looks like HTML is shown as it is."""
    evil = "</script><script>alert(1)</script><img src=https://elsewhere/x.png>"
    shown = a_full_view()
    made = replace(
        shown,
        run={**shown.run, "name": evil},
        log={"rank": 0, "text": evil},
        headline=evil,
        lanes=tuple(replace(lane, name=evil) for lane in shown.lanes),
    )
    text = page(made)
    assert evil not in text
    assert text.count("<script") == page(shown).count("<script")
    assert data_of(text)["lanes"]["cost"]["name"] == evil


def test_the_file_names_no_address() -> None:
    """But for those that BokehJS has in its comments and licences; the file's own policy forbids all of them."""
    text = page(a_full_view())
    own = re.sub(r"(?s)<script>.*?</script>", "", text)
    assert not re.search(r"https?://", own)
    assert "default-src 'none'" in own
    assert "connect-src" not in own, "what is not named falls back to none"


def test_a_failure_is_told_in_the_file() -> None:
    """The verdict's first line, and a run without findings has no list of them."""
    run, frames, cost = a_failed_run()
    failed: View = view(run, frames, cost=cost, now_ns=at(763))
    text = page(failed)
    assert failed.verdict
    assert str(failed.verdict["text"]) in body_of(text)
    assert 'class="findings"' not in text
