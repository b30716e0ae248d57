"""The agent with real keepers and ranks: what it says is whole and said once, whoever is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from node_builders import Node, a_node

from jupyter_aicci.agent.identity import alive, read_claim, send_signal
from jupyter_aicci.agent.main import Agent

WAITS = "import os, sys, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.005)\n"


def go(node: Node) -> None:
    (Path(node.plan["run_dir"]) / "src" / "go").touch()


def said(node: Node) -> list[tuple[str, int]]:
    """(kind, rank) of what may be said once only."""
    once = [frame for frame in node.frames() if frame["k"] in ("started", "exit", "done")]
    return sorted((frame["k"], frame.get("rank", -1)) for frame in once)


def everything_once(ranks: int) -> list[tuple[str, int]]:
    return sorted(
        [("done", -1), *(("started", rank) for rank in range(ranks)), *(("exit", rank) for rank in range(ranks))]
    )


def test_an_agent_tells_the_whole_story_of_a_node(tmp_path: Path) -> None:
    """head, started, exit of each rank, done; then it ends by itself."""
    node = a_node(tmp_path, "raise ValueError('no')", ranks=2, settle_s=1.0)
    assert node.agent().wait(30) == 0
    assert node.frames()[0]["k"] == "head"
    assert said(node) == everything_once(2)
    exits = node.frames("exit")
    assert {(frame["code"], frame["signal"], frame["source"]) for frame in exits} == {(1, 0, "keeper")}
    assert {frame["error"]["message"] for frame in exits} == {"no"}
    assert node.frames("done")[0]["leftover"] == 0


def test_a_node_that_is_done_gets_no_second_story(tmp_path: Path) -> None:
    """An agent that comes too late says nothing."""
    node = a_node(tmp_path, "")
    node.agent().wait(30)
    before = node.frames()
    assert node.agent().wait(30) == 0
    assert [frame for frame in node.frames() if frame["k"] != "head"] == [
        frame for frame in before if frame["k"] != "head"
    ]


def test_agents_killed_again_and_again_say_everything_once(tmp_path: Path) -> None:
    """kill -9 twenty times while two ranks run: nothing twice, nothing missing, the codes are right."""
    node = a_node(tmp_path, WAITS + "sys.exit(int(os.environ['RANK']) * 7)\n", ranks=2, settle_s=5.0)
    for _ in range(20):
        agent = node.agent()
        node.until(lambda pid=agent.pid: (claim := read_claim(node.path / "agent.claim")) and claim.pid == pid)
        agent.kill()
        agent.wait()
    last = node.agent()
    node.until(lambda: len(node.frames("started")) == 2)
    go(node)
    assert last.wait(30) == 0
    assert said(node) == everything_once(2)
    assert [frame["code"] for frame in sorted(node.frames("exit"), key=lambda frame: frame["rank"])] == [0, 7]


@pytest.mark.parametrize("n", range(1, 9))
def test_an_agent_killed_at_any_moment_of_its_writing_loses_nothing(tmp_path: Path, n: int) -> None:
    """Killed after its n-th frame, the next one goes on where it stopped."""
    node = a_node(tmp_path, WAITS, ranks=2)
    agent = node.agent()
    node.until(lambda: len(node.frames()) >= min(n, 3))
    if n > 3:
        go(node)
        node.until(lambda: len(node.frames()) >= n or agent.poll() is not None)
    agent.kill()
    agent.wait()
    go(node)
    node.agent().wait(30)
    assert said(node) == everything_once(2)


def test_a_dead_keeper_is_replaced_while_its_ranks_go_on(tmp_path: Path) -> None:
    """kill -9 of the keeper: same ranks, known codes, no word of it in the exits."""
    node = a_node(tmp_path, WAITS + "sys.exit(5)\n", ranks=2, settle_s=5.0)
    agent = node.agent()
    node.until(lambda: len(node.frames("started")) == 2)
    node.until_printed("up", 1)
    first = node.claim("keeper")
    node.kill("keeper")
    node.until(lambda: node.kept() and node.claim("keeper") != first)
    assert all(alive(node.claim(f"rank-{rank}")) for rank in (0, 1))
    go(node)
    assert agent.wait(30) == 0
    assert said(node) == everything_once(2)
    assert {frame["code"] for frame in node.frames("exit")} == {5}


def test_a_keeper_that_keeps_dying_is_told_once(tmp_path: Path) -> None:
    """It is a fault of ours or of the host, so the person hears of it and where to look; the ranks go on."""
    node = a_node(tmp_path, WAITS)
    agent = node.agent()
    node.until(lambda: node.frames("started"))
    for _ in range(5):
        last = node.claim("keeper")
        node.kill("keeper")
        node.until(lambda last=last: node.kept() and node.claim("keeper") != last)
    go(node)
    assert agent.wait(30) == 0
    told = [frame["text"] for frame in node.frames("note") if frame["topic"] == "keeper"]
    assert len(told) == 1
    assert "keeper.log" in told[0]
    assert said(node) == everything_once(1)


def test_a_rank_that_dies_together_with_its_keeper_keeps_its_signal(tmp_path: Path) -> None:
    """The agent's pidfd knows how a rank ended that nobody was parent of any more."""
    node = a_node(tmp_path, WAITS)
    agent = node.agent()
    node.until(lambda: node.frames("started"))
    node.until_printed("up")
    send_signal(node.claim("keeper"), signal.SIGSTOP)  # it cannot look any more
    send_signal(node.claim("rank-0"), signal.SIGKILL)
    node.until(lambda: not alive(node.claim("rank-0")))
    node.kill("keeper")
    assert agent.wait(30) == 0
    record = node.frames("exit")[0]
    assert (record["signal"], record["by_us"], record["source"]) == (signal.SIGKILL, False, "pidfd")


def test_agent_and_keeper_killed_together_lose_nothing_of_living_ranks(tmp_path: Path) -> None:
    """Only the ranks are left; the next agent finds them and their ends."""
    node = a_node(tmp_path, WAITS + "sys.exit(4)\n", ranks=2, settle_s=5.0)
    agent = node.agent()
    node.until(lambda: len(node.frames("started")) == 2)
    node.until_printed("up", 1)
    agent.kill()
    agent.wait()
    node.kill("keeper")
    node.agent()
    node.until(node.kept)
    go(node)
    node.until_said_done()
    assert said(node) == everything_once(2)
    assert {frame["code"] for frame in node.frames("exit")} == {4}


def test_samples_tell_cores_and_bytes_of_ranks_and_node(tmp_path: Path) -> None:
    """A rank that computes uses about one core, one that sleeps none; memory is more than nothing and less than all."""
    text = WAITS.replace("time.sleep(0.005)", "(os.environ['RANK'] == '1' and time.sleep(0.05))")
    node = a_node(tmp_path, text, ranks=2)
    agent = node.agent()
    node.until(lambda: len(node.frames("sample")) >= 3)
    assert Path(f"/proc/{agent.pid}/statm").read_text()
    rss_bytes = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    go(node)
    agent.wait(30)
    sample = node.frames("sample")[2]
    assert sample["ranks"]["0"]["cpu"] > 5 * sample["ranks"]["1"]["cpu"]
    assert sample["ranks"]["0"]["rss"] > 5_000_000
    assert 0 < sample["node"]["memory"] < sample["node"]["memory_total"]
    assert rss_bytes < 40_000_000


def test_what_the_service_finds_is_a_reason_to_look_closer_once(tmp_path: Path) -> None:
    """`look` is touched; what an earlier agent has seen of it is old."""
    node = a_node(tmp_path, "")
    (node.path / "look").touch()
    agent = Agent(str(node.path), {})
    assert not agent.is_trouble()
    os.utime(node.path / "look", ns=(1, 1))
    assert [agent.is_trouble(), agent.is_trouble()] == [True, False]


def test_a_wish_to_stop_is_a_reason_to_look_closer_once(tmp_path: Path) -> None:
    """What happens while ranks end is seen ten times a second."""
    node = a_node(tmp_path, "")
    agent = Agent(str(node.path), {})
    (node.path / "stop.json").write_text("{}")
    assert [agent.is_trouble(), agent.is_trouble()] == [True, False]


def test_a_stopped_rank_is_named_at_once(tmp_path: Path) -> None:
    """SIGSTOP on one rank: a hang frame names it within two looks."""
    node = a_node(tmp_path, WAITS, ranks=2, hang_s=600.0)
    node.agent()
    node.until(lambda: len(node.frames("started")) == 2)
    node.until_printed("up", 1)
    send_signal(node.claim("rank-1"), signal.SIGSTOP)
    node.until(lambda: node.frames("hang"))
    send_signal(node.claim("rank-1"), signal.SIGCONT)
    go(node)
    node.until_said_done()
    assert node.frames("hang")[0]["suspects"] == [1]
    assert "state T" in node.frames("hang")[0]["groups"][0]["stack"]


def test_ranks_that_hang_are_grouped_by_where_they_stand(tmp_path: Path) -> None:
    """No step, no output, no CPU for hang_s: stacks of all, equal ones together, the odd one suspect; said once."""
    text = (
        "import os, time\n"
        "def all_reduce():\n    while not os.path.exists('go'): time.sleep(0.5)\n"
        "def read_data():\n    while not os.path.exists('go'): time.sleep(0.5)\n"
        "print('up', flush=True)\n"
        "read_data() if os.environ['RANK'] == '2' else all_reduce()\n"
    )
    node = a_node(tmp_path, text, ranks=3, hang_s=1.5)
    node.agent()
    node.until(lambda: node.frames("hang"))
    seen = len(node.frames("sample"))
    node.until(lambda: len(node.frames("sample")) > seen + 2)
    go(node)
    node.until_said_done()
    (hang,) = node.frames("hang")
    assert hang["suspects"] == [2]
    assert [group["ranks"] for group in hang["groups"]] == [[0, 1], [2]]
    assert "read_data" in hang["groups"][1]["stack"]
    assert {frame["code"] for frame in node.frames("exit")} == {0}


def test_a_rank_in_a_declared_phase_is_not_taken_for_hanging(tmp_path: Path) -> None:
    """A long evaluation is no hang."""
    text = (
        "import os, time\nwith aicci.span('eval'):\n    print('up', flush=True)\n"
        "    while not os.path.exists('go'): time.sleep(0.2)\n"
    )
    node = a_node(tmp_path, text, hang_s=0.5)
    node.agent()
    node.until_printed("up")
    seen = len(node.frames("sample"))
    node.until(lambda: len(node.frames("sample")) > seen + 3)
    go(node)
    node.until_said_done()
    assert node.frames("hang") == []


def test_notes_of_the_plan_are_told_once(tmp_path: Path) -> None:
    """What the engine found out before the start comes to the journal as a note, also after an agent was killed."""
    node = a_node(tmp_path, WAITS, notes=["data d is writable: it is so"])
    agent = node.agent()
    node.until(lambda: node.frames("started"))
    agent.kill()
    agent.wait()
    node.agent()
    go(node)
    node.until_said_done()
    assert [frame["text"] for frame in node.frames("note")] == ["data d is writable: it is so"]
