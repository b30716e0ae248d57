"""What pages show beside single runs, in versions: all of it, and what changed since."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import until
from service_builders import Scripted, Served, a_desk, close, submit, turn

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service import site as site_module
from jupyter_aicci.service.desk import Desk


@pytest.fixture
def desk(engine: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A service whose site is worked out at each look."""
    monkeypatch.setattr(site_module, "BETWEEN_S", 0.0)
    monkeypatch.setattr(site_module, "SHARE", 0.0)
    desk = a_desk(engine)
    yield desk
    close(desk)


def test_who_has_everything_is_told_nothing(desk: Desk) -> None:
    """Nothing happened: no message at all."""
    whole, version = desk.site.whole()
    assert whole["runs"] == []
    assert desk.site.since(version)[0] == {}


def test_only_what_changed_is_told(desk: Desk) -> None:
    """Of two runs the one that moved; shapes when what is free has changed; queues when they are used."""
    submit(desk, "r0000001")
    turn(desk)
    whole, version = desk.site.whole()
    assert [run["id"] for run in whole["runs"]] == ["r0000001"]
    submit(desk, "r0000002")
    turn(desk)
    delta, _ = desk.site.since(version)
    assert {run["id"] for run in delta["runs"]} >= {"r0000002"}
    assert {shape["name"]: shape["free"] for shape in delta["shapes"]} == {"cpux1": 2, "cpux2": 1}
    assert delta["queues"][0]["used"]["cpu"] == 2
    assert "data" not in delta
    assert "more_runs" not in delta


def test_each_watcher_gets_what_it_has_not(desk: Desk) -> None:
    """A slow one is told at once what a fast one was told in two messages."""
    _, begun = desk.site.whole()
    submit(desk, "r0000001")
    first, middle = desk.site.since(begun)
    submit(desk, "r0000002")
    fast, slow = desk.site.since(middle)[0], desk.site.since(begun)[0]
    assert [run["id"] for run in first["runs"]] == ["r0000001"]
    assert "r0000002" in {run["id"] for run in fast["runs"]}
    assert {run["id"] for run in slow["runs"]} == {"r0000001", "r0000002"}


def test_a_run_that_ended_is_made_into_a_row_once(
    desk: Desk, engine: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand old runs cost nothing at each look."""
    run = submit(desk, "r0000001")
    desk.stop(run, {})
    turn(desk, 2)
    assert desk.runs[run.id].ended
    _, version = desk.site.whole()
    asked: list[RunId] = []
    monkeypatch.setattr(desk.runs, "summary", lambda run: asked.append(run.id) or {})
    assert desk.site.since(version)[0] == {}
    assert asked == []


def test_old_runs_leave_the_list_and_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page gets the newest; who had an older one is told that it is gone."""
    monkeypatch.setattr(site_module, "MOST_RUNS", 2)
    for number in (1, 2):
        submit(desk, f"r000000{number}")
    _, version = desk.site.whole()
    submit(desk, "r0000003")
    delta, _ = desk.site.since(version)
    assert delta["gone"] == ["r0000001"]
    assert delta["more_runs"] == 1


def test_a_shape_says_when_its_next_node_would_start(desk: Desk, engine: Scripted) -> None:
    """Now where there is room; behind a run with a limit, when that ends; what never fits, why."""
    whole, version = desk.site.whole()
    now_ns = desk.runs.clock.now_ns()
    assert all(abs(shape["start_ns"] - now_ns) < 5e9 for shape in whole["shapes"])
    assert {shape["never"] for shape in whole["shapes"]} == {""}
    submit(desk, nodes=4, time_limit="20m")
    turn(desk)
    taken = desk.site.since(version)[0]["shapes"]
    assert {shape["free"] for shape in taken} == {0}
    assert all(shape["start_ns"] - now_ns > 10 * 60 * 1e9 for shape in taken), "told with what is free, not later"


def test_looks_never_take_more_than_their_share(engine: Scripted) -> None:
    """A second look within the pause is the first one's answer."""
    desk = a_desk(engine)
    try:
        _, version = desk.site.whole()
        submit(desk, "r0000001")
        assert desk.site.since(version) == ({}, version)
    finally:
        close(desk)


def test_data_sets_of_runs_are_listed_with_their_size(served: Served, tmp_path: Path) -> None:
    """Each once, by the latest run that mounted it; the size is measured meanwhile, and what is gone is said."""
    images, gone = tmp_path / "images", tmp_path / "gone"
    images.mkdir()
    (images / "one").write_bytes(b"x" * 2048)
    data = [f"images={images}:mount", f"gone={gone}:mount"]
    served.do(lambda desk: submit(desk, "r0000001", data=data))
    served.do(lambda desk: submit(desk, "r0000002", data=data[:1]))

    def rows() -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in served.call("GET", "/v1/data")}

    assert rows()["images"]["used_by"] == "r0000002"
    until(lambda: rows()["images"]["size_bytes"] == 2048, limit_s=20)
    time.sleep(0.05)
    assert rows()["gone"] | {"used_by": ""} == {
        "name": "gone", "uri": str(gone), "mode": "mount", "size_bytes": None, "size_is_least": False, "exists": False,
        "cached_nodes": 0, "used_by": "",
    }  # fmt: skip
