"""The extension in a real Jupyter server, over a real service: who may ask, what is passed on, what is drawn."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import bokeh
import pytest
from jupyter_builders import (
    ONLY_LOOKING,
    Jupyter,
    kill_service,
    open_stream,
    plain_program,
    service_pid,
)
from live import until
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection

from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.extension import bokehjs, downloads, drawings, handlers, launches
from jupyter_aicci.model.spec import RunSpec

BOKEH = f"aicci/bokeh/{bokeh.__version__}/bokeh.min.js"
READS = (
    "aicci/api/status",
    "aicci/api/runs",
    "aicci/api/shapes",
    "aicci/api/queues",
    "aicci/api/forecast",
    "aicci/api/data",
    "aicci/api/options",
    "aicci/api/rights",
    "aicci/api/awake",
    "aicci/api/metrics",
    "aicci/api/costs",
    "aicci/api/costs/focus",
    "aicci/api/runs/r1",
    "aicci/api/runs/r1/view",
    "aicci/api/runs/r1/logs",
    "aicci/api/runs/r1/logs/download?rank=0",
    "aicci/api/runs/r1/cost",
    "aicci/api/runs/r1/speed",
    "aicci/api/runs/r1/export?format=csv",
    "aicci/api/runs/r1/wait",
    "aicci/api/runs/r1/figure",
    "aicci/api/runs/r1/picture.png",
    "aicci/api/runs/r1/bundle",
    BOKEH,
)
WRITES = (
    "aicci/api/runs",
    "aicci/api/launch",
    "aicci/api/forecast",
    "aicci/api/forecasts",
    "aicci/api/runs/r1/stop",
    "aicci/api/runs/r1/cost",
)
STREAMS = ("aicci/api/runs/r1/stream", "aicci/api/stream")


def submit(client: Client, text: str, **options: Any) -> Run:
    spec = RunSpec(shape=("cpux2",), ranks_per_node=2, **options)
    return client.submit(spec, Program(text=text))


def logged_in(jupyter: Jupyter) -> str:
    """The cookies of a page that has logged in."""
    login = jupyter.ask(f"api/status?token={jupyter.token}", token=False)
    return "; ".join(line.partition(";")[0] for line in login.headers.get_all("Set-Cookie"))


def refused(jupyter: Jupyter, path: str, *, token: bool = True, **headers: str) -> int:
    """The status with which a stream is refused, before it is upgraded."""
    with pytest.raises(HTTPClientError) as error:
        asyncio.run(open_stream(jupyter, path, token=token, **headers))
    return int(error.value.code)


def test_nobody_without_a_login_gets_anything(jupyter: Jupyter, aicci_runtime: Path) -> None:
    """Every route refuses, the stream before it is upgraded, and no service is started for who may not ask."""
    told = {path: jupyter.ask(path, token=False).status for path in READS}
    told |= {f"POST {path}": jupyter.ask(path, "POST", {}, token=False).status for path in WRITES}
    told |= {path: refused(jupyter, path, token=False) for path in STREAMS}
    assert set(told.values()) == {403}, told
    assert not (aicci_runtime / "service.json").exists()
    warned = re.findall(r"- \w+ of \w+ registered for \S*/aicci/\S*", jupyter.log.read_text())
    assert warned == [], "Jupyter itself finds handlers of ours without a login"


def test_a_page_of_another_site_gets_no_stream(jupyter: Jupyter, client: Client) -> None:
    """With the cookie that a browser would send along, the origin is checked before the upgrade."""
    path = f"aicci/api/runs/{submit(client, 'pass').id}/stream"
    cookie = logged_in(jupyter)
    assert refused(jupyter, path, token=False, Cookie=cookie, Origin="http://evil.example") == 403
    origin = f"http://127.0.0.1:{jupyter.port}"
    assert asyncio.run(_first_messages(jupyter, path, 1, token=False, Cookie=cookie, Origin=origin))


def test_a_form_of_another_site_launches_nothing(jupyter: Jupyter, client: Client) -> None:
    """XSRF is kept: a cookie alone, without the page's token beside it, is refused."""
    cookie = logged_in(jupyter)
    assert jupyter.ask("aicci/api/status", token=False, headers={"Cookie": cookie}).status == 200
    refusal = jupyter.ask("aicci/api/runs", "POST", {}, token=False, headers={"Cookie": cookie})
    assert refusal.status == 403
    assert client.runs() == []


@pytest.mark.parametrize(("authorizer", "reads"), [("OnlyLooking", 200), ("Nothing", 403)])
def test_rights_are_asked_for_under_the_name_aicci(tmp_path: Path, client: Client, authorizer: str, reads: int) -> None:
    """A policy may let someone look who may not launch or stop, or shut everything."""
    run = submit(client, "pass")
    run.wait(30)
    jupyter = Jupyter(tmp_path, config=ONLY_LOOKING % authorizer)
    jupyter.start()
    try:
        assert jupyter.ask("aicci/api/runs").status == reads
        assert jupyter.ask(f"aicci/api/runs/{run.id}/view").status == reads
        assert jupyter.ask("aicci/api/runs", "POST", {}).status == 403
        assert jupyter.ask(f"aicci/api/runs/{run.id}/stop", "POST", {}).status == 403
        assert jupyter.ask("aicci/api/launch", "POST", {"id": "r1234567", "file": "x.py"}).status == 403
        assert jupyter.ask("aicci/api/forecasts", "POST", {}).status == reads
        if reads == 403:
            assert refused(jupyter, f"aicci/api/runs/{run.id}/stream") == 403
    finally:
        jupyter.stop()


def test_what_the_service_refuses_is_passed_on_in_its_words(jupyter: Jupyter, client: Client) -> None:
    """Errors have message, code and hint, whoever noticed them."""
    for path in ("aicci/api/runs/nobody", "aicci/api/runs/nobody/view", "aicci/api/runs/nobody/figure"):
        answer = jupyter.ask(path)
        assert (answer.status, answer.json["code"]) == (404, "unknown_run"), path
        assert answer.json["message"]
        assert "hint" in answer.json
    assert refused(jupyter, "aicci/api/runs/nobody/stream") == 404
    assert jupyter.ask("aicci/api/runs", "POST", {"id": "x"}).status == 400
    run = submit(client, "pass")
    theme = jupyter.ask(f"aicci/api/runs/{run.id}/figure?theme=pink")
    assert (theme.status, theme.json["code"]) == (400, "bad_theme")


def test_the_service_cannot_be_shut_down_from_a_page(jupyter: Jupyter, client: Client) -> None:
    """Only the routes of section 8 exist."""
    before = client.status()["pid"]
    assert jupyter.ask("aicci/api/shutdown", "POST", {}).status == 404
    assert client.status()["pid"] == before


def test_a_run_is_launched_watched_and_stopped_through_the_proxy(jupyter: Jupyter, client: Client) -> None:
    """What the page asks for reaches the service, and its answers come back as they are."""
    run = submit(client, plain_program(1000, 0.05))
    listed = jupyter.ask("aicci/api/runs").json
    assert [each["id"] for each in listed] == [run.id]
    first = asyncio.run(_first_messages(jupyter, f"aicci/api/runs/{run.id}/stream", 3))
    assert first[0]["type"] == "view"
    assert first[0]["view"]["run"]["id"] == run.id
    assert {message["type"] for message in first[1:]} <= {"view", "delta"}
    until(lambda: "step 0" in client.logs(run.id)["text"], limit_s=60)
    seq = client.details(run.id)["seq"]
    stopped = jupyter.ask(f"aicci/api/runs/{run.id}/stop", "POST", {"grace_s": 0.2})
    assert stopped.status == 200
    row = jupyter.ask(f"aicci/api/runs/{run.id}/wait?after={seq}&timeout_s=20")
    assert row.json["seq"] > seq
    assert run.wait(30)["state"] == "stopped"
    log = jupyter.ask(f"aicci/api/runs/{run.id}/logs?rank=0&offset=0").json
    assert "step 0" in log["text"]
    assert jupyter.ask(f"aicci/api/runs/{run.id}/cost").json["entries"]


async def _first_messages(
    jupyter: Jupyter, path: str, count: int, *, token: bool = True, **headers: str
) -> list[dict[str, Any]]:
    stream = await open_stream(jupyter, path, token=token, **headers)
    try:
        return [json.loads(await asyncio.wait_for(_read(stream), 20)) for _ in range(count)]
    finally:
        stream.close()


async def _read(stream: WebSocketClientConnection) -> str:
    message = await stream.read_message()
    assert isinstance(message, str), f"closed with {stream.close_code}"
    return message


def test_a_killed_service_is_started_again_and_its_watchers_told(
    jupyter: Jupyter, client: Client, aicci_runtime: Path
) -> None:
    """kill -9: the stream closes with 1012, and the next one, asked for with the cursor, has everything."""
    run = submit(client, plain_program(400, 0.05))
    path = f"aicci/api/runs/{run.id}/stream"

    async def watch() -> tuple[int | None, dict[str, Any], dict[str, Any]]:
        stream = await open_stream(jupyter, path)
        view = json.loads(await _read(stream))["view"]
        kill_service(aicci_runtime)
        while await asyncio.wait_for(stream.read_message(), 20) is not None:
            pass
        again = await open_stream(jupyter, f"{path}?cursor={view['cursor']}")
        after = json.loads(await _read(again))["view"]
        again.close()
        return stream.close_code, view, after

    before = service_pid(aicci_runtime) if (aicci_runtime / "service.json").exists() else 0
    code, view, after = asyncio.run(watch())
    assert code == 1012
    assert service_pid(aicci_runtime) != before
    assert after["cursor"] >= view["cursor"]
    assert after["run"]["state"] in ("starting", "running")
    assert jupyter.ask(f"aicci/api/runs/{run.id}").status == 200


def test_a_run_is_drawn_as_figure_picture_and_bundle(jupyter: Jupyter, client: Client) -> None:
    """The figure for the page, the PNG for everyone, the bundle for the notebook, all of one view."""
    run = submit(client, plain_program(20, 0.01))
    run.wait(60)
    figure = jupyter.ask(f"aicci/api/runs/{run.id}/figure?width_px=640&theme=dark").json
    assert figure["item"]["doc"]["version"] == bokeh.__version__
    assert {row["phase"] for row in figure["legend"]} == set(figure["view"]["legend"])
    picture = jupyter.ask(f"aicci/api/runs/{run.id}/picture.png")
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.body.startswith(b"\x89PNG")
    bundle = jupyter.ask(f"aicci/api/runs/{run.id}/bundle").json
    assert bundle["application/vnd.aicci.run+json"]["summary"]["state"] == "succeeded"
    assert len(json.dumps(bundle)) < 200_000
    assert "succeeded" in bundle["text/plain"]


def test_a_run_is_taken_away_as_a_file(jupyter: Jupyter, client: Client) -> None:
    """Each format with its type and a name; three tables as one ZIP; an unknown format is refused in our words."""
    run = submit(client, plain_program(20, 0.01))
    run.wait(60)
    found = {}
    for name in ("perfetto", "csv", "parquet", "png", "html", "recorded"):
        answer = jupyter.ask(f"aicci/api/runs/{run.id}/export?format={name}")
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        found[name] = answer.headers["Content-Type"], answer.headers["Content-Disposition"].partition("=")[2].strip('"')
    assert found == {
        "perfetto": ("application/octet-stream", f"{run.id}.pftrace"),
        "csv": ("application/zip", f"{run.id}.csv.zip"),
        "parquet": ("application/zip", f"{run.id}.parquet.zip"),
        "png": ("image/png", f"{run.id}.png"),
        "html": ("text/html; charset=utf-8", f"{run.id}.html"),
        "recorded": ("application/json", f"{run.id}.aicci.json"),
    }
    packed = zipfile.ZipFile(io.BytesIO(jupyter.ask(f"aicci/api/runs/{run.id}/export?format=csv").body))
    assert packed.namelist() == [f"{run.id}.{table}.csv" for table in ("metrics", "phases", "costs")]
    assert len(packed.read(f"{run.id}.phases.csv").splitlines()) - 1 == len(run.phases()) > 20
    assert jupyter.ask(f"aicci/api/runs/{run.id}/export?format=cvs").json["code"] == "unknown_export"


def test_a_whole_log_is_taken_away_as_text(jupyter: Jupyter, client: Client) -> None:
    """All of a rank's log, larger than the service gives at once and with no character cut; an unknown rank is refused."""
    run = submit(client, "print('žluťoučký kůň ' * 400_000 + str(aicci.rank))")
    run.wait(60)
    answer = jupyter.ask(f"aicci/api/runs/{run.id}/logs/download?rank=1")
    assert answer.body.decode() == "žluťoučký kůň " * 400_000 + "1\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{run.id}.rank-1.log"'
    assert jupyter.ask(f"aicci/api/runs/{run.id}/logs/download?rank=7").json["code"] == "unknown_rank"
    assert jupyter.ask(f"aicci/api/runs/{run.id}/logs/download?rank=a").json["code"] == "bad_number"


def test_metrics_are_scraped_through_the_login(jupyter: Jupyter, client: Client) -> None:
    """With the token as Prometheus sends it, and of the type that Prometheus asks for."""
    run = submit(client, plain_program(600, 0.05))
    bearer = {"Authorization": f"Bearer {jupyter.token}"}
    until = time.monotonic() + 30
    while True:
        answer = jupyter.ask("aicci/api/metrics", token=False, headers=bearer)
        families = {each.name: each for each in text_string_to_metric_families(answer.body.decode())}
        if "aicci_rank_cpu_cores" in families or time.monotonic() > until:
            break
        time.sleep(0.2)
    run.stop(0.0)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {sample.labels["run"] for sample in families["aicci_rank_cpu_cores"].samples} == {run.id}


def test_bokehjs_comes_from_the_installed_package(jupyter: Jupyter) -> None:
    """Exactly the figure's version, kept by the browser for ever; no other version and no other file."""
    answer = jupyter.ask(BOKEH)
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.body == (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_bytes()
    assert jupyter.ask("aicci/bokeh/2.0.0/bokeh.min.js").json["code"] == "bokeh_version"
    assert jupyter.ask(f"aicci/bokeh/{bokeh.__version__}/..%2f..%2f..%2fconftest.js").status == 404


def test_every_route_is_behind_login_and_rights() -> None:
    """No handler has a verb that is not wrapped by both decorators."""
    for _, handler in (*handlers.ROUTES, *launches.ROUTES, *drawings.ROUTES, *downloads.ROUTES, *bokehjs.ROUTES):
        verbs = [name for name in ("get", "post", "put", "patch", "delete", "head") if name in vars(handler)]
        assert verbs, handler
        for verb in verbs:
            wrapped, depth = vars(handler)[verb], 0
            while hasattr(wrapped, "__wrapped__"):
                wrapped, depth = wrapped.__wrapped__, depth + 1
            assert depth == 2, f"{handler.__name__}.{verb}"
