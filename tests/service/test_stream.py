"""The live stream as a watcher sees it: a view, then what changed, at most 4 a second, the first at once."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from service_builders import Scripted, Served, submit, turn

from jupyter_aicci.model.run import Run
from jupyter_aicci.service.logs import RATE_BYTES_PER_S, Tail
from jupyter_aicci.store.paths import Home


class Socket:
    """As much of a WebSocket client as a reader needs (RFC 6455; a server's frames are not masked)."""

    def __init__(self, path: Path, target: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(20)
        self._sock.connect(str(path))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        lines = ["Host: aicci", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
        request = "\r\n".join([f"GET {target} HTTP/1.1", *lines, "Sec-WebSocket-Version: 13", "", ""])
        self._sock.sendall(request.encode())
        self._pending = b""
        while b"\r\n\r\n" not in self._pending:
            self._more()
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])

    def message(self) -> dict[str, Any]:
        """The next message; raises `TimeoutError` when none comes."""
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        data = self._take(size)
        if first & 0x0F == 8:
            raise EOFError(data[2:].decode())
        return dict(json.loads(data))

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted."""
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            message = self.message()
            if wanted(message):
                return message
        pytest.fail("the message never came")

    def close(self) -> None:
        self._sock.close()

    def _take(self, size: int) -> bytes:
        while len(self._pending) < size:
            self._more()
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def _more(self) -> None:
        data = self._sock.recv(65536)
        if not data:
            raise EOFError("the service closed the connection")
        self._pending += data


@pytest.fixture
def run(served: Served, engine: Scripted) -> Run:
    """A run that runs, of one rank."""
    run = served.do(lambda desk: submit(desk))
    served.do(turn)
    run = served.do(lambda desk: desk.runs[run.id])
    engine.say(run, 0, k="started", rank=0, pid=1)
    engine.say(run, 0, k="phase", rank=0, phase="compute")
    served.do(turn)
    node_dir = served.home.node_dir(run.id, 1, 0)
    node_dir.mkdir(parents=True)
    (node_dir / "rank-0.log").write_text("before\n")
    return run


def watch(served: Served, run: Run, query: str = "") -> Socket:
    return Socket(served.home.service_socket, f"/v1/runs/{run.id}/stream?cursor=0{query}")


def test_a_view_goes_first(served: Served, run: Run) -> None:
    """Whole, with the end of rank 0's log."""
    watcher = watch(served, run)
    first = watcher.message()
    watcher.close()
    assert first["type"] == "view"
    assert first["view"]["log"] == {"rank": 0, "text": "before\n"}
    assert first["view"]["cursor"] == 2


def test_a_logged_value_comes_as_points(served: Served, engine: Scripted, run: Run) -> None:
    """First a fresh view, since there is a new lane; then what is appended."""
    watcher = watch(served, run)
    watcher.message()
    for step in range(3):
        engine.say(run, 0, k="log", rank=0, step=step, values={"loss": 3.0 - step})
    served.do(turn)
    fresh = watcher.until(lambda message: message["type"] == "view")
    assert "value:loss" in [lane["id"] for lane in fresh["view"]["lanes"]]
    engine.say(run, 0, k="log", rank=0, step=3, values={"loss": 0.25})
    served.do(turn)
    delta = watcher.until(lambda message: "value:loss" in message.get("series", {}))
    watcher.close()
    assert delta["series"]["value:loss"]["v"] == [0.25]
    assert delta["cursor"] == 6


def test_log_lines_come_as_they_are_printed(served: Served, run: Run) -> None:
    """Without any frame of an agent."""
    watcher = watch(served, run)
    watcher.message()
    with (served.home.node_dir(run.id, 1, 0) / "rank-0.log").open("a") as log:
        log.write("after\n")
    delta = watcher.until(lambda message: "log" in message)
    watcher.close()
    assert delta["log"] == {"0": "after\n"}


def test_at_most_four_a_second(served: Served, engine: Scripted, run: Run) -> None:
    """However much is said; nothing of it is lost."""
    engine.say(run, 0, k="log", rank=0, step=0, values={"loss": 0.0})
    served.do(turn)
    watcher = watch(served, run)
    watcher.message()
    started_s, values, messages = time.monotonic(), list[float](), 0
    for step in range(1, 101):
        engine.say(run, 0, k="log", rank=0, step=step, values={"loss": float(step)})
        served.do(turn)
        time.sleep(0.01)
    while not values or values[-1] != 100.0:
        message = watcher.message()
        messages += 1
        values += message.get("series", {}).get("value:loss", {}).get("v", [])
    watcher.close()
    assert messages <= (time.monotonic() - started_s) / 0.25 + 2
    assert values[-1] == 100.0


def test_the_end_is_told(served: Served, engine: Scripted, run: Run) -> None:
    """The last message has the state; then the connection stays quiet."""
    watcher = watch(served, run)
    watcher.message()
    engine.say_exit(run, 0, 0)
    engine.say(run, 0, k="done", leftover=0)
    served.do(turn)

    def ended(message: dict[str, Any]) -> bool:
        summary = message["view"]["run"] if message["type"] == "view" else message.get("run", {})
        return summary.get("state") == "succeeded"

    watcher.until(ended)
    watcher.close()


def test_a_watcher_of_an_ended_run_gets_everything(served: Served, engine: Scripted, run: Run) -> None:
    """Whoever reconnects later, with whatever cursor, has the same chart."""
    engine.say(run, 0, k="log", rank=0, step=0, values={"loss": 1.0})
    engine.say_exit(run, 0, 0)
    engine.say(run, 0, k="done", leftover=0)
    served.do(turn)
    watcher = watch(served, run)
    view = watcher.message()["view"]
    watcher.close()
    assert (view["live"], view["run"]["state"]) == (False, "succeeded")
    assert "value:loss" in [lane["id"] for lane in view["lanes"]]


def test_an_unknown_run_is_refused_before_the_upgrade(served: Served) -> None:
    """404, as everywhere."""
    assert Socket(served.home.service_socket, "/v1/runs/nothing/stream").status == 404


def test_other_ranks_are_named_in_the_query(served: Served, run: Run) -> None:
    """And what is no rank is refused."""
    watcher = watch(served, run, "&ranks=0,7")
    assert watcher.message()["type"] == "view"
    watcher.close()
    assert watch(served, run, "&ranks=first").status == 400
    assert watch(served, run, "&ranks=%C2%B2").status == 400, "a superscript two is a digit, and no number"


def test_a_flood_is_cut_to_its_end(served: Served, run: Run) -> None:
    """64 KB a second, the newest lines, and how many were left out."""
    home: Home = served.home
    tail = Tail(home, (0,))
    tail.begin(run)
    tail.read(run, 1.0)
    path = home.node_dir(run.id, 1, 0) / "rank-0.log"
    with path.open("a") as log:
        log.writelines(f"line {number:06}\n" for number in range(20_000))
    assert tail.grown(run)
    text = tail.read(run, 2.0)["0"]
    assert len(text) <= RATE_BYTES_PER_S + 200
    lines = text.splitlines()
    skipped = next(line for line in lines if "skipped" in line)
    kept = [line for line in lines if line.startswith("line ")]
    assert kept[-1] == "line 019999"
    count = int(skipped.split()[1].replace(",", ""))
    assert abs(count + len(kept) - 20_000) <= 1
    assert kept == [f"line {number:06}" for number in range(20_000 - len(kept), 20_000)]
    assert not tail.grown(run)


def test_a_gigabyte_without_a_newline_is_no_trouble(served: Served, run: Run) -> None:
    """What is skipped is told in bytes, and nothing of it is read."""
    path = served.home.node_dir(run.id, 1, 0) / "rank-0.log"
    tail = Tail(served.home, (0,))
    tail.begin(run)
    with path.open("r+b") as log:
        log.truncate(1 << 30)
        log.seek(0, 2)
        log.write(b"x" * 100_000)
    text = tail.read(run, 1.0)["0"]
    assert "skipped 1.1 GB" in text
    assert text.endswith("x" * 100)
    assert len(text) <= RATE_BYTES_PER_S + 200
