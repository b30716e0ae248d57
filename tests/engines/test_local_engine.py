"""The local engine with real agents: the four verbs, each called again at the wrong moment."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.agent.identity import alive, read_claim
from jupyter_aicci.engines.local import LocalEngine
from jupyter_aicci.model.errors import EngineError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.model.states import State
from jupyter_aicci.store.config import read_config
from jupyter_aicci.store.paths import Home, prepare

WAITS = "import os, sys, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.005)\n"
RUN_ID = RunId("r0000001")


@pytest.fixture
def home() -> Home:
    home = Home.from_environment(os.environ)
    prepare(home)
    return home


@pytest.fixture
def engine(home: Home) -> Iterator[LocalEngine]:
    return LocalEngine(home, read_config(home))


def a_run(home: Home, text: str, *, nodes: int = 1, ranks: int = 1, **spec: Any) -> Run:
    """A run that is placed on this host, its program laid out, nothing started."""
    src = home.src_dir(RUN_ID)
    src.mkdir(parents=True)
    (src / "cell.py").write_text(text)
    placement = Placement(
        shape=Shape(name="cpux2", cpus=2),
        ranks_per_node=ranks,
        nodes=tuple(NodePlacement(index=n, host="here", address="127.0.0.1") for n in range(nodes)),
    )
    attempt = Attempt(number=1, placement=placement, port=29_500, placed_ns=0)
    wanted = parse_spec({"framework": "plain", "python": sys.executable, "grace": 1.0, **spec})
    return Run(id=RUN_ID, spec=wanted, prices={}, state=State.STARTING, submitted_ns=0, attempts=(attempt,))


def until(what: Callable[[], Any], limit_s: float = 30.0) -> Any:
    deadline_s = time.monotonic() + limit_s
    while not (found := what()):
        assert time.monotonic() < deadline_s, f"it did not come true in {limit_s:.0f} s"
        time.sleep(0.005)
    return found


class Reader:
    """What a service does with `observe`: cursors, and all frames in the order in which they came."""

    def __init__(self, engine: LocalEngine, run: Run) -> None:
        self.engine, self.run = engine, run
        self.cursors: dict[str, int] = {}
        self.found: list[tuple[str, dict[str, Any]]] = []

    def look(self) -> None:
        for source, offset, frame in self.engine.observe(self.run, self.cursors):
            assert offset > self.cursors.get(source, 0)
            self.cursors[source] = offset
            self.found.append((source, frame))

    def of(self, kind: str) -> list[dict[str, Any]]:
        self.look()
        return [frame for _, frame in self.found if frame["k"] == kind]

    def until(self, kind: str, count: int) -> list[dict[str, Any]]:
        return until(lambda: (found := self.of(kind)) and len(found) >= count and found)


def go(home: Home) -> None:
    (home.src_dir(RUN_ID) / "go").touch()


def test_two_nodes_on_one_host_are_two_agents_with_their_ranks(home: Home, engine: LocalEngine) -> None:
    """start: a plan, an agent and a keeper for each node; every rank knows its place; observe tells all of it."""
    text = "import os\nprint(os.environ['RANK'], os.environ['NODE_RANK'], os.environ['WORLD_SIZE'], os.environ['MASTER_PORT'])\n"
    run = a_run(home, text, nodes=2, ranks=2)
    engine.start(run)
    reader = Reader(engine, run)
    reader.until("done", 2)
    logs = [(home.node_dir(RUN_ID, 1, rank // 2) / f"rank-{rank}.log").read_text().split() for rank in range(4)]
    assert logs == [[str(rank), str(rank // 2), "4", "29500"] for rank in range(4)]
    assert sorted(frame["rank"] for frame in reader.of("exit")) == [0, 1, 2, 3]
    sources = {source for source, _ in reader.found}
    assert sources == {
        f"attempt-1/node-{n}/{who}" for n in (0, 1) for who in ("agent", f"rank-{2 * n}", f"rank-{2 * n + 1}")
    }


def test_verbs_that_are_called_again_do_nothing_again(home: Home, engine: LocalEngine) -> None:
    """start, adopt and stop ten times over, before, while and after: one agent, one life of each rank, one end."""
    run = a_run(home, WAITS + "open('ran', 'a').write('x')\n")
    for _ in range(5):
        engine.start(run)
        engine.adopt(run)
    reader = Reader(engine, run)
    reader.until("started", 1)
    for _ in range(5):
        engine.adopt(run)
        engine.start(run)
    go(home)
    reader.until("done", 1)
    plan = (home.node_dir(RUN_ID, 1, 0) / "plan.json").read_bytes()
    for _ in range(3):
        engine.start(run)
        engine.adopt(run)
        engine.stop(run, 1.0, "late")
    assert (home.src_dir(RUN_ID) / "ran").read_text() == "x"
    assert len(reader.of("exit")) == len(reader.of("done")) == len(reader.of("started")) == 1
    assert (home.node_dir(RUN_ID, 1, 0) / "plan.json").read_bytes() == plan


def test_a_new_service_finds_agents_and_replaces_those_that_died(home: Home, engine: LocalEngine) -> None:
    """adopt by an engine that knows nothing: a living agent stays, a killed one is followed by another, the run goes on."""
    run = a_run(home, WAITS + "sys.exit(9)\n", nodes=2)
    engine.start(run)
    reader = Reader(engine, run)
    reader.until("started", 2)
    dirs = [home.node_dir(RUN_ID, 1, n) for n in (0, 1)]
    before = [read_claim(node_dir / "agent.claim") for node_dir in dirs]
    assert all(before)
    os.kill(before[0].pid, signal.SIGKILL)  # type: ignore[union-attr]
    until(lambda: not alive(before[0]))  # type: ignore[arg-type]
    again = LocalEngine(home, read_config(home))
    again.adopt(run)
    until(lambda: (claim := read_claim(dirs[0] / "agent.claim")) and claim != before[0] and alive(claim))
    assert read_claim(dirs[1] / "agent.claim") == before[1]
    go(home)
    reader.until("done", 2)
    assert sorted((frame["rank"], frame["code"]) for frame in reader.of("exit")) == [(0, 9), (1, 9)]


@pytest.mark.parametrize("adopted", [False, True], ids=["its own service", "another service"])
def test_a_rank_that_ends_when_agent_and_keeper_are_dead_keeps_its_code(
    home: Home, engine: LocalEngine, adopted: bool
) -> None:
    """The service's own pidfd knows, and the next agent and keeper inherit it; nothing that the program wrote says how it ended."""
    run = a_run(home, WAITS + "os._exit(7)\n", ranks=2)
    engine.start(run)
    Reader(engine, run).until("started", 2)
    if adopted:
        engine = LocalEngine(home, read_config(home))
        engine.adopt(run)
    node_dir = home.node_dir(RUN_ID, 1, 0)
    claims = {path.stem: read_claim(path) for path in node_dir.glob("*.claim")}
    until(lambda: all((node_dir / f"rank-{rank}.log").read_text() == "up\n" for rank in (0, 1)))
    for name in ("agent", "keeper"):
        os.kill(claims[name].pid, signal.SIGKILL)
    until(lambda: not alive(claims["keeper"]))
    go(home)
    until(lambda: not alive(claims["rank-0"]) and not alive(claims["rank-1"]))
    engine.adopt(run)
    reader = Reader(engine, run)
    reader.until("done", 1)
    ends = {(frame["rank"], frame["code"], frame["by_us"], frame["source"]) for frame in reader.of("exit")}
    assert ends == {(0, 7, False, "pidfd"), (1, 7, False, "pidfd")}


def test_an_attempt_that_was_placed_and_not_started_is_started_by_adopt(home: Home, engine: LocalEngine) -> None:
    """A service killed between its journal row and the start is followed by one that starts it."""
    run = a_run(home, "print('up')\n")
    engine.adopt(run)
    assert Reader(engine, run).until("exit", 1)[0]["code"] == 0


def test_stop_ends_every_node_and_says_by_whom(home: Home, engine: LocalEngine) -> None:
    """Both nodes end within the grace; their exits are our doing."""
    run = a_run(
        home,
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)\n",
        nodes=2,
    )
    engine.start(run)
    reader = Reader(engine, run)
    reader.until("started", 2)
    until(lambda: all("up" in (home.node_dir(RUN_ID, 1, n) / f"rank-{n}.log").read_text() for n in (0, 1)))
    engine.stop(run, 0.2, "enough")
    reader.until("done", 2)
    assert all((frame["by_us"], frame["signal"]) == (True, signal.SIGKILL) for frame in reader.of("exit"))


def test_a_stop_before_the_start_frees_the_node_without_a_rank(home: Home, engine: LocalEngine) -> None:
    """stop on a placed attempt of which nothing lives: done, and no exit."""
    run = a_run(home, "print('up')\n")
    engine.stop(run, 1.0, "never mind")
    reader = Reader(engine, run)
    reader.until("done", 1)
    assert reader.of("exit") == []
    assert not (home.node_dir(RUN_ID, 1, 0) / "rank-0.log").exists()


def test_a_closer_look_is_asked_of_every_node_that_is_there(home: Home, engine: LocalEngine) -> None:
    """A file in the node's directory; a node without one is left out."""
    run = a_run(home, "", nodes=2)
    home.node_dir(RUN_ID, 1, 1).mkdir(parents=True)
    engine.look_closer(run)
    assert [(home.node_dir(RUN_ID, 1, node) / "look").exists() for node in (0, 1)] == [False, True]


def test_a_launcher_runs_once_a_node(home: Home, engine: LocalEngine) -> None:
    """--launcher: the command with the program behind it, in the run's src, with the nodes' addresses."""
    run = a_run(home, "", nodes=2, ranks=2, launcher="sh -c 'echo $0 $NODE_RANK $AICCI_NODES'")
    engine.start(run)
    reader = Reader(engine, run)
    reader.until("done", 2)
    logs = [(home.node_dir(RUN_ID, 1, n) / f"rank-{n}.log").read_text() for n in (0, 1)]
    assert logs == [f"cell.py {n} 127.0.0.1,127.0.0.1\n" for n in (0, 1)]


def test_secrets_reach_the_ranks_and_stay_out_of_the_plan(home: Home, engine: LocalEngine) -> None:
    """The value is in the rank's environment; in the run's folder it is in secrets.json only."""
    run = a_run(home, "import os\nprint(os.environ['TOKEN'] == 'hush' * 3)\n", secret=["TOKEN"])
    home.secrets_json(RUN_ID).write_text(json.dumps({"TOKEN": "hush" * 3}))
    engine.start(run)
    Reader(engine, run).until("done", 1)
    assert (home.node_dir(RUN_ID, 1, 0) / "rank-0.log").read_text() == "True\n"
    home.secrets_json(RUN_ID).unlink()
    holding = [path for path in home.run_dir(RUN_ID).rglob("*") if path.is_file() and b"hushhush" in path.read_bytes()]
    assert holding == []


def test_data_can_be_read_and_not_written(home: Home, engine: LocalEngine, tmp_path: Path) -> None:
    """Where mounts may be made the data is read-only for the ranks and for nobody else; elsewhere a note says that it is not."""
    data = tmp_path / "digits"
    data.mkdir()
    (data / "a.txt").write_text("content")
    text = (
        "import os\nprint(open(aicci.data['digits'] / 'a.txt').read())\n"
        "try:\n    open(aicci.data['digits'] / 'b.txt', 'w')\n    print('written')\nexcept OSError as error: print(error.errno)\n"
    )
    run = a_run(home, text, data=[f"digits={data}"])
    engine.start(run)
    reader = Reader(engine, run)
    reader.until("done", 1)
    read, write = (home.node_dir(RUN_ID, 1, 0) / "rank-0.log").read_text().split()
    notes = [frame["text"] for frame in reader.of("note")]
    assert read == "content"
    assert write == "30" if not notes else (write == "written" and "writable" in notes[0])
    (data / "c.txt").write_text("the host may")


def test_data_that_is_gone_is_an_error_before_anything_starts(home: Home, engine: LocalEngine, tmp_path: Path) -> None:
    """The path existed when the run was submitted; now it does not."""
    run = a_run(home, "", data=[f"d={tmp_path / 'gone'}"])
    with pytest.raises(EngineError) as caught:
        engine.start(run)
    assert caught.value.code == "data_gone"
    assert not (home.node_dir(RUN_ID, 1, 0) / "agent.claim").exists()


def test_warm_prepares_the_zygote_that_a_run_then_uses(home: Home, engine: LocalEngine) -> None:
    """The key of `warm` is the key of the launch: the first run of a session starts warm."""
    engine.warm(sys.executable, "plain")
    until(lambda: [p for p in home.runtime.glob("zygote-plain-*.json") if "claim" in json.loads(p.read_text())])
    before = sorted(home.runtime.glob("zygote-*.json"))
    run = a_run(home, "import sys\nprint('aicci_warm' in sys.modules)\n")
    engine.start(run)
    Reader(engine, run).until("done", 1)
    assert (home.node_dir(RUN_ID, 1, 0) / "rank-0.log").read_text() == "True\n"
    assert sorted(home.runtime.glob("zygote-*.json")) == before


def test_observe_takes_a_large_spool_in_pieces_and_loses_nothing(home: Home, engine: LocalEngine) -> None:
    """More than one look can take: in order, each frame once."""
    run = a_run(
        home, "for n in range(6000): aicci.log(step=n, loss=float(n), text_of_a_longer_name_to_fill_the_spool=1.0)\n"
    )
    engine.start(run)
    reader = Reader(engine, run)
    reader.until("done", 1)
    until(lambda: len(reader.of("log")) >= 6000)
    assert [frame["step"] for frame in reader.of("log")] == list(range(6000))
