"""The kernel's half of `run.widget()`: what it answers and pushes, and when it stops."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import bokeh
import pytest
from service_builders import Scripted, Served, turn

from jupyter_aicci.client import Client, Program, Run, drawn
from jupyter_aicci.client.widget import RunWidget
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.spec import parse_spec

LIMIT_S = 10.0


class Sent:
    """What the widget has sent to its pages."""

    def __init__(self, widget: RunWidget, monkeypatch: pytest.MonkeyPatch) -> None:
        self.all: list[tuple[dict[str, Any], list[bytes]]] = []
        monkeypatch.setattr(widget, "send", lambda content, buffers=(): self.all.append((content, list(buffers))))

    def until(self, found: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any], list[bytes]]:
        deadline_s = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline_s:
            for content, buffers in self.all:
                if found(content):
                    return content, buffers
            time.sleep(0.01)
        raise AssertionError(f"not sent: {self.all}")

    @property
    def views(self) -> int:
        return sum('"type":"view"' in content.get("push", "") for content, _ in self.all)


@pytest.fixture
def run(served: Served, engine: Scripted) -> Run:
    run = Client(served.home).submit(parse_spec({"shape": "cpux1", "name": "first"}), Program(text="1"))
    served.do(turn)
    return run


@pytest.fixture
def widget(run: Run) -> Iterator[RunWidget]:
    widget = run.widget()
    yield widget
    widget.close()


def ask(widget: RunWidget, sent: Sent, call: str, **args: Any) -> tuple[dict[str, Any], list[bytes]]:
    """A call as a page makes it, and its answer."""
    asked = f"page-{len(sent.all)}-{call}"
    widget._handle_custom_msg({"call": call, "id": asked, "args": args}, [])
    return sent.until(lambda content: content.get("id") == asked)


def watchers(run: Run) -> int:
    return int(run._client.wait_row(run.id, after=0, timeout_s=0)["watchers"])


def test_every_question_of_a_page_is_answered(widget: RunWidget, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(widget, monkeypatch)

    assert json.loads(ask(widget, sent, "summary")[1][0])["id"] == run.id
    assert json.loads(ask(widget, sent, "view")[1][0])["run"]["name"] == "first"
    assert json.loads(ask(widget, sent, "view", from_s=0, to_s=1, width_px=100)[1][0])["window"] == [0, 1]
    figure = ask(widget, sent, "figure", width_px=800, theme="dark", unfolded=["node-0"])[1][0]
    assert json.loads(figure)["item"]["doc"]["version"] == bokeh.__version__
    assert set(json.loads(ask(widget, sent, "bundle")[1][0])) >= {"image/png", "text/plain"}
    assert json.loads(ask(widget, sent, "logs", rank=0, attempt=0, offset=0, limit=100)[1][0])["text"] == ""
    assert ask(widget, sent, "log", rank=0, attempt=0)[1] == [b""]
    assert ask(widget, sent, "export", format="html")[1][0].startswith(b"<!")
    assert b"Bokeh" in ask(widget, sent, "bokeh", version=bokeh.__version__)[1][0]
    assert json.loads(ask(widget, sent, "stop")[1][0])["id"] == run.id


def test_a_refusal_goes_to_the_page_in_words(widget: RunWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(widget, monkeypatch)
    refused, _ = ask(widget, sent, "export", format="pdf")
    mistaken, _ = ask(widget, sent, "figure", width="wide")

    assert (refused["error"]["status"], refused["error"]["code"]) == (400, "unknown_export")
    assert mistaken["error"]["code"] == "internal"


def test_one_stream_serves_all_pages_and_ends_with_the_last(
    widget: RunWidget, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that comes later gets a whole view; what is closed watches no more."""
    sent = Sent(widget, monkeypatch)
    widget._handle_custom_msg({"follow": "one"}, [])
    sent.until(lambda content: sent.views == 1)
    widget._handle_custom_msg({"follow": "two"}, [])
    sent.until(lambda content: sent.views == 2)
    widget._handle_custom_msg({"leave": "one"}, [])
    assert watchers(run) == 1
    widget._handle_custom_msg({"leave": "two"}, [])
    deadline_s = time.monotonic() + LIMIT_S
    while watchers(run):
        assert time.monotonic() < deadline_s, "the stream goes on without a page"
        time.sleep(0.02)


def test_where_no_widget_is_shown_the_run_is_told(widget: RunWidget) -> None:
    data, _ = widget._repr_mimebundle_()

    assert "first" in data["text/plain"]
    assert "image/png" not in data, "it lives"


def test_a_checkout_without_its_javascript_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn.Path, "exists", lambda _: False)

    with pytest.raises(HostError, match="built without JavaScript"):
        drawn.widget_files()
