"""What a page asks for before and at a launch, in a real Jupyter server over a real service."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from jupyter_builders import ONLY_LOOKING, Jupyter, kill_service, open_stream, plain_program

from jupyter_aicci.client import Client
from jupyter_aicci.model.options import OPTIONS

FIRST, SECOND = "raaaaaa1", "raaaaaa2"


def script(jupyter: Jupyter, name: str = "train.py", text: str = "print('trained')\n") -> str:
    (jupyter.root / name).write_text(text)
    return name


def test_the_form_gets_every_row_of_the_option_table(jupyter: Jupyter) -> None:
    """As many as there are, each with its place in a form and its default as a person would type it."""
    rows = {row["field"]: row for row in jupyter.ask("aicci/api/options").json}
    assert list(rows) == [option.field for option in OPTIONS]
    assert rows["nodes"]["default"] == "1"
    assert rows["shape"]["section"] == "main"
    assert rows["engine"]["choices"] == ["local", "kubernetes"]
    assert rows["secret"]["repeats"]


def test_what_was_typed_is_told_of_for_every_shape(jupyter: Jupyter, client: Client) -> None:
    """The magic line, and of each shape when it would start or why it never can; nothing is submitted."""
    names = [shape["name"] for shape in client.shapes()]
    told = jupyter.ask("aicci/api/forecasts", "POST", {"given": {"shape": "cpux1", "nodes": "2", "name": "a b"}}).json
    assert told["magic"] == "%%aicci train --shape cpux1 --nodes 2 --name 'a b'"
    assert told["asked"] == ["cpux1"]
    assert [each["shape"] for each in told["answers"]] == sorted(names, key=lambda name: name != "cpux1")
    first, *others = told["answers"]
    assert first["forecast"]["starts"] == "now"
    assert first["forecast"]["world_size"] == 2
    assert first["forecast"]["outlook"] is None
    assert any("can never start" in each["refused"] for each in others)
    assert client.runs() == []


def test_auto_says_which_shape_it_means(jupyter: Jupyter) -> None:
    """The first answer is of the shape that the run would get."""
    told = jupyter.ask("aicci/api/forecasts", "POST", {"given": {}}).json
    assert told["asked"] == ["cpux1"]
    assert told["magic"] == "%%aicci train"


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"nodes": "0"}, "bad_spec", "nodes"),
        ({"budget": "much"}, "bad_spec", "budget"),
        ({"shap": "cpux1"}, "unknown_option", "shap"),
        ({"queue": "nowhere"}, "unknown_queue", "queue"),
        ({"shape": "h100x8"}, "unknown_shape", "shape"),
        ({"data": ["images=/no/such/place"]}, "bad_data", "data"),
        ({"name": "a\nb"}, "bad_option", "name"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(jupyter: Jupyter, given: dict[str, Any], code: str, field: str) -> None:
    """Message, code, hint and the option's name."""
    answer = jupyter.ask("aicci/api/forecasts", "POST", {"given": given})
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, code, field), answer.json


def test_a_file_is_launched_once_however_often_it_is_sent(jupyter: Jupyter, client: Client) -> None:
    """The same id twice is one run; its answer is the run."""
    body = {"id": FIRST, "file": script(jupyter), "given": {"nodes": "2", "name": "mine"}}
    first, again = (jupyter.ask("aicci/api/launch", "POST", body) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert [run["id"] for run in client.runs()] == [FIRST]
    assert client.run(FIRST).wait(60)["state"] == "succeeded"
    assert client.run("mine").logs() == "trained\n"


def test_a_file_that_cannot_run_leaves_nothing_behind(jupyter: Jupyter, client: Client, aicci_home: Path) -> None:
    """Not there, not Python, or an option of notebooks: refused in words, and no folder stays."""
    bad = script(jupyter, "bad.py", "def f(:\n")
    for file, given, code in (
        ("none.py", {}, "bad_file"),
        (bad, {}, "syntax_error"),
        (script(jupyter), {"push": "x"}, "notebook_only"),
        ("", {}, "no_file"),
    ):
        answer = jupyter.ask("aicci/api/launch", "POST", {"id": SECOND, "file": file, "given": given})
        assert (answer.status, answer.json["code"]) == (400, code)
    assert jupyter.ask("aicci/api/launch", "POST", {"id": "x", "file": "train.py"}).json["code"] == "bad_id"
    assert client.runs() == []
    assert not (aicci_home / "runs" / SECOND).exists()


def test_a_file_that_was_edited_since_is_another_run(jupyter: Jupyter, client: Client, aicci_home: Path) -> None:
    """What an unanswered launch has left under its id never runs in place of what is there now."""
    body = {"id": FIRST, "file": script(jupyter)}
    assert jupyter.ask("aicci/api/launch", "POST", body).status == 201
    client.run(FIRST).wait(60)
    script(jupyter, text="print('better')\n")
    again = jupyter.ask("aicci/api/launch", "POST", body)
    assert (again.status, again.json["code"]) == (409, "id_taken")
    assert client.run(FIRST).logs() == "trained\n"


def test_what_is_no_program_is_not_read(jupyter: Jupyter) -> None:
    """A device, a folder and a huge file are refused by their kind."""
    with (jupyter.root / "huge.py").open("wb") as file:
        file.truncate(1 << 32)
    for file in ("/dev/zero", str(jupyter.root), "huge.py"):
        answer = jupyter.ask("aicci/api/launch", "POST", {"id": SECOND, "file": file})
        assert (answer.status, answer.json["code"]) == (400, "bad_file"), file


def test_what_auto_would_be_refused_for_is_said(jupyter: Jupyter) -> None:
    """Not what one shape alone would give."""
    told = jupyter.ask("aicci/api/forecasts", "POST", {"given": {"nodes": "4000"}}).json
    assert told["asked"] == []
    assert "can never start" in told["refused"]


def test_a_program_that_ran_before_is_known_again(jupyter: Jupyter, client: Client) -> None:
    """Of a file whose runs have ended, what its end would take and cost, and why there is no speed-up to tell."""
    file = script(jupyter, text=plain_program(40, 0.01))
    jupyter.ask("aicci/api/launch", "POST", {"id": FIRST, "file": file})
    assert client.run(FIRST).wait(60)["state"] == "succeeded"
    told = jupyter.ask("aicci/api/forecasts", "POST", {"given": {}, "file": file}).json["answers"][0]["forecast"]
    assert told["outlook"]["finish_s"] > 0.4
    assert told["outlook"]["finish_micro"] == 0  # this machine's shapes are free
    assert told["outlook"]["ratio"] is None
    assert "one node only" in told["outlook"]["basis"]
    other = jupyter.ask("aicci/api/forecasts", "POST", {"given": {}, "cell": "%%aicci train\nprint(1)"}).json
    assert "no run of this program" in other["answers"][0]["forecast"]["outlook"]["basis"]


def test_asking_whether_a_service_is_awake_starts_none(jupyter: Jupyter, client: Client, aicci_runtime: Path) -> None:
    """JupyterLab asks it at each start, also of those who train nothing."""
    assert jupyter.ask("aicci/api/awake").json == {"awake": False}
    assert not (aicci_runtime / "service.json").exists()
    client.status()
    assert jupyter.ask("aicci/api/awake").json == {"awake": True}


def test_who_may_only_look_is_told_so(tmp_path: Path, client: Client) -> None:
    """The page disables what the server would refuse."""
    jupyter = Jupyter(tmp_path, config=ONLY_LOOKING % "OnlyLooking")
    jupyter.start()
    try:
        assert jupyter.ask("aicci/api/rights").json == {"launch": False, "stop": False}
        body = {"given": {"data": [f"x={tmp_path}/hidden"]}, "file": str(tmp_path / "jupyter.log")}
        told = jupyter.ask("aicci/api/forecasts", "POST", body)
        assert told.status == 200, "nor is one told which files there are"
        assert "/hidden" not in json.dumps(told.json["answers"])
        assert told.json["answers"][0]["forecast"]["spec"]["fingerprint"] == ""
    finally:
        jupyter.stop()


async def _follow(jupyter: Jupyter, enough: str, begun: asyncio.Event) -> list[dict[str, Any]]:
    """Messages of the site until one has a run in this state; `begun` is set with the first."""
    stream, seen = await open_stream(jupyter, "aicci/api/stream"), []
    try:
        while not seen or enough not in [run["state"] for run in seen[-1].get("runs", ())]:
            text = await asyncio.wait_for(stream.read_message(), 30)
            assert isinstance(text, str), f"closed with {stream.close_code}"
            seen.append(json.loads(text))
            begun.set()
    finally:
        stream.close()
    return seen


def test_a_page_follows_everything_on_one_stream(jupyter: Jupyter, client: Client) -> None:
    """First all of it, then what changed: a run that comes, runs and ends, and what is free meanwhile."""

    async def watch() -> list[dict[str, Any]]:
        begun = asyncio.Event()
        following = asyncio.ensure_future(_follow(jupyter, "succeeded", begun))
        await begun.wait()
        body = {"id": FIRST, "file": script(jupyter, text=plain_program(40, 0.05))}
        await asyncio.to_thread(jupyter.ask, "aicci/api/launch", "POST", body)
        return await following

    first, *deltas = asyncio.run(watch())
    site = first["site"]
    assert (first["type"], site["runs"], site["more_runs"]) == ("site", [], 0)
    assert [shape["free"] for shape in site["shapes"]] == [shape["total"] for shape in site["shapes"]]
    assert {delta["type"] for delta in deltas} == {"site_delta"}
    states = [run["state"] for delta in deltas for run in delta.get("runs", ())]
    order = ("queued", "starting", "running", "succeeded")  # one that lasts less than a look is not seen
    assert list(dict.fromkeys(states)) == [state for state in order if state in states]
    assert any(shape["free"] < shape["total"] for delta in deltas for shape in delta.get("shapes", ()))
    moments = [delta["now_ns"] for delta in deltas]
    assert len(deltas) <= 4 * (moments[-1] - site["now_ns"]) / 1e9 + 2


def test_a_killed_service_ends_the_stream_and_is_started_by_the_next(
    jupyter: Jupyter, client: Client, aicci_runtime: Path
) -> None:
    """kill -9: 1012, and whoever connects again gets everything."""

    async def watch() -> tuple[int | None, str]:
        stream = await open_stream(jupyter, "aicci/api/stream")
        assert await stream.read_message()
        kill_service(aicci_runtime)
        while await asyncio.wait_for(stream.read_message(), 20) is not None:
            pass
        again = await open_stream(jupyter, "aicci/api/stream")
        message = json.loads(str(await again.read_message()))
        again.close()
        return stream.close_code, message["type"]

    client.status()
    assert asyncio.run(watch()) == (1012, "site")


def test_states_of_runs_are_jupyter_events(jupyter: Jupyter, client: Client) -> None:
    """Whoever listens to the server's events hears of each state of a run, with what it was before."""

    async def listen() -> list[dict[str, Any]]:
        events = await open_stream(jupyter, "api/events/subscribe")
        page = await open_stream(jupyter, "aicci/api/stream")
        await page.read_message()
        await asyncio.sleep(1.0)  # the server's own connection begins with the page's
        body = {"id": FIRST, "file": script(jupyter, text=plain_program(40, 0.05))}
        await asyncio.to_thread(jupyter.ask, "aicci/api/launch", "POST", body)
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["state"] != "succeeded":
            event = json.loads(str(await asyncio.wait_for(events.read_message(), 30)))
            if event["schema_id"] == "https://events.jupyter.org/jupyter_aicci/run/v1":
                heard.append(event)
        events.close()
        page.close()
        return heard

    heard = asyncio.run(listen())
    assert {event["id"] for event in heard} == {FIRST}
    assert heard[0]["was"] == ""
    assert [event["was"] for event in heard[1:]] == [event["state"] for event in heard[:-1]]
