"""The run as a person holds it, on a service with a scripted engine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from service_builders import Scripted, Served, submit, turn

from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.model.errors import NotFoundError, UserError
from jupyter_aicci.model.spec import RunSpec, parse_spec
from jupyter_aicci.model.states import State
from jupyter_aicci.timeline.bundle import RUN_MIME


@pytest.fixture
def client(served: Served) -> Client:
    return Client(served.home)


def spec(**more: object) -> RunSpec:
    return parse_spec({"shape": "cpux1", "framework": "plain", **more})


def end(served: Served, engine: Scripted, run: Run, code: int = 0, **more: object) -> None:
    """Its only rank ends."""
    served.do(turn)
    inner = served.do(lambda desk: desk.runs[run.id])
    engine.say(inner, 0, k="started", rank=0, pid=1)
    engine.say_exit(inner, 0, 0, code, **more)
    engine.say(inner, 0, k="done", leftover=0)
    served.do(turn)


def test_submit_lays_out_and_hands_over(client: Client, served: Served, engine: Scripted) -> None:
    """The program is in the run's folder, the run in the service."""
    run = client.submit(spec(name="first"), Program(text="x = 1\n"))
    assert (client.home.src_dir(run.id) / "cell.py").read_text() == "x = 1\n"
    assert client.run("first").id == run.id
    assert run.state is State.QUEUED
    assert [row["id"] for row in client.runs()] == [run.id]


def test_a_refused_submit_leaves_no_folder(client: Client) -> None:
    """Nothing was submitted, nothing is left."""
    with pytest.raises(UserError) as caught:
        client.submit(spec(nodes=99), Program(text=""))
    assert caught.value.code == "never_fits"
    assert list(client.home.runs_dir.iterdir()) == []


def test_the_same_id_twice_is_one_run(client: Client) -> None:
    """Also from another handle, as after an answer that was lost."""
    first = client.submit(spec(), Program(text="a"))
    second = Client(client.home).submit(spec(), Program(text="a"), run_id=first.id)
    assert second.id == first.id
    assert len(client.runs()) == 1


def test_wait_returns_at_the_end(client: Client, served: Served, engine: Scripted) -> None:
    """With the summary of the end; with a timeout, with the summary as it is."""
    run = client.submit(spec(), Program(text=""))
    assert run.wait(timeout_s=0.01)["state"] == "queued"
    results: list[str] = []
    waiter = threading.Thread(target=lambda: results.append(run.wait()["state"]))
    waiter.start()
    end(served, engine, run)
    waiter.join(20)
    assert results == ["succeeded"]


def test_logs_are_whole_or_their_end(client: Client, served: Served, engine: Scripted) -> None:
    """In pieces behind the scenes; a cut begins with a whole line."""
    run = client.submit(spec(), Program(text=""))
    assert run.logs() == ""
    served.do(turn)
    node_dir = client.home.node_dir(run.id, 1, 0)
    node_dir.mkdir(parents=True)
    text = "".join(f"line {number} äöü\n" for number in range(40_000))
    (node_dir / "rank-0.log").write_text(text)
    assert run.logs() == text
    assert run.logs(tail_bytes=30) == text[-15:]


def test_follow_goes_on_to_the_end(client: Client, served: Served, engine: Scripted) -> None:
    """What is there, what comes, and then it stops."""
    run = client.submit(spec(), Program(text=""))
    served.do(turn)
    node_dir = client.home.node_dir(run.id, 1, 0)
    node_dir.mkdir(parents=True)
    log = node_dir / "rank-0.log"
    log.write_text("one\n")
    pieces = run.follow()
    assert next(pieces) == "one\n"
    with log.open("a") as file:
        file.write("two\n")
    assert next(pieces) == "two\n"
    end(served, engine, run)
    assert list(pieces) == []


def test_an_absent_result_says_what_there_is(client: Client, served: Served) -> None:
    """With the option that would bring it."""
    run = client.submit(spec(), Program(text=""))
    with pytest.raises(NotFoundError) as caught:
        run.result("history")
    assert "--pull history" in caught.value.hint


def test_a_secret_comes_from_the_callers_environment(
    client: Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing one is refused before anything is written."""
    with pytest.raises(UserError) as caught:
        client.submit(spec(secret=["AICCI_TEST_TOKEN"]), Program(text=""))
    assert caught.value.code == "secret_missing"
    assert not client.home.runs_dir.exists() or list(client.home.runs_dir.iterdir()) == []
    monkeypatch.setenv("AICCI_TEST_TOKEN", "abc")
    run = client.submit(spec(secret=["AICCI_TEST_TOKEN"]), Program(text=""))
    assert client.home.secrets_json(run.id).read_text() == '{"AICCI_TEST_TOKEN":"abc"}'


def test_a_cell_shows_id_words_and_at_the_end_the_picture(client: Client, served: Served, engine: Scripted) -> None:
    """Section 9: no picture while the run lives."""
    run = client.submit(spec(), Program(text=""))
    served.do(turn)
    live, _ = run._repr_mimebundle_()
    assert set(live) == {RUN_MIME, "text/plain"}
    assert (live[RUN_MIME]["id"], live[RUN_MIME]["version"]) == (run.id, 1)
    end(served, engine, run)
    bundle, beside = run._repr_mimebundle_()
    assert set(bundle) == {RUN_MIME, "text/plain", "image/png"}
    assert beside["image/png"]["alt"].startswith(f"Timeline of run {run.id}:")
    assert run.picture().startswith(b"\x89PNG")


def test_ambiguous_and_unknown_runs_are_errors(client: Client, served: Served) -> None:
    """By class and code, as the service says them."""
    for run_id in ("r0000001", "r0000002"):
        served.do(lambda desk, run_id=run_id: submit(desk, run_id))
    with pytest.raises(UserError) as caught:
        client.run("r000000")
    assert caught.value.code == "ambiguous_run"
    with pytest.raises(NotFoundError):
        client.run("nothing")


def test_a_run_gives_its_tables_while_it_lives_and_when_it_has_ended(
    client: Client, served: Served, engine: Scripted, tmp_path: Path
) -> None:
    """As of now, from its folder beside the open service; afterwards the same rows and those that came."""
    run = client.submit(spec(name="tables"), Program(text=""))
    assert [len(table) for table in (run.metrics(), run.phases(), run.costs())] == [0, 0, 0]
    served.do(turn)
    inner = served.do(lambda desk: desk.runs[run.id])
    engine.say(inner, 0, k="sample", node={"cpu": 1.5}, ranks={}, devices={}, nics={})
    served.do(turn)
    live = run.metrics()
    assert (live["metric"].tolist(), live["value"].tolist()) == (["cpu"], [1.5])
    assert run.costs()["amount_micro"].sum() > 0
    end(served, engine, run)
    assert run.metrics().equals(live)
    assert int(run.costs()["amount_micro"].sum()) == run.cost()["total_micro"]
    assert [path.name for path in run.save(tmp_path / "run.pftrace")] == ["run.pftrace"]
