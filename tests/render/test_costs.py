"""Bills as tables and as a chart that is a picture where no script runs."""

from __future__ import annotations

import base64
import re
from typing import Any

from jupyter_aicci.render.cost_chart import chart_html, figure, picture
from jupyter_aicci.render.costs import report_table


def a_report(**changes: Any) -> dict[str, Any]:
    line = {"key": "ann", "currency": "USD", "runs": 2, "held_s": 7200.0, "amount_micro": 10_000_000, "useful_micro": 6_000_000,
            "overhead_micro": 1_000_000, "waste_micro": 3_000_000, "unsplit_micro": 0, "unpriced": False}  # fmt: skip
    return {"by": "user", "lines": [line, line | {"key": "<bob>", "amount_micro": 0, "unpriced": True}],
            "totals": [{"currency": "USD", "total_micro": 10_000_000}], "unpriced": True} | changes  # fmt: skip


def test_the_report_says_what_is_not_known() -> None:
    """A line without a price is not zero, and the sum says that it is not all."""
    text = report_table(a_report()).to_text()
    assert re.search(r"ann +2 +2 h 0 min|ann +2 +120 min", text)
    bob = next(line for line in text.splitlines() if line.startswith("<bob>"))
    assert (bob.count("price not set"), "$" in bob) == (5, False)
    assert text.splitlines()[-1] == "and nodes whose price is not set"
    assert "nothing was spent" in report_table(a_report(lines=[], totals=[])).to_text()


def test_the_chart_is_a_picture_that_a_script_replaces() -> None:
    """nbconvert and GitHub show the PNG; nothing of a run's texts ends the script early."""
    page = chart_html(a_report(), chart_id="c1")
    (data,) = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert base64.b64decode(data).startswith(b"\x89PNG")
    assert page.count("</script>") == 1
    odd = chart_html(a_report(lines=[a_report()["lines"][0] | {"key": "<!--<script>"}]), chart_id="c1")
    assert odd.count("<script>") == 1
    assert "<!--" not in odd
    assert "aicci/bokeh/" in page
    assert chart_html(a_report(lines=[]), chart_id="c1") == ""
    assert len(picture(a_report())) > 2000


def test_the_bars_are_the_reports_amounts() -> None:
    """Useful, overhead and waste upon each other, in the report's currency."""
    plot = figure(a_report())
    source = plot.renderers[0].data_source.data
    assert (source["useful"][0], source["overhead"][0], source["waste"][0]) == (6.0, 1.0, 3.0)
    assert list(plot.x_range.factors) == ["ann", "<bob>"]
