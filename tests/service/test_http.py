"""The HTTP API on its socket: answers, errors as JSON, bounds, who may speak, long polls."""

from __future__ import annotations

import os
import pwd
import socket
import threading
import time

import pytest
from service_builders import Scripted, Served, submit, turn

from jupyter_aicci.client.connection import UnixConnection
from jupyter_aicci.model.errors import AicciError, ConflictError, NotFoundError, UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service import http
from jupyter_aicci.service.routes import REF, ROUTES

SUMMARY_KEYS = {
    "id", "name", "state", "shape", "nodes", "queue", "owner", "submitted_at", "started_at", "ended_at", "exit_class", "cost_micro",
    "currency", "per_h_micro", "unpriced", "reason", "icon", "world_size", "attempt", "budget_micro", "budget_note", "seq",
    "waiting", "why", "place", "start_ns", "latest_ns", "domain", "bandwidth",
}  # fmt: skip


def refused(served: Served, verb: str, target: str, body: dict[str, object] | None = None) -> AicciError:
    with pytest.raises(AicciError) as caught:
        served.call(verb, target, body)
    return caught.value


def raw(served: Served, data: bytes) -> tuple[int, bytes]:
    """A request as these bytes."""
    connection = UnixConnection(served.home.service_socket, 10.0)
    connection.request("POST", "/v1/runs", body=data)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def laid_out(served: Served, run_id: str) -> None:
    src = served.home.runs_dir / run_id / "src"
    src.mkdir(parents=True)
    (src / "cell.py").write_text("")


def test_status_says_who_and_how_many(served: Served) -> None:
    """pid, version, home, and how many run and wait."""
    status = served.call("GET", "/v1/status")
    assert status["home"] == str(served.home.root)
    assert (status["running"], status["queued"]) == (0, 0)
    assert status["started_ns"] > 0


def test_a_submit_is_journaled_before_it_is_answered(served: Served) -> None:
    """Through a connection of its own the row is there when the answer is."""
    laid_out(served, "r0000001")
    answer = served.call("POST", "/v1/runs", {"id": "r0000001", "spec": {"shape": "cpux1", "name": "first"}})
    assert set(answer) >= SUMMARY_KEYS | {"spec", "attempts", "verdict", "waiting", "stop", "events"}
    assert journal_kinds(served, "r0000001")[:2] == ["submitted", "stepped"]
    (row,) = served.call("GET", "/v1/runs")
    assert set(row) == SUMMARY_KEYS
    assert (row["id"], row["name"], row["state"]) == ("r0000001", "first", "queued")


def journal_kinds(served: Served, run_id: str) -> list[str]:
    """The run's rows as another process reads them."""
    import sqlite3

    with sqlite3.connect(f"file:{served.home.journal}?mode=ro", uri=True) as db:
        found = db.execute("SELECT kind FROM rows WHERE run_id = ? ORDER BY seq", (run_id,)).fetchall()
    db.close()
    return [kind for (kind,) in found]


def test_the_same_submit_twice_is_one_run(served: Served) -> None:
    """An answer that was lost is asked for again; another spec under that id is a conflict."""
    laid_out(served, "r0000001")
    body = {"id": "r0000001", "spec": {"shape": "cpux1"}}
    first, second = served.call("POST", "/v1/runs", body), served.call("POST", "/v1/runs", body)
    assert first["submitted_at"] == second["submitted_at"]
    assert len(served.call("GET", "/v1/runs")) == 1
    other = refused(served, "POST", "/v1/runs", {"id": "r0000001", "spec": {"shape": "cpux2"}})
    assert isinstance(other, ConflictError)
    assert other.code == "id_taken"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_id"),
        ({"id": "../../etc", "spec": {}}, "bad_id"),
        ({"id": "r0000001"}, "bad_spec"),
        ({"id": "r0000001", "spec": {"shap": "cpux1"}}, "bad_spec"),
        ({"id": "r0000001", "spec": {"shape": "h100x8"}}, "unknown_shape"),
        ({"id": "r0000001", "spec": {"queue": "gold"}}, "unknown_queue"),
        ({"id": "r0000001", "spec": {"nodes": 99}}, "never_fits"),
        ({"id": "r0000001", "spec": {"topology": "hard:leaf"}}, "unknown_level"),
        ({"id": "r0000001", "spec": {"topology": "leaf"}}, "bad_spec"),
        ({"id": "r0000001", "spec": {"deadline": "soon"}}, "bad_deadline"),
        ({"id": "r0000001", "spec": {"data": ["digits=here"]}}, "bad_data"),
        ({"id": "r0000001", "spec": {}}, "no_program"),
    ],
)
def test_a_submit_that_cannot_be_is_refused_whole(served: Served, body: dict[str, object], code: str) -> None:
    """An error with its code, and no run."""
    error = refused(served, "POST", "/v1/runs", body)
    assert isinstance(error, UserError)
    assert error.code == code
    assert served.call("GET", "/v1/runs") == []


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[1, 2]", b'"text"'])
def test_what_is_no_json_object_is_an_error(served: Served, data: bytes) -> None:
    """400 with a code, not a traceback."""
    status, answer = raw(served, data)
    assert status == 400
    assert b'"bad_json"' in answer


def test_a_request_has_a_bound(served: Served) -> None:
    """A body of over 1 MB is refused."""
    status, answer = raw(served, b"x" * (http.MAX_BODY_BYTES + 1))
    assert status == 400
    assert b'"too_large"' in answer


def test_an_unknown_route_names_the_nearest(served: Served) -> None:
    """404 as JSON."""
    error = refused(served, "GET", "/v1/run")
    assert isinstance(error, NotFoundError)
    assert (error.code, "/v1/runs" in error.message) == ("unknown_route", True)
    assert refused(served, "DELETE", "/v1/runs").code == "bad_method"


@pytest.mark.parametrize("path", [pattern.replace(REF, "REF") for pattern, _ in ROUTES])
def test_every_route_is_named_when_it_is_nearest(served: Served, path: str) -> None:
    """Under a wrong number the guess is the route as the contract writes it."""
    assert f"did you mean {path}?" in refused(served, "GET", path.replace("/v1/", "/v9/")).message


def test_an_unknown_run_names_the_nearest(served: Served, engine: Scripted) -> None:
    """404, with a guess."""
    served.do(lambda desk: submit(desk, name="digits"))
    error = refused(served, "GET", "/v1/runs/digit")
    assert isinstance(error, NotFoundError)
    assert "digits" in error.message


def test_a_mistake_of_ours_is_internal_and_goes_to_the_log(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No inner text in the answer, the traceback in the log."""

    def fails() -> None:
        raise ZeroDivisionError("inner text")

    served.do(lambda desk: setattr(desk, "status", fails))
    error = refused(served, "GET", "/v1/status")
    assert (error.code, "inner text" in error.message) == ("internal", False)
    assert "inner text" in caplog.text


def test_another_user_is_not_heard(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says who calls; the connection is closed without an answer."""
    monkeypatch.setattr(http, "peer_uid", lambda sock: 12345)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(served.home.service_socket))
        sock.settimeout(10)
        assert sock.recv(100) == b""


def test_wait_answers_with_the_next_row(served: Served, engine: Scripted) -> None:
    """Asked before it is there, answered when it is; not later by a poll."""
    run = served.do(lambda desk: submit(desk))
    seq = served.call("GET", f"/v1/runs/{run.id}/wait?after=0")["seq"]
    news: list[dict[str, object]] = []
    waiter = threading.Thread(
        target=lambda: news.append(served.call("GET", f"/v1/runs/{run.id}/wait?after={seq}&timeout_s=20"))
    )
    waiter.start()
    time.sleep(0.05)  # so that it most likely waits already; either way the answer is the same
    started_s = time.monotonic()
    served.do(turn)
    waiter.join()
    assert time.monotonic() - started_s < 10
    assert int(str(news[0]["seq"])) > seq
    assert news[0]["run"]["state"] == "starting"  # type: ignore[index]


def test_wait_answers_when_its_time_is_over(served: Served) -> None:
    """With what there is."""
    run = served.do(lambda desk: submit(desk))
    seq = served.call("GET", f"/v1/runs/{run.id}/wait?after=0")["seq"]
    assert served.call("GET", f"/v1/runs/{run.id}/wait?after={seq}&timeout_s=0.01")["seq"] == seq


def test_stop_answers_with_the_summary(served: Served, engine: Scripted) -> None:
    """A run that has ended cannot be stopped; a grace that is none is refused."""
    run = served.do(lambda desk: submit(desk))
    assert refused(served, "POST", f"/v1/runs/{run.id}/stop", {"grace_s": -1}).code == "bad_grace"
    assert set(served.call("POST", f"/v1/runs/{run.id}/stop", {"reason": "no"})) == SUMMARY_KEYS
    served.do(turn)
    error = refused(served, "POST", f"/v1/runs/{run.id}/stop", {})
    assert (error.code, error.status) == ("run_ended", 409)


def test_logs_are_read_by_offset(served: Served, engine: Scripted) -> None:
    """From the start, from an offset, from the end; a rank that there is not is named."""
    run = served.do(lambda desk: submit(desk))
    assert served.call("GET", f"/v1/runs/{run.id}/logs")["size"] == 0
    served.do(turn)
    node_dir = served.home.node_dir(run.id, 1, 0)
    node_dir.mkdir(parents=True)
    (node_dir / "rank-0.log").write_text("one\ntwo\nthree\n")
    path = f"/v1/runs/{run.id}/logs"
    assert served.call("GET", path)["text"] == "one\ntwo\nthree\n"
    assert served.call("GET", f"{path}?offset=4&limit=4") == {
        "rank": 0,
        "text": "two\n",
        "offset": 8,
        "size": 14,
        "ended": False,
    }
    assert served.call("GET", f"{path}?offset=-6")["text"] == "three\n"
    assert refused(served, "GET", f"{path}?rank=1").code == "unknown_rank"
    assert refused(served, "GET", f"{path}?attempt=2").code == "unknown_attempt"
    assert refused(served, "GET", f"{path}?offset=x").code == "bad_number"


def test_cost_has_the_contracts_keys(served: Served, engine: Scripted) -> None:
    """`aicci cost RUN --json` prints it as it is."""
    run = served.do(lambda desk: submit(desk))
    served.do(turn)
    ledger = served.call("GET", f"/v1/runs/{run.id}/cost")
    assert {"run_id", "total_micro", "billed_micro", "unpriced", "currency", "price", "entries", "per_h_micro"} <= set(
        ledger
    )
    assert (ledger["per_h_micro"], ledger["entries"][0]["open"]) == (3_600_000_000, True)


def test_a_view_is_drawn(served: Served, engine: Scripted) -> None:
    """Before and while it runs; a window that is none is refused."""
    run = served.do(lambda desk: submit(desk))
    served.do(turn)
    view = served.call("GET", f"/v1/runs/{run.id}/view?width_px=400")
    assert view["live"]
    assert view["lanes"][0]["id"] == "node-0"
    assert refused(served, "GET", f"/v1/runs/{run.id}/view?from_s=2&to_s=1").code == "bad_window"
    for half, missing in (("from_s=2", "to_s"), ("to_s=2", "from_s")):
        error = refused(served, "GET", f"/v1/runs/{run.id}/view?{half}")
        assert (error.code, error.field) == ("half_window", missing)


def test_shapes_and_queues_say_what_is_free(served: Served, engine: Scripted) -> None:
    """Counts move with what runs hold."""
    served.do(lambda desk: submit(desk, nodes=3))
    served.do(turn)
    shapes = {shape["name"]: (shape["free"], shape["total"]) for shape in served.call("GET", "/v1/shapes")}
    assert shapes == {"cpux1": (1, 4), "cpux2": (0, 2)}
    served.do(lambda desk: submit(desk, "r0000002", nodes=2))
    assert served.call("GET", "/v1/queues") == [
        {
            "name": "default", "parent": "", "weight": 1.0, "priority": 0, "guarantee": {}, "deserved": {}, "limit": {},
            "used": {"cpu": 3.0}, "running": 1, "queued": 1, "users": [""], "capacity": {"cpu": 4.0, "memory": 1 << 34},
        }
    ]  # fmt: skip


def test_a_forecast_sends_nothing(served: Served, engine: Scripted) -> None:
    """Now, or why not; what can never run is refused as a submit would be."""
    now = served.call("POST", "/v1/forecast", {"spec": {"shape": "cpux1", "nodes": 3}})
    assert (now["starts"], now["world_size"], now["price_text"]) == ("now", 3, "$10800.00/h")
    assert (now["environment"]["WORLD_SIZE"], now["environment"]["RANK"]) == ("3", "0")
    launched = served.call("POST", "/v1/forecast", {"spec": {"shape": "cpux1", "launcher": "torchrun"}})["environment"]
    assert launched["PET_NNODES"] == "1"
    assert "RANK" not in launched, "a launcher gives its ranks their own"
    served.do(lambda desk: submit(desk, nodes=3))
    served.do(turn)
    later = served.call("POST", "/v1/forecast", {"spec": {"shape": "cpux2"}})
    assert later["starts"] == "later"
    assert later["reason"]
    assert refused(served, "POST", "/v1/forecast", {"spec": {"nodes": 99}}).code == "never_fits"
    assert len(served.call("GET", "/v1/runs")) == 1


def test_a_forecast_says_when_where_and_what_would_start_now(served: Served, engine: Scripted) -> None:
    """The keys of `aicci forecast --json`: with a limit on what runs there is a latest start, and a change that needs no wait."""
    now = served.call("POST", "/v1/forecast", {"spec": {"shape": "cpux1"}})
    assert (now["start_ns"], now["domain"], now["why"], now["change"]) == (now["latest_ns"], "laptop", None, "")
    assert (now["per_h_micro"], now["currency"]) == (3_600_000_000, "USD")
    served.do(lambda desk: submit(desk, nodes=3, time_limit="10m", grace="10s"))
    served.do(turn)
    later = served.call("POST", "/v1/forecast", {"spec": {"shape": "cpux2"}})
    placed_ns = served.do(lambda desk: desk.runs[RunId("r0000001")].attempts[0].placed_ns)
    most_ns = int((600 + 10 + 60 + 5) * 1e9)  # its limit, its grace, and what it takes to start and to be gone
    assert later["latest_ns"] == pytest.approx(placed_ns + most_ns, abs=0.1e9)  # decided a moment before it is placed
    assert placed_ns < later["start_ns"] <= later["latest_ns"]
    assert (later["why"], later["change"], later["place"]) == ("behind", "--shape cpux1", 1)
    assert (later["bandwidth"]["best_ratio"], later["bandwidth"]["estimated"]) == (1.0, True)


def test_the_line_says_what_is_expected_of_each_run(served: Served, engine: Scripted) -> None:
    """GET /v1/forecast: first in line first, with the reason that the run's own JSON has."""
    assert served.call("GET", "/v1/forecast") == []
    served.do(lambda desk: [submit(desk, f"r000000{number}", nodes=3, time_limit="1h") for number in (1, 2, 3)])
    served.do(turn)
    line = served.call("GET", "/v1/forecast")
    assert [(each["id"], each["place"], each["why"]) for each in line] == [
        ("r0000002", 1, "behind"),
        ("r0000003", 2, "behind"),
    ]
    assert line[0]["start_ns"] < line[1]["start_ns"] <= line[1]["latest_ns"]
    run = served.call("GET", "/v1/runs/r0000003")
    assert {key: run[key] for key in ("waiting", "place", "start_ns", "latest_ns")} == {
        key: line[1][key] for key in ("waiting", "place", "start_ns", "latest_ns")
    }
    assert run["reason"] == run["waiting"]


def test_a_run_belongs_to_the_user_whom_the_kernel_names(served: Served, engine: Scripted) -> None:
    """Whatever the request says: the owner is the name of the uid at the other end of the socket."""
    laid_out(served, "r0000001")
    body = {"id": "r0000001", "spec": {"shape": "cpux1", "owner": "somebody else"}}
    me = pwd.getpwuid(os.getuid()).pw_name
    assert served.call("POST", "/v1/runs", body)["spec"]["owner"] == me
    assert served.call("GET", "/v1/queues")[0]["users"] == [me]


def test_a_secret_reaches_its_file_and_no_row(served: Served, engine: Scripted) -> None:
    """Mode 0600, in the run's folder, until the run has ended; never in the journal or spec.json."""
    laid_out(served, "r0000001")
    body = {"id": "r0000001", "spec": {"shape": "cpux1", "secret": ["TOKEN"]}}
    assert refused(served, "POST", "/v1/runs", body).code == "bad_secrets"
    run = served.call("POST", "/v1/runs", body | {"secrets": {"TOKEN": "s3cr3t-value", "OTHER": "x"}})
    path = served.home.secrets_json(run["id"])
    assert path.read_text() == '{"TOKEN":"s3cr3t-value"}'
    assert path.stat().st_mode & 0o777 == 0o600
    served.call("POST", f"/v1/runs/{run['id']}/stop", {})
    served.do(turn)
    assert not path.exists()
    for place in (
        served.home.journal,
        served.home.journal.with_name("journal.db-wal"),
        served.home.spec_json(run["id"]),
    ):
        assert not place.exists() or b"s3cr3t-value" not in place.read_bytes()


def test_warm_asks_the_engine(served: Served, engine: Scripted) -> None:
    """202: it is on its way."""
    assert served.call("POST", "/v1/warm", {"python": "/usr/bin/python3", "framework": "torch"}) == {}
    assert engine.asked("warm") == ["torch"]
