"""The page and Python mean the same words: the interfaces of protocol.ts against what the Python side writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from drawing_builders import a_full_view
from service_builders import Served, submit, turn
from service_builders import engine as engine
from service_builders import served as served
from timeline_builders import a_failed_run, a_long_run

from jupyter_aicci.extension.drawings import bundle_json, figure_json
from jupyter_aicci.extension.handlers import error_body
from jupyter_aicci.extension.launches import option_row
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import OPTIONS
from jupyter_aicci.model.states import TERMINAL, State
from jupyter_aicci.timeline.colours import PHASES
from jupyter_aicci.timeline.incremental import Accumulator

LANES = {"phases": "IPhaseLane", "series": "ISeriesLane", "heat": "IHeatLane"}
Interfaces = dict[str, dict[str, bool]]  # interface -> field -> whether it must be there


@pytest.fixture(scope="module")
def source(repository: Path) -> Path:
    return repository / "labextension" / "src"


@pytest.fixture(scope="module")
def interfaces(source: Path) -> Interfaces:
    text = "\n".join((source / name).read_text() for name in ("protocol.ts", "site/protocol.ts"))
    found: Interfaces = {}
    for name, body in re.findall(r"export interface (\w+) \{\n(.*?)\n\}", text, re.DOTALL):
        fields = re.findall(r"^  readonly (?:'([^']+)'|(\w+))(\??):", body, re.MULTILINE)
        found[name] = {quoted or plain: not optional for quoted, plain, optional in fields}
    return found


@pytest.fixture(scope="module")
def views() -> list[dict[str, Any]]:
    """A run that lives, one that succeeded, one that failed, one with every kind of lane and with findings."""
    made = []
    for run, frames, cost in (a_long_run(), a_long_run(ended=True), a_failed_run()):
        state = Accumulator(origin_ns=run.submitted_ns)
        state.feed(frames)
        made.append(state.view(run, cost=cost, now_ns=cost[-1][0], log_text="last words").to_json())
    return [*made, a_full_view().to_json()]


def agree(interfaces: Interfaces, name: str, data: dict[str, Any], *, more: bool = False) -> None:
    """Every field that the page reads is there, and with `more` false nothing beside them."""
    fields = interfaces[name]
    missing = [field for field, must in fields.items() if must and field not in data]
    unknown = [] if more else [field for field in data if field not in fields]
    assert (missing, unknown) == ([], []), f"{name} of protocol.ts and Python differ"


def test_a_view_has_the_fields_that_the_page_reads(interfaces: Interfaces, views: list[dict[str, Any]]) -> None:
    """Section 7: the view with its summary, tiles, lanes, spans and log, field by field."""
    for view in views:
        agree(interfaces, "IView", view)
        agree(interfaces, "ISummary", view["run"])
        agree(interfaces, "ILog", view["log"])
        for tile in view["tiles"]:
            agree(interfaces, "ITile", tile)
        for finding in view["findings"]:
            agree(interfaces, "IFinding", finding)
        for lane in view["lanes"]:
            agree(interfaces, LANES[lane["kind"]], lane)
            for span in lane.get("spans", ()):
                agree(interfaces, "ISpan", span)
    verdicts = [view["verdict"] for view in views if view["verdict"]]
    assert verdicts, "the failed run has one"
    for verdict in verdicts:
        agree(interfaces, "IVerdict", verdict, more=True)
        assert verdict.keys() & {"text", "where", "hint", "rank"} == {"text", "where", "hint", "rank"}


def test_a_delta_has_the_fields_that_the_page_reads(interfaces: Interfaces) -> None:
    """Section 7: what changed, and nothing the page would pass over."""
    run, frames, cost = a_long_run()
    frames_so_far = list(frames)
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames_so_far[:-500])
    mark = state.mark(state.view(run, cost=cost[:1], now_ns=frames_so_far[-500].time_ns))
    state.feed(frames_so_far)
    delta = state.delta(mark, run, cost=cost, now_ns=cost[-1][0])
    assert delta.body is not None
    agree(interfaces, "IDelta", delta.body)
    assert delta.body["series"].keys() >= {"value:loss", "cost"}
    for series in delta.body["series"].values():
        agree(interfaces, "ISeriesDelta", series)


def test_figure_bundle_and_errors_have_the_fields_that_the_page_reads(
    interfaces: Interfaces, views: list[dict[str, Any]]
) -> None:
    """Section 8: what the extension adds to the service's answers."""
    figure = json.loads(figure_json(views[0], "dark"))
    agree(interfaces, "IFigure", figure)
    agree(interfaces, "IBokehItem", figure["item"], more=True)
    assert re.fullmatch(r"3\.\d+\.\d+", figure["item"]["doc"]["version"])
    agree(interfaces, "IFrame", figure["frame"])
    agree(interfaces, "IHeatLook", figure["heat"])
    for place in figure["places"]:
        agree(interfaces, "IPlace", place)
    for row in figure["legend"]:
        agree(interfaces, "ILegendRow", row)
    bundle = json.loads(bundle_json(views[1]))
    agree(interfaces, "IBundle", bundle)
    agree(interfaces, "IRunOutput", bundle["application/vnd.aicci.run+json"])
    error = error_body(UserError("bad_spec", "it is wrong.", hint="correct it"), 500)
    agree(interfaces, "IErrorBody", error, more=True)


def test_the_site_has_the_fields_that_the_page_reads(interfaces: Interfaces, served: Served, tmp_path: Path) -> None:
    """Section 6: the first message of the stream with its rows, what changed later, and the forecasts of a form."""
    served.do(lambda desk: submit(desk, "r0000001", data=[f"images={tmp_path}:mount"]))
    served.do(turn)
    site, _ = served.do(lambda desk: desk.site.whole())
    agree(interfaces, "ISite", site)
    agree(interfaces, "IServiceStatus", site["status"])
    for name, rows in (("ISummary", "runs"), ("IShapeRow", "shapes"), ("IQueueRow", "queues"), ("IDataRow", "data")):
        assert site[rows], name
        for row in site[rows]:
            agree(interfaces, name, row, more=name == "IShapeRow")
    agree(interfaces, "ISiteDelta", {"type": "site_delta", **served.do(lambda desk: desk.site.since(0))[0]})
    told = served.call("POST", "/v1/forecasts", {"spec": {"nodes": 2}})
    agree(interfaces, "IForecasts", {"magic": "", **told})
    for answer in told["answers"]:
        agree(interfaces, "IShapeForecast", answer)
        agree(interfaces, "IForecast", answer["forecast"], more=True)


def test_options_have_the_fields_that_the_page_reads(interfaces: Interfaces) -> None:
    """Section 8: each row of the table, whatever its kind."""
    for option in OPTIONS:
        agree(interfaces, "IOptionRow", option_row(option))


def test_the_page_translates_every_state_and_phase(source: Path) -> None:
    """A word of the tables that the page does not know would stay English for everyone."""
    words = (source / "card" / "words.ts").read_text()
    for state in State:
        assert f"{state}: trans.__('{state}')" in words
    for look in PHASES:
        assert f"{look.phase}: trans.__('{look.label}')" in words
    terminal = re.search(r"TERMINAL = new Set\(\[(.*?)\]", (source / "runs" / "merge.ts").read_text())
    assert terminal
    assert set(re.findall(r"'(\w+)'", terminal[1])) == {str(state) for state in TERMINAL}
