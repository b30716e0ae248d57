"""The keeper with real ranks: every end is known, nothing stays behind, whoever is killed."""

from __future__ import annotations

import os
import signal
import textwrap
import time
from pathlib import Path

import pytest
from node_builders import Node, a_node, pids_of

from jupyter_aicci.agent.frames import boot_ns
from jupyter_aicci.agent.identity import alive, send_signal

pytestmark = pytest.mark.parametrize("cgroup", ["", "off"], ids=["cgroup", "no-cgroup"])

DAEMON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {ignore}
        open("daemon.pid", "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists("daemon.pid") or not open("daemon.pid").read():
    time.sleep(0.005)
print("daemon", open("daemon.pid").read(), flush=True)
"""
IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def a_kept_node(tmp_path: Path, cgroup: str, text: str, **plan: object) -> Node:
    """A node with a keeper on it, with or without a cgroup of its own."""
    env = {"AICCI_CGROUP": cgroup} if cgroup else {}
    node = a_node(tmp_path, text, env=env, **plan)  # type: ignore[arg-type]
    node.keeper()
    return node


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("end", "code", "number"),
    [
        ("sys.exit(7)", 7, 0),
        ("os.kill(os.getpid(), 9)", -9, 9),
        ("os.kill(os.getpid(), 11)", -11, 11),
        ("os._exit(0)", 0, 0),
    ],
)
def test_every_end_is_recorded_with_its_code(tmp_path: Path, cgroup: str, end: str, code: int, number: int) -> None:
    """An exit code, a kill, a crash: the exit file says which, from the wait status."""
    node = a_kept_node(tmp_path, cgroup, f"import os, sys\n{end}\n")
    node.until_done()
    record = node.exit(0)
    assert (record["code"], record["signal"], record["by_us"], record["source"]) == (code, number, False, "keeper")
    assert record["maxrss_bytes"] > 1_000_000
    assert not record["oom"]


def test_a_failed_rank_takes_its_siblings_with_it(tmp_path: Path, cgroup: str) -> None:
    """One rank fails: the others get SIGTERM after settle_s, and their ends are our doing."""
    text = "import os, sys, time\nif os.environ['RANK'] == '1': sys.exit(3)\ntime.sleep(600)\n"
    node = a_kept_node(tmp_path, cgroup, text, ranks=3)
    node.until_done()
    assert (node.exit(1)["code"], node.exit(1)["by_us"]) == (3, False)
    assert all(node.exit(rank)["by_us"] for rank in (0, 2))
    assert node.json("stop.json")["reason"] == "rank 1 ended with exit code 3"


def test_stop_reaches_ranks_that_ignore_sigterm(tmp_path: Path, cgroup: str) -> None:
    """SIGTERM, grace, SIGKILL: after the grace nothing lives."""
    node = a_kept_node(
        tmp_path, cgroup, f"import signal, time\n{IGNORES}\nprint('up', flush=True)\ntime.sleep(600)\n", ranks=2
    )
    for rank in (0, 1):
        node.until_printed("up", rank)
    node.stop(0.3)
    node.until_done()
    assert all((node.exit(rank)["signal"], node.exit(rank)["by_us"]) == (9, True) for rank in (0, 1))
    assert pids_of(node.path) == []


@pytest.mark.parametrize("ignore", ["pass", IGNORES], ids=["polite", "deaf"])
def test_a_daemon_that_forked_twice_goes_with_its_run(tmp_path: Path, cgroup: str, ignore: str) -> None:
    """What a rank left behind ends before the node is free, whether it listens to SIGTERM or not."""
    node = a_kept_node(tmp_path, cgroup, DAEMON.format(ignore=ignore))
    node.until_done()
    daemon = int(node.log().split()[1])
    assert gone(daemon)
    assert node.exit(0)["code"] == 0


def test_stop_takes_deaf_daemons_too(tmp_path: Path, cgroup: str) -> None:
    """The grace is the same for what the rank started."""
    node = a_kept_node(tmp_path, cgroup, DAEMON.format(ignore=IGNORES) + "time.sleep(600)\n")
    node.until_printed("daemon")
    daemon = int(node.log().split()[1])
    node.stop(0.2)
    node.until_done()
    assert gone(daemon)
    assert node.exit(0)["by_us"]


def test_a_stopped_process_is_stopped_all_the_same(tmp_path: Path, cgroup: str) -> None:
    """A rank in state T gets its SIGTERM, because it is let go on."""
    node = a_kept_node(tmp_path, cgroup, "import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    node.until_printed("up")
    send_signal(node.claim("rank-0"), signal.SIGSTOP)
    node.stop(20.0)
    node.until_done(10.0)
    assert node.exit(0)["by_us"]


def test_less_grace_later_brings_the_end_nearer(tmp_path: Path, cgroup: str) -> None:
    """A second stop with no grace does not wait for the first one's."""
    node = a_kept_node(tmp_path, cgroup, f"import signal, time\n{IGNORES}\nprint('up', flush=True)\ntime.sleep(600)\n")
    node.until_printed("up")
    node.stop(300.0)
    node.stop(0.0)
    node.until_done(10.0)
    assert node.exit(0)["signal"] == 9


def test_a_node_that_is_to_stop_before_it_starts_starts_nothing(tmp_path: Path, cgroup: str) -> None:
    """stop.json was there first: no rank is forked, and the node is free at once."""
    node = a_node(tmp_path, "print('up')", env={"AICCI_CGROUP": cgroup} if cgroup else {})
    (node.path / "stop.json").write_text('{"grace_s": 5.0, "reason": "the test", "t_ns": 1}')
    node.keeper()
    node.until_done()
    assert not (node.path / "rank-0.claim").exists()
    assert not (node.path / "rank-0.exit").exists()


@pytest.mark.parametrize(("end", "code", "number"), [("sys.exit(7)", 7, 0), ("os.kill(os.getpid(), 9)", -9, 9)])
def test_ranks_outlive_their_keeper_and_their_codes_are_known(
    tmp_path: Path, cgroup: str, end: str, code: int, number: int
) -> None:
    """kill -9 of the keeper costs nothing: the next one adopts the ranks through pidfds."""
    text = f"import os, sys, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.005)\n{end}\n"
    node = a_kept_node(tmp_path, cgroup, text, ranks=2, settle_s=30.0)
    for rank in (0, 1):
        node.until_printed("up", rank)
    node.kill("keeper")
    assert all(alive(node.claim(f"rank-{rank}")) for rank in (0, 1))
    node.keeper()
    node.until(node.kept)
    (Path(node.plan["run_dir"]) / "src" / "go").touch()
    node.until_done()
    for rank in (0, 1):
        record = node.exit(rank)
        assert (record["code"], record["signal"], record["by_us"]) == (code, number, False)
    assert node.log(0).count("up") == 1


def test_an_adopted_node_leaves_nothing_behind_either(tmp_path: Path, cgroup: str) -> None:
    """Deaf daemons of ranks whose keeper was killed are found by group or tag."""
    node = a_kept_node(tmp_path, cgroup, DAEMON.format(ignore=IGNORES) + "time.sleep(600)\n")
    node.until_printed("daemon")
    daemon = int(node.log().split()[1])
    node.kill("keeper")
    node.keeper()
    node.until(node.kept)
    node.stop(0.2)
    node.until_done()
    assert gone(daemon)
    assert node.exit(0)["by_us"]


def test_a_keeper_killed_at_any_fsync_or_rename_is_followed_by_one_that_ends_the_work(
    tmp_path: Path, cgroup: str
) -> None:
    """n = 1, 2, 3 …: killed at the n-th, the next keeper goes on; every rank runs once and every code is known."""
    text = "import os, sys\nopen('ran-' + os.environ['RANK'], 'a').write('x')\nsys.exit(int(os.environ['RANK']))\n"
    for n in range(1, 80):
        node = a_node(tmp_path / str(n), text, ranks=2, settle_s=5.0, env={"AICCI_CGROUP": cgroup} if cgroup else {})
        node.env["AICCI_FAIL_AT"] = f"keeper/any:{n}"
        killed = node.keeper().wait(30) == -signal.SIGKILL
        del node.env["AICCI_FAIL_AT"]
        node.keeper().wait(30)
        assert (node.path / "done.json").exists(), node.story()
        assert [node.exit(rank)["code"] for rank in (0, 1)] == [0, 1], f"n = {n}: {node.story()}"
        ran = [(Path(node.plan["run_dir"]) / "src" / f"ran-{rank}").read_text() for rank in (0, 1)]
        assert ran == ["x", "x"]
        if not killed:
            return
    pytest.fail("a keeper has more than 79 fsyncs and renames?")


def test_two_keepers_on_one_node_are_one(tmp_path: Path, cgroup: str) -> None:
    """The second finds the claim taken and ends; no rank runs twice."""
    text = "import time\nprint('up', flush=True)\ntime.sleep(0.5)\n"
    node = a_kept_node(tmp_path, cgroup, text)
    others = [node.keeper() for _ in range(4)]
    node.until_done()
    assert all(process.wait(10) == 0 for process in others)
    assert node.log().count("up") == 1


def test_a_rank_whose_python_is_gone_says_so(tmp_path: Path, cgroup: str) -> None:
    """127 and a sentence in its log, as a shell would."""
    node = a_kept_node(tmp_path, cgroup, "", python=str(tmp_path / "no" / "python"))
    node.until_done()
    assert node.exit(0)["code"] == 127
    assert "no/python" in node.log()


def test_a_launcher_is_executed_once_with_the_program_behind_it(tmp_path: Path, cgroup: str) -> None:
    """--launcher: one process a node, the command as typed, then the program and its words."""
    node = a_kept_node(tmp_path, cgroup, "", launcher="echo -n one two", argv=["three"])
    node.until_done()
    assert node.log() == "one two cell.py three"
    assert node.exit(0)["code"] == 0


def test_the_environment_is_the_plans_and_nothing_else(tmp_path: Path, cgroup: str) -> None:
    """Replaced, not merged; what the keeper was started with does not show."""
    node = a_node(tmp_path, "", launcher="sh -c 'env -0'", env={"AICCI_CGROUP": cgroup} if cgroup else {})
    node.env["ONLY_THE_KEEPER"] = "1"
    node.keeper()
    node.until_done()
    shown = dict(item.split("=", 1) for item in node.log().split("\0") if item)
    assert {key: value for key, value in shown.items() if key not in ("_", "PWD")} == node.plan["ranks"][0]["env"]


def test_a_log_without_newlines_keeps_its_ends_and_little_disk(tmp_path: Path, cgroup: str) -> None:
    """Over 64 MB the middle is given back; first and last bytes stay where they were."""
    text = (
        "import os, time\nos.write(1, b'first')\nfor _ in range(300): os.write(1, b'x' * (1 << 20))\n"
        "os.write(1, b'last')\nwhile os.stat('../attempt-1/node-0/rank-0.log').st_blocks * 512 > 80 << 20: time.sleep(0.01)\n"
    )
    node = a_kept_node(tmp_path, cgroup, text)
    node.until_done()
    path = node.path / "rank-0.log"
    state = path.stat()
    assert state.st_size == 9 + 300 * (1 << 20)
    assert state.st_blocks * 512 < 80 << 20
    with path.open("rb") as file:
        assert file.read(5) == b"first"
        file.seek(-4, os.SEEK_END)
        assert file.read() == b"last"


def test_descriptors_of_the_keeper_are_not_inherited(tmp_path: Path, cgroup: str) -> None:
    """A rank has 0, 1, 2 and what it opens itself."""
    node = a_kept_node(tmp_path, cgroup, "", launcher="sh -c 'ls /proc/self/fd'")
    node.until_done()
    assert node.log().split() == ["0", "1", "2", "3"]  # 3: ls reads the directory


def test_done_is_not_said_before_the_last_process_is_gone(tmp_path: Path, cgroup: str) -> None:
    """done.json's time lies behind the exit's, and at that time nothing was left."""
    node = a_kept_node(tmp_path, cgroup, DAEMON.format(ignore=IGNORES))
    node.until(lambda: (node.path / "done.json").exists() or not time.sleep(0.001))
    node.until_done()
    assert node.exit(0)["t_ns"] < node.json("done.json")["t_ns"] <= boot_ns()
    assert node.json("done.json")["leftover"] == 0


def test_what_a_recorded_rank_left_is_cleared_by_the_next_keeper(tmp_path: Path, cgroup: str) -> None:
    """The keeper dies between the exit record and the clearing; a helper without any environment is found by the rank's session."""
    text = """
    import os, subprocess
    helper = subprocess.Popen(["sleep", "600"], env={})
    print("helper", helper.pid, "up", flush=True)
    while not os.path.exists("go"): pass
    """
    node = a_kept_node(tmp_path, cgroup, textwrap.dedent(text))
    node.until_printed("up")
    helper = int(node.log().split()[1])
    (Path(node.plan["run_dir"]) / "src" / "go").touch()
    node.until(lambda: (node.path / "rank-0.exit").exists())
    node.kill("keeper")
    node.keeper()
    node.until_done()
    assert gone(helper)
